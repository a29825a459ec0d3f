use super::*;

#[tokio::test]
async fn it_is_alive_while_it_runs_and_ready_while_it_accepts() {
    let stopping = Arc::new(World {
        ready: Err("stopping".to_owned()),
        ..World::new()
    });
    assert_eq!(call(&stopping, Call::get("/livez")).await.status, 200);
    let reply = call(&stopping, Call::get("/readyz")).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "stopping\n"));
    assert_eq!(get("/readyz").await.status, 200);
}

#[tokio::test]
async fn services_tell_how_far_they_are() {
    let body = get("/v1/services").await.json();
    let service = &body["services"][0];
    assert_eq!(service["state"], "learning");
    assert_eq!(service["new_template_chance"], 0.021);
    assert_eq!(service["model"], Value::Null);
    assert_eq!(service["overflow"], 3);
    assert_eq!(service["template_signs"], json!(["mostly_rare"]));
    assert_eq!(service["quarantined_until"], "2026-11-21T08:00:00Z");
}

#[tokio::test]
async fn metrics_are_open_metrics_to_the_end() {
    let reply = get("/metrics").await;
    assert_eq!(reply.status, 200);
    let kind = reply.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(reply.body.ends_with("# EOF\n"), "{}", reply.body);
}

#[tokio::test]
async fn what_is_not_there_says_where_to_look() {
    let reply = get("/v1/nothing").await;
    assert_eq!(reply.status, 404);
    assert!(reply.hint().contains("GET /"), "{}", reply.body);
    assert!(get("/v1/logs").await.hint().contains("4318"));
    let world = Arc::new(World::new());
    let reply = call(&world, Call::post("/v1/services", &json!({}))).await;
    assert_eq!(reply.status, 405);
    assert!(reply.hint().contains("GET /"), "{}", reply.body);
}

#[tokio::test]
async fn the_index_lists_every_path() {
    let reply = get("/").await;
    let kind = reply.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain"), "{kind}");
    for route in routes::ROUTES {
        let call = format!("{:<6} {}", route.method.name(), route.path);
        let line = reply.body.lines().find(|line| line.starts_with(&call));
        assert!(
            line.is_some_and(|line| line.contains(route.about)),
            "{call}"
        );
    }
}
