//! Which of OTLP's two protocols is spoken where.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::sync::OnceCell;
use tonic::Code;

use super::client::{Packing, Peer, Post, Protocol, Refusal, Signal, Told, Verdict, Way};
use super::payload;

/// The port of OTLP/gRPC unless another is given.
const GRPC_PORT: u16 = 4317;
/// The port of OTLP/HTTP unless another is given.
const HTTP_PORT: u16 = 4318;

/// What was given on the command line.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// A host, `host:port` or URL.
    pub(super) endpoint: Option<String>,
    /// `host:port` of OTLP/gRPC, if it was named outright.
    pub(super) grpc: Option<String>,
    /// `host:port` of OTLP/HTTP, if it was named outright.
    pub(super) http: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
    pub(super) large_bytes: usize,
}

/// An endpoint in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    host: String,
    port: Option<u16>,
    /// The path of a URL, without a slash at its end.
    prefix: String,
}

/// Finds the ports of a receiver.
///
/// # Errors
/// A sentence: the endpoint cannot be read, nothing there speaks OTLP, or it wants credentials.
pub(super) async fn find(wanted: &Wanted) -> Result<Peer, String> {
    let endpoint = wanted.endpoint.as_deref().map(Endpoint::read).transpose()?;
    let mut peer = Peer::of(wanted);
    if let Some(endpoint) = &endpoint {
        peer.prefix.clone_from(&endpoint.prefix);
    }
    // An address that is named outright is looked at alone.
    let places = |named: &Option<String>, port| match (named, &endpoint) {
        (Some(named), _) => vec![bare(named)],
        (None, Some(endpoint)) => endpoint.places(port),
        (None, None) => Vec::new(),
    };
    let grpc = places(&wanted.grpc, GRPC_PORT);
    let http = places(&wanted.http, HTTP_PORT);
    let tried = [grpc.clone(), http.clone()].concat();
    for place in grpc {
        peer.grpc = Some(place);
        if peer.speaks_grpc().await {
            break;
        }
        peer.grpc = None;
    }
    for place in http {
        peer.http = Some(place);
        if peer.speaks_http().await {
            break;
        }
        peer.http = None;
    }
    match (&peer.grpc, &peer.http) {
        (None, None) => Err(format!(
            "nothing speaks OTLP at {}; name the ports with --grpc ADDRESS and --http ADDRESS",
            once_each(tried).join(", ")
        )),
        _ if peer.wants_credentials().await => Err(format!(
            "{} wants credentials; give them with --header 'authorization: Bearer TOKEN'",
            peer.endpoint()
        )),
        _ => Ok(peer),
    }
}

impl Peer {
    /// A receiver whose ports are not known yet.
    pub(super) fn of(wanted: &Wanted) -> Self {
        Self {
            grpc: None,
            http: None,
            prefix: String::new(),
            headers: wanted.headers.clone(),
            timeout: wanted.timeout,
            large_bytes: wanted.large_bytes,
            full: None,
            guarded: None,
            faults: OnceCell::new(),
        }
    }

    /// The same receiver, asked without credentials.
    pub(super) fn without_headers(&self) -> Self {
        Self {
            grpc: self.grpc.clone(),
            http: self.http.clone(),
            prefix: self.prefix.clone(),
            headers: Vec::new(),
            timeout: self.timeout,
            large_bytes: self.large_bytes,
            full: None,
            guarded: None,
            faults: OnceCell::new(),
        }
    }

    /// Where it is, for a reader.
    pub(super) fn endpoint(&self) -> String {
        let grpc = self.grpc.as_ref().map(|address| format!("gRPC {address}"));
        let http = self
            .http
            .as_ref()
            .map(|address| format!("HTTP {address}{}", self.prefix));
        let both: Vec<String> = grpc.into_iter().chain(http).collect();
        both.join(", ")
    }

    /// Whether a record is refused for the want of (other) credentials.
    async fn wants_credentials(&self) -> bool {
        let sample = payload::sample(Signal::Logs);
        let grpc = self.grpc(Signal::Logs, Packing::None, &sample).await;
        let way = (Way::Protobuf, Packing::None);
        let http = self.http(Signal::Logs, way, &sample).await;
        let codes = [grpc, http];
        let mut codes = codes.iter().flatten().filter_map(Told::code);
        codes.any(|code| match code {
            Refusal::Grpc(code) => matches!(code, Code::Unauthenticated | Code::PermissionDenied),
            Refusal::Http(status) => matches!(status, 401 | 403),
        })
    }

    /// Whether an empty call gets a gRPC status.
    async fn speaks_grpc(&self) -> bool {
        let told = self
            .grpc(Signal::Logs, Packing::None, &bytes::Bytes::new())
            .await;
        told.is_some_and(|told| match told.verdict {
            Verdict::Taken(_) => true,
            Verdict::Refused(refused) => matches!(refused.code, Refusal::Grpc(_)),
            _ => false,
        })
    }

    /// Whether an empty post gets an answer that is not "there is nothing here".
    async fn speaks_http(&self) -> bool {
        let post = Post::logs(Way::Protobuf, &[], bytes::Bytes::new());
        let told: Told = self.post(Protocol::One, post).await;
        match &told.verdict {
            Verdict::Taken(_) => true,
            Verdict::Refused(refused) => !matches!(refused.code, Refusal::Http(404 | 405 | 505)),
            // Something answered 2xx; what is wrong with it is for the rows to say.
            Verdict::Garbled(_) => true,
            Verdict::Silent(_) => false,
        }
    }
}

impl Endpoint {
    fn read(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err(
                "TLS is not spoken by otlp-check yet; point it at a port without TLS".to_owned(),
            );
        }
        let bare = bare(text);
        let (authority, path) = match bare.split_once('/') {
            Some((authority, path)) => (authority, path),
            None => (bare.as_str(), ""),
        };
        // An IPv6 address has colons of its own and stands in brackets.
        let after_host = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority.get(after_host..).and_then(|rest| rest.rfind(':')) {
            None => (authority, None),
            Some(at) => {
                let (host, port) = authority.split_at(after_host + at);
                let port = port.trim_start_matches(':');
                let read = port.parse().map_err(|_| format!("{port:?} is no port"))?;
                (host, Some(read))
            }
        };
        if host.is_empty() {
            return Err(format!(
                "{text:?} names no host; write HOST, HOST:PORT or a URL"
            ));
        }
        let path = path
            .trim_end_matches('/')
            .trim_end_matches(Signal::Logs.path());
        let path = path.trim_end_matches("v1/logs").trim_end_matches('/');
        let prefix = match path {
            "" => String::new(),
            path => format!("/{path}"),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            prefix,
        })
    }

    /// Where the protocol whose usual port is `usual` may be spoken, likeliest first: at the port
    /// that was given, at its usual neighbour, one above and one below.
    fn places(&self, usual: u16) -> Vec<String> {
        let ports = match self.port {
            None => vec![usual],
            Some(port @ (GRPC_PORT | HTTP_PORT)) => vec![port, GRPC_PORT + HTTP_PORT - port],
            Some(port) => vec![port, port.saturating_add(1), port.saturating_sub(1)],
        };
        let places = ports
            .into_iter()
            .map(|port| format!("{}:{port}", self.host));
        once_each(places.collect())
    }
}

/// An address without the scheme of a URL.
fn bare(text: &str) -> String {
    let schemes = ["http://", "grpc://"];
    let scheme = schemes.iter().find(|scheme| text.starts_with(**scheme));
    text.trim_start_matches(scheme.copied().unwrap_or_default())
        .to_owned()
}

fn once_each(places: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for place in places {
        if !once.contains(&place) {
            once.push(place);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Option<u16>, String) {
        let endpoint = Endpoint::read(text).unwrap();
        (endpoint.host, endpoint.port, endpoint.prefix)
    }

    #[test]
    fn an_endpoint_is_a_host_a_host_with_port_or_a_url() {
        let expect = |host: &str, port, prefix: &str| (host.to_owned(), port, prefix.to_owned());
        assert_eq!(read("collector"), expect("collector", None, ""));
        assert_eq!(read("10.0.0.1:9000"), expect("10.0.0.1", Some(9000), ""));
        assert_eq!(read("http://x:80/otlp/"), expect("x", Some(80), "/otlp"));
        assert_eq!(read("http://x/otlp/v1/logs"), expect("x", None, "/otlp"));
        assert_eq!(read("[::1]:4317"), expect("[::1]", Some(4317), ""));
        assert_eq!(read("[::1]"), expect("[::1]", None, ""));
        for wrong in ["", ":4317", "x:port", "https://x"] {
            assert!(Endpoint::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_other_port_is_looked_for_beside_the_one_given() {
        let places = |text: &str, usual| Endpoint::read(text).unwrap().places(usual);
        assert_eq!(places("x", HTTP_PORT), ["x:4318"]);
        assert_eq!(places("x:4317", HTTP_PORT), ["x:4317", "x:4318"]);
        assert_eq!(places("x:4318", GRPC_PORT), ["x:4318", "x:4317"]);
        assert_eq!(places("x:9000", GRPC_PORT), ["x:9000", "x:9001", "x:8999"]);
    }
}
