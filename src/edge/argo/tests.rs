mod server;

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::operation::parsed;
use super::settle::GRACE;
use super::*;
use crate::core::event::{Request, System};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{Answer, ArgoFacts, Refused, Settlement};
use crate::edge::outgoing::{Egress, Gate, SecretRef, Stub};
use server::{Server, TOKEN, USERNAME};

const ID: &str = "00112233445566778899aabbccddeeff";
/// Nothing is against it.
const OPEN: Gate<'static> = &|| None;

fn sent_at() -> Timestamp {
    parsed("2025-11-21T04:40:00Z").unwrap()
}

/// Settings for whoever is at `url`, with a token.
fn settings(url: &str, folder: &tempfile::TempDir) -> ArgoSettings {
    let path = folder.path().join("token");
    std::fs::write(&path, TOKEN).unwrap();
    ArgoSettings {
        project: Some("shop".into()),
        poll: Duration::from_millis(1),
        follow: Duration::from_secs(30),
        ..ArgoSettings::of(url, SecretRef::File(path))
    }
}

/// An Argo CD, and the folder with its token, which is read anew each time.
struct Client {
    argo: Argo,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Client {
    type Target = Argo;

    fn deref(&self) -> &Argo {
        &self.argo
    }
}

fn argo_with(url: &str, change: impl Fn(&mut ArgoSettings)) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(url, &folder);
    change(&mut settings);
    Client {
        argo: Argo::new(&settings, &Egress::default()).unwrap(),
        _folder: folder,
    }
}

fn argo(stub: &Stub) -> Client {
    argo_with(&format!("http://{}", stub.address), |_| {})
}

fn request(what: &str, body: Value) -> Request {
    Request {
        system: System::ArgoCd,
        method: "POST".into(),
        path: format!("/api/v1/applications/cart/{what}").into(),
        content_type: "application/json".into(),
        body: body.to_string().into(),
    }
}

fn sync() -> Request {
    let infos = json!([{"name": "knothole.dev/action-id", "value": ID}]);
    request(
        "sync",
        json!({"infos": infos, "prune": false, "dryRun": false, "project": "shop"}),
    )
}

fn rollback() -> Request {
    request(
        "rollback",
        json!({"id": 7, "prune": false, "dryRun": false, "project": "shop"}),
    )
}

fn restart() -> Request {
    request(
        "resource/actions/v2",
        json!({"action": "restart", "group": "apps", "kind": "Deployment", "namespace": "shop",
            "resourceName": "cart", "version": "v1", "project": "shop"}),
    )
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

async fn settled(argo: &Argo, request: &Request, after: Duration) -> (Settlement, String) {
    let now = sent_at().plus(after);
    let (settlement, why) = argo.settle(ID, request, sent_at(), now).await;
    (settlement, why.into())
}

#[tokio::test]
async fn an_application_is_read_as_the_checks_need_it() {
    let server = Server::new();
    let stub = server.start().await;
    let argo = argo(&stub);
    let facts = argo.look("cart").await.unwrap().unwrap();
    assert_eq!(
        facts,
        ArgoFacts {
            is_closed: Some(false),
            previous: Some(7),
            replaced_at: parsed("2025-11-20T00:00:09Z"),
            project: "shop".into(),
            namespace: "argocd".into(),
            ..ArgoFacts::default()
        }
    );
    server.state().can_sync = false;
    server.state().application["spec"]["syncPolicy"] = json!({"automated": {"prune": true}});
    server.state().application["operation"] = json!({"sync": {}});
    let facts = argo.look("cart").await.unwrap().unwrap();
    assert!(facts.is_closed == Some(true) && facts.is_automated && facts.is_busy);
    server.state().application["spec"]["syncPolicy"] = json!({"automated": {"enabled": false}});
    assert!(!argo.look("cart").await.unwrap().unwrap().is_automated);
}

#[tokio::test]
async fn an_application_that_is_not_there_is_told_from_one_that_may_not_be_seen_where_the_project_is_named()
 {
    let stub = Server::new().start().await;
    assert_eq!(argo(&stub).look("pay").await, Ok(None));
    let without = argo_with(&format!("http://{}", stub.address), |it| it.project = None);
    let why = without.look("pay").await.unwrap_err();
    assert!(
        why.contains("403") && why.contains("permission denied"),
        "{why}"
    );
    let mut request = sync();
    request.path = "/api/v1/applications/pay/sync".into();
    let (why_not, why) = refused(argo(&stub).send(&request, OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(why.contains("no such application"), "{why}");
    request.body = r#"{"infos":[],"prune":false,"dryRun":false}"#.into();
    let (why_not, why) = refused(without.send(&request, OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(why.contains("name its project"), "{why}");
}

#[tokio::test]
async fn a_name_that_is_none_is_never_asked_for() {
    let mut stub = Server::new().start().await;
    let argo = argo(&stub);
    for name in [
        "",
        "..",
        "a/b",
        "cart?x",
        "Cart",
        "c%61rt",
        &"a".repeat(254),
    ] {
        assert!(argo.look(name).await.is_err(), "{name}");
    }
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn windows_that_say_nothing_are_not_taken_for_open() {
    let stub = Stub::start(|ask| match ask.uri.path().ends_with("syncwindows") {
        true => "{}".into_response(),
        false => r#"{"metadata":{"name":"cart"}}"#.into_response(),
    })
    .await;
    let why = argo(&stub).look("cart").await.unwrap_err();
    assert!(why.contains("sync window"), "{why}");
}

#[tokio::test]
async fn a_sync_is_followed_to_its_end() {
    let server = Server::new();
    let stub = server.start().await;
    let said = done(argo(&stub).send(&sync(), OPEN).await);
    assert_eq!(
        said,
        "Argo CD has carried it out: Succeeded: successfully synced (all tasks run)"
    );
    let state = server.state();
    let operation = &state.application["status"]["operationState"]["operation"];
    assert_eq!(operation["info"][0]["value"], ID);
}

#[tokio::test]
async fn an_operation_that_fails_or_goes_on_took_place_and_says_how_it_is() {
    let server = Server::new();
    let stub = server.start().await;
    server.state().phases = vec![("Failed", "one or more objects failed to apply")];
    let said = done(argo(&stub).send(&sync(), OPEN).await);
    assert!(
        said.ends_with("Failed: one or more objects failed to apply"),
        "{said}"
    );
    server.state().phases = vec![("Running", "Sync operation blocked by sync window")];
    server.state().began = "2025-11-21T05:40:01Z";
    let short = |it: &mut ArgoSettings| it.follow = Duration::from_millis(200);
    let impatient = argo_with(&format!("http://{}", stub.address), short);
    let said = done(impatient.send(&sync(), OPEN).await);
    assert!(
        said.contains("Running: Sync operation blocked by sync window"),
        "{said}"
    );
}

#[tokio::test]
async fn a_rollback_is_followed_though_it_carries_no_id() {
    let server = Server::new();
    let stub = server.start().await;
    let said = done(argo(&stub).send(&rollback(), OPEN).await);
    assert!(said.contains("carried it out: Succeeded"), "{said}");
    let history = server.state().application["status"]["history"].clone();
    assert_eq!(history[3]["revision"], "bbb");
}

#[tokio::test]
async fn what_becomes_of_it_need_not_be_seen() {
    let server = Server::new();
    server.state().goes_blind = true;
    let stub = server.start().await;
    let short = |it: &mut ArgoSettings| it.follow = Duration::from_millis(50);
    let argo = argo_with(&format!("http://{}", stub.address), short);
    let said = done(argo.send(&sync(), OPEN).await);
    assert!(said.contains("has taken it on"), "{said}");
}

#[tokio::test]
async fn the_action_of_a_resource_is_run() {
    let stub = Server::new().start().await;
    assert!(done(argo(&stub).send(&restart(), OPEN).await).contains("has run"));
}

#[tokio::test]
async fn nothing_is_rolled_back_that_argo_cd_syncs_by_itself() {
    let server = Server::new();
    server.state().application["spec"]["syncPolicy"] = json!({"automated": {}});
    let stub = server.start().await;
    let (why_not, why) = refused(argo(&stub).send(&rollback(), OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(
        why.contains("auto-sync is enabled") && why.contains("revert in Git"),
        "{why}"
    );
}

#[tokio::test]
async fn a_closed_window_and_an_operation_under_way_are_for_later() {
    let server = Server::new();
    let stub = server.start().await;
    server.state().can_sync = false;
    let (why_not, why) = refused(argo(&stub).send(&sync(), OPEN).await);
    assert_eq!(why_not, Refused::NotNow(None));
    assert!(why.contains("sync window"), "{why}");
    server.state().can_sync = true;
    server.state().application["operation"] = json!({"sync": {}});
    for request in [sync(), rollback()] {
        let (why_not, why) = refused(argo(&stub).send(&request, OPEN).await);
        assert_eq!(why_not, Refused::NotNow(None));
        assert!(why.contains("already in progress"), "{why}");
    }
}

#[tokio::test]
async fn a_wrong_token_says_so_and_is_not_shown() {
    let stub = Server::new().start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&format!("http://{}", stub.address), &folder);
    std::fs::write(folder.path().join("token"), "hunter2").unwrap();
    let argo = Argo::new(&settings, &Egress::default()).unwrap();
    let (why_not, why) = refused(argo.send(&sync(), OPEN).await);
    assert_eq!(why_not, Refused::Never);
    assert!(
        why.contains("is its token right") && !why.contains("hunter2"),
        "{why}"
    );
    std::fs::remove_file(folder.path().join("token")).unwrap();
    let (why_not, why) = refused(argo.send(&sync(), OPEN).await);
    assert_eq!(why_not, Refused::NotNow(None), "nothing was sent");
    assert!(why.contains("cannot read the secret"), "{why}");
}

/// What comes of a sync that is answered so, once.
async fn answered(status: u16, body: &'static str) -> Answer {
    let mut stub = Stub::start(move |_| {
        let to = HeaderValue::from_static("/elsewhere");
        let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
        response.headers_mut().insert(header::LOCATION, to);
        response
    })
    .await;
    let short = |it: &mut ArgoSettings| it.follow = Duration::ZERO;
    let argo = argo_with(&format!("http://{}", stub.address), short);
    let answer = argo.send(&sync(), OPEN).await;
    stub.next().await;
    assert!(stub.is_quiet(), "{status}: sent more than once");
    answer
}

#[tokio::test]
async fn each_answer_is_what_it_means() {
    for status in [500, 502, 503, 504, 408] {
        let answer = answered(status, r#"{"code":13,"message":"x"}"#).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{status}: {answer:?}");
    }
    for status in [301, 302, 307, 308, 400, 401, 403, 404, 405] {
        let (why_not, why) = refused(answered(status, "").await);
        assert_eq!(why_not, Refused::Never, "{status}: {why}");
    }
    let (_, why) = refused(answered(307, "").await);
    assert!(why.contains("redirects are not followed"), "{why}");
    assert_eq!(refused(answered(429, "").await).0, Refused::NotNow(None));
    assert_eq!(refused(answered(409, "").await).0, Refused::Changed);
    // A page for a browser, or nothing at all, is not Argo CD's answer.
    for body in ["<!doctype html>", "", "true"] {
        let answer = answered(200, body).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{body}: {answer:?}");
    }
    // What cannot be read of an application was taken on all the same.
    let said = done(answered(200, r#"{"metadata": 7}"#).await);
    assert!(said.contains("taken it on"), "{said}");
}

#[tokio::test]
async fn what_argo_cd_says_is_short_and_acts_on_nothing() {
    let long: &'static str = Box::leak(
        json!({"code": 9, "message": format!("\x1b[31m{}", "x".repeat(9_999))})
            .to_string()
            .into_boxed_str(),
    );
    let (_, why) = refused(answered(400, long).await);
    assert!(why.len() < 400 && !why.contains('\x1b'), "{why}");
}

#[tokio::test]
async fn nobody_there_is_for_later_and_no_answer_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let argo = argo_with(&url, |it| it.timeout = Duration::from_secs(5));
    let sending = tokio::spawn(async move { argo.send(&sync(), OPEN).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    let answer = sending.await.unwrap();
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    drop(listener);
    let answer = argo_with(&url, |_| {}).send(&sync(), OPEN).await;
    assert_eq!(refused(answer).0, Refused::NotNow(None));
}

#[tokio::test]
async fn the_kill_switch_is_asked_last_and_nothing_is_sent_against_it() {
    let mut stub = Server::new().start().await;
    let stopped = || Some(Answer::Refused(Refused::Switched, "stopped".into()));
    for request in [sync(), rollback(), restart()] {
        let answer = argo(&stub).send(&request, &stopped).await;
        assert_eq!(refused(answer).0, Refused::Switched);
    }
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn what_is_no_request_of_a_plan_is_never_sent() {
    let mut stub = Server::new().start().await;
    let argo = argo(&stub);
    let change = |change: fn(&mut Request)| {
        let mut request = sync();
        change(&mut request);
        request
    };
    for request in [
        change(|it| it.system = System::Jenkins),
        change(|it| it.method = "DELETE".into()),
        change(|it| it.path = "/api/v1/applications/cart".into()),
        change(|it| it.path = "/api/v1/applications/cart/sync?x".into()),
        change(|it| it.path = "/api/v1/applications/../cart/sync".into()),
        change(|it| it.path = "/api/v1/projects/shop/sync".into()),
        change(|it| it.path = "/api/v1/applications/cart/rollback".into()),
        change(|it| it.body = "none".into()),
    ] {
        assert_eq!(
            refused(argo.send(&request, OPEN).await).0,
            Refused::Never,
            "{request:?}"
        );
    }
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn a_sync_whose_answer_was_lost_is_known_by_the_id_it_carries() {
    let server = Server::new();
    let stub = server.start().await;
    let argo = argo(&stub);
    // Nothing of it yet; and after a while it cannot come any more.
    let (settlement, _) = settled(&argo, &sync(), Duration::from_secs(1)).await;
    assert_eq!(settlement, Settlement::Unclear);
    let (settlement, why) = settled(&argo, &sync(), GRACE).await;
    assert_eq!(settlement, Settlement::NotDone, "{why}");
    // It arrived: asked for, under way, over.
    let asked = json!({"sync": {"revision": "ddd"}, "info": [{"name": "n", "value": ID}],
        "initiatedBy": {"username": USERNAME}});
    server.state().phases = vec![];
    server.state().application["operation"] = asked.clone();
    assert_eq!(settled(&argo, &sync(), GRACE).await.0, Settlement::Done);
    for phase in ["Running", "Succeeded", "Failed", "Error"] {
        server.state().application["status"]["operationState"] =
            json!({"phase": phase, "startedAt": "2025-11-21T04:40:01Z", "operation": asked});
        server.state().application["operation"] = Value::Null;
        let (settlement, why) = settled(&argo, &sync(), GRACE).await;
        assert_eq!(settlement, Settlement::Done);
        assert!(why.contains(phase), "{why}");
    }
    // The same, tried only.
    server.state().application["status"]["operationState"]["operation"]["sync"]["dryRun"] =
        json!(true);
    assert_eq!(settled(&argo, &sync(), GRACE).await.0, Settlement::Unclear);
}

#[tokio::test]
async fn a_sync_that_another_operation_has_hidden_is_found_in_the_history_or_stays_unclear() {
    let server = Server::new();
    let stub = server.start().await;
    let argo = argo(&stub);
    let other = json!({"sync": {"revision": "eee"}, "initiatedBy": {"username": "alice"}});
    server.state().application["status"]["operationState"] =
        json!({"phase": "Succeeded", "startedAt": "2025-11-21T04:40:20Z", "operation": other});
    let (settlement, why) = settled(&argo, &sync(), GRACE).await;
    assert_eq!(settlement, Settlement::Unclear, "{why}");
    let deployed = json!({"id": 9, "revision": "ddd", "deployStartedAt": "2025-11-21T04:40:02Z",
        "initiatedBy": {"username": USERNAME}});
    server.state().application["status"]["history"][2] = deployed;
    assert_eq!(settled(&argo, &sync(), GRACE).await.0, Settlement::Done);
    // One of ours of an earlier day is not this one.
    server.state().application["status"]["history"][2]["deployStartedAt"] =
        json!("2025-11-20T04:40:02Z");
    assert_eq!(settled(&argo, &sync(), GRACE).await.0, Settlement::Unclear);
}

#[tokio::test]
async fn a_rollback_whose_answer_was_lost_is_known_by_who_began_it_when_and_where_to() {
    let server = Server::new();
    let stub = server.start().await;
    let argo = argo(&stub);
    let (settlement, _) = settled(&argo, &rollback(), GRACE).await;
    assert_eq!(settlement, Settlement::NotDone);
    let ended = |by: Value, revision: &str, at: &str| {
        server.state().application["status"]["operationState"] = json!({
            "phase": "Succeeded", "startedAt": at,
            "operation": {"sync": {"revision": revision}, "initiatedBy": by},
        });
    };
    let (us, at) = (json!({"username": USERNAME}), "2025-11-21T04:40:01Z");
    ended(us.clone(), "bbb", at);
    assert_eq!(settled(&argo, &rollback(), GRACE).await.0, Settlement::Done);
    for (by, revision, at) in [
        (json!({"username": "alice"}), "bbb", at),
        (json!({"automated": true}), "bbb", at),
        (us.clone(), "ccc", at),
        (us, "bbb", "whenever"),
    ] {
        ended(by.clone(), revision, at);
        let (settlement, why) = settled(&argo, &rollback(), GRACE).await;
        assert_eq!(
            settlement,
            Settlement::Unclear,
            "{by} {revision} {at}: {why}"
        );
    }
    ended(json!({"username": USERNAME}), "bbb", "2025-11-20T04:40:01Z");
    assert_eq!(
        settled(&argo, &rollback(), GRACE).await.0,
        Settlement::NotDone,
        "of an earlier day"
    );
}

#[tokio::test]
async fn the_action_of_a_resource_is_settled_by_what_the_resource_shows() {
    let server = Server::new();
    let stub = server.start().await;
    let argo = argo(&stub);
    assert_eq!(
        settled(&argo, &restart(), Duration::ZERO).await.0,
        Settlement::Unclear
    );
    assert_eq!(
        settled(&argo, &restart(), GRACE).await.0,
        Settlement::NotDone
    );
    argo.send(&restart(), OPEN).await;
    assert_eq!(settled(&argo, &restart(), GRACE).await.0, Settlement::Done);
}

#[tokio::test]
async fn an_argo_cd_that_cannot_be_read_settles_nothing() {
    let stub = Stub::start(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let argo = argo(&stub);
    for request in [sync(), rollback(), restart()] {
        let (settlement, why) = settled(&argo, &request, GRACE).await;
        assert_eq!(settlement, Settlement::Unclear);
        assert!(why.contains("503"), "{why}");
    }
}

#[tokio::test]
async fn a_rehearsal_asks_what_the_token_may_and_begins_no_operation() {
    let server = Server::new();
    let mut stub = server.start().await;
    let argo = argo(&stub);
    assert_eq!(argo.rehearse(&sync()).await, None);
    assert_eq!(argo.rehearse(&restart()).await, None);
    server.state().may_sync = false;
    let why = argo.rehearse(&sync()).await.unwrap().unwrap_err();
    assert!(why.contains("may not sync cart of project shop"), "{why}");
    while !stub.is_quiet() {}
    assert!(server.state().application["operation"].is_null());
}

#[tokio::test]
async fn a_dry_run_is_made_where_the_owner_wants_it_and_is_not_taken_for_the_real_thing() {
    let server = Server::new();
    let stub = server.start().await;
    assert!(!argo(&stub).is_tried(&sync()));
    let argo = argo_with(&format!("http://{}", stub.address), |it| it.dry_run = true);
    assert!(argo.is_tried(&sync()) && !argo.is_tried(&restart()));
    assert_eq!(argo.try_out(&sync(), OPEN).await, Trial::Over(Ok(())));
    let latest = server.state().application["status"]["operationState"].clone();
    assert_eq!(latest["operation"]["sync"]["dryRun"], true);
    assert_eq!(latest["operation"]["info"][0]["value"], ID);
    // It carries the same id.
    assert_ne!(settled(&argo, &sync(), GRACE).await.0, Settlement::Done);
    server.state().began = "2025-11-21T05:00:00Z";
    server.state().phases = vec![("Failed", "no such kind")];
    let Trial::Over(Err(why)) = argo.try_out(&rollback(), OPEN).await else {
        panic!("it failed")
    };
    assert!(why.contains("no such kind"), "{why}");
    server.state().can_sync = false;
    let Trial::NotBegun(why) = argo.try_out(&sync(), OPEN).await else {
        panic!("it was refused")
    };
    assert!(why.contains("sync window"), "{why}");
}

#[tokio::test]
async fn a_dry_run_is_not_begun_while_all_actions_are_stopped() {
    let server = Server::new();
    let stub = server.start().await;
    let argo = argo_with(&format!("http://{}", stub.address), |it| it.dry_run = true);
    let stopped: Gate<'_> = &|| Some(Answer::Refused(Refused::Switched, "enough".into()));
    let trial = argo.try_out(&sync(), stopped).await;
    assert_eq!(trial, Trial::NotBegun("enough".into()));
    assert!(server.state().application["operation"].is_null());
}

#[test]
fn wrong_settings_are_told() {
    let told = |change: fn(&mut ArgoSettings)| {
        let token = SecretRef::Env("T".into());
        let mut settings = ArgoSettings::of("https://argocd.example.net", token);
        change(&mut settings);
        let found = settings.check("argo", &Egress::default());
        found.into_iter().map(|it| it.path).collect::<Vec<_>>()
    };
    assert_eq!(told(|_| {}), Vec::<String>::new());
    assert_eq!(told(|it| it.url = "argocd".into()), ["argo.url"]);
    assert_eq!(told(|it| it.timeout = Duration::ZERO), ["argo.timeout"]);
    assert_eq!(
        told(|it| it.timeout = Duration::from_secs(60)),
        ["argo.timeout"]
    );
    assert_eq!(
        told(|it| it.follow = Duration::from_secs(600)),
        ["argo.follow"]
    );
    assert_eq!(told(|it| it.poll = Duration::ZERO), ["argo.poll"]);
}
