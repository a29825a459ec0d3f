//! From keys to the first node.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicUsize;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

use super::Cluster;
use crate::parts::{free_port, recipe};
use crate::process::{Process, SOON, until};
use crate::warden::Warden;
use crate::web::Web;

/// Everybody with a token, and their group. `knothole` and `nobody` have no rights but those of their roles.
const USERS: [(&str, &str); 5] = [
    ("admin", "system:masters"),
    ("controllers", "system:masters"),
    ("node", "system:masters"),
    ("knothole", ""),
    ("nobody", ""),
];
/// The node lifecycle controller is not among them: nodes that send no heartbeats would be emptied.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,daemonset-controller,\
    statefulset-controller,job-controller,disruption-controller,endpointslice-controller,\
    garbage-collector-controller,namespace-controller,serviceaccount-controller,\
    root-ca-certificate-publisher-controller";

/// A cluster, once its controllers work and its node is there.
pub(super) fn cluster(program: &OsStr) -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let ca = write_keys(at);
    let tokens = write_tokens(at);
    let web = Web::trusting(&ca);
    let warden = Warden::of(at);
    let (etcd, storage) = etcd(program, at);
    let etcd = warden.watch(etcd);
    let (api, server) = loop {
        let address = free_port();
        let api = warden.watch(api(program, at, &storage, address.port()));
        // Somebody else may have taken the port.
        if let Some(api) = ready(api, &web, &format!("https://{address}/readyz")) {
            break (api, format!("https://{address}"));
        }
    };
    let controllers = warden.watch(controllers(program, at, &server, &tokens[1].1));
    let kubelet = warden.watch(kubelet(at, &server));
    let port: u16 = kubelet.stdout_until(|line| line.strip_prefix("ready ")?.parse().ok());
    let cluster = Cluster {
        server,
        tokens,
        web,
        namespaces: AtomicUsize::new(1),
        kubelet: format!("http://127.0.0.1:{port}"),
        controllers,
        _others: [kubelet, api, etcd],
        _warden: warden,
        folder,
    };
    // The first thing that the controllers do.
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    cluster.wait_for(account, |account| account["kind"] == "ServiceAccount");
    cluster
}

/// Writes the key and the certificate of the server, the keys of service accounts, and the certificate that
/// all trust, which is given back.
fn write_keys(at: &Path) -> String {
    let write = |name: &str, text: &str| std::fs::write(at.join(name), text).unwrap();
    let key = || KeyPair::generate().unwrap();
    let ca_key = key();
    let mut ca = CertificateParams::default();
    ca.distinguished_name
        .push(DnType::CommonName, "tests of knothole");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_text = ca.self_signed(&ca_key).unwrap().pem();
    write("ca.crt", &ca_text);

    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
    let server_key = key();
    let mut server = CertificateParams::new(names).unwrap();
    server
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    let issuer = Issuer::new(ca, ca_key);
    let server = server.signed_by(&server_key, &issuer).unwrap();
    write("server.crt", &server.pem());
    write("server.key", &server_key.serialize_pem());

    let accounts = key();
    write("accounts.key", &accounts.serialize_pem());
    write("accounts.pub", &accounts.public_key_pem());
    ca_text
}

fn write_tokens(at: &Path) -> Vec<(&'static str, String)> {
    let mut lines = String::new();
    let mut tokens = Vec::new();
    for (user, group) in USERS {
        let token = format!("{user}-{:032x}", rand::random::<u128>());
        std::fs::write(at.join(format!("{user}.token")), &token).unwrap();
        lines += &format!("{token},{user},{user},\"{group}\"\n");
        tokens.push((user, token));
    }
    std::fs::write(at.join("tokens.csv"), lines).unwrap();
    tokens
}

/// On a free port, which is told.
fn etcd(program: &OsStr, at: &Path) -> (Process, String) {
    let any = "http://127.0.0.1:0";
    let etcd = Process::start(
        "etcd",
        Command::new(program)
            .current_dir(at)
            .args(["etcd", "--data-dir", "etcd", "--unsafe-no-fsync"])
            .args(["--listen-client-urls", any, "--advertise-client-urls", any])
            .args([
                "--listen-peer-urls",
                any,
                "--initial-advertise-peer-urls",
                any,
            ])
            .args(["--initial-cluster", &format!("default={any}")]),
    );
    let address = etcd.stderr_until(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let serves = line["msg"].as_str()?.starts_with("serving client traffic");
        serves.then(|| line["address"].as_str().unwrap().to_owned())
    });
    (etcd, format!("http://{address}"))
}

/// A loopback address may not stand among the server's endpoints, so nobody keeps these.
fn api(program: &OsStr, at: &Path, storage: &str, port: u16) -> Process {
    let policy = recipe("cluster/audit.yaml");
    Process::start(
        "the API server",
        Command::new(program)
            .current_dir(at)
            .arg("kube-apiserver")
            .arg(format!("--etcd-servers={storage}"))
            .arg(format!("--secure-port={port}"))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .args(["--endpoint-reconciler-type=none", "--profiling=false"])
            .args([
                "--tls-cert-file=server.crt",
                "--tls-private-key-file=server.key",
            ])
            .args(["--client-ca-file=ca.crt", "--token-auth-file=tokens.csv"])
            .args([
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.0.0.0/24",
            ])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg("--service-account-key-file=accounts.pub")
            .arg("--service-account-signing-key-file=accounts.key")
            .arg(format!("--audit-policy-file={}", policy.display()))
            .arg("--audit-log-path=audit.log"),
    )
}

/// The process, once what it serves is ready; `None` if it has ended for want of a free port.
fn ready(mut process: Process, web: &Web, url: &str) -> Option<Process> {
    let is_ready = until(SOON, url, || {
        let answer = web.send(web.request("GET", url));
        let is_ready = answer.is_some_and(|(status, _)| status == 200);
        (is_ready || process.ended()).then_some(is_ready)
    });
    if !is_ready {
        process.says("address already in use");
    }
    is_ready.then_some(process)
}

fn controllers(program: &OsStr, at: &Path, server: &str, token: &str) -> Process {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "it",
            "cluster": { "server": server, "certificate-authority": at.join("ca.crt") },
        }],
        "users": [{ "name": "it", "user": { "token": token } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "current-context": "it",
    });
    std::fs::write(at.join("controllers.kubeconfig"), config.to_string()).unwrap();
    Process::start(
        "the controllers",
        Command::new(program)
            .current_dir(at)
            .args(["kube-controller-manager", "--leader-elect=false"])
            .args(["--kubeconfig=controllers.kubeconfig", "--secure-port=0"])
            .args(["--service-account-private-key-file=accounts.key"])
            .args(["--root-ca-file=ca.crt", "--kube-api-qps=200"])
            .args(["--kube-api-burst=400"])
            .arg(format!("--controllers={CONTROLLERS}")),
    )
}

fn kubelet(at: &Path, server: &str) -> Process {
    Process::start(
        "the kubelet",
        Command::new("python3")
            .arg(recipe("cluster/fakekubelet.py"))
            .arg(server)
            .args([at.join("ca.crt"), at.join("node.token")]),
    )
}
