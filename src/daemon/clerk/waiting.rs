//! What is done when a turn is written.

use std::sync::mpsc::Sender;

use crate::core::record::Timestamp;
use crate::edge::api::{Applied, Refusal};
use crate::edge::store::Control;

/// What becomes of an order.
pub(super) type Answer = Result<Applied, Refusal>;

/// The notes of one turn that are answered when it is written.
#[derive(Default)]
pub(super) struct Waiting {
    /// Messages that were delivered: name of the sink and id.
    pub(super) done: Vec<(Box<str>, Box<str>)>,
    /// Messages that were given up: name of the sink, id and why.
    pub(super) dead: Vec<(Box<str>, Box<str>, Box<str>)>,
    pub(super) orders: Vec<(Answer, Sender<Answer>)>,
    pub(super) flushed: Vec<Sender<()>>,
}

impl Waiting {
    /// Writes down what became of messages, and answers whoever waits.
    pub(super) fn answer(self, control: &Control, now: Timestamp) {
        let done = self.done.iter().map(|(sink, id)| (&**sink, &**id));
        let done: Vec<(&str, &str)> = done.collect();
        if !done.is_empty()
            && let Err(error) = control.settled(&done)
        {
            tracing::warn!(%error, "Deliveries could not be written down; they are sent again after the next start.");
        }
        let dead = self.dead.iter();
        let dead = dead.map(|(sink, id, why)| (&**sink, &**id, &**why));
        let dead: Vec<(&str, &str, &str)> = dead.collect();
        if !dead.is_empty()
            && let Err(error) = control.bury(&dead, now)
        {
            tracing::warn!(%error, "Messages that were given up could not be put aside; they are tried again after the next start.");
        }
        for (answer, reply) in self.orders {
            // Whoever asked may have given up.
            let _ = reply.send(answer);
        }
        for reply in self.flushed {
            let _ = reply.send(());
        }
    }
}
