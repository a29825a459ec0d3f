use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::ruling::{REASONS_MAX, read};
use super::*;
use crate::core::remedy::facts::Decision;
use crate::edge::outgoing::{Ask, Egress, SecretRef, Stub};

const PATH: &str = "/v1/data/knothole/remediation/decision";

/// OPA as its documentation describes `POST /v1/data/...`: 400 for what is no JSON; 200 without a `result`
/// where no rule covers the input, where there is no such rule and where `input` is missing; 401 without
/// the token, where it wants one.
fn opa(ask: &Ask, token: Option<&str>, decide: impl Fn(&Value) -> Option<Value>) -> Response {
    let error = |status: StatusCode, code: &str, message: &str| {
        let body = json!({"code": code, "message": message});
        (status, axum::Json(body)).into_response()
    };
    if ask.method != Method::POST || ask.header("content-type") != "application/json" {
        return error(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_operation",
            "method not allowed",
        );
    }
    let bearer = token.map(|token| format!("Bearer {token}"));
    if bearer.is_some_and(|bearer| ask.header("authorization") != bearer) {
        return error(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "request rejected by administrative policy",
        );
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&ask.body) else {
        return error(
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
            "body contains malformed input document",
        );
    };
    let Some(input) = asked.get("input") else {
        let message = "'input' key missing from the request";
        let warning = json!({"code": "api_usage_warning", "message": message});
        return axum::Json(json!({"warning": warning})).into_response();
    };
    let covered = ask.uri.path() == PATH;
    let decided = covered.then(|| decide(input)).flatten();
    let mut answer = json!({"decision_id": "4ca636c1-55e4-417a-b1d8-4aceb67960d1"});
    if let Some(result) = decided {
        answer["result"] = result;
    }
    axum::Json(answer).into_response()
}

/// An engine that says `true` to what is named `cart`, and nothing about anything else.
async fn engine(token: Option<&'static str>) -> Stub {
    Stub::start(move |ask| {
        opa(ask, token, |input| {
            let known = input["action"]["target"]["workload"]["name"] == "cart";
            known.then(|| json!({"allow": true, "reasons": ["cart may be restarted"]}))
        })
    })
    .await
}

fn policy_of(settings: &PolicySettings) -> Policy {
    Policy::new(settings, &Egress::default()).unwrap()
}

fn policy(stub: &Stub, path: &str) -> Policy {
    policy_of(&PolicySettings::of(&format!(
        "http://{}{path}",
        stub.address
    )))
}

fn about(name: &str) -> Value {
    json!({"action": {"target": {"workload": {"name": name}}}})
}

/// The decision of a policy that answers `body`.
async fn answered(status: u16, body: impl Into<String>) -> Result<Decision, Box<str>> {
    let body = body.into();
    let status = StatusCode::from_u16(status).unwrap();
    let stub = Stub::start(move |_| (status, body.clone()).into_response()).await;
    policy(&stub, PATH).decide(&about("cart")).await
}

#[tokio::test]
async fn what_the_policy_allows_is_allowed_and_its_id_is_kept() {
    let stub = engine(None).await;
    let decision = policy(&stub, PATH).decide(&about("cart")).await.unwrap();
    assert_eq!(
        decision,
        Decision {
            is_allowed: true,
            needs_approval: false,
            reasons: vec!["cart may be restarted".into()],
            id: Some("4ca636c1-55e4-417a-b1d8-4aceb67960d1".into()),
        }
    );
}

#[tokio::test]
async fn an_undefined_decision_and_a_wrong_path_are_no_and_say_what_to_look_at() {
    let mut stub = engine(None).await;
    for (path, name) in [
        (PATH, "pay"),
        ("/v1/data/knothole/remediation/descision", "cart"),
    ] {
        let why = policy(&stub, path).decide(&about(name)).await.unwrap_err();
        assert!(
            why.starts_with("the policy gave no result: is the path"),
            "{why}"
        );
        stub.taken().await;
    }
}

#[tokio::test]
async fn a_token_is_shown_and_a_wrong_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "opensesame\n").unwrap();
    let stub = engine(Some("opensesame")).await;
    let settings = PolicySettings {
        token: Some(SecretRef::File(path.clone())),
        ..PolicySettings::of(&format!("http://{}{PATH}", stub.address))
    };
    let policy = policy_of(&settings);
    assert!(policy.decide(&about("cart")).await.unwrap().is_allowed);
    std::fs::write(&path, "changed").unwrap();
    let why = policy.decide(&about("cart")).await.unwrap_err();
    assert!(
        why.contains("401") && why.ends_with("(is its token right?)"),
        "{why}"
    );
    assert!(!why.contains("changed"), "{why}");
    std::fs::remove_file(&path).unwrap();
    let why = policy.decide(&about("cart")).await.unwrap_err();
    assert!(why.contains("cannot read the secret from file"), "{why}");
    assert!(Policy::new(&settings, &Egress::default()).is_err());
}

#[tokio::test]
async fn only_an_answer_of_200_counts() {
    let yes = r#"{"result":{"allow":true}}"#;
    assert!(answered(200, yes).await.unwrap().is_allowed);
    for status in [201, 202, 203, 400, 401, 403, 404, 429, 500, 502, 503] {
        let why = answered(status, yes).await.unwrap_err();
        assert!(why.contains(&status.to_string()), "{why}");
    }
    let conflict = r#"{"code":"internal_error","message":"error(s) occurred while evaluating query",
        "errors":[{"code":"eval_conflict_error","message":"complete rules must not produce multiple outputs"}]}"#;
    let why = answered(500, conflict).await.unwrap_err();
    assert_eq!(
        &*why,
        "the policy gave no decision: the answer was 500 Internal Server Error: error(s) occurred while \
         evaluating query: eval_conflict_error: complete rules must not produce multiple outputs"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_even_to_a_yes() {
    let yes = Stub::start(|_| r#"{"result":{"allow":true}}"#.into_response()).await;
    let to = HeaderValue::from_str(&format!("http://{}{PATH}", yes.address)).unwrap();
    for status in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let stub = Stub::start(move |_| {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            response.headers_mut().insert(header::LOCATION, to.clone());
            response
        })
        .await;
        let why = policy(&stub, PATH)
            .decide(&about("cart"))
            .await
            .unwrap_err();
        assert!(why.contains("redirects are not followed"), "{why}");
    }
}

#[tokio::test]
async fn one_that_is_slow_closed_or_endless_gives_no_decision() {
    // Nobody takes the connection, so no answer comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let settings = PolicySettings {
        timeout: Duration::from_millis(100),
        ..PolicySettings::of(&url)
    };
    let why = policy_of(&settings)
        .decide(&about("cart"))
        .await
        .unwrap_err();
    assert!(why.starts_with("the policy did not answer: "), "{why}");
    assert!(why.contains("timed out"), "{why}");
    drop(listener);
    let why = policy_of(&settings)
        .decide(&about("cart"))
        .await
        .unwrap_err();
    assert!(why.starts_with("the policy did not answer: "), "{why}");
    // A yes with more behind it than anybody reads.
    let stub = Stub::start(|_| {
        let first = std::iter::once(r#"{"result":{"allow":true}, "more": ""#.to_owned());
        let endless = first.chain(std::iter::repeat_with(|| "a".repeat(4096)));
        let endless = endless.map(Ok::<_, std::io::Error>);
        Response::new(Body::from_stream(tokio_stream::iter(endless)))
    })
    .await;
    let why = policy(&stub, PATH)
        .decide(&about("cart"))
        .await
        .unwrap_err();
    assert!(why.contains("more than 262144 bytes"), "{why}");
}

#[tokio::test]
async fn a_yes_that_breaks_off_is_no() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let policy = policy_of(&PolicySettings::of(&url));
    let asking = tokio::spawn(async move { policy.decide(&about("cart")).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    // What was not read would make the connection end with a reset.
    let mut asked = [0; 4096];
    assert_ne!(stream.read(&mut asked).await.unwrap(), 0);
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\":{\"allow\":true}}";
    stream.write_all(answer.as_bytes()).await.unwrap();
    drop(stream);
    let why = asking.await.unwrap().unwrap_err();
    assert!(why.contains("broke off"), "{why}");
}

#[test]
fn only_an_allow_that_is_true_is_a_yes() {
    let yes = read(br#"{"result":{"allow":true,"require_approval":true}}"#).unwrap();
    assert!(yes.is_allowed && yes.needs_approval);
    for (body, hint) in [
        ("{}", "is the path in its url right"),
        (r#"{"decision_id":"a"}"#, "is the path in its url right"),
        (r#"{"warning":{"code":"api_usage_warning"}}"#, "no result"),
        (r#"{"result":null}"#, "is null, not an object"),
        (r#"{"result":true}"#, "is a bare true, not an object"),
        (r#"{"result":false}"#, "is a bare false, not an object"),
        (r#"{"result":"true"}"#, "is a text, not an object"),
        (r#"{"result":1}"#, "is a number, not an object"),
        (r#"{"result":[{"allow":true}]}"#, "is a list, not an object"),
        (r#"{"result":{}}"#, "has no allow"),
        (r#"{"result":{"Allow":true}}"#, "has no allow"),
        (r#"{"result":{"result":{"allow":true}}}"#, "has no allow"),
        (r#"{"result":{"allow":null}}"#, "allow is null"),
        (r#"{"result":{"allow":"true"}}"#, "allow is a text"),
        (r#"{"result":{"allow":1}}"#, "allow is a number"),
        (r#"{"result":{"allow":[true]}}"#, "allow is a list"),
        (
            r#"{"result":{"allow":{"allow":true}}}"#,
            "allow is an object",
        ),
        (r#"{"allow":true}"#, "no result"),
        (r#"[{"result":{"allow":true}}]"#, "no JSON object"),
        ("true", "no JSON object"),
        ("", "cannot be read"),
        (r#"{"result":{"allow":true}"#, "cannot be read"),
        (r#"{"result":{"allow":true}} {}"#, "cannot be read"),
        ("<html>", "cannot be read"),
    ] {
        let why = read(body.as_bytes()).unwrap_err();
        assert!(why.contains(hint), "{body}: {why}");
    }
}

#[test]
fn two_words_on_one_key_are_none() {
    for body in [
        r#"{"result":{"allow":false,"allow":true}}"#,
        r#"{"result":{"allow":true,"allow":true}}"#,
        r#"{"result":{"allow":false},"result":{"allow":true}}"#,
        r#"{"result":{"allow":true,"require_approval":true,"require_approval":false}}"#,
        r#"{"result":{"allow":true,"all\u006fw":false}}"#,
        r#"{"result":{"allow":true,"more":[{"a":1,"a":2}]}}"#,
    ] {
        let why = read(body.as_bytes()).unwrap_err();
        assert!(why.contains("is there twice"), "{body}: {why}");
    }
}

#[test]
fn whether_a_person_is_needed_is_said_by_a_boolean_or_nobody_acts() {
    for kind in ["null", "\"false\"", "0", "[]", "{}"] {
        let body = format!(r#"{{"result":{{"allow":true,"require_approval":{kind}}}}}"#);
        let why = read(body.as_bytes()).unwrap_err();
        assert!(why.contains("require_approval is"), "{body}: {why}");
        // A no needs no more.
        let no = body.replace("true", "false");
        assert!(!read(no.as_bytes()).unwrap().is_allowed, "{no}");
    }
    let without = read(br#"{"result":{"allow":true}}"#).unwrap();
    assert!(without.is_allowed && !without.needs_approval);
}

#[test]
fn reasons_of_another_type_change_no_decision() {
    let with = |allow: bool, reasons: &str| {
        let body = format!(r#"{{"result":{{"allow":{allow},"reasons":{reasons}}}}}"#);
        read(body.as_bytes()).unwrap()
    };
    for reasons in [r#""because""#, "null", "7", "{}", "[1, null]"] {
        for allow in [true, false] {
            let decision = with(allow, reasons);
            assert_eq!(decision.is_allowed, allow, "{reasons}");
            assert_eq!(decision.reasons.len(), 1, "{reasons}");
            assert!(
                decision.reasons[0].starts_with('('),
                "{:?}",
                decision.reasons
            );
        }
    }
    let mixed = with(false, r#"["freeze", 7]"#).reasons;
    assert_eq!(mixed.len(), 2);
    assert_eq!(mixed[0].as_ref(), "freeze");
    assert!(with(true, "[]").reasons.is_empty());
}

#[test]
fn what_a_policy_says_is_bounded_and_acts_on_nothing() {
    let reasons: Vec<String> = (0..1000)
        .map(|i| format!("\x1b[31m{i}{}", "x".repeat(999)))
        .collect();
    let body = json!({
        "result": {"allow": false, "reasons": reasons},
        "decision_id": "x".repeat(10_000),
    });
    let decision = read(body.to_string().as_bytes()).unwrap();
    assert_eq!(decision.reasons.len(), REASONS_MAX + 1);
    assert!(
        decision
            .reasons
            .iter()
            .all(|it| it.len() < 2_000 && !it.contains('\x1b'))
    );
    assert_eq!(decision.id, None, "no id of OPA is as long");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(deep.as_bytes()).is_err());
}

#[test]
fn wrong_settings_are_told_with_a_hint() {
    let told = |url: &str| {
        let settings = PolicySettings {
            timeout: Duration::ZERO,
            ..PolicySettings::of(url)
        };
        let found = settings.check("remediation.policy", &Egress::default());
        found.into_iter().map(|it| it.path).collect::<Vec<_>>()
    };
    let (url, timeout) = ("remediation.policy.url", "remediation.policy.timeout");
    for bad in [
        "opa:8181",
        "http://10.0.0.7/v1/data/a",
        "http://opa.policies.svc:8181/v1/data/a",
        "http://a:b@opa.example.net/",
    ] {
        assert_eq!(told(bad), [url, timeout], "{bad}");
    }
    for good in [
        "http://127.0.0.1:8181/v1/data/a",
        "https://opa.example.net/v1/data/a",
    ] {
        assert_eq!(told(good), [timeout], "{good}");
    }
}
