//! Every path: who may call it, and what answers. The table is all there is.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::util::MapResponseLayer;

use super::answer::Problem;
use super::gate::{Denied, Knock};
use super::listen::{Door, Peer};
use super::{
    Applied, Caller, Desk, Feed, Gate, Hooks, Order, Refusal, Role, View, actions, changing,
    reading, signed,
};
use crate::core::record::Timestamp;

/// Most calls that look things up or change something at the same time.
const CALLS_MAX: usize = 32;

/// What is served.
#[derive(Clone)]
pub struct Api {
    /// What is read.
    pub view: Arc<dyn View>,
    /// What changes something.
    pub desk: Arc<dyn Desk>,
    /// Who may do what.
    pub gate: Gate,
    /// Whose signature does in place of a token.
    pub hooks: Hooks,
    /// What is told as it happens.
    pub feed: Feed,
    /// The time now.
    pub clock: fn() -> Timestamp,
}

/// Without tokens, and with nothing to be changed.
impl From<Arc<dyn View>> for Api {
    fn from(view: Arc<dyn View>) -> Self {
        Self {
            view,
            desk: Arc::new(NobodyAtDesk),
            gate: Gate::default(),
            hooks: Hooks::default(),
            feed: Feed::new(),
            clock: system_time,
        }
    }
}

struct NobodyAtDesk;

impl Desk for NobodyAtDesk {
    fn apply(&self, _: Order, _: &Caller) -> Result<Applied, Refusal> {
        Err(Refusal::Busy("nothing can be changed here".to_owned()))
    }

    fn stop_at_once(&self) {}
}

fn system_time() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::ZERO.plus(since.unwrap_or_default())
}

/// Serves the api on `listener` until `shutdown`.
///
/// # Errors
/// When the server gives up.
pub async fn serve(
    listener: TcpListener,
    api: impl Into<Api>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let is_local = listener.local_addr()?.ip().is_loopback();
    let served = Served::new(api.into(), is_local, shutdown.clone());
    let service = router(served).into_make_service_with_connect_info::<Peer>();
    axum::serve(Door::new(listener), service)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

/// What handlers need.
pub(super) struct Served {
    pub(super) api: Api,
    pub(super) stop: CancellationToken,
    is_local: bool,
    calls: Arc<Semaphore>,
}

impl Served {
    pub(super) fn new(api: Api, is_local: bool, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            api,
            stop,
            is_local,
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
        })
    }

    /// Runs what may wait for a disk where it keeps nobody else waiting.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Api) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::busy("too much is asked at once");
        let calls = Arc::clone(&self.calls);
        let permit = calls.acquire_owned().await.map_err(|_| busy())?;
        let api = self.api.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&api)
        });
        worked.await.map_err(|error| {
            tracing::error!(%error, "A call of the API broke off.");
            let hint = "the log of knothole says more";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this broke off", hint)
        })
    }
}

/// What handlers are given.
pub(super) type Shown = State<Arc<Served>>;

/// One path and method.
pub(super) struct Route {
    pub(super) method: Verb,
    pub(super) path: &'static str,
    /// The least role that may call it; `None` is for everybody.
    pub(super) least: Option<Role>,
    /// What it does, in a line.
    pub(super) about: &'static str,
    /// Whether a hook may call it with a signature in place of a token.
    pub(super) may_be_signed: bool,
    handler: fn(MethodFilter) -> MethodRouter<Arc<Served>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Get,
    Post,
    Delete,
}

impl Verb {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// A row of the table: method, path, least role, what it does, and the handler.
macro_rules! route {
    ($method:ident $path:literal, $least:expr, $about:literal, $handler:expr) => {
        Route {
            method: Verb::$method,
            path: $path,
            least: $least,
            about: $about,
            may_be_signed: false,
            handler: |method| on(method, $handler),
        }
    };
    (signed $($row:tt)*) => {
        Route {
            may_be_signed: true,
            ..route!($($row)*)
        }
    };
}

const ANYBODY: Option<Role> = None;
const VIEWER: Option<Role> = Some(Role::Viewer);
const OPERATOR: Option<Role> = Some(Role::Operator);
const APPROVER: Option<Role> = Some(Role::Approver);

/// All paths. The router, the index and the tests of roles and of the OpenAPI document go by it.
pub(super) const ROUTES: &[Route] = &[
    route!(Get "/", ANYBODY, "This list", index),
    route!(Get "/livez", ANYBODY, "200 while the process runs", async || "ok\n"),
    route!(Get "/readyz", ANYBODY, "200 while records are accepted, else 503 with the reason", reading::readyz),
    route!(Get "/metrics", VIEWER, "Counters and gauges, OpenMetrics text", reading::metrics),
    route!(Get "/v1/openapi.yaml", ANYBODY, "The description of this API for machines, OpenAPI 3.1", openapi),
    route!(Get "/v1/services", VIEWER, "Every service: learning, training or active, and how far it is", reading::services),
    route!(Get "/v1/incidents", VIEWER, "Incidents, newest first", reading::incidents),
    route!(Get "/v1/incidents/{id}", VIEWER, "One incident, whole", reading::incident),
    route!(Get "/v1/incidents/{id}/explanation", VIEWER, "One incident as an on-call engineer reads it, text of 80 columns", reading::explanation),
    route!(Get "/v1/incidents/{id}/markdown", VIEWER, "One incident as the first page of a post-mortem, Markdown", reading::markdown),
    route!(Post "/v1/incidents/{id}/acknowledge", OPERATOR, "Take an incident on", changing::acknowledge),
    route!(Post "/v1/incidents/{id}/resolve", OPERATOR, "Say that an incident is over", changing::resolve),
    route!(Post "/v1/incidents/{id}/accept", OPERATOR, "Say that what an incident tells is normal", changing::accept),
    route!(Post "/v1/incidents/{id}/done", OPERATOR, "Say what was done about an incident and whether it helped", changing::done),
    route!(Get "/v1/anomalies", VIEWER, "The latest anomalies, newest first", reading::anomalies),
    route!(Get "/v1/anomalies/{id}", VIEWER, "One anomaly with its explanation", reading::anomaly),
    route!(Get "/v1/templates", VIEWER, "The templates of a service, the most frequent first", reading::templates),
    route!(Get "/v1/silences", VIEWER, "Silences that hold, those of the settings file too", reading::silences),
    route!(Post "/v1/silences", OPERATOR, "Silence something for a while", changing::silence),
    route!(Delete "/v1/silences/{id}", OPERATOR, "End a silence that was made through this API", changing::end_silence),
    route!(Post "/v1/feedback", OPERATOR, "Say whether something was told rightly", changing::feedback),
    route!(Post "/v1/changes", OPERATOR, "Tell of a deployment: a CloudEvent, a CDEvent, or a few fields", changing::change),
    route!(Post "/v1/alerts", OPERATOR, "Take alerts of Alertmanager, as its webhook sends them", changing::alerts),
    route!(Get "/v1/actions", VIEWER, "What rules asked for and what became of it, newest first", actions::actions),
    route!(Get "/v1/actions/{id}", VIEWER, "One action with its plan, whole", actions::action),
    route!(Post "/v1/actions/{id}/approve", APPROVER, "Approve exactly this plan of an action", actions::approve),
    route!(Post "/v1/actions/{id}/deny", APPROVER, "Say no to an action, and why", actions::deny),
    route!(signed Post "/v1/actions/{id}/report", OPERATOR, "Say how far an action is; hooks sign this in place of a token", actions::report),
    route!(Get "/v1/switch", VIEWER, "Whether all actions are stopped, and why", actions::switch),
    route!(Post "/v1/switch", OPERATOR, "Stop all actions at once; to allow them again takes an approver", actions::throw),
    route!(Get "/v1/audit", OPERATOR, "Who did what, and what became of actions, newest first", reading::audit),
    route!(Get "/v1/dora", VIEWER, "Times to detect, acknowledge and restore, and how often changes fail", reading::dora),
    route!(Get "/v1/events", VIEWER, "What becomes of incidents as it becomes so, server-sent events", reading::events),
];

pub(super) fn router(served: Arc<Served>) -> Router {
    let with_all = ROUTES.iter().fold(Router::new(), |router, route| {
        let mut methods = (route.handler)(route.method.filter());
        if let Some(least) = route.least {
            let served = Arc::clone(&served);
            let guard = middleware::from_fn(move |request, next| {
                guarded(Arc::clone(&served), (route, least), request, next)
            });
            methods = methods.route_layer(guard);
        }
        router.route(route.path, methods)
    });
    with_all
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(MapResponseLayer::new(careful))
        .with_state(served)
}

/// Lets those in who may do what takes the role `least`, and tells the handler who they are.
async fn guarded(
    served: Arc<Served>,
    (route, least): (&Route, Role),
    mut request: Request,
    next: Next,
) -> Response {
    if route.may_be_signed && signed::is_signed(request.headers()) {
        return signed::admit(&served, request, next).await;
    }
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let knock = Knock {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        address: peer.map(|ConnectInfo(Peer(peer))| peer.ip().to_canonical()),
    };
    match served.api.gate.admit(&knock, least, served.is_local) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(denied) => refusal(denied, least, request.uri()).into_response(),
    }
}

/// Who calls, behind [`guarded`].
pub(super) type By = Extension<Caller>;

/// Why a call of what takes the role `least` is refused.
pub(super) fn refusal(denied: Denied, least: Role, uri: &Uri) -> Problem {
    let forbidden = |error: String, hint: &str| Problem::new(StatusCode::FORBIDDEN, error, hint);
    match denied {
        Denied::Unknown => Problem::unauthenticated(),
        Denied::Role(role) => {
            tracing::warn!(%role, path = uri.path(), "A call that the caller's role may not make was refused.");
            let error = format!("this takes the role {least}, and this token has the role {role}");
            forbidden(error, "use a token of that role; api.tokens names them")
        }
        Denied::Tokenless(role) => forbidden(
            format!("this takes the role {least}, and without tokens everybody here has the role {role}"),
            "name tokens in api.tokens, one of them with the role that this takes",
        ),
        Denied::Closed => forbidden(
            "nobody is let in, because the port can be reached from other hosts and there are no tokens".to_owned(),
            "name tokens in api.tokens, or listen on 127.0.0.1",
        ),
        Denied::Foreign => forbidden(
            "this request was made for another site".to_owned(),
            "call this API by its own address, such as http://127.0.0.1:8080, and not from a web page",
        ),
    }
}

/// What there is, and for whom.
async fn index() -> String {
    let mut text = "knothole\n\n".to_owned();
    for route in ROUTES {
        let call = format!("{:<6} {}", route.method.name(), route.path);
        let least = route.least.map_or("-", Role::name);
        text.push_str(&format!("{call:<42} {least:<9} {}\n", route.about));
    }
    text
}

async fn openapi() -> Response {
    let kind = HeaderValue::from_static("application/yaml; charset=utf-8");
    ([(CONTENT_TYPE, kind)], super::OPENAPI).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let hint = match uri.path() {
        "/v1/logs" => "logs are taken on the OTLP/HTTP port, 4318 unless configured otherwise",
        _ => "GET / lists what is here",
    };
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here", hint)
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not allowed here",
        "GET / lists what is here, with its methods",
    )
}

/// Log text comes out of this port, so a browser must neither guess a type nor run or frame anything.
fn careful(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
