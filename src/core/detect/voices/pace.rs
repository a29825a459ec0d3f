//! Steps that took longer or shorter than they do.
//!
//! A *relation* is the time from the latest record of one template to a record of another, within a
//! sequence or a part of one. Only what machines pace is looked at: where nearly all gaps are short
//! beside the life of a sequence. The pauses of people and clients say nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::gaps::Gaps;
use super::triggers::Measured;
use crate::core::detect::{Alike, Heard, Surprise, Voice, Why};
use crate::core::model::Key;
use crate::core::record::Timestamp;

/// Most relations that end at one template.
const RELATIONS_PER_KEY: usize = 3;
/// A machine's step takes at most so large a share of the life of a sequence, in all but the
/// longest hundredth of the gaps.
const LIFE_SHARE_MAX: f64 = 0.05;

/// A step is late from so many nats on.
const LATE_MIN: f32 = 4.0;

/// How long the steps of a machine take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// By the template that a step ends with: the relations that tell most.
    relations: BTreeMap<Key, Vec<Relation>>,
}

/// The time from the latest record of one of some templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Relation {
    from: Vec<Key>,
    gaps: Gaps,
}

/// One step of a sequence, the latest one first measured from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When it was taken.
    pub time: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How rare that is, in nats; 0 where it is usual.
    pub score: f32,
    /// The template it is measured from.
    pub from: Key,
    /// How long it usually takes, from the shortest to the longest usual.
    pub usual: (Duration, Duration),
}

impl Pace {
    /// Learns from `corpus`. Sequences without times say nothing.
    pub fn learn(corpus: &[Heard], _key_count: usize) -> Self {
        let timed = corpus.iter().filter(|heard| is_timed(heard));
        let mut lives: Vec<f64> = timed.clone().filter_map(life).collect();
        lives.sort_unstable_by(f64::total_cmp);
        let Some(life) = lives.get(lives.len() / 2).copied() else {
            return Self::default();
        };
        let is_coarse = timed
            .clone()
            .all(|heard| heard.times.iter().all(|time| time.is_whole_second()));
        let resolution = if is_coarse { 1.0 } else { 0.001 };
        let longest = (LIFE_SHARE_MAX * life) as f32;
        let mut relations = BTreeMap::new();
        for (to, steps) in Measured::of(timed) {
            let triggers = steps.triggers(longest);
            let mut found: Vec<Relation> = triggers
                .into_iter()
                .filter_map(|from| {
                    let gaps = Gaps::learn(&mut steps.gaps(&from), resolution);
                    let is_paced = gaps.longest_usual() <= longest;
                    is_paced.then_some(Relation { from, gaps })
                })
                .collect();
            found.sort_by(|a, b| a.gaps.longest_usual().total_cmp(&b.gaps.longest_usual()));
            found.truncate(RELATIONS_PER_KEY);
            relations.insert(to, found);
        }
        Self { relations }
    }

    /// The step that ends at each known record.
    pub fn steps(&self, heard: &Heard) -> Vec<Option<Step>> {
        let mut latest: FxHashMap<Key, usize> = FxHashMap::default();
        let steps = heard.keys.iter().enumerate().map(|(index, key)| {
            let latest_of = |from: &[Key]| from.iter().filter_map(|key| latest.get(key)).max();
            let step = self.step(heard, index, |from| latest_of(from).copied());
            latest.insert(*key, index);
            step
        });
        steps.collect()
    }

    /// The step that ends at the known record `index`: of several that are measured the rarest.
    /// `latest_of` tells where one of some templates came last before it.
    fn step(
        &self,
        heard: &Heard,
        index: usize,
        latest_of: impl Fn(&[Key]) -> Option<usize>,
    ) -> Option<Step> {
        if !is_timed(heard) {
            return None;
        }
        let (to, time) = (heard.keys.get(index)?, *heard.times.get(index)?);
        let relations = self.relations.get(to)?;
        let steps = relations.iter().filter_map(|relation| {
            let latest = latest_of(&relation.from)?;
            let took = time.since(*heard.times.get(latest)?);
            Some(Step {
                time,
                took,
                score: relation.gaps.surprise(took.as_secs_f32()),
                from: *heard.keys.get(latest)?,
                usual: relation.gaps.usual(),
            })
        });
        steps.max_by(|a, b| a.score.total_cmp(&b.score))
    }
}

impl Step {
    /// Tells `alike` how late the step is.
    pub fn tell(&self, sequence: u64, alike: &mut Alike) {
        let late = (self.score >= LATE_MIN).then_some(self.took.as_secs_f32());
        alike.hear(self.time, sequence, 0, late);
    }

    /// As [`Voice::at`] for the known record `index` that the step ends at, but it is not odd where
    /// others were as late at the same time. `sequence` is the name under which the steps of this
    /// sequence were told.
    pub fn amid(
        &self,
        heard: &Heard,
        index: usize,
        alike: &Alike,
        sequence: u64,
    ) -> Option<Surprise> {
        let odd = (sequence, 0, self.took.as_secs_f32());
        // What came early is explained by nothing.
        let is_explained = self.took > self.usual.1 && alike.explains(self.time, self.took, odd);
        (!is_explained)
            .then(|| self.surprise(heard, index))
            .flatten()
    }

    fn surprise(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let to = *heard.keys.get(index)?;
        (self.score > 0.0).then(|| Surprise {
            score: self.score,
            position: heard.position(index),
            why: Why::Pace {
                from: self.from,
                to,
                took: self.took,
                usual: self.usual,
            },
        })
    }
}

impl Voice for Pace {
    fn name(&self) -> &'static str {
        "pace"
    }

    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let before = heard.keys.get(..index)?;
        let latest_of = |from: &[Key]| before.iter().rposition(|key| from.contains(key));
        self.step(heard, index, latest_of)?.surprise(heard, index)
    }
}

fn is_timed(heard: &Heard) -> bool {
    !heard.times.is_empty() && heard.times.len() == heard.keys.len()
}

/// From the first record to the last, in seconds; `None` for a sequence of one record.
fn life(heard: &Heard) -> Option<f64> {
    let (first, last) = (heard.times.first()?, heard.times.last()?);
    (heard.times.len() > 1).then(|| last.since(*first).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Key = Key(2);
    const DONE: Key = Key(3);
    const READ: Key = Key(4);
    const AGAIN: Key = Key(5);

    fn heard(steps: &[(Key, u64)]) -> Heard {
        let mut heard = Heard {
            begins: true,
            ends: true,
            len: steps.len(),
            ..Heard::default()
        };
        for (position, (key, millis)) in (0..).zip(steps) {
            heard.keys.push(*key);
            heard.positions.push(position);
            heard.times.push(Timestamp::from_millis(1_000_000 + millis));
        }
        heard
    }

    /// Asked and done within 20 to 59 ms; then a reader comes whenever it likes. One in ten is done
    /// a second time, long after it was asked but just after it was to be done again.
    fn normal(seed: u64) -> Heard {
        let done = 20 + seed * 7 % 40;
        let read = 3_000 + seed * 7_919 % 20_000;
        let mut steps = vec![(ASKED, 0), (DONE, done), (READ, read)];
        if seed.is_multiple_of(10) {
            steps.extend([(AGAIN, read + 5_000), (DONE, read + 5_000 + done)]);
        }
        heard(&steps)
    }

    fn pace() -> Pace {
        let corpus: Vec<Heard> = (0..400).map(normal).collect();
        Pace::learn(&corpus, 6)
    }

    fn score(pace: &Pace, heard: &Heard) -> f32 {
        let scores = (0..heard.keys.len()).filter_map(|index| pace.at(heard, index));
        scores.map(|surprise| surprise.score).fold(0.0, f32::max)
    }

    #[test]
    fn a_late_step_of_a_machine_is_surprising_and_tells_what_is_usual() {
        let late = heard(&[(ASKED, 0), (DONE, 900), (READ, 9_000)]);
        let surprise = pace().at(&late, 1).unwrap();
        assert!(surprise.score > 8.0, "{surprise:?}");
        assert_eq!(surprise.position, 1);
        let Why::Pace {
            from,
            to,
            took,
            usual,
        } = surprise.why
        else {
            panic!("{surprise:?}")
        };
        assert_eq!((from, to, took.as_millis()), (ASKED, DONE, 900));
        assert!(usual.1 < Duration::from_millis(61), "{usual:?}");
    }

    #[test]
    fn the_pauses_of_people_say_nothing() {
        let pace = pace();
        let patient = heard(&[(ASKED, 0), (DONE, 30), (READ, 900_000)]);
        assert_eq!(score(&pace, &patient), 0.0);
        assert!((0..400).all(|seed| score(&pace, &normal(seed)) < 6.0));
    }

    #[test]
    fn a_step_that_was_set_off_by_something_else_is_not_late() {
        let again = normal(10);
        assert_eq!(again.keys.len(), 5);
        assert_eq!(score(&pace(), &again), 0.0);
    }

    #[test]
    fn a_step_is_judged_by_what_came_before_it_alone() {
        let pace = pace();
        let whole = heard(&[(ASKED, 0), (DONE, 900), (READ, 901), (AGAIN, 902)]);
        let begun = heard(&[(ASKED, 0), (DONE, 900)]);
        let surprise = |heard| pace.at(heard, 1).map(|surprise| surprise.score);
        assert_eq!(surprise(&whole), surprise(&begun));
    }

    #[test]
    fn all_steps_in_one_go_are_those_one_by_one() {
        let pace = pace();
        for seed in 0..400 {
            let mut odd = normal(seed);
            let at = seed as usize % odd.keys.len();
            odd.keys[at] = [ASKED, DONE, READ, AGAIN][(seed / 7) as usize % 4];
            let one_by_one: Vec<_> = (0..odd.keys.len()).map(|at| pace.at(&odd, at)).collect();
            let steps = pace.steps(&odd).into_iter().enumerate();
            let at_once: Vec<_> = steps
                .map(|(at, step)| step.and_then(|step| step.surprise(&odd, at)))
                .collect();
            assert_eq!(at_once, one_by_one);
        }
    }

    #[test]
    fn sequences_without_times_say_nothing() {
        let mut untimed = heard(&[(ASKED, 0), (DONE, 900)]);
        untimed.times.clear();
        assert_eq!(pace().at(&untimed, 1), None);
        assert_eq!(Pace::learn(&vec![untimed; 99], 6), Pace::default());
    }

    #[test]
    fn where_all_are_late_at_one_time_the_machine_was_slow_and_not_the_sequence() {
        let pace = pace();
        let at = |begin: u64, took: u64| heard(&[(ASKED, begin), (DONE, begin + took)]);
        let judged = |corpus: &[Heard]| -> Vec<bool> {
            let named = (0..).zip(corpus);
            let mut alike = Alike::default();
            let all = named.clone();
            all.for_each(|(name, heard)| {
                let steps = pace.steps(heard).into_iter().flatten();
                steps.for_each(|step| step.tell(name, &mut alike));
            });
            named
                .map(|(name, heard)| {
                    let step = pace.steps(heard)[1];
                    step.is_some_and(|step| step.amid(heard, 1, &alike, name).is_some())
                })
                .collect()
        };
        let alone: Vec<Heard> = (0..100)
            .map(|begin| at(begin * 100, if begin == 50 { 900 } else { 30 }))
            .collect();
        assert_eq!(judged(&alone).iter().filter(|late| **late).count(), 1);
        let together: Vec<Heard> = (0..100)
            .map(|begin| {
                at(
                    begin * 100,
                    if (50..54).contains(&begin) { 900 } else { 30 },
                )
            })
            .collect();
        assert_eq!(judged(&together).iter().filter(|late| **late).count(), 0);
    }

    #[test]
    fn it_comes_back_from_bytes() {
        let pace = pace();
        let bytes = postcard::to_allocvec(&pace).unwrap();
        assert_eq!(postcard::from_bytes::<Pace>(&bytes).unwrap(), pace);
    }
}
