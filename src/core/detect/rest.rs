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
        // What a process says is never at rest.
        let corpus = || corpus.iter().filter(|heard| heard.begins);
        let mut pauses: Vec<Duration> = corpus().flat_map(pauses).collect();
        if pauses.is_empty() {
            return Self::default();
        }
        pauses.sort_unstable();
        let pause = pauses[pauses.len() - 1 - pauses.len() / PAUSES_PER_REST].max(PAUSE_MIN);
        let mut whole = Vec::new();
        let mut parts: Vec<Vec<Heard>> = vec![Vec::new(); links.len()];
        for heard in corpus() {
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
            for (place, surprise) in self.whole.hear(&resting).into_iter().enumerate() {
                keep(
                    &mut found[place],
                    surprise.map(|one| at_rest(one, &resting)),
                );
            }
            for part in links.parts(&resting) {
                let Some(settled) = self.parts.get(usize::from(part.link)) else {
                    continue;
                };
                let concerned = resting.part(&part.indices);
                for (place, surprise) in settled.hear(&concerned).into_iter().enumerate() {
                    let told = surprise
                        .map(|one| within(one, &concerned, &resting, part.named_at))
                        .map(|one| at_rest(one, &resting));
                    keep(&mut found[2 + place], told);
                }
            }
        }
        found
    }
}

impl Settled {
    fn hear(&self, heard: &Heard) -> [Option<Surprise>; 2] {
        let whole = self.precedence.whole(heard);
        let each = self.precedence.each(heard).into_iter();
        let precedence = each.chain(whole).max_by(|a, b| a.score.total_cmp(&b.score));
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

/// A surprise about a sequence at rest, told of the sequence that went on.
fn at_rest(surprise: Surprise, resting: &Heard) -> Surprise {
    Surprise {
        why: Why::AtRest {
            before: u32::try_from(resting.len).unwrap_or(u32::MAX),
            quiet: resting.quiet.unwrap_or_default(),
            why: Box::new(surprise.why),
        },
        ..surprise
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Key;
    use crate::core::record::Timestamp;

    const ASK: Key = Key(2);
    const ANSWER: Key = Key(3);
    const FLUSH: Key = Key(4);

    /// Keys and how many milliseconds after the one before each came.
    fn heard(timed: &[(Key, u64)]) -> Heard {
        let mut now = 0;
        let times = timed.iter().map(|(_, after)| {
            now += after;
            Timestamp::from_millis(now)
        });
        Heard {
            times: times.collect(),
            keys: timed.iter().map(|(key, _)| *key).collect(),
            positions: (0..timed.len() as u32).collect(),
            len: timed.len(),
            begins: true,
            ends: true,
            ..Heard::default()
        }
    }

    /// Bursts of so many questions, all answered before the rest that follows.
    fn bursts(bursts: &[usize]) -> Vec<(Key, u64)> {
        let burst = |count: &usize| {
            let asked = (0..*count).map(|first| (ASK, if first == 0 { 30_000 } else { 40 }));
            let answered = std::iter::repeat_n((ANSWER, 40), *count);
            asked.chain(answered).chain([(FLUSH, 40)])
        };
        bursts.iter().flat_map(burst).collect()
    }

    fn rest() -> Rest {
        let shapes: [&[usize]; 4] = [&[1, 2], &[2, 1, 3], &[3], &[1, 3, 1, 2]];
        let normal = shapes.map(|shape| heard(&bursts(shape)));
        let corpus: Vec<Heard> = std::iter::repeat_n(normal, 25).flatten().collect();
        Rest::learn(&corpus, &Links::default(), 8)
    }

    fn relations(heard: &Heard) -> Option<Surprise> {
        let [relations, ..] = rest().hear(heard, &Links::default());
        relations
    }

    /// The second of three bursts leaves a question without an answer.
    fn unanswered() -> Vec<(Key, u64)> {
        let mut timed = bursts(&[1, 2, 1]);
        timed.remove(6);
        timed
    }

    #[test]
    fn what_is_unsettled_at_a_rest_is_told_though_the_sequence_went_on() {
        assert_eq!(relations(&heard(&bursts(&[1, 2, 1]))), None);
        let surprise = relations(&heard(&unanswered())).expect("it is told");
        assert!(surprise.score > 4.0, "{surprise:?}");
        // Seven records came before the pause; the one after it is not to blame.
        assert_eq!((surprise.position, surprise.blamed(10)), (7, None));
        let Why::AtRest { before, quiet, why } = surprise.why else {
            panic!("{:?}", surprise.why)
        };
        assert_eq!((before, quiet), (7, Duration::from_secs(30)));
        assert!(matches!(*why, Why::Relation { .. }));
    }

    #[test]
    fn what_is_unsettled_at_a_rest_that_goes_on_is_told_before_the_end() {
        let mut going_on = heard(&unanswered()[..7]);
        going_on.ends = false;
        assert_eq!(relations(&going_on), None, "it may yet be answered");
        going_on.quiet = Some(Duration::from_secs(30));
        assert!(relations(&going_on).is_some());
        going_on.quiet = Some(Duration::from_millis(400));
        assert_eq!(relations(&going_on), None, "so short a pause is no rest");
    }

    #[test]
    fn a_sequence_whose_beginning_is_not_known_may_have_been_asked_before() {
        let midway = Heard {
            begins: false,
            ..heard(&unanswered())
        };
        assert_eq!(relations(&midway), None);
    }

    #[test]
    fn without_times_nothing_rests() {
        let mut untimed = heard(&unanswered());
        untimed.times.clear();
        assert_eq!(relations(&untimed), None);
        let learned = Rest::learn(&[untimed], &Links::default(), 8);
        assert_eq!(learned, Rest::default());
    }

    #[test]
    fn of_a_long_sequence_the_longest_rests_are_looked_at_and_no_more() {
        let mut timed = bursts(&[1; 40]);
        for (at, pause) in [(6, 90_000), (30, 80_000), (60, 70_000), (90, 60_000)] {
            timed[at].1 = pause;
        }
        let rests = rests(&heard(&timed), Duration::from_secs(1));
        let lens: Vec<usize> = rests.iter().map(|resting| resting.len).collect();
        assert_eq!(lens, [6, 30, 60, 90]);
        assert!(rests.iter().all(|resting| resting.ends && resting.begins));
    }
}
