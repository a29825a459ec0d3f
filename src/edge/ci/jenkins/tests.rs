mod server;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::settle::GRACE;
use super::start::Started;
use super::*;
use crate::core::event::{Request, System};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{Answer, Refused, Settlement};
use crate::edge::outgoing::{Egress, Gate, SecretRef, Stub};
use server::{API_TOKEN, JOB, PASSWORD, Server, USER};

const ID: &str = "00112233445566778899aabbccddeeff";
/// Nothing is against it.
const OPEN: Gate<'static> = &|| None;
const SENT_AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);

/// A Jenkins, and the folder with its token, which is read anew each time.
struct Client {
    jenkins: Jenkins,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for Client {
    type Target = Jenkins;

    fn deref(&self) -> &Jenkins {
        &self.jenkins
    }
}

impl Client {
    fn at(url: &str, token: &str, change: impl Fn(&mut JenkinsSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, token).unwrap();
        let mut settings = JenkinsSettings {
            poll: Duration::from_millis(1),
            wait: Duration::from_secs(30),
            ..JenkinsSettings::of(url, USER, SecretRef::File(path))
        };
        change(&mut settings);
        let jenkins = Jenkins::new(&settings, &Egress::default()).unwrap();
        Self { jenkins, folder }
    }

    fn of(stub: &Stub) -> Self {
        Self::at(&format!("http://{}", stub.address), API_TOKEN, |_| {})
    }

    fn impatient(stub: &Stub) -> Self {
        Self::at(&format!("http://{}", stub.address), API_TOKEN, |it| {
            it.wait = Duration::from_millis(500);
        })
    }
}

fn request() -> Request {
    Request {
        system: System::Jenkins,
        method: "POST".into(),
        path: format!("{JOB}/buildWithParameters").into(),
        content_type: "application/x-www-form-urlencoded".into(),
        body: format!(
            "KNOTHOLE_ACTION_ID={ID}&KNOTHOLE_NAMESPACE=shop&KNOTHOLE_WORKLOAD=Deployment%2Fcart"
        )
        .into(),
    }
}

fn done(answer: Answer) -> String {
    match answer {
        Answer::Done(said) => said.into(),
        other => panic!("done, not {other:?}"),
    }
}

fn refused(answer: Answer) -> (Refused, String) {
    match answer {
        Answer::Refused(refused, why) => (refused, why.into()),
        other => panic!("refused, not {other:?}"),
    }
}

async fn settled(jenkins: &Jenkins, after: Duration) -> (Settlement, String) {
    let (settlement, why) = jenkins
        .settle(&request(), SENT_AT, SENT_AT.plus(after))
        .await;
    (settlement, why.into())
}

fn parameter(id: &str) -> Value {
    json!([{}, null, {"parameters": [{"name": "KNOTHOLE_ACTION_ID", "value": id}]}])
}

#[tokio::test]
async fn a_job_is_started_with_its_parameters_and_followed_to_its_result() {
    let server = Server::new();
    let stub = server.start().await;
    let said = done(Client::of(&stub).send(&request(), OPEN).await);
    assert_eq!(said, "build 12 of the job ended with SUCCESS");
    let state = server.state();
    let parameters = &state.builds[0]["actions"][1]["parameters"];
    assert_eq!(
        parameters[0],
        json!({"name": "KNOTHOLE_ACTION_ID", "value": ID})
    );
    assert_eq!(parameters.as_array().unwrap().len(), 2, "what it defines");
}

#[tokio::test]
async fn a_build_that_fails_took_place_and_says_so() {
    for result in ["FAILURE", "ABORTED", "UNSTABLE", "NOT_BUILT", "\x1b[31mODD"] {
        let server = Server::new();
        server.state().result = Some(result);
        let stub = server.start().await;
        let said = done(Client::of(&stub).send(&request(), OPEN).await);
        assert!(
            said.starts_with("build 12 of the job ended with "),
            "{said}"
        );
        assert!(!said.contains('\x1b'), "{said}");
    }
}

#[tokio::test]
async fn a_job_that_waits_or_goes_on_is_followed_later() {
    let server = Server::new();
    let stub = server.start().await;
    server.state().has_executor = false;
    let client = Client::impatient(&stub);
    let said = done(client.send(&request(), OPEN).await);
    assert_eq!(
        said,
        "Jenkins has queued it as item 17: In the quiet period. Expires in 4.9 sec"
    );
    server.state().has_executor = true;
    server.state().result = None;
    let Started::Queued(item) = client.start(&request(), OPEN).await else {
        panic!("queued")
    };
    assert_eq!(item, 17, "the one that waits already");
    let said = done(client.follow(&request(), item).await);
    assert_eq!(said, "Jenkins is building it as build 12");
    server.state().result = Some("SUCCESS");
    let said = done(Client::of(&stub).follow(&request(), item).await);
    assert_eq!(said, "build 12 of the job ended with SUCCESS");
}

#[tokio::test]
async fn an_item_that_jenkins_has_forgotten_is_found_among_the_builds() {
    let server = Server::new();
    server.state().forgets_items = true;
    let stub = server.start().await;
    let said = done(Client::of(&stub).send(&request(), OPEN).await);
    assert_eq!(said, "build 12 of the job ended with SUCCESS");
}

#[tokio::test]
async fn a_job_that_somebody_took_out_of_the_queue_did_not_take_place() {
    let server = Server::new();
    server.state().has_executor = false;
    let stub = server.start().await;
    let client = Client::of(&stub);
    let Started::Queued(item) = client.start(&request(), OPEN).await else {
        panic!("queued")
    };
    server.state().items[0]["cancelled"] = json!(true);
    let (why_not, why) = refused(client.follow(&request(), item).await);
    assert_eq!(why_not, Refused::Never);
    assert!(why.contains("out of the queue"), "{why}");
}

#[tokio::test]
async fn a_job_that_cannot_be_built_and_one_that_is_not_there_are_never_started() {
    let server = Server::new();
    server.state().buildable = false;
    let stub = server.start().await;
    let client = Client::of(&stub);
    let (why_not, why) = refused(client.send(&request(), OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(
        why.contains("409") && why.contains("cannot be built"),
        "{why}"
    );
    let mut other = request();
    other.path = "/job/shop/job/none/buildWithParameters".into();
    let (why_not, why) = refused(client.send(&other, OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(why.contains("no such job"), "{why}");
    // Jenkins fails where a job takes no parameters at all.
    server.state().buildable = true;
    server.state().defines = vec![];
    assert!(matches!(
        client.send(&request(), OPEN).await,
        Answer::Unknown(_)
    ));
}

#[tokio::test]
async fn an_api_token_needs_no_crumb_and_a_password_brings_one_in_its_session() {
    let server = Server::new();
    let mut stub = server.start().await;
    let url = format!("http://{}", stub.address);
    let started = Client::of(&stub).start(&request(), OPEN).await;
    assert!(matches!(started, Started::Queued(17)));
    assert!(
        stub.taken()
            .await
            .uri
            .path()
            .ends_with("buildWithParameters")
    );
    server.state().items.clear();
    let without = Client::at(&url, PASSWORD, |_| {});
    let (why_not, why) = refused(without.send(&request(), OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(why.contains("set crumb: true"), "{why}");
    let with = Client::at(&url, PASSWORD, |it| it.crumb = true);
    assert!(matches!(
        with.start(&request(), OPEN).await,
        Started::Queued(17)
    ));
    // Where Jenkins has none, it is asked without.
    server.state().items.clear();
    server.state().has_crumbs = false;
    assert!(matches!(
        with.start(&request(), OPEN).await,
        Started::Queued(17)
    ));
}

#[tokio::test]
async fn a_crumb_that_is_none_starts_nothing() {
    for crumb in [
        r#"{"crumb":"x","crumbRequestField":"Authorization"}"#,
        r#"{"crumb":"x","crumbRequestField":"Host"}"#,
        r#"{"crumb":"x","crumbRequestField":"a b"}"#,
        r#"{"crumb":"x\r\nHost: y","crumbRequestField":"Jenkins-Crumb"}"#,
        r#"{"crumb":7}"#,
        "<html>",
    ] {
        let mut stub = Stub::start(move |_| crumb.into_response()).await;
        let url = format!("http://{}", stub.address);
        let client = Client::at(&url, PASSWORD, |it| it.crumb = true);
        let (why_not, why) = refused(client.send(&request(), OPEN).await);
        assert_eq!(why_not, Refused::NotNow(None));
        assert!(why.contains("no crumb was got"), "{why}");
        stub.taken().await;
        assert!(stub.is_quiet(), "{crumb}");
    }
}

#[tokio::test]
async fn a_wrong_token_says_so_and_is_not_shown() {
    let stub = Server::new().start().await;
    let client = Client::of(&stub);
    std::fs::write(client.folder.path().join("token"), "hunter2").unwrap();
    let (why_not, why) = refused(client.send(&request(), OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(
        why.contains("user and token") && !why.contains("hunter2"),
        "{why}"
    );
    std::fs::remove_file(client.folder.path().join("token")).unwrap();
    let (why_not, why) = refused(client.send(&request(), OPEN).await);
    assert_eq!(why_not, Refused::NotNow(None), "nothing was sent");
    assert!(why.contains("cannot read the secret"), "{why}");
}

/// What comes of a job that is answered so, once.
async fn answered(status: u16, location: &'static str) -> Answer {
    let mut stub = Stub::start(move |_| {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static(location));
        (StatusCode::from_u16(status).unwrap(), headers).into_response()
    })
    .await;
    let started = Client::of(&stub).start(&request(), OPEN).await;
    stub.next().await;
    assert!(stub.is_quiet(), "{status}: sent more than once");
    match started {
        Started::Over(answer) => answer,
        Started::Queued(item) => Answer::Done(item.to_string().into()),
    }
}

#[tokio::test]
async fn each_answer_is_what_it_means() {
    for (status, location) in [
        (500, "/"),
        (502, "/"),
        (503, "/"),
        (504, "/"),
        (408, "/"),
        (200, "/"),
        // Where it is not said what was queued, it may have been.
        (201, "/"),
        (201, "http://jenkins.example.net/queue/item/x/"),
        (302, "."),
        (302, "/securityRealm/commenceLogin"),
        (303, "/"),
    ] {
        let answer = answered(status, location).await;
        assert!(
            matches!(answer, Answer::Unknown(_)),
            "{status} {location}: {answer:?}"
        );
    }
    for status in [301, 307, 308, 400, 401, 403, 404, 405, 409, 413, 415] {
        let (why_not, why) = refused(answered(status, "https://ci.example.net/").await);
        assert_eq!(why_not, Refused::Never, "{status}: {why}");
    }
    assert_eq!(refused(answered(429, "/").await).0, Refused::NotNow(None));
    for (status, location) in [
        (201, "http://jenkins.example.net/ci/queue/item/40/"),
        (201, "/queue/item/40"),
        (303, "http://jenkins.example.net/queue/item/40/"),
    ] {
        assert_eq!(done(answered(status, location).await), "40");
    }
}

#[tokio::test]
async fn nobody_there_is_for_later_and_no_answer_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::at(&url, API_TOKEN, |_| {});
    let sending = tokio::spawn(async move { client.send(&request(), OPEN).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    let answer = sending.await.unwrap();
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    drop(listener);
    let answer = Client::at(&url, API_TOKEN, |_| {})
        .send(&request(), OPEN)
        .await;
    assert_eq!(refused(answer).0, Refused::NotNow(None));
}

#[tokio::test]
async fn the_kill_switch_is_asked_last_and_nothing_is_started_against_it() {
    let mut stub = Server::new().start().await;
    let url = format!("http://{}", stub.address);
    let stopped = || Some(Answer::Refused(Refused::Switched, "stopped".into()));
    let answer = Client::of(&stub).send(&request(), &stopped).await;
    assert_eq!(refused(answer).0, Refused::Switched);
    assert!(stub.is_quiet());
    // It may be thrown while a crumb is fetched.
    let client = Client::at(&url, PASSWORD, |it| it.crumb = true);
    let answer = client.send(&request(), &stopped).await;
    assert_eq!(refused(answer).0, Refused::Switched);
    assert_eq!(stub.taken().await.uri.path(), "/crumbIssuer/api/json");
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn what_could_not_be_told_from_another_build_is_never_sent() {
    let mut stub = Server::new().start().await;
    let client = Client::of(&stub);
    for change in [
        |it: &mut Request| it.body = "KNOTHOLE_NAMESPACE=shop".into(),
        |it: &mut Request| it.body = "KNOTHOLE_ACTION_ID=&A=1".into(),
        |it: &mut Request| it.body = "XKNOTHOLE_ACTION_ID=1".into(),
        |it: &mut Request| it.path = format!("{JOB}/build").into(),
        |it: &mut Request| it.path = "/script/buildWithParameters".into(),
        |it: &mut Request| it.path = "/job/a/../../script/buildWithParameters".into(),
        |it: &mut Request| it.method = "PUT".into(),
        |it: &mut Request| it.content_type = "application/json".into(),
        |it: &mut Request| it.system = System::Flux,
    ] {
        let mut request = request();
        change(&mut request);
        assert_eq!(
            refused(client.send(&request, OPEN).await).0,
            Refused::Never,
            "{request:?}"
        );
    }
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_found_in_the_queue_and_among_the_builds() {
    let server = Server::new();
    let stub = server.start().await;
    let client = Client::of(&stub);
    server.state().items = vec![json!({"id": 8, "actions": parameter(ID)})];
    let (settlement, why) = settled(&client, Duration::ZERO).await;
    assert_eq!(
        (settlement, &*why),
        (Settlement::Done, "Jenkins has queued it as item 8")
    );
    server.state().items.clear();
    for (result, said) in [
        (Value::Null, "Jenkins is building it as build 40"),
        (json!("SUCCESS"), "build 40 of the job ended with SUCCESS"),
        (json!("FAILURE"), "build 40 of the job ended with FAILURE"),
    ] {
        server.state().builds = vec![
            json!({"number": 41, "timestamp": 0, "actions": parameter("another")}),
            json!({"number": 40, "building": result.is_null(), "result": result,
                "timestamp": 1_763_700_002_000_u64, "actions": parameter(ID)}),
        ];
        let (settlement, why) = settled(&client, Duration::ZERO).await;
        assert_eq!((settlement, &*why), (Settlement::Done, said));
    }
}

#[tokio::test]
async fn that_a_job_was_not_started_is_said_only_when_it_is_certain() {
    let server = Server::new();
    let stub = server.start().await;
    let client = Client::at(&format!("http://{}", stub.address), API_TOKEN, |it| {
        it.builds_max = 3
    });
    let build = |number: u64, millis: u64| json!({"number": number, "timestamp": millis, "actions": parameter("another")});
    let (before, after) = (1_763_699_000_000, 1_763_700_010_000);
    assert_eq!(
        settled(&client, Duration::from_secs(1)).await.0,
        Settlement::Unclear,
        "too early"
    );
    assert_eq!(settled(&client, GRACE).await.0, Settlement::NotDone);
    server.state().builds = vec![build(3, after), build(2, after), build(1, before)];
    assert_eq!(settled(&client, GRACE).await.0, Settlement::NotDone);
    server.state().builds = vec![
        build(4, after),
        build(3, after),
        build(2, after),
        build(1, before),
    ];
    let (settlement, why) = settled(&client, GRACE).await;
    assert_eq!(settlement, Settlement::Unclear);
    assert!(why.contains("too often"), "{why}");
    server.state().builds.clear();
    server.state().defines = vec!["KNOTHOLE_NAMESPACE"];
    let (settlement, why) = settled(&client, GRACE).await;
    assert_eq!(settlement, Settlement::Unclear);
    assert!(why.contains("does not take KNOTHOLE_ACTION_ID"), "{why}");
}

#[tokio::test]
async fn a_jenkins_that_cannot_be_read_settles_nothing() {
    let stub = Stub::start(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let (settlement, why) = settled(&Client::of(&stub), GRACE).await;
    assert_eq!(settlement, Settlement::Unclear);
    assert!(why.contains("503"), "{why}");
    let server = Server::new();
    let stub = server.start().await;
    let mut gone = request();
    gone.path = "/job/gone/buildWithParameters".into();
    let settled = Client::of(&stub)
        .settle(&gone, SENT_AT, SENT_AT.plus(GRACE))
        .await;
    assert_eq!(settled.0, Settlement::Unclear);
}

#[tokio::test]
async fn a_rehearsal_tells_what_would_go_wrong_and_starts_nothing() {
    let server = Server::new();
    let stub = server.start().await;
    let client = Client::of(&stub);
    assert_eq!(client.rehearse(&request()).await, Ok(()));
    server.state().buildable = false;
    let why = client.rehearse(&request()).await.unwrap_err();
    assert!(why.contains("disabled"), "{why}");
    server.state().buildable = true;
    server.state().defines = vec!["KNOTHOLE_NAMESPACE"];
    let why = client.rehearse(&request()).await.unwrap_err();
    assert!(
        why.contains("does not take the parameter KNOTHOLE_ACTION_ID"),
        "{why}"
    );
    let mut other = request();
    other.path = "/job/none/buildWithParameters".into();
    let why = client.rehearse(&other).await.unwrap_err();
    assert!(why.contains("no such job"), "{why}");
    assert!(server.state().items.is_empty());
}

#[test]
fn wrong_settings_are_told() {
    let told = |change: fn(&mut JenkinsSettings)| {
        let token = SecretRef::Env("T".into());
        let mut settings = JenkinsSettings::of("https://ci.example.net", "knothole", token);
        change(&mut settings);
        let found = settings.check("ci", &Egress::default());
        found.into_iter().map(|it| it.path).collect::<Vec<_>>()
    };
    assert_eq!(told(|_| {}), Vec::<String>::new());
    assert_eq!(told(|it| it.url = "ci".into()), ["ci.url"]);
    assert_eq!(told(|it| it.user = "a:b".into()), ["ci.user"]);
    assert_eq!(
        told(|it| it.timeout = Duration::from_secs(60)),
        ["ci.timeout"]
    );
    assert_eq!(told(|it| it.wait = Duration::from_secs(90)), ["ci.wait"]);
    assert_eq!(told(|it| it.poll = Duration::ZERO), ["ci.poll"]);
    assert_eq!(told(|it| it.builds_max = 101), ["ci.builds_max"]);
}
