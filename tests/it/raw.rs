//! A client that sends bytes as they are told, on HTTP/2, and shows what came back.

use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Flag and length before each gRPC message.
const FRAME_HEAD_LEN: usize = 5;

/// Which of the two OTLP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Grpc,
    Http,
}

/// One request to the logs service.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) content_type: &'static str,
    /// `identity`, `gzip` or `zstd`.
    pub(crate) packing: &'static str,
    framed: Bytes,
}

/// What came back: over HTTP the head and the body, over gRPC the status.
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) grpc: Option<tonic::Status>,
}

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) struct Pipe {
    road: Road,
    to: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Payload {
    pub(crate) fn new(content_type: &'static str, packing: &'static str, bytes: &[u8]) -> Self {
        let mut framed = BytesMut::with_capacity(FRAME_HEAD_LEN + bytes.len());
        framed.put_u8(u8::from(packing != "identity"));
        framed.put_u32(bytes.len().try_into().unwrap());
        framed.put_slice(bytes);
        Self {
            content_type,
            packing,
            framed: framed.freeze(),
        }
    }

    /// Its size as sent.
    pub(crate) fn len(&self) -> usize {
        self.framed.len() - FRAME_HEAD_LEN
    }
}

impl Pipe {
    pub(crate) async fn connect(road: Road, to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        // What ends it is seen by the requests on it.
        tokio::spawn(connection);
        Self { road, to, sender }
    }

    /// Sends `payload`. An error is a request that got no answer.
    pub(crate) async fn send(&self, payload: &Payload) -> Result<Answer, String> {
        let request = match self.road {
            Road::Grpc => Request::post(format!(
                "http://{}/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                self.to
            ))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-encoding", payload.packing)
            .body(Full::new(payload.framed.clone())),
            Road::Http => Request::post(format!("http://{}/v1/logs", self.to))
                .header("content-type", payload.content_type)
                .header("content-encoding", payload.packing)
                .body(Full::new(payload.framed.slice(FRAME_HEAD_LEN..))),
        };
        let mut sender = self.sender.clone();
        sender.ready().await.map_err(|error| error.to_string())?;
        let answer = sender.send_request(request.unwrap()).await;
        let (head, body) = answer.map_err(|error| format!("{error:?}"))?.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let grpc = [&trailers, &head.headers]
            .into_iter()
            .find_map(tonic::Status::from_header_map);
        Ok(Answer {
            http: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
            grpc,
        })
    }
}
