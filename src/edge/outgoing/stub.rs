//! A server in this process that answers as a contract says, and shows what it was asked.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// The server.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    asked: mpsc::UnboundedReceiver<(Ask, StatusCode)>,
}

impl Stub {
    pub(crate) async fn start(
        script: impl Fn(&Ask) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let body = body.to_vec();
            let ask = Ask {
                method,
                uri,
                headers,
                body,
            };
            let response = script(&ask);
            // A test that has ended does not listen any more.
            let _ = sender.send((ask, response.status()));
            response
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    /// The next request and how it was answered.
    pub(crate) async fn next(&mut self) -> (Ask, StatusCode) {
        let next = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        next.expect("a request in time").unwrap()
    }

    /// The next request, which has to be good.
    pub(crate) async fn taken(&mut self) -> Ask {
        let (ask, status) = self.next().await;
        let said = String::from_utf8_lossy(&ask.body).into_owned();
        assert!(
            status.is_success(),
            "{status}: {} {} {said}",
            ask.method,
            ask.uri
        );
        ask
    }

    /// What was asked next, if anything was by now: what was answered is in here.
    pub(crate) fn asked(&mut self) -> Option<Ask> {
        self.asked.try_recv().ok().map(|(ask, _)| ask)
    }

    /// Whether nobody asked since.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}
