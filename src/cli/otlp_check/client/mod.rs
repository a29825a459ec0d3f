//! A client that says exactly what it is told to say, and tells exactly what came back.

mod dial;
mod outcome;
mod pack;
mod raw;
mod read;
mod session;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::sync::OnceCell;

pub(super) use dial::Tls;
pub(super) use outcome::{Refusal, Told, Verdict, Way};
pub(super) use pack::Packing;
pub(super) use read::{frame_head, is_of_type};
pub(super) use session::{Answer, Pieces, Protocol, Session};

use super::rows::Fault;

/// How often a request is sent again when the receiver asks for it.
const AGAIN_MAX: usize = 3;
/// Longest wait before a request is sent again.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// How much longer than a small request a large one may take.
const LARGE_PATIENCE: u32 = 3;
/// Longest small request, in bytes as sent: what is longer may inflate to a lot.
const SMALL_LEN: usize = 4 << 10;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Logs,
    Traces,
    Metrics,
}

impl Signal {
    pub(super) const ALL: [Self; 3] = [Self::Logs, Self::Traces, Self::Metrics];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// The path of its gRPC method.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    /// Its path over HTTP.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Logs => "/v1/logs",
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }
}

/// The receiver that is looked at.
pub(super) struct Peer {
    /// `host:port` of OTLP/gRPC, if it speaks that.
    pub(super) grpc: Option<String>,
    /// `host:port` of OTLP/HTTP, if it speaks that.
    pub(super) http: Option<String>,
    /// Whom to trust, where TLS is spoken.
    pub(super) tls: Option<Tls>,
    /// What stands before `/v1/logs`; usually nothing.
    pub(super) prefix: String,
    /// Sent along with every request, such as a token.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
    /// Bytes of a request that is to be too large.
    pub(super) large_bytes: usize,
    /// A receiver of ours that has no room, to see how it says so.
    pub(super) full: Option<Box<Self>>,
    /// A receiver of ours that wants a token, which is among its `headers`.
    pub(super) guarded: Option<Box<Self>>,
    /// What it answers to requests that are wrong; asked once, since several rows look at it.
    pub(super) faults: OnceCell<Vec<Fault>>,
}

/// A gRPC call as it goes over the wire.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// Frames and all.
    pub(super) body: Pieces,
}

/// An HTTP request as it goes over the wire.
pub(super) struct Post<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) way: Way,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: Pieces,
}

impl<'a> Post<'a> {
    /// A POST of log records as `way` writes them.
    pub(super) fn logs(
        way: Way,
        headers: &'a [(&'a str, &'a str)],
        body: impl Into<Pieces>,
    ) -> Self {
        Self {
            method: Method::POST,
            path: Signal::Logs.path(),
            way,
            headers,
            body: body.into(),
        }
    }
}

impl Peer {
    /// Sends a protobuf message of `signal` by gRPC. `None` if gRPC is not spoken.
    pub(super) async fn grpc(
        &self,
        signal: Signal,
        packing: Packing,
        message: &Bytes,
    ) -> Option<Told> {
        self.grpc.as_ref()?;
        let packed = packing.pack(message);
        let head = frame_head(packing != Packing::None, packed.len());
        let encoding = [("grpc-encoding", packing.name())];
        let headers = match packing {
            Packing::None => &[][..],
            _ => &encoding[..],
        };
        let body = Pieces::of([head, packed]);
        let mut left = AGAIN_MAX;
        loop {
            let call = Call {
                method: signal.method(),
                headers,
                body: body.clone(),
            };
            let told = self.call(call).await;
            match wait(&told, &mut left) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Some(told),
            }
        }
    }

    /// Posts a body of `signal` by HTTP. `None` if HTTP is not spoken.
    pub(super) async fn http(
        &self,
        signal: Signal,
        (way, packing): (Way, Packing),
        body: &Bytes,
    ) -> Option<Told> {
        self.http.as_ref()?;
        let body = Pieces::from(packing.pack(body));
        let encoding = [("content-encoding", packing.name())];
        let headers = match packing {
            Packing::None => &[][..],
            _ => &encoding[..],
        };
        let mut left = AGAIN_MAX;
        loop {
            let post = Post {
                path: signal.path(),
                ..Post::logs(way, headers, body.clone())
            };
            let told = self.post(Protocol::One, post).await;
            match wait(&told, &mut left) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Some(told),
            }
        }
    }

    /// Makes one call on a connection of its own, exactly as given.
    pub(super) async fn call(&self, call: Call<'_>) -> Told {
        let request = self.call_request(call);
        let answer = match request {
            Ok(request) => match self.open_grpc(request.body().len()).await {
                Ok(mut session) => session.send(request).await,
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        Told::grpc(answer)
    }

    /// Sends one HTTP request on a connection of its own, exactly as given.
    pub(super) async fn post(&self, protocol: Protocol, post: Post<'_>) -> Told {
        let way = post.way;
        let answer = match self.post_request(post) {
            Ok(request) => match self.open_http(protocol, request.body().len()).await {
                Ok(mut session) => session.send(request).await,
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        Told::http(way, answer)
    }

    /// Posts JSON log records with `Expect: 100-continue`: whether the receiver said to go on, and
    /// what it said in the end.
    pub(super) async fn post_expecting(&self, json: &str) -> Result<(bool, u16), String> {
        let (address, mut head) = self.raw_head(Way::Json, json.len())?;
        head += "expect: 100-continue\r\n\r\n";
        let stream = dial::dial(address, self.tls.as_ref(), Protocol::One).await?;
        raw::ask_first(stream, &head, json.as_bytes(), self.timeout).await
    }

    /// Posts log records and reads the answer even if the receiver hangs up before it has them all.
    pub(super) async fn post_stubbornly(&self, way: Way, pieces: &[Bytes]) -> Told {
        let exchange = async {
            let len = pieces.iter().map(Bytes::len).sum();
            let (address, head) = self.raw_head(way, len)?;
            let stream = dial::dial(address, self.tls.as_ref(), Protocol::One).await?;
            raw::post(stream, &(head + "\r\n"), pieces, self.patience(len)).await
        };
        Told::http(way, exchange.await)
    }

    /// The address, and the head of a post without the line that ends it.
    fn raw_head(&self, way: Way, len: usize) -> Result<(&str, String), String> {
        let address = self.http.as_deref().ok_or("no HTTP")?;
        let mut head = format!(
            "POST {}{} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {}\r\n\
             content-length: {len}\r\nconnection: close\r\n",
            self.prefix,
            Signal::Logs.path(),
            content_type(way),
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
        Ok((address, head))
    }

    /// A connection for gRPC, patient enough for requests of `len` bytes.
    pub(super) async fn open_grpc(&self, len: usize) -> Result<Session, String> {
        let address = self.grpc.as_deref().ok_or("no gRPC")?;
        Session::open(
            address,
            self.tls.as_ref(),
            Protocol::Two,
            self.patience(len),
        )
        .await
    }

    /// A connection for HTTP, patient enough for requests of `len` bytes.
    pub(super) async fn open_http(
        &self,
        protocol: Protocol,
        len: usize,
    ) -> Result<Session, String> {
        let address = self.http.as_deref().ok_or("no HTTP")?;
        Session::open(address, self.tls.as_ref(), protocol, self.patience(len)).await
    }

    fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    fn patience(&self, len: usize) -> Duration {
        match len < SMALL_LEN {
            true => self.timeout,
            false => self.timeout * LARGE_PATIENCE,
        }
    }

    pub(super) fn call_request(&self, call: Call<'_>) -> Result<Request<Pieces>, String> {
        let address = self.grpc.as_deref().unwrap_or_default();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}://{address}{}", self.scheme(), call.method))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        self.finish(request, call.headers, call.body)
    }

    /// The content type is that of the way, unless `headers` name another.
    pub(super) fn post_request(&self, post: Post<'_>) -> Result<Request<Pieces>, String> {
        let address = self.http.as_deref().unwrap_or_default();
        let uri = format!("{}://{address}{}{}", self.scheme(), self.prefix, post.path);
        let uri: Result<Uri, _> = uri.parse();
        let mut request = Request::builder()
            .method(post.method)
            .uri(uri.map_err(|error| format!("the address is no URI ({error})"))?)
            .header("host", address);
        let own_type = post.headers.iter().any(|(name, _)| *name == "content-type");
        if !own_type {
            request = request.header("content-type", content_type(post.way));
        }
        self.finish(request, post.headers, post.body)
    }

    fn finish(
        &self,
        mut request: http::request::Builder,
        headers: &[(&str, &str)],
        body: Pieces,
    ) -> Result<Request<Pieces>, String> {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
            .body(body)
            .map_err(|error| format!("the request cannot be written ({error})"))
    }
}

/// What a body of this way is called.
pub(super) const fn content_type(way: Way) -> &'static str {
    match way {
        Way::Grpc => "application/grpc",
        Way::Protobuf => "application/x-protobuf",
        Way::Json => "application/json",
    }
}

/// How long to wait before the same is sent again; `None` if it is not to be.
fn wait(told: &Told, left: &mut usize) -> Option<Duration> {
    let asks = match told.code()? {
        Refusal::Grpc(code) => code == tonic::Code::Unavailable,
        Refusal::Http(status) => matches!(status, 429 | 503),
    };
    if !asks || *left == 0 {
        return None;
    }
    *left -= 1;
    let wanted = told.refused()?.retry_after.unwrap_or(WAIT_MAX / 4);
    Some(wanted.min(WAIT_MAX))
}
