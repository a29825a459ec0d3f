//! A server in this process that answers as a contract says, and shows what it was asked.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::PATIENCE;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Ask {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// The server.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    asked: mpsc::UnboundedReceiver<(Ask, StatusCode)>,
}

impl Stub {
    pub(super) async fn start(
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
    pub(super) async fn next(&mut self) -> (Ask, StatusCode) {
        let next = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        next.expect("a request in time").unwrap()
    }

    /// The next request, which has to be good.
    pub(super) async fn taken(&mut self) -> Ask {
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

    /// Whether nobody asked since.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}
