//! What is kept of the records of open sequences: 10 bytes for each, and 16 for each eight.

use rustc_hash::FxHashMap;

use super::slab::Slab;
use crate::core::record::{TemplateId, Timestamp};

/// One record of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceEvent {
    /// Its template when it came.
    pub template: TemplateId,
    /// When it was logged, to the microsecond.
    pub time: Timestamp,
    /// Its number in the [`Journal`](super::Journal).
    pub number: u32,
}

/// The records of all open sequences of a stream, each sequence a chain of blocks that is known by
/// its last.
#[derive(Debug)]
pub(super) struct Events {
    blocks: Slab<Block>,
    templates: Templates,
}

/// Stands for no block.
pub(super) const NONE: u32 = u32::MAX;

/// Records in a block.
const BLOCK_LEN: usize = 8;

/// Side by side and not record by record, since that takes no padding.
#[derive(Clone, Debug)]
struct Block {
    /// The block before it in the chain.
    before: u32,
    /// Records in the chain up to here.
    upto: u32,
    /// Time of the first record in it.
    start: Timestamp,
    templates: [u16; BLOCK_LEN],
    after: [Offset; BLOCK_LEN],
    numbers: [u32; BLOCK_LEN],
}

/// Time from the start of a block: in microseconds up to 17 minutes, beyond in milliseconds up to
/// 12 days.
#[derive(Clone, Copy, Debug, Default)]
struct Offset(i32);

impl Offset {
    const MICROS_MAX: u64 = (1 << 30) - 1;

    fn between(start: Timestamp, time: Timestamp) -> Self {
        let is_before = time < start;
        let nanos = time.as_nanos().abs_diff(start.as_nanos());
        let size = match nanos / 1_000 {
            micros if micros <= Self::MICROS_MAX => micros,
            micros => Self::MICROS_MAX + (micros / 1_000).min(Self::MICROS_MAX),
        };
        // At most 2³¹ − 2.
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        Self(if is_before { -size } else { size })
    }

    fn from(self, start: Timestamp) -> Timestamp {
        let size = u64::from(self.0.unsigned_abs());
        let nanos = match size.checked_sub(Self::MICROS_MAX) {
            None | Some(0) => size * 1_000,
            Some(millis) => millis * 1_000_000,
        };
        Timestamp::from_nanos(match self.0 < 0 {
            true => start.as_nanos().saturating_sub(nanos),
            false => start.as_nanos().saturating_add(nanos),
        })
    }
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            blocks: Slab::new(),
            templates: Templates::default(),
        }
    }

    /// Adds a record to the chain that ends with the block `last`, which may be [`NONE`]; the
    /// block that it ends with now.
    pub(super) fn push(&mut self, last: u32, event: &SequenceEvent) -> u32 {
        let template = self.templates.number(event.template);
        let upto = self.len(last);
        let place = upto % BLOCK_LEN;
        if place > 0
            && let Some(block) = self.blocks.get_mut(last)
        {
            block.templates[place] = template;
            block.after[place] = Offset::between(block.start, event.time);
            block.numbers[place] = event.number;
            block.upto += 1;
            return last;
        }
        let mut block = Block {
            before: last,
            upto: u32::try_from(upto + 1).unwrap_or(u32::MAX),
            start: event.time,
            templates: [0; BLOCK_LEN],
            after: [Offset::default(); BLOCK_LEN],
            numbers: [0; BLOCK_LEN],
        };
        block.templates[0] = template;
        block.numbers[0] = event.number;
        // Without room for another block the record is not kept.
        self.blocks.insert(block).unwrap_or(last)
    }

    /// Records in a chain.
    pub(super) fn len(&self, last: u32) -> usize {
        self.blocks.get(last).map_or(0, |block| block.upto as usize)
    }

    /// The records of a chain, latest first.
    pub(super) fn latest_first(&self, last: u32) -> impl Iterator<Item = SequenceEvent> + '_ {
        let chain =
            std::iter::successors(self.blocks.get(last), |block| self.blocks.get(block.before));
        chain.flat_map(|block| {
            let used = (block.upto as usize - 1) % BLOCK_LEN + 1;
            (0..used).rev().map(|place| SequenceEvent {
                template: self.templates.id(block.templates[place]),
                time: block.after[place].from(block.start),
                number: block.numbers[place],
            })
        })
    }

    /// What all chains take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.bytes()
    }

    /// Forgets a chain.
    pub(super) fn free(&mut self, last: u32) {
        let mut next = last;
        while let Some(block) = self.blocks.get(next) {
            let before = block.before;
            self.blocks.free(next);
            next = before;
        }
        if self.blocks.len() == 0 {
            self.templates = Templates::default();
        }
    }

    /// Numbers templates anew, without those that no chain uses any more, when there are many.
    /// `chains` are the last blocks of all chains.
    pub(super) fn tidy(&mut self, chains: impl Iterator<Item = u32>) {
        if !self.templates.is_full() {
            return;
        }
        let mut used = Templates {
            full_at: self.templates.full_at,
            ..Templates::default()
        };
        for last in chains {
            let mut next = last;
            while let Some(block) = self.blocks.get_mut(next) {
                for template in &mut block.templates {
                    *template = used.number(self.templates.id(*template));
                }
                next = block.before;
            }
        }
        used.full_at = match 2 * used.ids.len() {
            twice if twice <= Templates::FULL_AT_MIN => Templates::FULL_AT_MIN,
            // It would be looked again and again for little.
            twice if twice > Templates::LEN_MAX => usize::MAX,
            twice => twice,
        };
        self.templates = used;
    }
}

/// Numbers for the templates that open sequences hold.
#[derive(Debug)]
struct Templates {
    ids: Vec<TemplateId>,
    numbers: FxHashMap<TemplateId, u16>,
    /// How many there are before it is looked which are still in use.
    full_at: usize,
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            ids: Vec::new(),
            numbers: FxHashMap::default(),
            full_at: Self::FULL_AT_MIN,
        }
    }
}

impl Templates {
    const FULL_AT_MIN: usize = 1 << 15;
    const LEN_MAX: usize = u16::MAX as usize;

    /// Beyond [`LEN_MAX`](Self::LEN_MAX) templates in use at once, many times what a parser knows,
    /// further ones are taken for one that nobody knows.
    fn number(&mut self, id: TemplateId) -> u16 {
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        match u16::try_from(self.ids.len()) {
            Ok(number) if self.ids.len() < Self::LEN_MAX => {
                self.ids.push(id);
                self.numbers.insert(id, number);
                number
            }
            _ => u16::MAX,
        }
    }

    fn id(&self, number: u16) -> TemplateId {
        let id = self.ids.get(usize::from(number));
        id.copied().unwrap_or(TemplateId(0))
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= self.full_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> SequenceEvent {
        SequenceEvent {
            template: TemplateId(n % 7),
            time: Timestamp::from_nanos(1_000_000_000_000_000 + n * 1_234_000),
            number: n as u32,
        }
    }

    fn in_order(events: &Events, last: u32) -> Vec<SequenceEvent> {
        let mut all: Vec<_> = events.latest_first(last).collect();
        all.reverse();
        all
    }

    #[test]
    fn chains_give_back_what_was_added_and_do_not_mix() {
        let mut events = Events::new();
        let mut last = [NONE; 3];
        for n in 0..60 {
            for (chain, last) in last.iter_mut().enumerate() {
                if n % (chain as u64 + 1) == 0 {
                    *last = events.push(*last, &event(n + 1_000 * chain as u64));
                }
            }
        }
        events.free(last[1]);
        let fresh = events.push(NONE, &event(5));
        for (chain, step) in [(0, 1), (2, 3)] {
            let expected: Vec<_> = (0..60)
                .step_by(step)
                .map(|n| event(n + 1_000 * chain as u64))
                .collect();
            assert_eq!(in_order(&events, last[chain]), expected);
            assert_eq!(events.len(last[chain]), expected.len());
        }
        assert_eq!(in_order(&events, fresh), [event(5)]);
    }

    #[test]
    fn times_keep_their_microseconds_and_for_long_pauses_their_milliseconds() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let there_and_back = |nanos: i64| {
            let time = start.as_nanos().saturating_add_signed(nanos);
            let offset = Offset::between(start, Timestamp::from_nanos(time));
            offset.from(start).as_nanos() as i64 - start.as_nanos() as i64
        };
        for micros in [0, 1, -1, 999, 1_073_741_823, -1_073_741_823] {
            assert_eq!(there_and_back(micros * 1_000), micros * 1_000);
        }
        assert_eq!(there_and_back(1_073_741_824_000), 1_073_741_000_000);
        let week = 7 * 86_400 * 1_000_000_000;
        assert_eq!(there_and_back(week), week);
        assert_eq!(there_and_back(-week), -week);
        assert!(there_and_back(30 * week) < 2 * week, "bounded, not wrapped");
    }

    #[test]
    fn templates_that_no_sequence_holds_any_more_are_forgotten() {
        let mut events = Events::new();
        let kept = events.push(NONE, &event(3));
        for n in 0..3 * Templates::FULL_AT_MIN as u64 {
            let last = events.push(
                NONE,
                &SequenceEvent {
                    template: TemplateId(100 + n),
                    ..event(n)
                },
            );
            events.free(last);
            events.tidy([kept].into_iter());
        }
        assert!(events.templates.ids.len() <= Templates::FULL_AT_MIN);
        assert_eq!(in_order(&events, kept), [event(3)]);
    }
}
