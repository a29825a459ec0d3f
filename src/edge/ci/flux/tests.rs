use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::edge::outgoing::{Ask, Stub};

const SECRET: &str = "a-shared-secret";
/// Nothing is against it.
const OPEN: Gate<'static> = &|| None;
const HOOK: &str = "/hook/bed6d00b5555b1603e1f59b94d7fdbca58089cb5663633fb83f2815dc626d92b";

/// A receiver of type `generic-hmac`, as the notification controller has it: 404 where no receiver has that
/// very path, query and all; 503 where it is suspended; 400 where the signature is not that of the body.
fn receiver(ask: &Ask, is_suspended: bool) -> Response {
    if ask.uri != HOOK {
        return StatusCode::NOT_FOUND.into_response();
    }
    if is_suspended {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let is_post = ask.method == Method::POST && ask.header("content-type") == "application/json";
    let signed = ask.header("x-signature") == signature(SECRET.as_bytes(), &ask.body);
    match is_post && signed {
        true => StatusCode::OK.into_response(),
        false => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn flux_at(url: &str, secret: &str) -> (Flux, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, secret).unwrap();
    let settings = FluxSettings::of(url, SecretRef::File(path));
    let flux = Flux::new(&settings, &Egress::default()).unwrap();
    (flux, folder)
}

fn request() -> Request {
    Request {
        system: System::Flux,
        method: "POST".into(),
        path: HOOK.into(),
        content_type: "application/json".into(),
        body: r#"{"action":"00112233445566778899aabbccddeeff"}"#.into(),
    }
}

async fn told(script: impl Fn(&Ask) -> Response + Clone + Send + Sync + 'static) -> Answer {
    let mut stub = Stub::start(script).await;
    let (flux, _folder) = flux_at(&format!("http://{}", stub.address), SECRET);
    let answer = flux.send(&request(), OPEN).await;
    stub.next().await;
    assert!(stub.is_quiet(), "sent more than once");
    answer
}

#[test]
fn the_signature_is_that_of_the_standards_own_vector() {
    // RFC 4231, test case 2.
    assert_eq!(
        signature(b"Jefe", b"what do ya want for nothing?"),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[tokio::test]
async fn a_receiver_that_takes_the_signature_reconciles() {
    let answer = told(|ask| receiver(ask, false)).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_secret_a_wrong_path_and_a_suspended_receiver_say_what_to_look_at() {
    let stub = Stub::start(|ask| receiver(ask, false)).await;
    let url = format!("http://{}", stub.address);
    let refused = |answer: Answer| match answer {
        Answer::Refused(refused, why) => (refused, why),
        other => panic!("refused, not {other:?}"),
    };
    let (other, _folder) = flux_at(&url, "hunter2");
    let (why_not, why) = refused(other.send(&request(), OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(
        why.contains("is its secret") && !why.contains("hunter2"),
        "{why}"
    );
    let (flux, folder) = flux_at(&url, SECRET);
    let mut elsewhere = request();
    elsewhere.path = "/hook/0000".into();
    let (why_not, why) = refused(flux.send(&elsewhere, OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(why.contains("status.webhookPath"), "{why}");
    let (why_not, why) = refused(told(|ask| receiver(ask, true)).await);
    assert_eq!(why_not, Refused::NotNow(None));
    assert!(why.contains("suspended"), "{why}");
    std::fs::remove_file(folder.path().join("secret")).unwrap();
    let (why_not, why) = refused(flux.send(&request(), OPEN).await);
    assert_eq!(why_not, Refused::NotNow(None), "nothing was sent: {why}");
}

#[tokio::test]
async fn each_answer_is_what_it_means() {
    let answered = |status: u16| async move {
        told(move |_| {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            let headers = response.headers_mut();
            headers.insert(header::LOCATION, HeaderValue::from_static("/elsewhere"));
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
            response
        })
        .await
    };
    for status in [500, 502, 504, 408, 202, 204] {
        let answer = answered(status).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{status}: {answer:?}");
    }
    for status in [301, 302, 307, 308, 400, 401, 403, 404, 405] {
        let answer = answered(status).await;
        let is_never = matches!(answer, Answer::Refused(Refused::Never, _));
        assert!(is_never, "{status}: {answer:?}");
    }
    for status in [429, 503] {
        let answer = answered(status).await;
        let pause = Some(Duration::from_secs(7));
        let is_later = matches!(&answer, Answer::Refused(Refused::NotNow(it), _) if *it == pause);
        assert!(is_later, "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_for_later_and_no_answer_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (flux, _folder) = flux_at(&url, SECRET);
    let sending = tokio::spawn({
        let flux = flux.clone();
        async move { flux.send(&request(), OPEN).await }
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    let answer = sending.await.unwrap();
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    assert_eq!(flux.settle().0, Settlement::Unclear);
    drop(listener);
    let answer = flux.send(&request(), OPEN).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::NotNow(None), _)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_kill_switch_is_asked_last_and_nothing_is_sent_against_it() {
    let mut stub = Stub::start(|ask| receiver(ask, false)).await;
    let (flux, _folder) = flux_at(&format!("http://{}", stub.address), SECRET);
    let stopped = || Some(Answer::Refused(Refused::Switched, "stopped".into()));
    let answer = flux.send(&request(), &stopped).await;
    assert!(matches!(answer, Answer::Refused(Refused::Switched, _)));
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn what_is_no_request_of_a_plan_is_never_sent() {
    let mut stub = Stub::start(|ask| receiver(ask, false)).await;
    let (flux, _folder) = flux_at(&format!("http://{}", stub.address), SECRET);
    for change in [
        |it: &mut Request| it.system = System::Jenkins,
        |it: &mut Request| it.method = "PUT".into(),
        |it: &mut Request| it.path = "/hook/../admin".into(),
    ] {
        let mut request = request();
        change(&mut request);
        let answer = flux.send(&request, OPEN).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Never, _)),
            "{answer:?}"
        );
    }
    assert!(stub.is_quiet());
}

#[test]
fn wrong_settings_are_told() {
    let mut settings = FluxSettings::of("flux", SecretRef::Env("S".into()));
    settings.timeout = Duration::ZERO;
    let found = settings.check("flux", &Egress::default());
    let paths: Vec<_> = found.into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["flux.url", "flux.timeout"]);
}
