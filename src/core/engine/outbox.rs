//! Where a stream puts what it has to say.

use super::{Ledger, Output, State};
use crate::core::record::StreamKey;

/// What streams of a shard have to say, and where their records went.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) outputs: Vec<Output>,
    pub(super) ledger: Ledger,
}

impl Outbox {
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// A stream was heard of for the first time.
    pub(super) fn begins(&mut self, stream: &StreamKey) {
        self.state(stream, State::Learning);
    }

    pub(super) fn state(&mut self, stream: &StreamKey, state: State) {
        let stream = stream.clone();
        self.push(Output::State { stream, state });
    }

    pub(super) fn unjudged(&mut self, stream: &StreamKey, reason: &str) {
        self.push(Output::Unjudged {
            stream: stream.clone(),
            reason: reason.to_owned(),
        });
    }
}
