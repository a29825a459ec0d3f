//! A Backstage catalog says whose services are and on what they depend, and a reload asks another one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::knothole::{Knothole, Place};
use crate::otlp::{Client, request};
use crate::parts::alone;
use crate::process::{SOON, until};
use crate::shop::{LEARN_QUICKLY, WELL, steps_of};

const TOKEN: &str = "a-static-token-of-the-catalog";
const QUICK: &str =
    "incidents: { settle: 2s }\nsequence: { idle_timeout: 2s, reorder_delay: 100ms }\n";
const NOW: Duration = Duration::ZERO;

#[test]
fn the_owner_in_the_catalog_is_the_team_and_what_depends_on_each_other_is_one_incident() {
    let _alone = alone();
    let backstage = Backstage::start();
    let place = Place::new();
    let settings = format!("{QUICK}{LEARN_QUICKLY}{}", backstage.setting(&place));
    let knothole = place.serve(&settings);
    knothole.process.says("The catalog was read.");
    // The catalog writes `Ledger`, and knows of no trace that two of them share.
    let services = [("checkout", 0), ("ledger", 1_000), ("mail", 2_000)];
    let mut client = Client::connect(knothole.grpc);
    for (service, first) in services {
        let well = (0..200).flat_map(|number| steps_of(first + number, &WELL, NOW));
        send(&mut client, service, well.collect());
    }
    for (service, _) in services {
        knothole.wait_for_state(service, "active");
    }
    for (service, first) in services {
        let broken = steps_of(first + 500, &[0, 5, 1, 2, 3, 4], NOW);
        send(&mut client, service, broken);
    }
    let mut told = BTreeMap::new();
    until(SOON, "incidents of all three", || {
        told = teams(&knothole);
        let named: String = told.keys().cloned().collect();
        services
            .iter()
            .all(|(service, _)| named.contains(service))
            .then_some(())
    });
    let expected = [
        ("checkout ledger".to_owned(), json!("payments")),
        ("mail".to_owned(), Value::Null),
    ];
    assert_eq!(told, BTreeMap::from(expected));
}

fn send(client: &mut Client, service: &str, records: Vec<LogRecord>) {
    let request = request(&[("service.name", service)], records);
    client.export(request).unwrap();
}

/// The team of each incident that goes on, by its services.
fn teams(knothole: &Knothole) -> BTreeMap<String, Value> {
    let (status, body) = knothole.get("/v1/incidents?state=open");
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let incidents = body["incidents"].as_array().unwrap().iter();
    let named = incidents.map(|incident| {
        let services = incident["services"].as_array().unwrap().iter();
        let mut services: Vec<&str> = services.map(|it| it.as_str().unwrap()).collect();
        services.sort_unstable();
        (services.join(" "), incident["team"].clone())
    });
    named.collect()
}

#[test]
fn a_reload_takes_tokens_and_where_may_be_sent_to_and_names_what_takes_a_restart() {
    let backstage = Backstage::start();
    let place = Place::new();
    let sink = format!(
        "sinks: [{{ type: alertmanager, name: alerts, urls: ['http://{}'], allow_private: true }}]\n",
        backstage.address
    );
    let mut knothole = place.serve(&format!("{QUICK}{sink}"));

    place.configure(&format!(
        "{QUICK}{sink}egress: {{ allow: [hooks.example.net] }}\n"
    ));
    knothole.process.signal(Signal::HUP);
    knothole.process.says("the settings stay as they were");
    let said = knothole.process.stderr().join("\n");
    assert!(said.contains("is not in egress.allow"), "{said}");
    assert_eq!(knothole.get("/v1/services").0, 200);
    assert_eq!(backstage.requests(), 0);

    let token = place.path("ana");
    std::fs::write(&token, "a-token-of-anas-and-nobody-elses").unwrap();
    let catalog = backstage.setting(&place);
    place.configure(&format!(
        "{QUICK}{sink}{catalog}egress: {{ allow: [127.0.0.1] }}\nstreams_max: 99\n\
         api: {{ tokens: [{{ name: ana, role: viewer, token_file: {} }}] }}\n",
        token.display()
    ));
    knothole.process.signal(Signal::HUP);
    let said = knothole.process.says("settings read again");
    assert!(said.ends_with("take a restart: streams_max"), "{said}");
    knothole.process.says("The catalog was read.");
    assert_eq!(knothole.get("/v1/services").0, 401);
    assert!(knothole.process.stop().success());
}

/// Backstage as the OpenAPI document of its catalog describes it.
struct Backstage {
    address: SocketAddr,
    requests: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Backstage {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let requests = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let counted = std::sync::Arc::clone(&requests);
        let answer = move |headers: HeaderMap, RawQuery(query): RawQuery| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move { by_query(&headers, &query.unwrap_or_default()) }
        };
        let address = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let app = axum::Router::new().route("/api/catalog/entities/by-query", get(answer));
            tokio::spawn(async move { axum::serve(listener, app).await });
            address
        });
        Self {
            address,
            requests,
            _runtime: runtime,
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn setting(&self, place: &Place) -> String {
        let token = place.path("catalog-token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        format!(
            "catalog: {{ url: 'http://{}', token_file: {}, allow_private: true }}\n",
            self.address,
            token.display()
        )
    }
}

/// `GET /entities/by-query`: nobody without a token; filter sets are alternatives; a cursor stands for
/// the filter, and nothing else may be beside it but fields and limit; at most two of what is asked for
/// come at once here.
fn by_query(headers: &HeaderMap, query: &str) -> Response {
    let bearer = format!("Bearer {TOKEN}");
    if headers.get("authorization").is_none_or(|it| *it != *bearer) {
        let error = json!({ "error": { "name": "AuthenticationError" } });
        return (StatusCode::UNAUTHORIZED, axum::Json(error)).into_response();
    }
    let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let url = reqwest::Url::parse(&format!("http://stub/?{query}")).unwrap();
    for (name, value) in url.query_pairs() {
        asked.entry(name.into()).or_default().push(value.into());
    }
    let filters = asked.remove("filter");
    let (filters, from) = match (asked.remove("cursor"), filters) {
        (Some(cursor), None) => serde_json::from_str(&cursor[0]).unwrap(),
        (None, Some(filters)) => (filters, 0),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    let (filters, from): (Vec<String>, usize) = (filters, from);
    let fields = asked.remove("fields").unwrap_or_default().join(",");
    let limit = asked
        .remove("limit")
        .map_or(20, |it| it[0].parse().unwrap());
    if !asked.is_empty() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let kinds: Vec<&str> = filters
        .iter()
        .filter_map(|it| it.strip_prefix("kind="))
        .collect();
    let is_in = |entity: &Value| {
        let kind = entity["kind"].as_str().unwrap();
        kinds.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind))
    };
    let all: Vec<Value> = entities().into_iter().filter(is_in).collect();
    let count = usize::min(limit, 2);
    let page = all.iter().skip(from).take(count);
    let items: Vec<Value> = page.map(|entity| pruned(entity, &fields)).collect();
    let mut info = json!({});
    if from + count < all.len() {
        info["nextCursor"] = json!([filters, from + count]).to_string().into();
    }
    let body = json!({ "items": items, "totalItems": all.len(), "pageInfo": info });
    axum::Json(body).into_response()
}

/// Of `entity` the paths that are asked for, and nothing else.
fn pruned(entity: &Value, fields: &str) -> Value {
    let mut kept = json!({});
    for field in fields.split(',') {
        let steps = || field.split('.');
        let value = steps().fold(entity, |at, step| &at[step]);
        if !value.is_null() {
            *steps().fold(&mut kept, |at, step| &mut at[step]) = value.clone();
        }
    }
    kept
}

fn entities() -> Vec<Value> {
    let entity = |kind: &str, name: &str, relations: Value| {
        json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": kind, "spec": { "type": "service" },
            "metadata": { "name": name, "namespace": "default", "uid": name, "etag": "e" },
            "relations": relations,
        })
    };
    let owned = json!({ "type": "ownedBy", "targetRef": "group:default/payments" });
    let ledger = json!({ "type": "dependsOn", "targetRef": "component:default/ledger" });
    let member = json!({ "type": "hasMember", "targetRef": "user:default/ana" });
    vec![
        entity("Component", "checkout", json!([ledger, owned])),
        entity("API", "checkout-api", json!([owned])),
        entity("Component", "Ledger", json!([owned])),
        entity("Group", "payments", json!([member])),
        entity("User", "ana", json!([])),
        entity("Component", "mail", json!([])),
    ]
}
