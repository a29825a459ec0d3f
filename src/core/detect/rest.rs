//! Sequences at rest: what should be settled whenever nothing comes for a while.
//!
//! Much is told only when a sequence has ended, and some sequences live for days. But between bursts
//! of work a sequence rests, and a good deal holds at each rest: every replica that was written was
//! reported, every request has its answer. So the beginnings of normal sequences up to their
//! longest pauses are learned from as if they were sequences.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::links::Links;
use super::voices::{Precedence, Relations};
use super::{Heard, Surprise, Voice, Why};

/// What holds whenever a sequence rests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rest {
    /// A pause so long is a rest.
    pause: Duration,
    whole: Settled,
    /// Of the parts that concern one thing, by link.
    parts: Vec<Settled>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Settled {
    relations: Relations,
    precedence: Precedence,
}

/// What was found at rest: by relations and precedence, in whole sequences and in parts.
pub(super) type FoundAtRest = [Option<Surprise>; 4];

/// Most rests of one sequence that are looked at, the longest.
const RESTS_MAX: usize = 4;
/// One pause in so many, the longest, is a rest.
const PAUSES_PER_REST: usize = 40;
/// No shorter pause is a rest.
const PAUSE_MIN: Duration = Duration::from_millis(500);

impl Rest {
    /// Learns from normal sequences, whose keys are below `key_count`.
    pub fn learn(corpus: &[Heard], links: &Links, key_count: usize) -> Self {
        let mut pauses: Vec<Duration> = corpus.iter().flat_map(pauses).collect();
        if pauses.is_empty() {
            return Self::default();
        }
        pauses.sort_unstable();
        let pause = pauses[pauses.len() - 1 - pauses.len() / PAUSES_PER_REST].max(PAUSE_MIN);
        let mut whole = Vec::new();
        let mut parts: Vec<Vec<Heard>> = vec![Vec::new(); links.len()];
        for heard in corpus {
            for resting in rests(heard, pause) {
                for part in links.parts(&resting) {
                    if let Some(parts) = parts.get_mut(usize::from(part.link)) {
                        parts.push(resting.part(&part.indices));
                    }
                }
                whole.push(resting);
            }
        }
        let settled = |corpus: &Vec<Heard>| Settled {
            relations: Relations::learn(corpus, key_count),
            precedence: Precedence::learn(corpus, key_count),
        };
        Self {
            pause,
            whole: settled(&whole),
            parts: parts.iter().map(settled).collect(),
        }
    }

    /// The most that is unsettled at any rest of a sequence.
    pub(super) fn hear(&self, heard: &Heard, links: &Links) -> FoundAtRest {
        let mut found = FoundAtRest::default();
        if self.pause.is_zero() || !heard.begins {
            return found;
        }
        for resting in rests(heard, self.pause) {
            let [relations, precedence] = self.whole.hear(&resting);
            keep(&mut found[0], relations);
            keep(&mut found[1], precedence);
            for part in links.parts(&resting) {
                let Some(settled) = self.parts.get(usize::from(part.link)) else {
                    continue;
                };
                let concerned = resting.part(&part.indices);
                for (place, surprise) in settled.hear(&concerned).into_iter().enumerate() {
                    let within = surprise
                        .map(|surprise| within(surprise, &concerned, &resting, part.named_at));
                    keep(&mut found[2 + place], within);
                }
            }
        }
        found
    }
}

impl Settled {
    fn hear(&self, heard: &Heard) -> [Option<Surprise>; 2] {
        let whole = self.precedence.whole(heard);
        let at = (0..heard.keys.len()).filter_map(|index| self.precedence.at(heard, index));
        let precedence = at.chain(whole).max_by(|a, b| a.score.total_cmp(&b.score));
        [self.relations.whole(heard), precedence]
    }
}

/// A surprise about a part, told of the sequence it is part of.
pub(super) fn within(
    surprise: Surprise,
    part: &Heard,
    whole: &Heard,
    named_at: (u32, u32),
) -> Surprise {
    let is_record =
        u32::try_from(surprise.position).is_ok_and(|position| part.positions.contains(&position));
    Surprise {
        score: surprise.score,
        position: if is_record {
            surprise.position
        } else {
            whole.len
        },
        why: Why::Part {
            named_at,
            why: Box::new(surprise.why),
        },
    }
}

fn keep(oddest: &mut Option<Surprise>, new: Option<Surprise>) {
    if let Some(new) = new
        && oddest.as_ref().is_none_or(|old| new.score > old.score)
    {
        *oddest = Some(new);
    }
}

/// The pauses of a sequence that went on after each.
fn pauses(heard: &Heard) -> impl Iterator<Item = Duration> {
    heard.times.windows(2).map(|times| times[1].since(times[0]))
}

/// A sequence up to each of its longest rests, the last of which may be going on.
fn rests(heard: &Heard, pause: Duration) -> Vec<Heard> {
    let mut rests: Vec<(Duration, usize)> = pauses(heard)
        .enumerate()
        .map(|(index, pause)| (pause, index))
        .filter(|(long, _)| *long >= pause)
        .collect();
    rests.sort_unstable_by(|a, b| b.cmp(a));
    rests.truncate(RESTS_MAX);
    let last = heard.keys.len().checked_sub(1);
    let quiet = heard.quiet.filter(|quiet| *quiet >= pause);
    rests.extend(quiet.zip(last));
    let beginning = |(quiet, last): (Duration, usize)| {
        let indices: Vec<usize> = (0..=last).collect();
        Heard {
            len: heard.position(last) + 1,
            ends: true,
            quiet: Some(quiet),
            ..heard.part(&indices)
        }
    };
    rests.into_iter().map(beginning).collect()
}
