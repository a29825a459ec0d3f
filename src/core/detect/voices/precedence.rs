//! What always comes before, and what always comes after, however far apart.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tally::surprise_of_breach;
use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// Rules of precedence that held in (nearly) all sequences they are about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Precedence {
    /// What each key needs before it, by key.
    before: Vec<Rule>,
    /// What each key needs after it, by key.
    after: Vec<Rule>,
}

/// `key` needs `needed` before it, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Rule {
    key: Key,
    needed: Key,
    /// Whether each record of `key` needs one of its own.
    each: bool,
    /// How many sequences broke it.
    broken: u32,
    /// How many sequences have `key`.
    tried: u32,
}

impl Rule {
    fn score(&self) -> f32 {
        surprise_of_breach(self.broken, self.tried)
    }

    /// It is broken by the known record at `index`.
    fn not_before(&self, heard: &Heard, index: usize) -> Surprise {
        Surprise {
            score: self.score(),
            position: heard.position(index),
            why: Why::NotBefore {
                key: self.key,
                missing: self.needed,
                held: self.tried - self.broken,
            },
        }
    }
}

impl Precedence {
    /// Most keys that rules are about, the most frequent.
    pub const KEYS_MAX: usize = 256;
    /// Most rules kept in each direction, the surest.
    pub const RULES_MAX: usize = 8_192;
    /// Records of a sequence that are judged as they come: by itself each is compared with all before
    /// it.
    pub const JUDGED_MAX: usize = 2_048;
    /// Fewest sequences that a rule is drawn from.
    const TRIED_MIN: u32 = 5;
    /// A rule may be broken in one of so many sequences.
    const BROKEN_ONE_IN: u32 = 100;

    /// Learns from normal sequences with keys below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let numbers = numbers_of_frequent(corpus, key_count);
        let number = |key: &Key| numbers.get(key.index()).copied().flatten();
        let mut forward: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        let mut backward: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        for heard in corpus {
            if heard.begins {
                let keys = heard.keys.iter().filter_map(number).collect();
                *forward.entry(keys).or_default() += 1;
            }
            if heard.ends {
                let keys = heard.keys.iter().rev().filter_map(number).collect();
                *backward.entry(keys).or_default() += 1;
            }
        }
        let mut keys = vec![Key::BEGIN; numbers.iter().flatten().count()];
        for (index, number) in numbers.iter().enumerate() {
            if let Some(key) = number.and_then(|number| keys.get_mut(number)) {
                *key = Key(index as u16);
            }
        }
        Self {
            before: mine(&forward, &keys),
            after: mine(&backward, &keys),
        }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Voice for Precedence {
    fn name(&self) -> &'static str {
        "precedence"
    }

    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let key = *heard.keys.get(index)?;
        if !heard.begins {
            return None;
        }
        if index >= Self::JUDGED_MAX {
            return None;
        }
        let earlier = heard.keys.get(..index)?;
        let count = |key: Key| earlier.iter().filter(|other| **other == key).count() as u32;
        let rule = worst_broken(rules_of(&self.before, key), count)?;
        Some(rule.not_before(heard, index))
    }

    fn each(&self, heard: &Heard) -> Vec<Surprise> {
        let Some(last) = heard.keys.iter().max().filter(|_| heard.begins) else {
            return Vec::new();
        };
        let mut earlier = vec![0u32; last.index() + 1];
        let judged = heard.keys.iter().take(Self::JUDGED_MAX).enumerate();
        let surprises = judged.filter_map(|(index, key)| {
            let count = |key: Key| earlier.get(key.index()).copied().unwrap_or_default();
            let rule = worst_broken(rules_of(&self.before, *key), count);
            if let Some(count) = earlier.get_mut(key.index()) {
                *count += 1;
            }
            Some(rule?.not_before(heard, index))
        });
        surprises.collect()
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if !heard.ends {
            return None;
        }
        let last = heard.keys.iter().max()?;
        let mut later = vec![0u32; last.index() + 1];
        let mut worst: Option<(f32, usize, Rule)> = None;
        for (index, key) in heard.keys.iter().enumerate().rev() {
            let count = |key: Key| later.get(key.index()).copied().unwrap_or_default();
            // Of equally sure rules the one broken first is told.
            if let Some(rule) = worst_broken(rules_of(&self.after, *key), count)
                && worst.is_none_or(|(score, ..)| rule.score() >= score)
            {
                worst = Some((rule.score(), index, rule));
            }
            if let Some(count) = later.get_mut(key.index()) {
                *count += 1;
            }
        }
        let (score, index, rule) = worst?;
        Some(Surprise {
            score,
            position: heard.position(index),
            why: Why::NotAfter {
                key: rule.key,
                missing: rule.needed,
                held: rule.tried - rule.broken,
            },
        })
    }
}

fn rules_of(rules: &[Rule], key: Key) -> &[Rule] {
    let start = rules.partition_point(|rule| rule.key < key);
    let end = rules.partition_point(|rule| rule.key <= key);
    rules.get(start..end).unwrap_or_default()
}

/// The surest of the rules on one key that is broken where each key came `count` times before it
/// (or comes so often after it).
fn worst_broken(rules: &[Rule], count: impl Fn(Key) -> u32) -> Option<Rule> {
    let own = count(rules.first()?.key);
    let mut worst: Option<Rule> = None;
    for rule in rules {
        let is_surer = worst.is_none_or(|worst| rule.score() > worst.score());
        if is_surer && (rule.each || own == 0) && count(rule.needed) <= own {
            worst = Some(*rule);
        }
    }
    worst
}

/// Numbers from zero on for the keys that most sequences have.
fn numbers_of_frequent(corpus: &[Heard], key_count: usize) -> Vec<Option<usize>> {
    let mut counts = vec![0u32; key_count];
    let mut last = vec![usize::MAX; key_count];
    for (index, heard) in corpus.iter().enumerate() {
        for key in &heard.keys {
            let slot = key.index();
            if let (Some(count), Some(last)) = (counts.get_mut(slot), last.get_mut(slot))
                && *last != index
            {
                *last = index;
                *count += 1;
            }
        }
    }
    let mut keys: Vec<usize> = (0..key_count)
        .filter(|key| {
            counts
                .get(*key)
                .is_some_and(|n| *n >= Precedence::TRIED_MIN)
        })
        .collect();
    keys.sort_by_key(|key| Reverse(counts.get(*key).copied()));
    keys.truncate(Precedence::KEYS_MAX);
    let mut numbers = vec![None; key_count];
    for (number, key) in keys.into_iter().enumerate() {
        if let Some(slot) = numbers.get_mut(key) {
            *slot = Some(number);
        }
    }
    numbers
}

/// In how many sequences each pair broke the plain rule and the rule for each record.
struct Breaches {
    keys: usize,
    tried: Vec<u32>,
    twice: Vec<u32>,
    plain: Vec<u32>,
    each: Vec<u32>,
}

/// The rules that hold in `sequences` of key numbers, each with how often it came.
fn mine(sequences: &BTreeMap<Vec<usize>, u32>, keys: &[Key]) -> Vec<Rule> {
    let breaches = Breaches::count(sequences, keys.len());
    let mut rules = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        for (other, needed) in keys.iter().enumerate() {
            if number != other {
                rules.extend(
                    breaches
                        .rule(number, other)
                        .map(|(each, broken, tried)| Rule {
                            key: *key,
                            needed: *needed,
                            each,
                            broken,
                            tried,
                        }),
                );
            }
        }
    }
    let mut rules = without_redundant(rules);
    rules.sort_by(|a, b| b.score().total_cmp(&a.score()).then(a.cmp(b)));
    rules.truncate(Precedence::RULES_MAX);
    rules.sort_unstable();
    rules
}

impl Breaches {
    fn count(sequences: &BTreeMap<Vec<usize>, u32>, keys: usize) -> Self {
        let mut breaches = Self {
            keys,
            tried: vec![0; keys],
            twice: vec![0; keys],
            plain: vec![0; keys * keys],
            each: vec![0; keys * keys],
        };
        let mut seen = vec![0u32; keys];
        let mut broken = vec![false; keys * keys];
        for (sequence, times) in sequences {
            seen.fill(0);
            for number in sequence {
                let row = number * keys;
                let own = seen[*number];
                match own {
                    0 => breaches.tried[*number] += times,
                    1 => breaches.twice[*number] += times,
                    _ => {}
                }
                for (other, came) in seen.iter().enumerate() {
                    if own == 0 {
                        broken[row + other] = false;
                        if *came == 0 {
                            breaches.plain[row + other] += times;
                        }
                    }
                    if *came <= own && !broken[row + other] {
                        broken[row + other] = true;
                        breaches.each[row + other] += times;
                    }
                }
                seen[*number] += 1;
            }
        }
        breaches
    }

    /// The rule, if any, by which the key `number` needs the key `other`: whether each record
    /// does, in how many sequences it was broken, and in how many tried.
    fn rule(&self, number: usize, other: usize) -> Option<(bool, u32, u32)> {
        let tried = *self.tried.get(number)?;
        let cell = number * self.keys + other;
        let (plain, each) = (*self.plain.get(cell)?, *self.each.get(cell)?);
        let repeats = *self.twice.get(number)? >= Precedence::TRIED_MIN;
        let holds = |broken: u32| {
            tried >= Precedence::TRIED_MIN && broken <= tried / Precedence::BROKEN_ONE_IN
        };
        if repeats && holds(each) {
            return Some((true, each, tried));
        }
        holds(plain).then_some((false, plain, tried))
    }
}

/// Leaves out what follows from two other rules: a before c where a before b and b before c.
fn without_redundant(rules: Vec<Rule>) -> Vec<Rule> {
    let exact: std::collections::BTreeSet<(Key, Key)> = rules
        .iter()
        .filter(|rule| rule.broken == 0)
        .map(|rule| (rule.key, rule.needed))
        .collect();
    let follows = |rule: &Rule| {
        exact
            .range((rule.key, Key::BEGIN)..=(rule.key, Key(u16::MAX)))
            .any(|(_, between)| exact.contains(&(*between, rule.needed)))
    };
    rules
        .iter()
        .filter(|rule| rule.broken > 0 || rule.each || !follows(rule))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn what_comes_without_what_it_needs_is_told_at_once() {
        let voice = Precedence::learn(&corpus(&["oabz", "obaz", "oaabz"], 40), KEY_COUNT);
        let early = heard("aobz");
        let odd = voice.at(&early, 0).unwrap();
        assert!((odd.score - 122f32.ln()).abs() < 1e-4);
        assert_eq!(odd.position, 0);
        assert_eq!(
            odd.why,
            Why::NotBefore {
                key: key('a'),
                missing: key('o'),
                held: 120
            }
        );
        assert_eq!(voice.at(&early, 2), None);
    }

    #[test]
    fn what_is_not_followed_up_is_told_at_the_end() {
        let voice = Precedence::learn(&corpus(&["oabz", "obaz", "oaabz"], 40), KEY_COUNT);
        let odd = voice.whole(&heard("oaba")).unwrap();
        assert_eq!(odd.position, 2);
        assert!(matches!(odd.why, Why::NotAfter { missing, .. } if missing == key('z')));
    }

    #[test]
    fn each_deletion_needs_an_order_of_its_own() {
        let all = corpus(&["xyd", "xyxyd", "xxyyd"], 40);
        let voice = Precedence::learn(&all, KEY_COUNT);
        assert_eq!(voice.at(&heard("xyxyd"), 3), None);
        let odd = voice.at(&heard("xyyxd"), 2).unwrap();
        assert!(matches!(odd.why, Why::NotBefore { missing, .. } if missing == key('x')));
        let odd = voice.whole(&heard("xyyxd")).unwrap();
        assert!(matches!(odd.why, Why::NotAfter { missing, .. } if missing == key('y')));
    }

    /// One record after the other is the slow way, and the meaning of the quick one.
    #[test]
    fn all_records_in_one_go_are_judged_as_one_by_one() {
        let voice = Precedence::learn(&corpus(&["oabz", "obaz", "oxyxyabz"], 40), KEY_COUNT);
        let letters: Vec<char> = "oabzxyd".chars().collect();
        let mut told = 0;
        for seed in 0..2_000usize {
            let letter = |place: usize| letters[(seed / 7usize.pow(place as u32)) % 7];
            let text: String = (0..4).chain(1..4).chain(0..2).map(letter).collect();
            let mut heard = heard(&text);
            heard.begins = seed % 11 > 0;
            let one_by_one: Vec<Surprise> = (0..heard.keys.len())
                .filter_map(|index| voice.at(&heard, index))
                .collect();
            told += one_by_one.len();
            assert_eq!(voice.each(&heard), one_by_one, "{text}");
        }
        assert!(told > 1_000);
        let long = heard(&"y".repeat(Precedence::JUDGED_MAX + 9));
        assert_eq!(voice.each(&long).len(), Precedence::JUDGED_MAX);
        assert_eq!(voice.at(&long, Precedence::JUDGED_MAX), None);
    }

    #[test]
    fn what_follows_from_other_rules_is_not_kept() {
        let voice = Precedence::learn(&corpus(&["abcd"], 40), KEY_COUNT);
        assert_eq!((voice.before.len(), voice.after.len()), (3, 3));
    }

    #[test]
    fn a_rule_seen_few_times_is_none() {
        assert!(Precedence::learn(&corpus(&["ab"], 4), KEY_COUNT).is_empty());
        assert!(!Precedence::learn(&corpus(&["ab"], 5), KEY_COUNT).is_empty());
    }
}
