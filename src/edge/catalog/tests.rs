use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::*;
use crate::core::record::{StreamKey, Timestamp};

const TOKEN: &str = "a-static-token";

/// Backstage as its OpenAPI document describes `GET /entities/by-query`: 401 without the token; filter
/// sets are alternatives, the conditions of a set hold together, names do not tell capitals; a cursor
/// stands for the filter and for nothing else; without `fields` the whole entity comes, without `limit`
/// 20 entities; an unknown parameter is an error.
#[derive(Default)]
struct Backstage {
    entities: Vec<Value>,
    is_down: AtomicBool,
    requests: AtomicUsize,
    queries: Mutex<Vec<BTreeMap<String, Vec<String>>>>,
    endless: bool,
}

async fn by_query(
    State(backstage): State<Arc<Backstage>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    backstage.requests.fetch_add(1, Ordering::SeqCst);
    if backstage.is_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let bearer = format!("Bearer {TOKEN}");
    if headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        != Some(&*bearer)
    {
        let error = json!({"error": {"name": "AuthenticationError", "message": "Missing credentials"},
            "response": {"statusCode": 401}});
        return (StatusCode::UNAUTHORIZED, axum::Json(error)).into_response();
    }
    let url = format!("http://stub/?{}", query.unwrap_or_default());
    let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in reqwest::Url::parse(&url).unwrap().query_pairs() {
        asked
            .entry(name.into_owned())
            .or_default()
            .push(value.into_owned());
    }
    backstage.queries.lock().unwrap().push(asked.clone());
    match backstage.answer(&asked) {
        Some(page) => axum::Json(page).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

impl Backstage {
    fn answer(&self, asked: &BTreeMap<String, Vec<String>>) -> Option<Value> {
        let known = ["cursor", "fields", "filter", "limit"];
        if asked.keys().any(|name| !known.contains(&name.as_str())) {
            return None;
        }
        let limit = asked
            .get("limit")
            .map_or(Some(20), |limit| limit[0].parse().ok())?;
        let (filters, from): (Vec<String>, usize) = match asked.get("cursor") {
            Some(cursor) => serde_json::from_str(&cursor[0]).ok()?,
            None => (asked.get("filter").cloned().unwrap_or_default(), 0),
        };
        let fits =
            |entity: &&Value| filters.is_empty() || filters.iter().any(|set| is_in(entity, set));
        let all: Vec<&Value> = self.entities.iter().filter(fits).collect();
        let fields = asked
            .get("fields")
            .map(|fields| fields[0].split(',').collect::<Vec<_>>());
        let page = all.iter().skip(from).take(limit);
        let items: Vec<Value> = page
            .map(|entity| pruned(entity, fields.as_deref()))
            .collect();
        let mut info = json!({});
        if from + limit < all.len() || self.endless {
            let next = if self.endless { from } else { from + limit };
            info["nextCursor"] = serde_json::to_string(&(&filters, next)).ok()?.into();
        }
        Some(json!({"items": items, "totalItems": all.len(), "pageInfo": info}))
    }
}

fn is_in(entity: &Value, set: &str) -> bool {
    set.split(',').all(|condition| {
        let (key, value) = condition.split_once('=').unwrap();
        let has = key.split('.').fold(entity, |at, step| &at[step]);
        has.as_str()
            .is_some_and(|has| has.eq_ignore_ascii_case(value))
    })
}

/// Keeps the named paths alone.
fn pruned(entity: &Value, fields: Option<&[&str]>) -> Value {
    let Some(fields) = fields else {
        return entity.clone();
    };
    let mut kept = json!({});
    for field in fields {
        let path: Vec<&str> = field.split('.').collect();
        let value = path.iter().fold(entity, |at, step| &at[*step]);
        if !value.is_null() {
            let place = path.iter().fold(&mut kept, |at, step| &mut at[*step]);
            *place = value.clone();
        }
    }
    kept
}

async fn stub(backstage: Backstage) -> (Arc<Backstage>, String) {
    let backstage = Arc::new(backstage);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/api/catalog/entities/by-query", get(by_query))
        .with_state(Arc::clone(&backstage));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (backstage, url)
}

fn settings(url: &str) -> CatalogSettings {
    CatalogSettings {
        token: Some(Token::new(&format!("{TOKEN}\n")).unwrap()),
        page_entities: 2,
        ..CatalogSettings::of(url)
    }
}

fn catalog(settings: CatalogSettings) -> Catalog {
    // The process has one provider of cryptography; another test may have named it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Catalog::new(settings, reqwest::Client::new()).unwrap()
}

fn entity(kind: &str, name: &str, depends_on: &[&str]) -> Value {
    let depends_on = depends_on.iter();
    let mut relations: Vec<Value> = depends_on
        .map(|other| json!({"type": "dependsOn", "targetRef": other}))
        .collect();
    relations.push(json!({"type": "ownedBy", "targetRef": "group:default/shop"}));
    json!({"apiVersion": "backstage.io/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "default", "uid": "u", "description": "d"},
        "spec": {"type": "service", "owner": "shop"}, "relations": relations})
}

fn group(name: &str, members: &[&str]) -> Value {
    let members = members.iter();
    let relations: Vec<Value> = members
        .map(|member| json!({"type": "hasMember", "targetRef": member}))
        .collect();
    json!({"apiVersion": "backstage.io/v1alpha1", "kind": "Group",
        "metadata": {"name": name, "namespace": "default", "uid": "u"},
        "spec": {"type": "team", "children": []}, "relations": relations})
}

fn shop() -> Backstage {
    Backstage {
        entities: vec![
            entity("Component", "front", &["component:default/cart"]),
            group("Shop", &["user:default/Ana"]),
            entity("Component", "cart", &["resource:default/orders-db"]),
            entity("Resource", "orders-db", &[]),
            entity("Component", "mail", &[]),
            entity("API", "cart-api", &[]),
        ],
        ..Backstage::default()
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn names(listing: &Listing) -> Vec<&str> {
    let entities = listing.entities().iter();
    entities.map(|entity| &*entity.reference).collect()
}

#[tokio::test]
async fn all_components_and_resources_come_page_by_page() {
    let (backstage, url) = stub(shop()).await;
    let listing = catalog(settings(&format!("{url}/"))).fetch().await.unwrap();
    assert_eq!(
        names(&listing),
        [
            "component:default/cart",
            "component:default/front",
            "component:default/mail",
            "resource:default/orders-db"
        ]
    );
    let cart = StreamKey::named("cart");
    assert_eq!(listing.owner_of(&cart), Some("shop"));
    let queries = backstage.queries.lock().unwrap();
    assert_eq!(queries.len(), 3);
    assert_eq!(
        queries[0]["filter"],
        ["kind=component", "kind=resource", "kind=group"]
    );
    assert!(!queries[1].contains_key("filter"), "it is in the cursor");
    for query in queries.iter() {
        assert!(
            query["fields"][0].contains("relations"),
            "a cursor does not keep the fields"
        );
        assert_eq!(query["limit"], ["2"], "nor the limit");
    }
}

#[tokio::test]
async fn a_group_is_no_service_and_its_members_are_known() {
    let (_, url) = stub(shop()).await;
    let listing = catalog(settings(&url)).fetch().await.unwrap();
    assert_eq!(listing.owner_of(&StreamKey::named("shop")), None);
    for known in [
        "shop",
        "SHOP",
        "group:default/shop",
        " ana ",
        "user:default/ana",
    ] {
        assert!(listing.has_person(known), "{known}");
    }
    for nobody in ["", "cart", "bob", "user:other/ana"] {
        assert!(!listing.has_person(nobody), "{nobody}");
    }
    assert!(!listing.is_empty() && Listing::default().is_empty());
}

#[tokio::test]
async fn a_catalogue_that_does_not_let_us_in_says_what_it_wants() {
    let (_, url) = stub(shop()).await;
    for token in [None, Some(Token::new("wrong").unwrap())] {
        let asked = CatalogSettings {
            token,
            ..settings(&url)
        };
        let refused = catalog(asked).fetch().await.unwrap_err().to_string();
        assert!(
            refused.contains("401") && refused.contains("externalAccess"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_it_last_said_holds_while_it_is_down_and_until_it_is_too_old() {
    let (backstage, url) = stub(shop()).await;
    let mut catalog = catalog(settings(&url));
    let asked = || backstage.requests.load(Ordering::SeqCst);
    assert!(catalog.refresh(at(0)).await.unwrap());
    assert!(!catalog.refresh(at(899)).await.unwrap());
    assert_eq!(asked(), 3, "it was asked once, for three pages");
    assert!(!catalog.refresh(at(900)).await.unwrap(), "it says the same");
    assert_eq!(asked(), 6);
    backstage.is_down.store(true, Ordering::SeqCst);
    assert!(catalog.refresh(at(1_800)).await.is_err());
    assert_eq!(catalog.listing().entities().len(), 4);
    assert!(
        !catalog.refresh(at(1_859)).await.unwrap(),
        "it is left alone"
    );
    assert_eq!(asked(), 7);
    backstage.is_down.store(false, Ordering::SeqCst);
    assert!(!catalog.refresh(at(1_860)).await.unwrap());
    assert_eq!(asked(), 10);
    assert!(!catalog.refresh(at(5)).await.unwrap());
    assert_eq!(
        asked(),
        13,
        "a clock that was put back is no reason to wait"
    );
}

#[tokio::test]
async fn a_catalogue_too_large_or_without_an_end_is_refused_as_a_whole() {
    let (_, url) = stub(shop()).await;
    let few = CatalogSettings {
        entities_max: 3,
        ..settings(&url)
    };
    assert!(matches!(
        catalog(few).fetch().await,
        Err(CatalogError::TooMany(3))
    ));
    let small = CatalogSettings {
        page_bytes_max: 100,
        ..settings(&url)
    };
    assert!(matches!(
        catalog(small).fetch().await,
        Err(CatalogError::TooLarge(100))
    ));
    let (backstage, url) = stub(Backstage {
        endless: true,
        ..shop()
    })
    .await;
    let bounded = CatalogSettings {
        entities_max: 10,
        ..settings(&url)
    };
    assert!(matches!(
        catalog(bounded).fetch().await,
        Err(CatalogError::TooMany(10))
    ));
    assert_eq!(backstage.requests.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn what_hangs_or_is_no_page_is_told_without_the_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let slow = CatalogSettings {
        timeout: Duration::from_millis(50),
        ..settings(&url)
    };
    let told = catalog(slow).fetch().await.unwrap_err();
    assert!(matches!(told, CatalogError::Unreachable(_)), "{told}");
    let (_, url) = stub(Backstage {
        entities: vec![json!({"kind": "Component", "metadata": {}})],
        ..Backstage::default()
    })
    .await;
    let catalog = catalog(settings(&url));
    let told = catalog.fetch().await.unwrap_err();
    assert!(matches!(told, CatalogError::Malformed(_)), "{told}");
    assert!(!format!("{catalog:?} {told}").contains(TOKEN));
}

#[test]
fn an_address_with_a_secret_or_none_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for url in [
        "",
        "backstage",
        "ftp://a",
        "https://u:hunter2@a",
        "https://a?token=hunter2",
    ] {
        let refused = Catalog::new(CatalogSettings::of(url), reqwest::Client::new()).unwrap_err();
        assert!(matches!(refused, CatalogError::Url(_)), "{url}");
        assert!(!refused.to_string().contains("hunter2"));
    }
    assert!(Token::new("two\nlines").is_err());
}

fn stream(environment: &str, namespace: &str, name: &str) -> StreamKey {
    StreamKey {
        environment: environment.into(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn listing(links: &[(&str, &[&str])]) -> Listing {
    let service = |name: &str| ServiceName {
        environment: None,
        namespace: None,
        name: name.into(),
    };
    let entities = links.iter().map(|(name, others)| Entity {
        reference: format!("component:default/{name}").into(),
        services: vec![service(name)],
        owner: None,
        depends_on: others
            .iter()
            .map(|other| format!("component:default/{other}").into())
            .collect(),
        dependency_of: vec![],
        people: vec![],
    });
    Listing::new(entities.collect())
}

#[test]
fn services_depend_on_those_beside_them() {
    let links = listing(&[
        ("front", &["cart", "ghost"]),
        ("cart", &["cart"]),
        ("mail", &[]),
    ]);
    let known = [
        stream("prod", "web", "front"),
        stream("prod", "web", "cart"),
        stream("prod", "old", "cart"),
        stream("test", "web", "cart"),
        stream("test", "web", "mail"),
    ];
    let found = links.dependencies(&known);
    let shown: Vec<String> = found
        .iter()
        .map(|link| format!("{} > {}", link.caller, link.callee))
        .collect();
    assert_eq!(shown, ["prod/web/front > prod/web/cart"]);
}

#[test]
fn a_link_may_be_said_from_either_end() {
    let mut links = listing(&[("front", &[]), ("cart", &[])]);
    let entities = links.entities().to_vec();
    let back = entities.into_iter().map(|mut entity| {
        if &*entity.reference == "component:default/cart" {
            entity.dependency_of = vec!["component:default/front".into()];
        }
        entity
    });
    links = Listing::new(back.collect());
    let known = [StreamKey::named("front"), StreamKey::named("cart")];
    let found = links.dependencies(&known);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&*found[0].caller.name, &*found[0].callee.name),
        ("front", "cart")
    );
}
