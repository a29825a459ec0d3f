//! Requests to the parts that are servers. It waits without a runtime of its own around, so any test may ask.

use std::sync::LazyLock;
use std::sync::mpsc;

use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::process::SOON;

/// Never dropped, which is forbidden within another runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let builder = tokio::runtime::Builder::new_multi_thread();
    { builder }.worker_threads(1).enable_all().build().unwrap()
});

pub(crate) struct Web {
    client: Client,
}

impl Web {
    /// One who trusts nobody but `ca` (PEM).
    pub(crate) fn trusting(ca: &str) -> Self {
        let ca = Certificate::from_pem(ca.as_bytes()).unwrap();
        Self::of(Some(ca))
    }

    /// One for servers without TLS.
    pub(crate) fn plain() -> Self {
        Self::of(None)
    }

    fn of(ca: Option<Certificate>) -> Self {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().no_proxy().timeout(SOON);
        let client = builder.tls_certs_only(ca).build().unwrap();
        Self { client }
    }

    pub(crate) fn request(&self, method: &str, url: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, url)
    }

    /// Status and body (JSON, or text as it is) of the answer, which is read to its end; `None` if there
    /// is none.
    pub(crate) fn send(&self, request: RequestBuilder) -> Option<(u16, Value)> {
        let (sender, answer) = mpsc::channel();
        RUNTIME.spawn(async move {
            let ask = async {
                let answer = request.send().await?;
                let status = answer.status().as_u16();
                Ok::<_, reqwest::Error>((status, answer.bytes().await?))
            };
            // Whoever asked waits for it.
            let _ = sender.send(ask.await);
        });
        let (status, body) = answer.recv().unwrap().ok()?;
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
        Some((status, body))
    }
}
