//! One connection to the receiver, spoken as HTTP/1.1 or HTTP/2, and what comes back on it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Largest answer that is read, in bytes: twice what a receiver may send.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Largest list of headers or trailers that is read over HTTP/2, in bytes.
const HEADERS_BYTES_MAX: u32 = 1 << 20;

/// Which HTTP is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::otlp_check) enum Protocol {
    /// HTTP/1.1.
    One,
    /// HTTP/2 without TLS and without asking first (h2c, prior knowledge).
    Two,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(in crate::cli::otlp_check) struct Answer {
    pub(in crate::cli::otlp_check) status: u16,
    pub(in crate::cli::otlp_check) headers: HeaderMap,
    pub(in crate::cli::otlp_check) body: Bytes,
    pub(in crate::cli::otlp_check) trailers: HeaderMap,
}

/// An open connection. Requests on it go one after the other; over HTTP/2 a copy sends beside it.
pub(in crate::cli::otlp_check) struct Session {
    sender: Sender,
    timeout: Duration,
}

enum Sender {
    One(http1::SendRequest<Pieces>),
    Two(http2::SendRequest<Pieces>),
}

impl Session {
    /// Connects to `address` (`host:port`). `timeout` holds for connecting and for each answer.
    ///
    /// # Errors
    /// A plain sentence: nobody listens, no answer in time, another protocol.
    pub(in crate::cli::otlp_check) async fn open(
        address: &str,
        protocol: Protocol,
        timeout: Duration,
    ) -> Result<Self, String> {
        let opened = tokio::time::timeout(timeout, Sender::open(address, protocol));
        let sender = opened
            .await
            .map_err(|_| format!("no connection within {timeout:?}"))??;
        Ok(Self { sender, timeout })
    }

    /// Sends one request and reads all of its answer.
    ///
    /// # Errors
    /// A plain sentence when there is no whole answer in time.
    pub(in crate::cli::otlp_check) async fn send(
        &mut self,
        request: Request<Pieces>,
    ) -> Result<Answer, String> {
        let limit = self.timeout;
        let exchange = self.sender.exchange(request);
        tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| format!("no answer within {limit:?}"))?
    }

    /// Another sender on the same HTTP/2 connection; HTTP/1.1 has none.
    pub(in crate::cli::otlp_check) fn beside(&self) -> Option<Self> {
        let Sender::Two(sender) = &self.sender else {
            return None;
        };
        Some(Self {
            sender: Sender::Two(sender.clone()),
            timeout: self.timeout,
        })
    }
}

impl Sender {
    async fn open(address: &str, protocol: Protocol) -> Result<Self, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| format!("no connection: {error}"))?;
        // Small requests would otherwise wait for the receiver's delayed acknowledgement; a
        // stream that cannot be set so still works.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(stream);
        // The connection ends with its sender; what goes wrong on it shows in the answers.
        match protocol {
            Protocol::One => {
                let (sender, connection) = http1::handshake(io).await.map_err(plain)?;
                tokio::spawn(connection);
                Ok(Self::One(sender))
            }
            Protocol::Two => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                let builder = builder.max_header_list_size(HEADERS_BYTES_MAX);
                let (sender, connection) = builder.handshake(io).await.map_err(plain)?;
                tokio::spawn(connection);
                Ok(Self::Two(sender))
            }
        }
    }

    async fn exchange(&mut self, request: Request<Pieces>) -> Result<Answer, String> {
        let response = match self {
            Self::One(sender) => {
                sender.ready().await.map_err(plain)?;
                sender.send_request(request).await
            }
            Self::Two(sender) => {
                sender.ready().await.map_err(plain)?;
                sender.send_request(request).await
            }
        };
        whole(response.map_err(plain)?).await
    }
}

async fn whole(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.to_bytes(),
        trailers,
    })
}

/// hyper's errors say in their cause what really happened.
fn plain(error: hyper::Error) -> String {
    let cause = std::error::Error::source(&error);
    match cause.map(ToString::to_string) {
        Some(cause) => format!("the connection failed ({error}: {cause})"),
        None => format!("the connection failed ({error})"),
    }
}

/// A request body in pieces, so that a large one need not be held as a whole: clones of a piece
/// share its bytes.
#[derive(Clone, Debug, Default)]
pub(in crate::cli::otlp_check) struct Pieces {
    pieces: VecDeque<Bytes>,
    hides_length: bool,
}

impl Pieces {
    /// A body whose length is told in advance.
    pub(in crate::cli::otlp_check) fn of(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            pieces: pieces
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .collect(),
            hides_length: false,
        }
    }

    /// The same without its length: HTTP/1.1 sends it chunked, one chunk for each piece.
    pub(in crate::cli::otlp_check) fn without_length(mut self) -> Self {
        self.hides_length = true;
        self
    }

    pub(in crate::cli::otlp_check) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        Self::of([whole])
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.hides_length {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.len() as u64)
    }
}
