//! What a round says: the first record of each template, and the stack traces that came with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::mined::Told;
use super::stream_of;
use crate::cli::eval::dataset::{Said, Sample};
use crate::core::event::TemplateRef;
use crate::core::parse::stack_of;
use crate::core::record::{Severity, TemplateId, Timestamp};

/// The records of a round as they are read.
#[derive(Default)]
pub(super) struct Saying {
    round: Box<str>,
    records: Vec<Record>,
    seen: BTreeSet<TemplateId>,
    said: Vec<(usize, Said)>,
}

struct Record {
    service: Box<str>,
    time: Timestamp,
    text: Arc<str>,
}

impl Saying {
    pub(super) fn of(round: &str) -> Self {
        Self {
            round: round.into(),
            ..Self::default()
        }
    }

    /// Its name.
    pub(super) fn round(&self) -> &str {
        &self.round
    }

    /// A record at a place of the round, by a service, of a level.
    pub(super) fn add(&mut self, place: usize, told: &Told, (service, level): (&str, &str)) {
        self.records.push(Record {
            service: service.into(),
            time: told.time,
            text: Arc::clone(&told.text),
        });
        if self.seen.insert(told.template) {
            let said = Said {
                place,
                service: stream_of(service),
                severity: Severity::from_text(level).unwrap_or_default(),
                template: TemplateRef {
                    id: told.template,
                    text: "".into(),
                },
                text: Arc::clone(&told.text),
                stack: None,
                is_stack_line: false,
            };
            self.said.push((self.records.len() - 1, said));
        }
    }

    /// Finds the stack traces, which are records of one line each, all of one time.
    pub(super) fn end(self, rounds: &mut BTreeMap<Box<str>, Sample>) {
        let Some(about) = rounds
            .get_mut(&self.round)
            .and_then(|round| round.round.as_mut())
        else {
            return;
        };
        let mut with_stack: BTreeSet<(&str, Timestamp)> = BTreeSet::new();
        for (at, mut said) in self.said {
            let Some(record) = self.records.get(at) else {
                continue;
            };
            let own = self.records[at..]
                .iter()
                .filter(|one| one.service == record.service);
            said.stack = stack_of(own.map(|one| &*one.text));
            said.is_stack_line = with_stack.contains(&(&*record.service, record.time));
            if said.stack.is_some() {
                with_stack.insert((&record.service, record.time));
            }
            about.said.push(said);
        }
    }
}
