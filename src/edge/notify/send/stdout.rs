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
