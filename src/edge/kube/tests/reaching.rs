//! Whom is spoken to, as whom, and how much of an answer is read.

use std::io::Write as _;
use std::sync::Mutex;

use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::core::event::{Remedy, Target};
use crate::core::remedy::facts::Refused;
use crate::edge::kube::{Clock, KubeError};

fn clock() -> Clock {
    Arc::new(|| START)
}

fn source(url: &str) -> Source {
    Source::Server {
        url: url.to_owned(),
        ca_file: None,
        token_file: None,
    }
}

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        workload: None,
        pod: Some("cart-1".into()),
        pod_uid: None,
    }
}

async fn look(lab: &Lab) -> Result<crate::core::remedy::facts::Facts, KubeError> {
    lab.kube.look(&target(), &Remedy::Webhook, START).await
}

#[tokio::test]
async fn a_token_is_read_anew_once_it_was_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let path = file.clone();
    let script = |_: &Asked| Some(not_found());
    let change = move |it: &mut KubeSettings| {
        if let Source::Server { token_file, .. } = &mut it.source {
            *token_file = Some(path);
        }
    };
    let lab = Lab::with(script, change).await;
    let token = |lab: &Lab| {
        let asked = lab.stub.asked();
        asked
            .last()
            .unwrap()
            .header("authorization")
            .map(ToOwned::to_owned)
    };
    look(&lab).await.unwrap();
    assert_eq!(token(&lab).as_deref(), Some("Bearer first"));
    std::fs::write(&file, "second").unwrap();
    look(&lab).await.unwrap();
    assert_eq!(token(&lab).as_deref(), Some("Bearer second"));
    for broken in ["", "a\nb", "\u{1}"] {
        std::fs::write(&file, broken).unwrap();
        look(&lab).await.unwrap();
        assert_eq!(token(&lab).as_deref(), Some("Bearer second"), "{broken:?}");
    }
    std::fs::remove_file(&file).unwrap();
    look(&lab).await.unwrap();
    assert_eq!(token(&lab).as_deref(), Some("Bearer second"));
}

#[tokio::test]
async fn without_the_token_nothing_is_asked() {
    let change = |it: &mut KubeSettings| {
        if let Source::Server { token_file, .. } = &mut it.source {
            *token_file = Some("nowhere/token".into());
        }
    };
    let lab = Lab::with(|_| None, change).await;
    let said = look(&lab).await.unwrap_err().to_string();
    assert!(
        said.starts_with(
            "cannot get namespaces in namespace shop: cannot read the token in nowhere/token: "
        ),
        "{said}"
    );
    let answer = lab.send(&eviction()).await;
    let again = Refused::NotNow(None);
    assert!(
        matches!(&answer, Answer::Refused(why, _) if *why == again),
        "{answer:?}"
    );
    assert_eq!(lab.stub.asked(), []);
}

/// A server with a certificate of its own: its address, the certificate, and what it was asked.
async fn over_tls() -> (String, String, Arc<Mutex<Vec<String>>>) {
    let _ = settings("");
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
            }
            let body = r#"{"reason": "NotFound"}"#;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 404 X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            shared
                .lock()
                .unwrap()
                .push(String::from_utf8(bytes).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    (url, own.cert.pem(), asked)
}

#[tokio::test]
async fn only_a_server_that_somebody_vouches_for_is_told_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let (url, own, asked) = over_tls().await;
    let (_, other, _) = over_tls().await;
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    for (certificate, is_fine) in [(other, false), (own, true)] {
        let ca = folder.path().join("ca.crt");
        std::fs::write(&ca, certificate).unwrap();
        let settings = KubeSettings::of(Source::Server {
            url: url.clone(),
            ca_file: Some(ca),
            token_file: Some(token.clone()),
        });
        let kube = Kube::connect(&settings, clock()).await.unwrap();
        let looked = kube.look(&target(), &Remedy::Webhook, START).await;
        assert_eq!(looked.is_ok(), is_fine, "{looked:?}");
        if !is_fine {
            let answer = kube.send(ID, &eviction(), &claim(), &|| None).await;
            let again = Refused::NotNow(None);
            assert!(
                matches!(&answer, Answer::Refused(why, _) if *why == again),
                "{answer:?}"
            );
            assert_eq!(asked.lock().unwrap().len(), 0);
        }
    }
    let asked = asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|it| it.contains("authorization: Bearer secret\r\n")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_token_goes_over_tls_or_nowhere() {
    for (url, is_fine) in [
        ("https://10.0.0.1:6443", true),
        ("https://kubernetes.default.svc/prefix", true),
        ("http://127.0.0.1:8001", true),
        ("http://[::1]:8001", true),
        ("http://localhost:8001", true),
        ("http://10.0.0.1:8001", false),
        ("http://localhost.example.net", false),
        ("ftp://127.0.0.1", false),
        ("10.0.0.1:6443", false),
        ("https://10.0.0.1:6443/?a=b", false),
        ("", false),
    ] {
        let _ = settings("");
        let made = Kube::connect(&KubeSettings::of(source(url)), clock()).await;
        assert_eq!(made.is_ok(), is_fine, "{url:?}: {made:?}");
    }
}

#[tokio::test]
async fn a_kubeconfig_that_trusts_everybody_or_goes_by_a_proxy_is_refused() {
    let of = async |cluster: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: a, \
             clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:6443'{cluster}}}}}], \
             users: [{{name: a, user: {{token: t}}}}], \
             contexts: [{{name: a, context: {{cluster: a, user: a}}}}]}}"
        );
        file.write_all(text.as_bytes()).unwrap();
        let source = Source::Kubeconfig {
            path: file.path().to_owned(),
            context: None,
        };
        let _ = settings("");
        let made = Kube::connect(&KubeSettings::of(source), clock()).await;
        made.map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(of("").await, Ok(()));
    let said = of(", insecure-skip-tls-verify: true").await.unwrap_err();
    assert!(
        said.contains("insecure-skip-tls-verify is not supported"),
        "{said}"
    );
    let said = of(", proxy-url: 'http://127.0.0.1:3128'")
        .await
        .unwrap_err();
    assert!(said.contains("proxy"), "{said}");
}

#[tokio::test]
async fn settings_that_name_what_is_not_there_are_refused_when_they_are_read() {
    let _ = settings("");
    let nowhere = Source::Kubeconfig {
        path: "nowhere/config".into(),
        context: None,
    };
    let no_ca = Source::Server {
        url: "https://127.0.0.1:6443".to_owned(),
        ca_file: Some("nowhere/ca.crt".into()),
        token_file: None,
    };
    for source in [nowhere, no_ca] {
        let made = Kube::connect(&KubeSettings::of(source), clock()).await;
        let said = made.unwrap_err().to_string();
        assert!(said.contains("nowhere/"), "{said}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let lab = Lab::new(|_| Some(Say::Huge(17 << 20))).await;
    let error = look(&lab).await.unwrap_err();
    assert!(matches!(error, KubeError::Malformed { .. }), "{error}");
    let lab = Lab::new(|_| Some(Say::Huge(15 << 20))).await;
    let said = look(&lab).await.unwrap_err().to_string();
    assert!(said.contains("EOF while parsing"), "{said}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_that_says_so() {
    for say in [
        Say::Json(200, json!([1])),
        Say::With(200, vec![], "<html>".to_owned()),
        Say::Half(200),
        Say::Reset,
        Say::Json(500, status(500, "etcd is away", Value::Null)),
        Say::With(
            302,
            vec![("location", "/elsewhere".to_owned())],
            String::new(),
        ),
    ] {
        let lab = Lab::new(move |_| Some(say.clone())).await;
        let said = look(&lab).await.unwrap_err().to_string();
        assert!(
            said.starts_with("cannot get namespaces in namespace shop: "),
            "{said}"
        );
        assert!(said.len() < 700 && lab.stub.asked().len() == 1, "{said}");
    }
}

#[tokio::test]
async fn a_missing_permission_and_a_bad_token_are_told_apart() {
    let lab = Lab::new(|_| Some(Say::Json(403, status(403, "no", Value::Null)))).await;
    let error = look(&lab).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "may not get namespaces in namespace shop: 403 Forbidden: no"
    );
    let lab = Lab::new(|_| Some(Say::Json(401, status(401, "Unauthorized", Value::Null)))).await;
    let error = look(&lab).await.unwrap_err();
    assert!(
        matches!(error, KubeError::Unauthenticated { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_that_ran_out_puts_an_action_off_wherever_it_is_noticed() {
    let unauthorized = || Say::Json(401, status(401, "Unauthorized", Value::Null));
    let places = [
        format!("GET {LEASE}"),
        format!("POST {LEASES}"),
        format!("GET {POD}"),
        format!("POST {POD}/eviction"),
    ];
    for place in places {
        let at = place.clone();
        let lab = Lab::new(move |asked| match asked.line() {
            line if line == at => Some(unauthorized()),
            line if line == format!("GET {POD}") => Some(Say::Json(200, pod())),
            _ => None,
        });
        let answer = lab.await.send(&eviction()).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::NotNow(None), _)),
            "{place}: {answer:?}"
        );
    }
}
