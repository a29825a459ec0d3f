//! All voices but the order model, as they were learned from one corpus.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::links::Links;
use super::patience::Patience;
use super::rest::{Rest, within};
use super::voices::{KeyVoices, Nearest, Pace, Step, Values};
use super::{Alike, Heard, Surprise, Voice, Why};
use crate::core::record::Timestamp;

/// What was learned from normal sequences, without the order model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mind {
    /// Of whole sequences.
    whole: KeyVoices,
    nearest: Nearest,
    pace: Pace,
    values: Values,
    patience: Patience,
    rest: Rest,
    /// What records of one sequence name in common.
    links: Links,
    /// Of the parts that concern one thing, by link.
    parts: Vec<PartVoices>,
}

/// The voices of parts of sequences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct PartVoices {
    keys: KeyVoices,
    pace: Pace,
}

/// The names of all voices, in the order of their scores. The order model speaks first.
pub const VOICES: [&str; 19] = [
    "order",
    "unseen",
    "rare",
    "counts",
    "relations",
    "length",
    "ngram",
    "precedence",
    "pace",
    "values",
    "nearest",
    "part_relations",
    "part_ngram",
    "part_precedence",
    "part_pace",
    "rest_relations",
    "rest_precedence",
    "part_rest_relations",
    "part_rest_precedence",
];

/// The voices that look at the same thing, as places in [`VOICES`]. Of each family the oddest counts.
pub const FAMILIES: [&[usize]; 4] = [
    // What comes next, before and after what.
    &[0, 6, 12, 7, 13, 16, 18],
    // Which templates come at all.
    &[1],
    // How often what comes.
    &[4, 11, 15, 17, 3, 10, 5],
    // When it comes, and with which values.
    &[8, 14, 9],
];

/// The voices that judge each record as it comes, as places in [`VOICES`].
pub const IN_FLIGHT: [usize; 4] = [0, 1, 2, 6];
/// Records before the one at hand that voices in flight may look at.
pub const TAIL_LEN: usize = 64;

/// What each voice found, in the order of [`VOICES`]; the first place is the order model's.
pub type Found = [Option<Surprise>; VOICES.len()];

/// How late the steps of all sequences of a stream were lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Company {
    whole: Alike,
    parts: Alike,
    values: Alike,
}

/// A sequence looked at by itself: what others did at the same time may explain it.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Of each known record.
    steps: Vec<Option<Step>>,
    /// Of each known record, what is odd about its values.
    values: Vec<Option<Surprise>>,
    parts: Vec<NotedPart>,
}

/// What a sequence says about one thing.
#[derive(Clone, Debug)]
struct NotedPart {
    link: usize,
    named_at: (u32, u32),
    heard: Heard,
    steps: Vec<Option<Step>>,
}

impl Company {
    /// What of it has to do with records from `time` on.
    pub(super) fn since(&self, time: Timestamp) -> Self {
        Self {
            whole: self.whole.since(time),
            parts: self.parts.since(time),
            values: self.values.since(time),
        }
    }

    /// How much is remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.whole.len() + self.parts.len() + self.values.len()
    }

    /// Hears the steps and values of a sequence that has ended, or of all of it that will be known.
    pub fn hear(&mut self, heard: &Heard, noted: &Noted, sequence: u64) {
        for step in noted.steps.iter().flatten() {
            step.tell(sequence, &mut self.whole);
        }
        for (time, surprise) in heard.times.iter().zip(&noted.values) {
            let way = surprise
                .as_ref()
                .map_or(0, |surprise| way_of(&surprise.why));
            let size = surprise.as_ref().map(|surprise| surprise.score);
            let size = size.filter(|size| *size >= ODD_MIN);
            self.values.hear(*time, sequence, way, size);
        }
        for step in noted.parts.iter().flat_map(|part| &part.steps).flatten() {
            step.tell(sequence, &mut self.parts);
        }
    }
}

impl Mind {
    /// Learns from normal sequences in chronological order, whose keys are below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let links = Links::learn(corpus);
        let mut parts: Vec<Vec<Heard>> = vec![Vec::new(); links.len()];
        for heard in corpus {
            for part in links.parts(heard) {
                if let Some(parts) = parts.get_mut(usize::from(part.link)) {
                    parts.push(heard.part(&part.indices));
                }
            }
        }
        let parts = parts.iter().map(|parts| PartVoices {
            keys: KeyVoices::learn(parts, key_count),
            pace: Pace::learn(parts, key_count),
        });
        Self {
            whole: KeyVoices::learn(corpus, key_count),
            nearest: Nearest::learn(corpus, key_count),
            pace: Pace::learn(corpus, key_count),
            values: Values::learn(corpus, key_count),
            patience: Patience::learn(corpus, key_count),
            rest: Rest::learn(corpus, &links, key_count),
            parts: parts.collect(),
            links,
        }
    }

    /// Whether a sequence that went quiet has ended, as far as its pauses tell.
    pub fn has_ended(&self, heard: &Heard) -> bool {
        let last = heard.keys.last().zip(heard.quiet);
        heard.ends && last.is_none_or(|(key, quiet)| self.patience.has_ended(*key, quiet))
    }

    /// What the voices in flight say of the latest record. Of those before it at most [`TAIL_LEN`]
    /// are looked at.
    pub fn hear_latest(&self, heard: &Heard, is_known: bool) -> Found {
        let mut found = Found::default();
        if !is_known {
            found[1] = self.whole.unseen.whole(&latest_of(heard));
            // The order model never expects a template that it does not know.
            found[0] = found[1].clone();
        }
        if let Some(index) = heard.keys.len().checked_sub(1).filter(|_| is_known) {
            found[2] = self.whole.rare.at(heard, index);
            found[6] = self.whole.ngram.at(heard, index);
        }
        found
    }

    /// Looks at the steps, the values and the parts of a sequence.
    pub fn note(&self, heard: &Heard) -> Noted {
        let parts = self.links.parts(heard).into_iter().filter_map(|part| {
            let link = usize::from(part.link);
            let voices = self.parts.get(link)?;
            let heard = heard.part(&part.indices);
            Some(NotedPart {
                link,
                named_at: part.named_at,
                steps: voices.pace.steps(&heard),
                heard,
            })
        });
        Noted {
            steps: self.pace.steps(heard),
            values: (0..heard.keys.len())
                .map(|index| self.values.at(heard, index))
                .collect(),
            parts: parts.collect(),
        }
    }

    /// What all voices say of a sequence, its end included where it has ended. `noted` is what
    /// [`note`](Self::note) made of it; `company` knows how late others were, and knows it by the
    /// name of `sequence`.
    pub fn hear(&self, heard: &Heard, noted: &Noted, company: &Company, sequence: u64) -> Found {
        let mut found = Found::default();
        let whole: [(usize, &dyn Voice); 8] = [
            (1, &self.whole.unseen),
            (2, &self.whole.rare),
            (3, &self.whole.counts),
            (4, &self.whole.relations),
            (5, &self.whole.length),
            (6, &self.whole.ngram),
            (7, &self.whole.precedence),
            (10, &self.nearest),
        ];
        for (place, voice) in whole {
            found[place] = loudest(voice, heard);
        }
        found[9] = noted.oddest_value(heard, &company.values, sequence);
        // The order model cannot be asked about a template it does not know: it never expects one.
        found[0] = found[1].clone();
        found[8] = latest(&noted.steps, heard, &company.whole, sequence);
        found[15..].clone_from_slice(&self.rest.hear(heard, &self.links));
        for part in &noted.parts {
            let Some(voices) = self.parts.get(part.link) else {
                continue;
            };
            let concerned = &part.heard;
            let parts: [(usize, &dyn Voice); 3] = [
                (11, &voices.keys.relations),
                (12, &voices.keys.ngram),
                (13, &voices.keys.precedence),
            ];
            let late = latest(&part.steps, concerned, &company.parts, sequence);
            let heard_parts = parts
                .map(|(place, voice)| (place, loudest(voice, concerned)))
                .into_iter()
                .chain([(14, late)]);
            for (place, surprise) in heard_parts {
                let louder = surprise.filter(|new| {
                    found[place]
                        .as_ref()
                        .is_none_or(|old| new.score > old.score)
                });
                if let Some(surprise) = louder {
                    found[place] = Some(within(surprise, concerned, heard, part.named_at));
                }
            }
        }
        found
    }
}

impl Noted {
    /// The oddest value that is not odd in other sequences at the same time.
    fn oddest_value(&self, heard: &Heard, alike: &Alike, sequence: u64) -> Option<Surprise> {
        let odd = self.values.iter().enumerate().filter_map(|(index, odd)| {
            let surprise = odd.as_ref()?;
            let odd = (sequence, way_of(&surprise.why), surprise.score);
            let time = heard.times.get(index);
            let is_explained = time.is_some_and(|time| alike.explains(*time, COMPANY_AROUND, odd));
            (!is_explained).then_some(surprise)
        });
        odd.max_by(|a, b| oddest(a, b)).cloned()
    }
}

/// The last [`TAIL_LEN`] records of a sequence, with their places in all of it.
fn latest_of(heard: &Heard) -> Heard {
    let from = u32::try_from(heard.len.saturating_sub(TAIL_LEN)).unwrap_or(u32::MAX);
    let known = heard.positions.partition_point(|place| *place < from);
    let unseen = heard.unseen.partition_point(|place| *place < from);
    let indices: Vec<usize> = (known..heard.keys.len()).collect();
    Heard {
        unseen: heard.unseen.get(unseen..).unwrap_or_default().to_vec(),
        ..heard.part(&indices)
    }
}

/// A value is odd from so many nats on.
const ODD_MIN: f32 = 4.0;
/// Values of other sequences within this time explain one.
const COMPANY_AROUND: Duration = Duration::from_secs(5);

/// Which value of which template is odd.
fn way_of(why: &Why) -> u32 {
    match why {
        Why::Value { key, place, .. } => u32::from(key.0) << 8 | (place & 0xff),
        _ => 0,
    }
}

/// The oddest step that a slow machine does not explain.
fn latest(steps: &[Option<Step>], heard: &Heard, alike: &Alike, sequence: u64) -> Option<Surprise> {
    let steps = steps.iter().enumerate();
    steps
        .filter_map(|(index, step)| step.as_ref()?.amid(heard, index, alike, sequence))
        .max_by(oddest)
}

fn oddest(a: &Surprise, b: &Surprise) -> std::cmp::Ordering {
    // Of equally odd records the first.
    a.score
        .total_cmp(&b.score)
        .then(b.position.cmp(&a.position))
}

/// The most that a voice has to say about a sequence.
fn loudest(voice: &dyn Voice, heard: &Heard) -> Option<Surprise> {
    let whole = voice.whole(heard);
    voice.each(heard).into_iter().chain(whole).max_by(oddest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Key;
    use crate::core::record::{Timestamp, Value};

    const KEY_COUNT: usize = 8;
    const OPEN: Key = Key(2);
    const SEND: Key = Key(3);
    const STORED: Key = Key(4);
    const CLOSE: Key = Key(5);

    /// Records that each name a thing, a second apart.
    fn heard(records: &[(Key, u32)]) -> Heard {
        let mut heard = Heard {
            begins: true,
            ends: true,
            ..Heard::default()
        };
        for (index, (key, thing)) in records.iter().enumerate() {
            heard.keys.push(*key);
            heard.positions.push(index as u32);
            heard
                .times
                .push(Timestamp::from_millis(1_000 * index as u64));
            heard.values.push([Value::name(*thing)]);
            heard.len = index + 1;
        }
        heard
    }

    /// One or two pieces are sent to three of six nodes and each stores its own; the nodes take turns.
    fn copies() -> Vec<Heard> {
        let copy = |turn: u32| {
            let nodes = [0, 1, 2].map(|more| 100 + (turn * 5 + more * (1 + turn % 2)) % 6);
            let mut records = vec![(OPEN, 9)];
            for piece in 0..=turn % 2 {
                records.extend(nodes.map(|node| (SEND, node)));
                let mut storing = nodes;
                storing.rotate_left((turn + piece) as usize % 3);
                records.extend(storing.map(|node| (STORED, node)));
            }
            records.push((CLOSE, 9));
            heard(&records)
        };
        (0..120).map(copy).collect()
    }

    fn place(voice: &str) -> usize {
        VOICES.iter().position(|name| *name == voice).unwrap()
    }

    #[test]
    fn a_thing_that_did_its_part_twice_for_one_that_did_not_is_told_of_its_part() {
        let mind = Mind::learn(&copies(), KEY_COUNT);
        let found = |stored: [u32; 3]| {
            let sent = [100, 101, 102].map(|node| (SEND, node));
            let stored = stored.map(|node| (STORED, node));
            let records = [&[(OPEN, 9)][..], &sent, &stored, &[(CLOSE, 9)]].concat();
            let heard = heard(&records);
            mind.hear(&heard, &mind.note(&heard), &Company::default(), 1)
        };
        let (usual, odd) = (found([101, 102, 100]), found([101, 101, 100]));
        let relations = place("part_relations");
        assert_eq!(usual[relations], None);
        let told = odd[relations].as_ref().expect("it is told");
        assert!(matches!(told.why, Why::Part { .. }), "{told:?}");
        assert_eq!(odd[place("relations")], None, "in all it adds up");
    }

    #[test]
    fn in_flight_nothing_before_the_tail_is_looked_at() {
        let mind = Mind::learn(&copies(), KEY_COUNT);
        let long: Vec<(Key, u32)> = (0..200).map(|index| (SEND, index % 3)).collect();
        for strangers in [
            vec![],
            vec![3],
            vec![3, 199],
            vec![150, 199],
            vec![136, 199],
        ] {
            let mut whole = heard(&long);
            let indices: Vec<usize> = (0..200)
                .filter(|index| !strangers.contains(&(*index as u32)))
                .collect();
            whole = whole.part(&indices);
            (whole.len, whole.unseen) = (200, strangers.clone());
            let from = (200 - TAIL_LEN) as u32;
            let kept: Vec<usize> = (0..whole.keys.len())
                .filter(|index| whole.positions[*index] >= from)
                .collect();
            let mut tail = whole.part(&kept);
            tail.positions.iter_mut().for_each(|place| *place -= from);
            let known = strangers.iter().filter(|place| **place >= from);
            tail.unseen = known.map(|place| place - from).collect();
            (tail.len, tail.begins) = (TAIL_LEN, false);
            let is_known = !strangers.contains(&199);
            let scores = |heard: &Heard| {
                mind.hear_latest(heard, is_known)
                    .map(|surprise| surprise.map(|surprise| surprise.score))
            };
            assert_eq!(scores(&whole), scores(&tail), "{strangers:?}");
        }
    }

    #[test]
    fn the_families_have_every_voice_that_weighs_and_none_twice() {
        let mut all: Vec<usize> = FAMILIES.concat();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        let silent: Vec<&str> = (0..VOICES.len())
            .filter(|voice| !all.contains(voice))
            .map(|voice| VOICES[voice])
            .collect();
        assert_eq!(silent, ["rare"], "shown, but it does not weigh");
    }
}
