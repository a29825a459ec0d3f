//! The description for machines says what the routes do, and the routes answer as it says.

use std::collections::BTreeSet;

use super::roles::{TOKENS, example, gate};
use super::routes::ROUTES;
use super::schema::complaints;
use super::*;

fn document() -> Value {
    serde_saphyr::from_str(OPENAPI).unwrap()
}

/// What it says of a route.
fn operation<'a>(document: &'a Value, path: &str, method: &str) -> &'a Value {
    &document["paths"][path][method.to_lowercase()]
}

/// The schema of the answer with `status`, where it is JSON.
fn schema<'a>(document: &'a Value, operation: &'a Value, status: u16) -> &'a Value {
    let mut answer = &operation["responses"][status.to_string()];
    if let Some(reference) = answer["$ref"].as_str() {
        answer = document.pointer(reference.trim_start_matches('#')).unwrap();
    }
    &answer["content"]["application/json"]["schema"]
}

#[test]
fn it_tells_of_every_route_and_of_no_other() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            told.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let routes = ROUTES.iter();
    let there: BTreeSet<String> = routes
        .map(|route| format!("{} {}", route.method.name(), route.path))
        .collect();
    assert_eq!(told, there);
}

#[test]
fn it_tells_what_each_does_and_for_whom() {
    let document = document();
    for route in ROUTES {
        let told = operation(&document, route.path, route.method.name());
        let name = format!("{} {}", route.method.name(), route.path);
        assert_eq!(told["summary"], route.about, "{name}");
        let least = route.least.map_or("anybody", Role::name);
        assert_eq!(told["x-role"], least, "{name}");
        let security = match route.least {
            None => json!([]),
            Some(_) if route.may_be_signed => json!([{ "token": [] }, { "signature": [] }]),
            Some(_) => json!([{ "token": [] }]),
        };
        assert_eq!(told["security"], security, "{name}");
        let schemes = &document["components"]["securitySchemes"];
        let named = security.as_array().unwrap().iter();
        let mut named = named.flat_map(|it| it.as_object().unwrap().keys());
        assert!(named.all(|it| schemes[it].is_object()), "{name}");
        let has = |status: &str| told["responses"].get(status).is_some();
        assert_eq!(has("401") && has("403"), route.least.is_some(), "{name}");
        assert!(!route.path.contains("{id}") || has("404"), "{name}");
        let takes_body = told.get("requestBody").is_some();
        assert_eq!(takes_body, route.method == routes::Verb::Post, "{name}");
        assert!(
            !takes_body || (has("400") && has("413") && has("415")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn every_route_answers_as_it_says() {
    let document = document();
    let world = Arc::new(World::new());
    let folder = tempfile::tempdir().unwrap();
    let by_token = Api {
        gate: gate(&folder),
        ..api(&world)
    };
    let approver = format!("Bearer {}", TOKENS[2].1);
    let mut checked = 0;
    for route in ROUTES {
        let told = operation(&document, route.path, route.method.name());
        let name = format!("{} {}", route.method.name(), route.path);
        let allowed = example(route).with("authorization", &approver);
        let reply = call_to(by_token.clone(), true, allowed).await;
        let kind = reply.headers["content-type"].to_str().unwrap();
        let kind = kind.split(';').next().unwrap();
        let content = &told["responses"]["200"]["content"];
        assert!(content.get(kind).is_some(), "{name} answers {kind}");
        if kind == "application/json" {
            let wrong = complaints(&document, schema(&document, told, 200), &reply.json());
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
            checked += 1;
        }
        // Refusals of all sorts.
        let foreign = example(route).with("host", "evil.example");
        let outside = call_to(api(&world), false, example(route)).await;
        let spoiled = example(route).with("content-type", "text/plain");
        let empty = Call {
            body: b"[]".to_vec(),
            ..example(route)
        };
        let mut unknown = example(route);
        for there in ["9f3c9f3c", "7c417c41"] {
            unknown.path = unknown.path.replace(there, "aaaaaa");
        }
        let mut replies = vec![outside, call(&world, example(route)).await];
        replies.push(call(&world, foreign).await);
        for refused in [spoiled, empty, unknown] {
            let refused = refused.with("authorization", &approver);
            replies.push(call_to(by_token.clone(), true, refused).await);
        }
        for reply in replies.iter().filter(|reply| reply.status >= 400) {
            let schema = schema(&document, told, reply.status);
            assert!(schema.is_object(), "{name} answers {}", reply.status);
            let wrong = complaints(&document, schema, &reply.json());
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }
    assert!(checked > 15, "hardly anything is JSON: {checked}");
}

#[tokio::test]
async fn the_examples_of_bodies_are_such_as_it_describes() {
    let document = document();
    for route in ROUTES
        .iter()
        .filter(|route| route.method == routes::Verb::Post)
    {
        let told = operation(&document, route.path, "POST");
        let schema = &told["requestBody"]["content"]["application/json"]["schema"];
        let body: Value = serde_json::from_slice(&example(route).body).unwrap();
        let wrong = complaints(&document, schema, &body);
        assert!(wrong.is_empty(), "{}: {wrong:#?}", route.path);
    }
}

#[test]
fn a_wrong_answer_is_seen() {
    let document = document();
    let of = |name: &str| document["components"]["schemas"][name].clone();
    for (name, wrong) in [
        ("Taken", json!({ "new": 1 })),
        ("Approval", json!({ "note": "go" })),
        ("Taken", json!({})),
        ("Taken", json!({ "new": true, "more": 1 })),
        ("State", json!("shut")),
        ("Quantiles", json!({ "p50": "1", "p90": 2 })),
        ("Mark", json!({ "at": "today", "by": "anna", "note": null })),
        ("Dora", json!([])),
    ] {
        let found = complaints(&document, &of(name), &wrong);
        assert!(!found.is_empty(), "{name}: {wrong}");
    }
}
