//! `Expect: 100-continue` by hand: HTTP libraries are too polite to show what came first.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest answer that is read, in bytes.
const ANSWER_LEN_MAX: u64 = 64 << 10;

/// Sends `head`, waits for a word from the receiver, then sends `body`: whether that word was
/// "100 Continue", and the status in the end. `head` asks to close the connection afterwards.
///
/// # Errors
/// A plain sentence when there is no answer in time.
pub(super) async fn ask(
    address: &str,
    head: &str,
    body: &[u8],
    timeout: Duration,
) -> Result<(bool, u16), String> {
    let asked = tokio::time::timeout(timeout, exchange(address, head, body));
    match asked.await {
        Err(_) => Err(format!("no answer within {timeout:?}")),
        Ok(Err(error)) => Err(format!("the connection failed ({error})")),
        Ok(Ok(text)) => read(&text).ok_or_else(|| "an answer that is no HTTP".to_owned()),
    }
}

async fn exchange(address: &str, head: &str, body: &[u8]) -> std::io::Result<String> {
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
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn read(text: &str) -> Option<(bool, u16)> {
    let status = |text: &str| {
        let line = text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
        line.trim().parse::<u16>().ok()
    };
    match status(text)? {
        100 => {
            let (_, rest) = text.split_once("\r\n\r\n")?;
            Some((true, status(rest)?))
        }
        other => Some((false, other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interim_answer_and_the_final_one_are_told_apart() {
        let both = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}";
        assert_eq!(read(both), Some((true, 200)));
        assert_eq!(read("HTTP/1.1 417 No\r\n\r\n"), Some((false, 417)));
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(read("SSH-2.0"), None);
    }
}
