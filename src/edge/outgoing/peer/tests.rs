use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue as Value, header};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use super::*;
use crate::edge::outgoing::{Egress, Stub, trusted_address_problem};

const LONG: Duration = Duration::from_secs(30);

fn peer_within(written: &str, timeout: Duration) -> Peer {
    let reach = Reach {
        timeout,
        allow_private: false,
        egress: &Egress::default(),
        ca_file: None,
    };
    Peer::new(written, &reach).unwrap()
}

fn peer(written: &str) -> Peer {
    peer_within(written, LONG)
}

fn posting(peer: &Peer) -> RequestBuilder {
    peer.request(Method::POST, peer.base().clone()).body("now")
}

#[test]
fn a_path_leads_below_the_address_or_nowhere() {
    let peer = peer("https://ci.example.net/jenkins/?x#y");
    let at = |path: &str| peer.at(path).map(String::from);
    assert_eq!(
        at("/job/a/build?delay=0sec").as_deref(),
        Some("https://ci.example.net/jenkins/job/a/build?delay=0sec")
    );
    assert_eq!(
        at("/job/a%20b").as_deref(),
        Some("https://ci.example.net/jenkins/job/a%20b")
    );
    for path in [
        "",
        "job/a",
        "//evil.example.net/job/../..",
        "/../script",
        "/job/../../script",
        "/%2e%2e/script",
        "/job/.%2E/%2e./script",
        "\\\\evil.example.net/",
        "/job\\..\\script",
        "/job/a b",
        "/job/a#frag",
        "/job/a\nHost: x",
        "/job/a?b c",
        "https://evil.example.net/",
        "@evil.example.net/",
    ] {
        assert_eq!(at(path), None, "{path:?}");
    }
}

#[test]
fn only_the_web_is_asked_and_only_where_it_may_be() {
    let reach = Reach {
        timeout: LONG,
        allow_private: false,
        egress: &Egress::default(),
        ca_file: None,
    };
    for written in [
        "ftp://ci.example.net/",
        "ci.example.net",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/",
        "https://me:word@ci.example.net/",
    ] {
        assert!(Peer::new(written, &reach).is_err(), "{written}");
    }
}

#[test]
fn nobody_who_acts_is_asked_in_plain_but_on_this_machine() {
    let egress = Egress::default();
    let reach = Reach {
        timeout: LONG,
        allow_private: true,
        egress: &egress,
        ca_file: None,
    };
    for (written, is_fine) in [
        ("https://opa.example.net/v1/data/a", true),
        ("https://10.0.0.1/", true),
        ("http://127.0.0.1:8181/v1/data/a", true),
        ("http://[::1]:8181/", true),
        ("http://localhost:8181/", true),
        ("http://opa.example.net/v1/data/a", false),
        ("http://10.0.0.1/", false),
        ("http://opa.policies.svc:8181/", false),
        ("http://localhost.example.net/", false),
        ("http://0x7f.1/", false),
    ] {
        let made = Peer::new(written, &reach);
        assert_eq!(made.is_ok(), is_fine, "{written}: {made:?}");
        let problem = trusted_address_problem("remediation.policy.url", written, true, &egress);
        assert_eq!(problem.is_none(), is_fine, "{written}: {problem:?}");
    }
}

#[test]
fn authorities_that_are_none_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let egress = Egress::default();
    let with = |path| Reach {
        timeout: LONG,
        allow_private: false,
        egress: &egress,
        ca_file: Some(path),
    };
    let told = |path| {
        Peer::new("https://ci.example.net", &with(path))
            .unwrap_err()
            .to_string()
    };
    assert!(told(&path).starts_with("cannot use the certificates in "));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(told(&path).ends_with("there is none in it"));
    let made = rcgen::generate_simple_self_signed(["ci.example.net".to_owned()]).unwrap();
    std::fs::write(&path, made.cert.pem()).unwrap();
    assert!(Peer::new("https://ci.example.net", &with(&path)).is_ok());
}

#[tokio::test]
async fn nobody_there_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let silence = ask(posting(&peer(&url)), 9).await.unwrap_err();
    assert!(!silence.was_sent, "{silence:?}");
    assert!(silence.why.contains("refused"), "{silence:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_or_is_too_slow_may_have_been_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = peer_within(&url, Duration::from_millis(300));
    let asking = tokio::spawn(ask(posting(&peer), 9));
    let (mut stream, _) = listener.accept().await.unwrap();
    // What has been read was certainly sent.
    tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap();
    drop(stream);
    let silence = asking.await.unwrap().unwrap_err();
    assert!(silence.was_sent, "{silence:?}");
    // This one never answers: what is written to it waits in the socket.
    let silence = ask(posting(&peer), 9).await.unwrap_err();
    assert!(silence.was_sent, "{silence:?}");
    assert!(silence.why.contains("timed out"), "{silence:?}");
}

#[tokio::test]
async fn a_request_is_sent_once_whatever_the_answer() {
    for status in [301, 302, 307, 408, 429, 500, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        let mut stub = Stub::start(move |_| {
            let mut response = status.into_response();
            let to = Value::from_static("/elsewhere");
            response.headers_mut().insert(header::LOCATION, to);
            response
        })
        .await;
        let peer = peer(&format!("http://{}/", stub.address));
        let reply = ask(posting(&peer), 9).await.unwrap();
        assert_eq!(reply.status, status);
        stub.next().await;
        assert!(stub.is_quiet(), "{status}");
    }
}

#[tokio::test]
async fn of_an_answer_as_much_is_read_as_there_is_room_for() {
    let stub = Stub::start(|_| {
        let endless = tokio_stream::iter(std::iter::repeat_with(|| {
            Ok::<_, std::io::Error>("a".repeat(100))
        }));
        Response::new(Body::from_stream(endless))
    })
    .await;
    let peer = peer(&format!("http://{}/", stub.address));
    let reply = ask(posting(&peer), 1000).await.unwrap();
    assert_eq!(reply.body.len(), 1000);
    assert_eq!(
        reply.json::<String>().unwrap_err(),
        "the answer has more than 1000 bytes"
    );
    let stub = Stub::start(|_| "\"12345678\"".into_response()).await;
    let whole = peer_within(&format!("http://{}/", stub.address), LONG);
    let reply = ask(posting(&whole), 10).await.unwrap();
    assert_eq!(reply.json::<String>().unwrap(), "12345678");
}

#[test]
fn what_others_say_is_short_and_acts_on_nothing() {
    let reply = |body: &str| Reply {
        status: StatusCode::FORBIDDEN,
        headers: HeaderMap::new(),
        body: body.into(),
        cut: None,
    };
    assert_eq!(
        reply("no \x1b[31m\nway").why(),
        r"the answer was 403 Forbidden: no \u{1b}[31m\nway"
    );
    assert_eq!(reply(" <html><b>no").why(), "the answer was 403 Forbidden");
    let long = told(&"a".repeat(10_000));
    assert_eq!(long.chars().count(), SAID_CHARS_MAX);
    assert!(long.ends_with('…'));
    let error = reply(&format!("\"{}\"", "x".repeat(9_999)));
    let error = error.json::<u8>().unwrap_err();
    assert!(error.len() < 300, "{error}");
}

#[tokio::test]
async fn a_token_is_read_anew_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = SecretRef::File(path.clone());
    std::fs::write(&path, "hunter1\n").unwrap();
    let first = bearer(&token).await.unwrap();
    assert_eq!(first.to_str().unwrap(), "Bearer hunter1");
    assert!(first.is_sensitive());
    std::fs::write(&path, "hunter2\n").unwrap();
    assert_eq!(
        bearer(&token).await.unwrap().to_str().unwrap(),
        "Bearer hunter2"
    );
    std::fs::write(&path, "hunter\n2").unwrap();
    let error = bearer(&token).await.unwrap_err().to_string();
    assert_eq!(error, "the value of header authorization cannot be sent");
}

#[test]
fn a_pause_is_given_in_seconds_or_by_a_date() {
    let pause = |asked: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, Value::from_static(asked));
        let date = Value::from_static("Fri, 21 Nov 2025 04:40:00 GMT");
        headers.insert(DATE, date);
        retry_after(&headers)
    };
    assert_eq!(pause(" 7 "), Some(Duration::from_secs(7)));
    assert_eq!(
        pause("Fri, 21 Nov 2025 04:41:30 GMT"),
        Some(Duration::from_secs(90))
    );
    for not_given in ["soon", "-1", "Fri, 21 Nov 2025 04:39:00 GMT"] {
        assert_eq!(pause(not_given), None, "{not_given}");
    }
}

#[test]
fn a_request_goes_out_as_it_was_approved_or_not_at_all() {
    let peer = peer("https://argo.example.net/cd");
    let mut request = Request {
        system: crate::core::event::System::ArgoCd,
        method: "POST".into(),
        path: "/api/v1/applications/cart/sync".into(),
        content_type: "application/json".into(),
        body: "{}".into(),
    };
    let built = peer.rendered(&request).unwrap().build().unwrap();
    assert_eq!(
        built.url().as_str(),
        "https://argo.example.net/cd/api/v1/applications/cart/sync"
    );
    assert_eq!(built.headers()["content-type"], "application/json");
    assert_eq!(built.body().unwrap().as_bytes(), Some(&b"{}"[..]));
    for method in ["GET", "DELETE", "post", ""] {
        request.method = method.into();
        assert!(peer.rendered(&request).is_err(), "{method}");
    }
    request.method = "POST".into();
    request.path = "/api/v1/../../admin".into();
    assert!(peer.rendered(&request).is_err());
}

#[test]
fn what_was_never_sent_did_not_take_place_and_the_rest_is_unknown() {
    let answer = |was_sent| {
        let why = "it broke".to_owned();
        Silence { was_sent, why }.answer()
    };
    assert!(matches!(
        answer(false),
        Answer::Refused(Refused::NotNow(None), _)
    ));
    assert!(matches!(answer(true), Answer::Unknown(_)));
}

#[tokio::test]
async fn what_changes_something_does_not_wait_for_a_connection_until_all_may_be_stopped() {
    const SLOW: Duration = Duration::from_secs(3);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = peer(&format!("https://{}", listener.local_addr().unwrap()));
    let request = Request {
        system: crate::core::event::System::Flux,
        method: "POST".into(),
        path: "/hook/0a1b".into(),
        content_type: "application/json".into(),
        body: "{}".into(),
    };
    // A server that takes its time for TLS.
    let slow = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut sent);
        tokio::time::timeout(SLOW, reading).await.is_ok()
    };
    let asking = ask(peer.rendered(&request).unwrap(), 9);
    let (asked, is_gone) = tokio::join!(asking, slow);
    let silence = asked.unwrap_err();
    assert!(!silence.was_sent, "{silence:?}");
    assert!(
        is_gone,
        "it would have been sent seconds after it was allowed"
    );
}
