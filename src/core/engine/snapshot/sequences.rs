//! Open sequences and those to learn from, as they are written.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::super::judge::{SequenceState, Told};
use crate::core::detect::{EventSequence, ValueRows};
use crate::core::event::Explanation;
use crate::core::record::{Resource, TemplateId, Timestamp, Value};
use crate::core::sequence::{Journal, Line, Sequence, SequenceEvent, SequenceKey, Sequences};

/// The open sequences, with what the journal knows of their records; what several have in common is
/// written once.
#[derive(Serialize, Deserialize)]
pub(super) struct OpenOnes {
    resources: Vec<Arc<Resource>>,
    records: Vec<RecordOne>,
    /// In order of when they were last heard of.
    sequences: Vec<OpenOne>,
}

/// A record of which values are known, and the line where it may be quoted.
#[derive(Serialize, Deserialize)]
struct RecordOne {
    line: Option<Line>,
    values: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct OpenOne {
    key: SequenceKey,
    heard: Timestamp,
    len: u32,
    resource: u32,
    told: Told,
    is_abnormal: bool,
    is_torn: bool,
    events: Vec<EventOne>,
}

#[derive(Serialize, Deserialize)]
struct EventOne {
    template: TemplateId,
    time: Timestamp,
    /// The place in the records; `None` for one that was forgotten.
    record: Option<u32>,
}

/// A sequence to learn from. Each time is told by how much it differs from the one before.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptOne {
    events: Vec<TemplateId>,
    times: Vec<i64>,
    values: ValueRows,
    begins: bool,
    ends: bool,
    quiet: Option<Duration>,
}

/// What is kept of a state: when an anomaly was told, whether it is abnormal, and whether torn.
type Marks = (Told, bool, bool);

impl OpenOnes {
    pub(super) fn of(open: &Sequences<SequenceState>, journal: &Journal) -> Self {
        // Where they stand in a model is worked out again.
        let state = |state: &SequenceState| (state.told, state.is_abnormal, state.is_torn);
        let copies: Vec<Sequence<Marks>> =
            open.ids().filter_map(|id| open.copy(id, state)).collect();
        let (records, places) = records(&copies, journal);
        let mut resources: Vec<Arc<Resource>> = Vec::new();
        let mut numbers: FxHashMap<Arc<Resource>, u32> = FxHashMap::default();
        let mut resource = |resource: &Arc<Resource>| {
            *numbers.entry(Arc::clone(resource)).or_insert_with(|| {
                resources.push(Arc::clone(resource));
                number_of(resources.len() - 1)
            })
        };
        let sequences = copies.into_iter().map(|one| OpenOne {
            heard: one.heard,
            len: one.len,
            resource: resource(&one.resource),
            told: one.state.0,
            is_abnormal: one.state.1,
            is_torn: one.state.2,
            events: one
                .events
                .iter()
                .map(|event| EventOne {
                    template: event.template,
                    time: event.time,
                    record: places.get(&event.number).copied(),
                })
                .collect(),
            key: one.key,
        });
        Self {
            sequences: sequences.collect(),
            records,
            resources,
        }
    }

    pub(super) fn put(self, open: &mut Sequences<SequenceState>, journal: &mut Journal) {
        let numbers: Vec<u32> = self
            .records
            .into_iter()
            .map(|record| journal.note(record.line, &record.values))
            .collect();
        let forgotten = journal.forgotten();
        let number = |record: Option<u32>| {
            let number = record.and_then(|record| numbers.get(record as usize));
            number.copied().unwrap_or(forgotten)
        };
        for one in self.sequences {
            let resource = self.resources.get(one.resource as usize).cloned();
            let events = one.events.iter().map(|event| SequenceEvent {
                template: event.template,
                time: event.time,
                number: number(event.record),
            });
            open.insert(Sequence {
                key: one.key,
                heard: one.heard,
                len: one.len,
                events: events.collect(),
                resource: resource.unwrap_or_default(),
                state: SequenceState {
                    told: one.told,
                    is_abnormal: one.is_abnormal,
                    is_torn: one.is_torn,
                    ..SequenceState::default()
                },
            });
        }
    }
}

/// The records of `sequences` whose values are known, oldest first, and the place of each by its
/// number.
fn records(
    sequences: &[Sequence<Marks>],
    journal: &Journal,
) -> (Vec<RecordOne>, FxHashMap<u32, u32>) {
    let latest = |one: &Sequence<Marks>| {
        let quoted = one.events.iter().rev().take(Explanation::CONTEXT_MAX);
        quoted.map(|event| event.number).collect::<Vec<u32>>()
    };
    let quoted: FxHashSet<u32> = sequences.iter().flat_map(latest).collect();
    let all = sequences.iter().flat_map(|one| &one.events);
    let mut numbers: Vec<u32> = all.map(|event| event.number).collect();
    numbers.sort_unstable_by_key(|number| std::cmp::Reverse(journal.age(*number)));
    numbers.dedup();
    let mut records = Vec::new();
    let mut places = FxHashMap::default();
    for number in numbers {
        let Some(values) = journal.values(number) else {
            continue;
        };
        places.insert(number, number_of(records.len()));
        let line = journal.line(number).filter(|_| quoted.contains(&number));
        records.push(RecordOne {
            line: line.cloned(),
            values: values.collect(),
        });
    }
    (records, places)
}

fn number_of(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl From<&EventSequence> for KeptOne {
    fn from(sequence: &EventSequence) -> Self {
        let mut before = 0;
        let steps = sequence.times.iter().map(|time| {
            let step = time.as_nanos().wrapping_sub(before).cast_signed();
            before = time.as_nanos();
            step
        });
        Self {
            times: steps.collect(),
            events: sequence.events.clone(),
            values: sequence.values.clone(),
            begins: sequence.begins,
            ends: sequence.ends,
            quiet: sequence.quiet,
        }
    }
}

impl From<KeptOne> for EventSequence {
    fn from(one: KeptOne) -> Self {
        let mut time = 0u64;
        let times = one.times.into_iter().map(|step| {
            time = time.wrapping_add_signed(step);
            Timestamp::from_nanos(time)
        });
        Self {
            times: times.collect(),
            events: one.events,
            values: one.values,
            begins: one.begins,
            ends: one.ends,
            quiet: one.quiet,
        }
    }
}
