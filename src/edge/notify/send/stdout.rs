//! JSON lines on standard output.

use std::io::{self, Write};

use crate::core::record::Timestamp;
use crate::edge::notify::deliver::{Answer, Message, Sink};

/// Standard output. A reader that does not read holds up this sink alone: the write happens on a
/// thread of its own.
pub(crate) struct StdoutSink<W = fn() -> io::Stdout> {
    open: W,
}

impl StdoutSink {
    pub(crate) fn new() -> Self {
        Self { open: io::stdout }
    }
}

impl<W, O> Sink for StdoutSink<W>
where
    W: Fn() -> O + Clone + Send + Sync + 'static,
    O: Write,
{
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let mut lines = Vec::new();
        for message in batch {
            lines.extend_from_slice(&message.body);
            lines.push(b'\n');
        }
        let open = self.open.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut out = open();
            out.write_all(&lines).and_then(|()| out.flush())
        });
        match written.await {
            Ok(Ok(())) => Answer::Taken { refused: 0 },
            // Part of it may have been written, and a closed pipe does not open again.
            Ok(Err(error)) => Answer::Never {
                why: error.to_string(),
            },
            Err(_) => Answer::Never {
                why: "the write broke off".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Pipe {
        written: Arc<Mutex<Vec<u8>>>,
        is_closed: bool,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch() -> Vec<Message> {
        let message = |body: &str| Message {
            id: body.into(),
            body: body.into(),
            offered_at: Timestamp::ZERO,
            expires_at: None,
            lane: None,
        };
        vec![message("{\"a\":1}"), message("{\"b\":2}")]
    }

    #[tokio::test]
    async fn each_message_is_a_line() {
        let pipe = Pipe::default();
        let end = pipe.clone();
        let sink = StdoutSink {
            open: move || end.clone(),
        };
        let answer = sink.send(&batch(), Timestamp::ZERO).await;
        assert!(matches!(answer, Answer::Taken { refused: 0 }));
        assert_eq!(*pipe.written.lock().unwrap(), b"{\"a\":1}\n{\"b\":2}\n");
    }

    #[tokio::test]
    async fn a_closed_pipe_is_told_and_not_tried_again() {
        let closed = Pipe {
            is_closed: true,
            ..Pipe::default()
        };
        let sink = StdoutSink {
            open: move || closed.clone(),
        };
        let answer = sink.send(&batch(), Timestamp::ZERO).await;
        assert!(matches!(answer, Answer::Never { .. }));
    }
}
