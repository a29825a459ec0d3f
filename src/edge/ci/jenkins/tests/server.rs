//! Jenkins as its remote API documents it, as far as it is asked: objects show what `tree` names and no more; a
//! job takes the parameters it defines and drops the others; the place in the queue is named by the address that
//! Jenkins has for itself; with a password, what changes something needs a crumb and its session. Each time an
//! item or a build is read, it has got one step further.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::edge::outgoing::{Ask, Stub};

pub(super) const USER: &str = "knothole";
pub(super) const API_TOKEN: &str = "11aa22bb";
pub(super) const PASSWORD: &str = "a-password";
pub(super) const JOB: &str = "/job/shop/job/restart";
const CRUMB: &str = "5f1d4dc3";
const SESSION: &str = "JSESSIONID.1a2b=node0abc";

/// What is there, and how it goes on.
pub(super) struct State {
    pub(super) buildable: bool,
    /// Parameters that the job defines; none: it takes none at all.
    pub(super) defines: Vec<&'static str>,
    pub(super) items: Vec<Value>,
    pub(super) builds: Vec<Value>,
    /// How the next build ends; none: it goes on.
    pub(super) result: Option<&'static str>,
    /// Whether the next item is built; else it waits.
    pub(super) has_executor: bool,
    /// Whether items are forgotten once they are builds.
    pub(super) forgets_items: bool,
    /// Whether Jenkins has crumbs at all.
    pub(super) has_crumbs: bool,
}

/// The server.
#[derive(Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

impl Server {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            buildable: true,
            defines: vec!["KNOTHOLE_ACTION_ID", "KNOTHOLE_NAMESPACE"],
            items: vec![],
            builds: vec![],
            result: Some("SUCCESS"),
            has_executor: true,
            forgets_items: false,
            has_crumbs: true,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) async fn start(&self) -> Stub {
        let server = self.clone();
        Stub::start(move |ask| server.answer(ask)).await
    }

    fn answer(&self, ask: &Ask) -> Response {
        let is = |secret: &str| {
            let basic = STANDARD.encode(format!("{USER}:{secret}"));
            ask.header("authorization") == format!("Basic {basic}")
        };
        if !is(API_TOKEN) && !is(PASSWORD) {
            return (StatusCode::UNAUTHORIZED, "<html>Invalid password/token").into_response();
        }
        let mut state = self.state();
        let url: Url = format!("http://stub{}", ask.uri).parse().unwrap();
        match ask.method {
            Method::POST => {
                let has_crumb =
                    ask.header("jenkins-crumb") == CRUMB && ask.header("cookie") == SESSION;
                if state.has_crumbs && !is(API_TOKEN) && !has_crumb {
                    let said = "<html>No valid crumb was included in the request";
                    return (StatusCode::FORBIDDEN, said).into_response();
                }
                state.build(ask, url.path())
            }
            Method::GET => {
                let tree = url.query_pairs().find(|(name, _)| name == "tree");
                let tree = tree.map(|(_, tree)| tree.into_owned());
                match url.path().strip_suffix("/api/json") {
                    Some(path) => state.show(path, tree.as_deref()),
                    None => "<html>".into_response(),
                }
            }
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }
    }
}

impl State {
    fn build(&mut self, ask: &Ask, path: &str) -> Response {
        if path != format!("{JOB}/buildWithParameters") {
            return (StatusCode::NOT_FOUND, "<html>Not Found").into_response();
        }
        if ask.header("content-type") != "application/x-www-form-urlencoded" {
            return (StatusCode::BAD_REQUEST, "<html>Nothing is submitted").into_response();
        }
        if !self.buildable {
            return (StatusCode::CONFLICT, "<html>shop/restart is not buildable!").into_response();
        }
        if self.defines.is_empty() {
            let said = "<html>This build is not parameterized!";
            return (StatusCode::INTERNAL_SERVER_ERROR, said).into_response();
        }
        let form = format!("http://stub/?{}", String::from_utf8_lossy(&ask.body));
        let form: Url = form.parse().unwrap();
        let kept = form
            .query_pairs()
            .filter(|(name, _)| self.defines.contains(&&**name));
        let parameters: Vec<Value> = kept
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let same = self
            .items
            .iter()
            .find(|it| it["actions"][1]["parameters"] == json!(parameters));
        let (status, id) = match same {
            Some(item) => (StatusCode::SEE_OTHER, item["id"].as_u64().unwrap()),
            None => (StatusCode::CREATED, 17 + self.items.len() as u64),
        };
        if status == StatusCode::CREATED {
            self.items.push(json!({
                "id": id, "why": "In the quiet period. Expires in 4.9 sec",
                "actions": [{}, {"parameters": parameters}],
                "task": {"name": "restart", "url": "http://jenkins.example.net/ci/job/shop/job/restart/"},
            }));
        }
        let mut headers = HeaderMap::new();
        let place = format!("http://jenkins.example.net/ci/queue/item/{id}/");
        headers.insert(header::LOCATION, HeaderValue::from_str(&place).unwrap());
        (status, headers).into_response()
    }

    fn show(&mut self, path: &str, tree: Option<&str>) -> Response {
        if path == "/crumbIssuer" && !self.has_crumbs {
            return (StatusCode::NOT_FOUND, "<html>Not Found").into_response();
        }
        if path == "/crumbIssuer" {
            let mut headers = HeaderMap::new();
            let cookie = format!("{SESSION}; Path=/; HttpOnly; SameSite=Lax");
            headers.insert(header::SET_COOKIE, HeaderValue::from_str(&cookie).unwrap());
            let crumb = json!({"_class": "hudson.security.csrf.DefaultCrumbIssuer", "crumb": CRUMB,
                "crumbRequestField": "Jenkins-Crumb"});
            return (headers, Json(crumb)).into_response();
        }
        let Some(tree) = tree else {
            return (StatusCode::BAD_REQUEST, "all of it is never asked for").into_response();
        };
        let Some(whole) = self.object(path) else {
            return (StatusCode::NOT_FOUND, "<html>Not Found").into_response();
        };
        Json(pruned(&whole, tree)).into_response()
    }

    fn object(&mut self, path: &str) -> Option<Value> {
        let number = |prefix: &str| -> Option<u64> { path.strip_prefix(prefix)?.parse().ok() };
        if path == "/queue" {
            let waiting = self.items.iter().filter(|it| it["executable"].is_null());
            return Some(json!({"items": waiting.collect::<Vec<_>>()}));
        }
        if path == JOB {
            let names = self
                .defines
                .iter()
                .map(|name| json!({"name": name, "type": "String"}));
            let parameters = json!({"parameterDefinitions": names.collect::<Vec<_>>()});
            return Some(
                json!({"buildable": self.buildable, "property": [{}, parameters],
                "builds": self.builds}),
            );
        }
        if let Some(id) = number("/queue/item/") {
            self.advance(id);
            let item = self.items.iter().find(|it| it["id"] == id)?;
            let is_forgotten = self.forgets_items && !item["executable"].is_null();
            return (!is_forgotten).then(|| item.clone());
        }
        let number = number(&format!("{JOB}/"))?;
        let result = self.result;
        let build = self.builds.iter_mut().find(|it| it["number"] == number)?;
        let seen = build.clone();
        if let Some(result) = result {
            build["building"] = json!(false);
            build["result"] = json!(result);
        }
        Some(seen)
    }

    /// The item leaves the queue, if there is room for its build.
    fn advance(&mut self, id: u64) {
        let number = 12 + self.builds.len() as u64;
        let item = self.items.iter_mut().find(|it| it["id"] == id);
        let Some(item) = item.filter(|it| it["executable"].is_null() && it["cancelled"] != true)
        else {
            return;
        };
        if self.has_executor {
            let url = format!("http://jenkins.example.net/ci{JOB}/{number}/");
            item["why"] = Value::Null;
            item["cancelled"] = json!(false);
            item["executable"] = json!({"number": number, "url": url});
            let build = json!({"number": number, "building": true, "result": null,
                "timestamp": 1_763_700_001_000_u64, "actions": item["actions"]});
            self.builds.insert(0, build);
        }
    }
}

/// What `tree` names of `whole`: `a,b[c,d]{0,50}`.
fn pruned(whole: &Value, tree: &str) -> Value {
    if let Value::Array(items) = whole {
        return items.iter().map(|item| pruned(item, tree)).collect();
    }
    let mut kept = Map::new();
    kept.insert("_class".to_owned(), json!("hudson.model.Something"));
    let mut rest = tree;
    while !rest.is_empty() {
        let end = rest.find([',', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (inner, after) = match after.strip_prefix('[') {
            Some(after) => {
                let mut depth = 1;
                let close = after.find(|c| {
                    depth += i32::from(c == '[') - i32::from(c == ']');
                    depth == 0
                });
                let (inner, after) = after.split_at(close.expect("brackets in pairs"));
                (Some(inner), &after[1..])
            }
            None => (None, after),
        };
        let (most, after) = match after.strip_prefix("{0,") {
            Some(after) => {
                let (most, after) = after.split_once('}').expect("braces in pairs");
                (most.parse().unwrap(), after)
            }
            None => (usize::MAX, after),
        };
        if let Some(value) = whole.get(name) {
            let mut value = inner.map_or_else(|| value.clone(), |inner| pruned(value, inner));
            if let Value::Array(items) = &mut value {
                items.truncate(most);
            }
            kept.insert(name.to_owned(), value);
        }
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Value::Object(kept)
}
