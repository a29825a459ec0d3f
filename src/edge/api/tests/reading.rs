use futures_util::StreamExt as _;

use super::*;
use crate::core::event::IncidentState;

fn ids(body: &Value, name: &str) -> Vec<String> {
    let rows = body[name].as_array().unwrap();
    let ids = rows.iter().map(|row| row["id"].as_str().unwrap());
    ids.map(|id| id[..4].to_owned()).collect()
}

/// A world with `count` incidents that were opened in pairs at the same moments.
fn many(count: u64) -> Arc<World> {
    let incident = |number: u64| {
        let mut incident = sample::incident();
        incident.id = format!("{number:04x}").repeat(8).into();
        incident.detected = Timestamp::from_millis(NOW.as_nanos() / 1_000_000 + number / 2);
        Arc::new(incident)
    };
    Arc::new(World {
        incidents: (0..count).map(incident).collect(),
        ..World::new()
    })
}

#[tokio::test]
async fn incidents_are_listed_with_what_one_chooses_by() {
    let body = get("/v1/incidents").await.json();
    assert_eq!(ids(&body, "incidents"), ["9f3c", "0a1b"]);
    assert_eq!(body["next"], Value::Null);
    let first = &body["incidents"][0];
    assert_eq!(first["state"], "acknowledged");
    assert_eq!(first["severity"], "critical");
    assert_eq!(first["began"], "2026-08-01T02:51:07.412000000Z");
    assert_eq!(first["services"][1], "prod/shop/payments");
    assert_eq!(first["suspect"], "prod/shop/checkout");
    assert_eq!(first["acknowledged_by"], "anna");
    assert_eq!(body["incidents"][1]["verdict"], "not_enough_evidence");
}

#[tokio::test]
async fn incidents_are_found_by_state_service_team_and_time() {
    for (query, expected) in [
        ("state=acknowledged", &["9f3c"] as &[&str]),
        ("state=open,resolved", &["0a1b"]),
        ("state=open", &[]),
        ("service=payments", &["9f3c"]),
        ("service=prod/shop/cart", &["0a1b"]),
        ("service=car", &[]),
        ("team=shop", &["9f3c"]),
        ("team=nobody", &[]),
        ("since=2026-08-01T03:00:00Z", &["9f3c", "0a1b"]),
        ("since=2026-08-01T03:30:00Z", &[]),
        ("since=30m", &[]),
        ("since=24h", &["9f3c", "0a1b"]),
        ("limit=1", &["9f3c"]),
        ("limit=0", &[]),
    ] {
        let reply = get(&format!("/v1/incidents?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        assert_eq!(ids(&reply.json(), "incidents"), expected, "{query}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_told_what_can_be_asked() {
    for (path, hint) in [
        ("/v1/incidents?stat=open", "state"),
        ("/v1/incidents?state=shut", "acknowledged"),
        ("/v1/incidents?state=", "acknowledged"),
        ("/v1/incidents?since=soon", "since=24h"),
        ("/v1/incidents?cursor=x", "next"),
        ("/v1/incidents?limit=-1", "limit"),
        ("/v1/incidents/9f3", "first 6"),
        ("/v1/incidents/9f3c9g", "first 6"),
        ("/v1/incidents/..%2f..%2fetc", "first 6"),
        ("/v1/anomalies?limit=many", "limit=100"),
        ("/v1/anomalies?service=cart", "cursor"),
        ("/v1/templates", "service=cart"),
        ("/v1/audit?cursor=x", "numbers"),
        ("/v1/dora?window=never", "90d"),
        ("/v1/dora?window=0d", "90d"),
        ("/v1/dora?window=9999999w", "90d"),
    ] {
        let reply = get(path).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.body);
        assert!(reply.hint().contains(hint), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn pages_follow_one_another_and_nothing_is_left_out_or_told_twice() {
    let world = many(25);
    let mut seen = Vec::new();
    let mut path = "/v1/incidents?limit=4".to_owned();
    for _ in 0..8 {
        let body = call(&world, Call::get(&path)).await.json();
        seen.extend(ids(&body, "incidents"));
        match body["next"].as_str() {
            Some(next) => path = format!("/v1/incidents?limit=4&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|it: u64| format!("{it:04x}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_answer_has_only_so_many_incidents() {
    let world = many(IncidentQuery::LIMIT_MAX as u64 + 7);
    let path = "/v1/incidents?limit=999999999";
    let body = call(&world, Call::get(path)).await.json();
    let rows = body["incidents"].as_array().unwrap();
    assert_eq!(rows.len(), IncidentQuery::LIMIT_MAX);
    assert!(body["next"].is_string());
}

#[tokio::test]
async fn an_incident_is_found_by_the_beginning_of_its_id() {
    for id in ["9f3c9f", "9F3C9F3C", "inc_9f3c9f3c", &"9f3c".repeat(8)] {
        let reply = get(&format!("/v1/incidents/{id}")).await;
        assert_eq!(reply.json()["id"], "9f3c".repeat(8), "{id}");
    }
    assert_eq!(get("/v1/incidents/abcdef").await.status, 404);
    let mut twin = sample::incident();
    twin.id = format!("9f3c9f{}", "0".repeat(26)).into();
    let world = Arc::new(World {
        incidents: vec![twin.into(), sample::incident().into()],
        ..World::new()
    });
    let reply = call(&world, Call::get("/v1/incidents/9f3c9f")).await;
    assert_eq!(reply.status, 409);
    assert!(reply.hint().contains("more digits"), "{}", reply.body);
}

#[tokio::test]
async fn an_incident_is_told_as_text_and_as_markdown() {
    let open = [sample::action().into()];
    let text = get("/v1/incidents/9f3c9f/explanation").await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(text.body, explanation(&sample::incident(), &open));
    assert!(
        text.body.contains("knothole actions show 7c417c41"),
        "{}",
        text.body
    );
    let page = get("/v1/incidents/9f3c9f/markdown").await;
    assert_eq!(page.headers["content-type"], "text/markdown; charset=utf-8");
    assert_eq!(page.body, markdown(&sample::incident(), &open));
    assert!(page.body.contains("actions show 7c417c41"), "{}", page.body);
    // That one has an action that is over.
    let quiet = World::new().incidents[1].id.clone();
    let text = get(&format!("/v1/incidents/{quiet}/explanation")).await;
    assert!(!text.body.contains("actions show"), "{}", text.body);
}

#[tokio::test]
async fn anomalies_come_newest_first_in_pages_and_the_ring_forgets_the_oldest() {
    let body = get("/v1/anomalies").await.json();
    assert_eq!(ids(&body, "anomalies"), ["5555", "4444", "3333"]);
    let body = get("/v1/anomalies?limit=2").await.json();
    assert_eq!(ids(&body, "anomalies"), ["5555", "4444"]);
    let next = body["next"].as_str().unwrap();
    let body = get(&format!("/v1/anomalies?limit=2&cursor={next}"))
        .await
        .json();
    assert_eq!(ids(&body, "anomalies"), ["3333"]);
    assert_eq!(body["next"], Value::Null);
    let all = get("/v1/anomalies?limit=999999999999").await.json();
    assert_eq!(ids(&all, "anomalies").len(), 3);
    let one = get("/v1/anomalies/444444").await.json();
    assert_eq!(one["id"], "4".repeat(32));
    assert_eq!(get("/v1/anomalies/111111").await.status, 404);
}

#[tokio::test]
async fn templates_are_those_of_one_service() {
    let body = get("/v1/templates?service=cart&limit=1").await.json();
    assert_eq!(body["templates"].as_array().unwrap().len(), 1);
    assert_eq!(body["total"], 2);
    assert_eq!(body["templates"][0]["text"], "order <num> taken");
    for (service, status) in [("nobody", 404), ("twice", 409), ("busy", 503)] {
        let path = format!("/v1/templates?service={service}");
        assert_eq!(get(&path).await.status, status, "{service}");
    }
}

#[tokio::test]
async fn the_audit_comes_newest_first_in_pages() {
    let numbers = |body: &Value| -> Vec<u64> {
        let rows = body["audit"].as_array().unwrap().iter();
        rows.map(|row| row["number"].as_u64().unwrap()).collect()
    };
    let body = get("/v1/audit?limit=2").await.json();
    assert_eq!(numbers(&body), [3, 2]);
    assert_eq!(body["audit"][0]["by"], "anna");
    assert_eq!(body["audit"][0]["hash"], format!("{:064x}", 3));
    assert_eq!(body["audit"][0]["details"], Value::Null);
    assert_eq!(body["audit"][1]["details"]["rule"], "restart-cart");
    let body = get("/v1/audit?limit=2&cursor=2").await.json();
    assert_eq!(numbers(&body), [1]);
    assert_eq!(body["next"], Value::Null);
}

#[tokio::test]
async fn times_are_told_in_seconds_and_what_is_not_known_is_null() {
    let body = get("/v1/dora?window=2w").await.json();
    assert_eq!(body["window_seconds"], 1_209_600);
    assert_eq!(
        body["time_to_detect_seconds"],
        json!({ "p50": 11.25, "p90": 40.0 })
    );
    assert_eq!(body["failed_deployment_recovery_seconds"], Value::Null);
    assert_eq!(get("/v1/dora").await.json()["window_seconds"], 7_776_000);
}

#[tokio::test]
async fn hostile_text_is_an_escape_in_every_answer() {
    let world = Arc::new(World {
        incidents: vec![sample::told_by("\u{1b}[2J\u{202e}<b>").into()],
        ..World::new()
    });
    for path in [
        "/v1/incidents",
        "/v1/incidents/9f3c9f",
        "/v1/incidents/9f3c9f/explanation",
        "/v1/incidents/9f3c9f/markdown",
    ] {
        let reply = call(&world, Call::get(path)).await;
        let acts = |c: char| c != '\n' && crate::core::record::is_deceptive(c);
        assert!(!reply.body.contains(acts), "{path}: {:?}", reply.body);
    }
    let body = call(&world, Call::get("/v1/incidents")).await.json();
    assert_eq!(body["incidents"][0]["title"], "\u{1b}[2J\u{202e}<b>");
}

/// The events that come without waiting.
async fn heard(api: Api, last: Option<&str>, then: impl FnOnce()) -> String {
    let mut request = Request::builder()
        .uri("/v1/events")
        .header("host", "localhost");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let stop = CancellationToken::new();
    let served = Served::new(api, true, stop.clone());
    let request = request.body(Body::empty()).unwrap();
    let answer = router(served).oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    then();
    let mut stream = answer.into_body().into_data_stream();
    let mut text = String::new();
    // What was told is there; the end is that of the daemon.
    while let Some(piece) = futures_util::FutureExt::now_or_never(stream.next()) {
        text.push_str(std::str::from_utf8(&piece.unwrap().unwrap()).unwrap());
    }
    stop.cancel();
    assert!(
        stream.next().await.is_none(),
        "it ends when the daemon does"
    );
    text
}

#[tokio::test]
async fn what_becomes_of_incidents_is_heard_and_who_comes_back_misses_nothing() {
    let api = api(&Arc::new(World::new()));
    let feed = api.feed.clone();
    let opened = || {
        feed.tell(
            "e1",
            "knothole.incident.opened",
            &json!({ "id": "i1", "title": "a\nb" }),
        );
        feed.tell("e2", "knothole.incident.resolved", &json!({ "id": "i1" }));
    };
    let text = heard(api.clone(), None, opened).await;
    let events: Vec<&str> = text.split("\n\n").filter(|it| !it.is_empty()).collect();
    assert_eq!(events.len(), 2, "{text}");
    for line in [
        "id: e1",
        "event: knothole.incident.opened",
        r#"data: {"id":"i1","title":"a\nb"}"#,
    ] {
        assert!(events[0].lines().any(|it| it == line), "{line}: {text}");
    }
    let text = heard(api.clone(), Some("e1"), || ()).await;
    assert!(
        text.contains("id: e2") && !text.contains("id: e1"),
        "{text}"
    );
    let text = heard(api, Some("long ago"), || ()).await;
    assert!(text.contains("event: reset"), "{text}");
}

#[test]
fn of_states_each_is_known_by_its_name() {
    let query = IncidentQuery {
        states: vec![IncidentState::Resolved],
        limit: 1,
        ..IncidentQuery::default()
    };
    assert!(query.matches(&sample::quiet()));
    assert!(!query.matches(&sample::incident()));
}
