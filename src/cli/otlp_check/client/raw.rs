//! HTTP/1.1 by hand, where libraries are too polite: they do not show what came first, and lose an
//! answer that came before all of the request was sent.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::session::Answer;

/// Longest answer that is read, in bytes.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// Sends `head`, waits for a word from the receiver, then sends `body`: whether that word was
/// "100 Continue", and the status in the end. `head` asks to close the connection afterwards.
///
/// # Errors
/// A plain sentence when there is no answer in time.
pub(super) async fn ask_first(
    address: &str,
    head: &str,
    body: &[u8],
    timeout: Duration,
) -> Result<(bool, u16), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut answer = vec![0; 4096];
        let len = stream.read(&mut answer).await?;
        answer.truncate(len);
        // A final answer already means that the body is not wanted.
        if answer.starts_with(b"HTTP/1.1 100") {
            stream.write_all(body).await?;
        }
        stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let answer = in_time(timeout, exchange).await?;
    both(&String::from_utf8_lossy(&answer)).ok_or_else(|| NO_HTTP.to_owned())
}

/// Sends `head` and `pieces` while it reads the answer. `head` asks to close the connection.
///
/// # Errors
/// A plain sentence when there is no answer in time.
pub(super) async fn post(
    address: &str,
    head: &str,
    pieces: &[Bytes],
    timeout: Duration,
) -> Result<Answer, String> {
    let exchange = async {
        let (read, mut write) = TcpStream::connect(address).await?.into_split();
        let send = async {
            write.write_all(head.as_bytes()).await?;
            for piece in pieces {
                write.write_all(piece).await?;
            }
            Ok::<(), std::io::Error>(())
        };
        let mut answer = Vec::new();
        let mut read = read.take(ANSWER_LEN_MAX);
        // Whoever has read enough hangs up; its answer counts and not that.
        let (_, came) = tokio::join!(send, read.read_to_end(&mut answer));
        match came {
            Err(error) if answer.is_empty() => Err(error),
            _ => Ok(answer),
        }
    };
    let answer = in_time(timeout, exchange).await?;
    if answer.is_empty() {
        return Err("the connection was closed without an answer".to_owned());
    }
    parsed(&answer).ok_or_else(|| NO_HTTP.to_owned())
}

const NO_HTTP: &str = "an answer that is no HTTP";

async fn in_time(
    limit: Duration,
    exchange: impl Future<Output = std::io::Result<Vec<u8>>>,
) -> Result<Vec<u8>, String> {
    match tokio::time::timeout(limit, exchange).await {
        Err(_) => Err(format!("no answer within {limit:?}")),
        Ok(Err(error)) => Err(format!("the connection failed ({error})")),
        Ok(Ok(answer)) => Ok(answer),
    }
}

fn status(text: &str) -> Option<u16> {
    let code = text.strip_prefix("HTTP/1.")?.split([' ', '\r']).nth(1)?;
    code.parse().ok()
}

fn both(text: &str) -> Option<(bool, u16)> {
    match status(text)? {
        100 => {
            let (_, rest) = text.split_once("\r\n\r\n")?;
            Some((true, status(rest)?))
        }
        other => Some((false, other)),
    }
}

/// An answer whose end is the end of the connection.
fn parsed(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head).into_owned();
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':')?;
        headers.append(
            name.trim().parse::<HeaderName>().ok()?,
            value.trim().parse::<HeaderValue>().ok()?,
        );
    }
    let body = body.get(4..).unwrap_or_default();
    let is_chunked = headers
        .get("transfer-encoding")
        .is_some_and(|it| it == "chunked");
    Some(Answer {
        status: status(&head)?,
        headers,
        body: match is_chunked {
            true => joined(body)?,
            false => Bytes::copy_from_slice(body),
        },
        trailers: HeaderMap::new(),
    })
}

/// The chunks of a body without what is around them.
fn joined(mut chunked: &[u8]) -> Option<Bytes> {
    let mut body = Vec::new();
    loop {
        let line = chunked.windows(2).position(|two| two == b"\r\n")?;
        let (size, rest) = chunked.split_at(line);
        let size = std::str::from_utf8(size).ok()?.split(';').next()?;
        let len = usize::from_str_radix(size.trim(), 16).ok()?;
        if len == 0 {
            return Some(body.into());
        }
        body.extend_from_slice(rest.get(2..)?.get(..len)?);
        chunked = rest.get(2 + len + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interim_answer_and_the_final_one_are_told_apart() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}";
        assert_eq!(both(text), Some((true, 200)));
        assert_eq!(both("HTTP/1.1 417 No\r\n\r\n"), Some((false, 417)));
        assert_eq!(both("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(both("SSH-2.0"), None);
    }

    #[test]
    fn an_answer_is_read_with_its_headers_and_its_body_in_chunks_or_not() {
        let plain = b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\n\r\n{}";
        let answer = parsed(plain).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (413, &b"{}"[..]));
        assert_eq!(answer.headers["content-type"], "application/json");
        let chunked =
            b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(&parsed(chunked).unwrap().body[..], b"abcd");
        assert!(parsed(b"HTTP/1.1 200").is_none());
        assert!(joined(b"ffffffffffffffff\r\nx").is_none());
    }
}
