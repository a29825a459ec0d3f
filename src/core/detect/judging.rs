//! The sequences of one population: what voices find → whether it is an alarm.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::detector::{Alarm, Opinion, Population};
use super::mind::{Company, Found, IN_FLIGHT, Mind, Noted, VOICES};
use super::{Ensemble, Heard, Order};
use crate::core::record::Timestamp;

/// Judges the sequences of one population.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) mind: Mind,
    pub(super) ensemble: Ensemble,
    /// How late the sequences were that ended lately.
    pub(super) company: Company,
    /// How many have ended.
    pub(super) ended: u64,
    /// An alarm is a sequence with at most this p-value.
    pub(super) alarm_rate: f64,
}

impl Judging {
    pub(super) fn new(learned: Population, alarm_rate: f64) -> Self {
        Self {
            alarm_rate,
            mind: learned.mind,
            ensemble: learned.ensemble,
            company: Company::default(),
            ended: 0,
        }
    }

    /// Looks at a sequence, and keeps how late it is for others to be compared with.
    pub(super) fn note(&mut self, heard: &Heard, name: u64) -> Noted {
        let noted = self.mind.note(heard);
        self.company.hear(heard, &noted, name);
        noted
    }

    /// [`note`](Self::note) for a sequence that ends now, and the name it goes by.
    pub(super) fn next(&mut self, heard: &Heard) -> (u64, Noted) {
        self.ended += 1;
        (self.ended, self.note(heard, self.ended))
    }

    /// Weighs what the voices in flight found, with what they found before (`peaks`).
    pub(super) fn weigh_in_flight(
        &self,
        peaks: &mut [f32; IN_FLIGHT.len()],
        found: Found,
    ) -> Option<Alarm> {
        let now = scores(&found);
        let mut rises = false;
        let mut scores = [0.0; VOICES.len()];
        for (voice, peak) in IN_FLIGHT.iter().zip(peaks) {
            rises |= now[*voice] > *peak;
            *peak = peak.max(now[*voice]);
            scores[*voice] = *peak;
        }
        // What did not rise was weighed before.
        if !rises {
            return None;
        }
        // At the end two families of voices are asked, in flight often only one has spoken.
        let lone = LONE.map(|voice| self.ensemble.voice_p_value(voice, scores[voice]));
        let lone = lone.into_iter().fold(1.0, f64::min) * LONE_SHARE;
        if lone <= self.alarm_rate {
            let opinions = self.opinions(found);
            return (!opinions.is_empty()).then_some(Alarm {
                p_value: lone,
                opinions,
            });
        }
        self.weigh(&scores, found)
    }

    pub(super) fn weigh(&self, scores: &[f32; VOICES.len()], found: Found) -> Option<Alarm> {
        let p_value = self.ensemble.p_value(self.ensemble.combine(scores));
        if p_value > self.alarm_rate {
            return None;
        }
        let opinions = self.opinions(found);
        (!opinions.is_empty()).then_some(Alarm { p_value, opinions })
    }

    /// What was found, the most surprising first.
    pub(super) fn opinions(&self, found: Found) -> Vec<Opinion> {
        let mut opinions: Vec<Opinion> = Vec::new();
        for (voice, surprise) in found.into_iter().enumerate() {
            opinions.extend(surprise.map(|surprise| Opinion {
                voice: VOICES[voice],
                p_value: self.ensemble.voice_p_value(voice, surprise.score),
                surprise,
            }));
        }
        opinions.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
        opinions
    }
}

/// The voices that may raise an alarm in flight by themselves: `order`, `unseen` and `ngram`.
const LONE: [usize; 3] = [0, 1, 6];
/// They may do so for one in so many of the sequences that may be alarmed on at all.
const LONE_SHARE: f64 = 20.0;

/// What the voices say at the end, and what those in flight said before.
pub(super) fn final_scores(peaks: &[f32; IN_FLIGHT.len()], found: &Found) -> [f32; VOICES.len()] {
    let mut scores = scores(found);
    for (voice, peak) in IN_FLIGHT.iter().zip(peaks) {
        scores[*voice] = scores[*voice].max(*peak);
    }
    scores
}

/// The scores that voices give sequences they did not learn from, in the order of [`VOICES`]; the
/// sequences end in the order of their latest records.
pub(in crate::core) fn scores_of_all(
    mind: &Mind,
    order: &mut Order,
    sequences: &[Heard],
) -> Vec<[f32; VOICES.len()]> {
    let mut rows = vec![[0.0; VOICES.len()]; sequences.len()];
    let mut company = Company::default();
    let mut known: FxHashMap<usize, (Heard, Noted)> = FxHashMap::default();
    for turn in turns(sequences, |heard| heard.times.last().copied()) {
        for ahead in turn.ahead {
            let mut heard = sequences[ahead.index].clone();
            heard.ends = mind.has_ended(&heard);
            let noted = mind.note(&heard);
            company.hear(&heard, &noted, ahead.nth);
            known.insert(ahead.index, (heard, noted));
        }
        let Some((heard, noted)) = known.remove(&turn.index) else {
            continue;
        };
        let row = &mut rows[turn.index];
        *row = scores(&mind.hear(&heard, &noted, &company, turn.nth));
        row[0] = row[0].max(order_score(order, &heard));
    }
    rows
}

/// How long after a sequence others may end whose steps count as company.
const AHEAD: Duration = Duration::from_secs(5);

/// The turn of one sequence to be judged.
pub(super) struct Turn {
    pub(super) index: usize,
    pub(super) nth: u64,
    /// Sequences of which it is known by then what they did, and was not before.
    pub(super) ahead: Vec<Place>,
}

/// A sequence, and its turn.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) nth: u64,
}

/// The turns of `sequences`, those that end first first.
pub(super) fn turns<T>(sequences: &[T], last: impl Fn(&T) -> Option<Timestamp>) -> Vec<Turn> {
    let ends = sequences.iter().map(last).enumerate();
    let mut ends: Vec<(Option<Timestamp>, usize)> = ends.map(|(index, end)| (end, index)).collect();
    ends.sort_unstable();
    let mut known = 0;
    let mut turns = Vec::with_capacity(ends.len());
    for (nth, (end, index)) in ends.iter().enumerate() {
        let until = end.map(|end| end.plus(AHEAD));
        let mut ahead = Vec::new();
        while let Some((end, index)) = ends.get(known)
            && (known <= nth || (until.is_some() && *end <= until))
        {
            ahead.push(Place {
                index: *index,
                nth: known as u64,
            });
            known += 1;
        }
        turns.push(Turn {
            index: *index,
            nth: nth as u64,
            ahead,
        });
    }
    turns
}

fn order_score(order: &mut Order, heard: &Heard) -> f32 {
    let mut state = order.begin(heard.begins);
    let mut peak = 0.0f32;
    for key in &heard.keys {
        let ranked = order.hear(&mut state, *key);
        peak = ranked.map_or(peak, |ranked| peak.max(-ranked.log_probability));
    }
    if heard.ends {
        let ranked = order.end(&state);
        peak = ranked.map_or(peak, |ranked| peak.max(-ranked.log_probability));
    }
    order.release(state);
    peak
}

fn scores(found: &Found) -> [f32; VOICES.len()] {
    found
        .each_ref()
        .map(|surprise| surprise.as_ref().map_or(0.0, |surprise| surprise.score))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::detect::{Surprise, Why};

    /// The order in which sequences have their turns, and how many are known at each.
    fn order(ends_s: &[Option<u64>]) -> (Vec<usize>, Vec<usize>) {
        let last = |end: &Option<u64>| end.map(|s| Timestamp::from_millis(s * 1_000));
        let turns = turns(ends_s, last);
        let mut known = 0;
        let counts = turns.iter().map(|turn| {
            known += turn.ahead.len();
            known
        });
        (
            turns.iter().map(|turn| turn.index).collect(),
            counts.collect(),
        )
    }

    #[test]
    fn sequences_are_judged_as_they_end_with_what_ends_within_five_seconds_known() {
        let ends = [Some(20), Some(0), Some(5), Some(6), Some(100)];
        let (turns, known) = order(&ends);
        assert_eq!(turns, [1, 2, 3, 0, 4]);
        assert_eq!(known, [2, 3, 3, 4, 5]);
    }

    #[test]
    fn without_times_each_is_known_at_its_own_turn_in_the_order_given() {
        let (turns, known) = order(&[None; 4]);
        assert_eq!(turns, [0, 1, 2, 3]);
        assert_eq!(known, [1, 2, 3, 4]);
    }

    #[test]
    fn what_was_said_in_flight_counts_at_the_end() {
        let peaks = [1.0, 2.0, 3.0, 4.0];
        let mut found = Found::default();
        found[IN_FLIGHT[1]] = Some(Surprise {
            score: 5.0,
            position: 0,
            why: Why::Unseen,
        });
        let scores = final_scores(&peaks, &found);
        assert_eq!(IN_FLIGHT.map(|voice| scores[voice]), [1.0, 5.0, 3.0, 4.0]);
        let others = scores.iter().enumerate();
        let mut others = others.filter(|(voice, _)| !IN_FLIGHT.contains(voice));
        assert!(others.all(|(_, score)| *score == 0.0));
    }
}
