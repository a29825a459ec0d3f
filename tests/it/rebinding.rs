//! A real name server that answers otherwise the next time, asked by the system's own resolver.
//!
//! Which server that asks stands in `/etc/resolv.conf`, so the test starts itself again where another
//! file is mounted there. Linux and root; skipped by name elsewhere.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use knothole::core::event::Stage;
use knothole::edge::notify::{Context, Dispatcher, Metrics, SinkConfig};
use knothole::edge::outgoing::Egress;

use crate::parts::alone;
use crate::process::{SOON, until};
use crate::sinks::{Unkept, now, offer};

/// Set where the test runs with the files of its own.
const INSIDE: &str = "KNOTHOLE_TEST_REBINDING";
/// Nobody else listens there.
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 53, 53, 53);
/// An address that is for examples.
const PUBLIC: [u8; 4] = [203, 0, 113, 1];
const NAME: &str = "rebound.example.net";
/// How often it is asked for the IPv4 address before the test is content.
const ASKED: usize = 60;

#[test]
fn no_sink_follows_a_name_server_to_this_machine() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let folder = tempfile::tempdir().unwrap();
    let [resolv, switch] = ["resolv.conf", "nsswitch.conf"].map(|name| folder.path().join(name));
    let options = "options timeout:1 attempts:1";
    std::fs::write(&resolv, format!("nameserver {SERVER}\n{options}\n")).unwrap();
    std::fs::write(&switch, "hosts: files dns\n").unwrap();
    let mount = "mount --bind \"$1\" /etc/resolv.conf && mount --bind \"$2\" /etc/nsswitch.conf && \
                 shift 2 && exec \"$@\"";
    let again = |command: &[&Path]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", mount, "sh"]);
        unshare.args([&resolv, &switch]).args(command);
        unshare
    };
    let can = again(&[Path::new("true")]).output();
    let test = std::thread::current().name().unwrap().to_owned();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {test}: nothing can be mounted at /etc/resolv.conf here");
        return;
    }
    // A disk that is cut off meanwhile would stay mounted in there.
    let _alone = alone();
    let mut inside = again(&[&std::env::current_exe().unwrap()]);
    let output = inside
        .args(["--exact", &test, "--nocapture"])
        .env(INSIDE, "1");
    let output = output.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn inside() {
    let asked = serve();
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    let home = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = home.local_addr().unwrap().port();
    // Machines without IPv6 have one road less.
    let sixth = TcpListener::bind(("::1", port)).ok();
    for listener in [Some(&home), sixth.as_ref()].into_iter().flatten() {
        listener.set_nonblocking(true).unwrap();
    }
    let came = || {
        let all = [Some(&home), sixth.as_ref()];
        all.into_iter().flatten().any(|it| it.accept().is_ok())
    };
    runtime.block_on(async {
        let dispatcher = sinks_at(port, Egress::default());
        offer((&dispatcher, 6), Stage::Opened, now());
        until(SOON, "the sinks to ask often enough", || {
            (asked.load(Ordering::SeqCst) >= ASKED).then_some(())
        });
        assert!(dispatcher.pending() > 0);
        dispatcher.close(Duration::ZERO).await;
        assert!(!came(), "somebody connected");

        // The same road with the owner's word leads there.
        let allow = vec![NAME.to_owned(), "127.0.0.0/8".to_owned()];
        let dispatcher = sinks_at(port, Egress { allow });
        offer((&dispatcher, 6), Stage::Opened, now());
        until(SOON, "somebody to connect", || came().then_some(()));
        dispatcher.close(Duration::ZERO).await;
    });
}

/// Answers with a public address, then with this machine, then with both; counts how often it was
/// asked for the one of IPv4.
fn serve() -> Arc<AtomicUsize> {
    let socket = UdpSocket::bind((SERVER, 53)).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let Some(kind) = asked_for(&query[..length]) else {
                continue;
            };
            let turn = match kind {
                A => count.fetch_add(1, Ordering::SeqCst),
                _ => count.load(Ordering::SeqCst),
            };
            let home = [127, 0, 0, 1];
            let answers: Vec<Vec<u8>> = match (kind, turn % 3) {
                (A, 0) => vec![PUBLIC.to_vec()],
                (A, 1) => vec![home.to_vec()],
                (A, _) => vec![home.to_vec(), PUBLIC.to_vec()],
                (AAAA, 0) => vec![],
                (AAAA, 1) => vec![std::net::Ipv6Addr::LOCALHOST.octets().to_vec()],
                (AAAA, _) => vec![Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets().to_vec()],
                _ => vec![],
            };
            let _ = socket.send_to(&answer(&query[..length], kind, &answers), from);
        }
    });
    asked
}

const A: u16 = 1;
const AAAA: u16 = 28;

/// The kind of record that is asked for, behind the name.
fn asked_for(query: &[u8]) -> Option<u16> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let kind = query.get(12 + name + 1..12 + name + 3)?;
    Some(u16::from_be_bytes([kind[0], kind[1]]))
}

/// A response to `query` (RFC 1035, 4.1) whose answers may be kept for no time at all.
fn answer(query: &[u8], kind: u16, answers: &[Vec<u8>]) -> Vec<u8> {
    let name = query[12..].iter().position(|byte| *byte == 0).unwrap();
    let question = &query[12..12 + name + 5];
    let mut response = query[..2].to_vec();
    // A response that is recursive; one question, so many answers, nothing else.
    response.extend([0x81, 0x80, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
    response.extend(question);
    for address in answers {
        // The name is the one at byte 12; class IN; no time to live.
        response.extend([0xc0, 12]);
        response.extend(kind.to_be_bytes());
        response.extend([0, 1, 0, 0, 0, 0, 0, address.len() as u8]);
        response.extend(address);
    }
    response
}

/// All sinks that speak HTTP.
fn sinks_at(port: u16, egress: Egress) -> Dispatcher {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("{{file: '{}'}}", path.display())
    };
    let url = format!("http://{NAME}:{port}/");
    let signing = secret("signing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let key = secret("key", "0123456789abcdef0123456789abcdef");
    let place = secret("place", &url);
    let quick = "timeout: 100ms, retry: {initial: 1ms, max: 2ms}";
    let yaml = format!(
        "- {{type: webhook, name: a, url: '{url}', secret: {signing}, {quick}}}
- {{type: cloudevents, name: b, url: '{url}', {quick}}}
- {{type: alertmanager, name: c, urls: ['{url}'], {quick}}}
- {{type: pagerduty, name: d, url: '{url}', routing_key: {key}, {quick}}}
- {{type: slack, name: e, url: {place}, {quick}}}
- {{type: grafana, name: f, url: '{url}', token: {key}, {quick}}}
"
    );
    let sinks: Vec<SinkConfig> = serde_saphyr::from_str(&yaml).unwrap();
    let context = Context {
        instance_id: "it".into(),
        clock: Arc::new(now),
        is_stopped: Arc::new(|| false),
        metrics: Metrics::default(),
        keeping: Arc::new(Unkept),
        egress,
    };
    Dispatcher::start(&sinks, &context).unwrap()
}
