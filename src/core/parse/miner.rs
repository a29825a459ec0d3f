//! Masked shapes → templates, with one bounded table each for shapes, templates and skeletons.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hand::Hand;
use super::mask::{WILDCARD, mask_into};
use crate::core::record::{TemplateId, Timestamp};

/// Most templates of one stream. Lines beyond it count in the overflow template.
pub const TEMPLATES_MAX: usize = 10_000;
/// Most templates of one stream over its life, those merged into others included.
pub const BIRTHS_MAX: usize = 4 * TEMPLATES_MAX;
/// Most shapes remembered; the memory is emptied when it is full and fills again from the tables.
pub const CACHE_MAX: usize = 65_536;
/// Most skeletons (a shape less one word) watched for saturation.
pub const SKELETONS_MAX: usize = 200_000;
/// A position that has shown more than this many words is a parameter.
pub const VALUES_MAX: usize = 4;
/// The text of the template that counts what the bounds leave no room for.
pub const OVERFLOW_TEXT: &str = "<overflow>";

/// Words of a shape that take part in saturation; longer shapes are kept as they are.
const TOKENS_MAX: usize = 96;

/// One template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Derived from the text at birth; never changes.
    pub id: TemplateId,
    /// The constant words and [`WILDCARD`]s.
    pub text: Box<str>,
    /// Records counted for it, those of templates merged into it included.
    pub count: u64,
    /// Time of the earliest record.
    pub first_seen: Timestamp,
    /// Templates that were merged into this one, oldest first.
    pub merged: Vec<TemplateId>,
}

/// What the miner says of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The template.
    pub id: TemplateId,
    /// The template's place in the order of birth: templates that come first in a stream's life
    /// have the lowest rank.
    pub rank: u32,
}

/// The template miner of one stream.
#[derive(Debug, Default)]
pub struct Miner {
    templates: Vec<Template>,
    /// Where a template went that was merged into another.
    moved: FxHashMap<usize, usize>,
    by_id: FxHashMap<TemplateId, usize>,
    by_shape: FxHashMap<u64, usize>,
    skeletons: FxHashMap<u64, Skeleton>,
    /// Merged templates by token count, to match a shape that differs in several words.
    generalised: BTreeMap<usize, Vec<usize>>,
    shape: String,
    hand: Arc<Hand>,
    records: u64,
    overflow: u64,
}

/// The shapes that are equal but for one position.
#[derive(Debug)]
enum Skeleton {
    Watched(Vec<usize>),
    Saturated,
}

impl Miner {
    /// The template of a record whose message is `text`; new templates are born here.
    pub fn parse(&mut self, text: &str, time: Timestamp) -> Parsed {
        if let Some(index) = self.by_hand(text, time) {
            return self.count(index, time);
        }
        let mut shape = std::mem::take(&mut self.shape);
        match self.hand.masked_message(text.as_bytes()) {
            Some(masked) => mask_into(&String::from_utf8_lossy(&masked), &mut shape),
            None => mask_into(text, &mut shape),
        }
        let index = self.find(&shape, time);
        self.shape = shape;
        self.count(index, time)
    }

    /// Templates by hand go before what is learned from now on. Counts stay where they are.
    pub fn set_hand(&mut self, hand: &Arc<Hand>) {
        self.hand = Arc::clone(hand);
        for seed in hand.seeds() {
            self.seed(seed);
        }
    }

    /// The templates by hand that the miner goes by.
    pub fn hand(&self) -> &Hand {
        &self.hand
    }

    fn by_hand(&mut self, text: &str, time: Timestamp) -> Option<usize> {
        if self.hand.templates().is_empty() {
            return None;
        }
        let hand = Arc::clone(&self.hand);
        let text = hand.text_for(text.as_bytes())?;
        match self.by_id.get(&id_of(text)) {
            Some(&index) => Some(self.current(index)),
            None => Some(self.born(text, time)),
        }
    }

    /// The template of a record that names it itself (`event_name`, `log.record.template`).
    pub fn named(&mut self, name: &str, time: Timestamp) -> Parsed {
        let index = match self.by_id.get(&id_of(name)) {
            Some(&index) => self.current(index),
            None => self.born(name, time),
        };
        self.count(index, time)
    }

    /// The templates in use, in order of birth.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.templates
            .iter()
            .enumerate()
            .filter_map(|(index, template)| (!self.moved.contains_key(&index)).then_some(template))
    }

    /// The template that `id` names today: itself, or what it was merged into.
    pub fn resolve(&self, id: TemplateId) -> Option<&Template> {
        self.templates.get(self.current(*self.by_id.get(&id)?))
    }

    /// Records parsed.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records that found no room for a template of their own. With the counts of all templates
    /// they add up to [`records`](Self::records).
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The Good–Turing estimate of the chance that the next record is of a new template: the
    /// number of templates seen once over the number of records. 1 before the first record.
    pub fn new_template_chance(&self) -> f64 {
        if self.records == 0 {
            return 1.0;
        }
        let once = self
            .templates()
            .filter(|template| template.count == 1)
            .count();
        once as f64 / self.records as f64
    }

    /// Whether `id` stands for what found no room. It says nothing about a record, so no record is
    /// judged by it.
    pub fn is_overflow(id: TemplateId) -> bool {
        id == id_of(OVERFLOW_TEXT)
    }

    /// Makes `text` a known template without counting a record, as when a model brings its
    /// template set along.
    pub fn seed(&mut self, text: &str) {
        if !self.by_id.contains_key(&id_of(text)) {
            let index = self.born(text, Timestamp::from_nanos(u64::MAX));
            if text.split(' ').any(|token| token == WILDCARD) {
                self.generalise(index);
            }
        }
    }

    fn count(&mut self, index: usize, time: Timestamp) -> Parsed {
        self.records += 1;
        match self.templates.get_mut(index) {
            Some(template) => {
                template.count += 1;
                template.first_seen = template.first_seen.min(time);
                Parsed {
                    id: template.id,
                    rank: u32::try_from(index).unwrap_or(u32::MAX),
                }
            }
            None => {
                self.overflow += 1;
                Parsed {
                    id: id_of(OVERFLOW_TEXT),
                    rank: u32::MAX,
                }
            }
        }
    }

    fn find(&mut self, shape: &str, time: Timestamp) -> usize {
        let hash = rustc_hash_of(shape);
        if let Some(&index) = self.by_shape.get(&hash) {
            return self.current(index);
        }
        let index = match self.by_id.get(&id_of(shape)) {
            Some(&index) => self.current(index),
            None => self.place(shape, time),
        };
        if index == usize::MAX && self.hand.is_frozen() {
            // A file that no longer freezes lets it be born later.
            return index;
        }
        if self.by_shape.len() >= CACHE_MAX {
            self.by_shape.clear();
        }
        self.by_shape.insert(hash, index);
        index
    }

    /// Finds the template of a shape that was never seen, or lets one be born.
    fn place(&mut self, shape: &str, time: Timestamp) -> usize {
        let tokens: Vec<&str> = shape.split(' ').collect();
        if tokens.len() > TOKENS_MAX && !self.hand.is_frozen() {
            return self.born(shape, time);
        }
        if let Some(index) = self.matching(&tokens) {
            return index;
        }
        if self.hand.is_frozen() {
            return usize::MAX;
        }
        let index = self.born(shape, time);
        if index == usize::MAX {
            return index;
        }
        match self.saturated(index, &tokens) {
            Some(position) => self.merge(index, &tokens, position, time),
            None => index,
        }
    }

    /// A generalised template that says the same, its wildcards standing for any words.
    fn matching(&self, tokens: &[&str]) -> Option<usize> {
        let candidates = self.generalised.get(&tokens.len())?;
        candidates
            .iter()
            .map(|&index| self.current(index))
            .find(|&index| {
                self.templates.get(index).is_some_and(|template| {
                    template
                        .text
                        .split(' ')
                        .zip(tokens)
                        .all(|(a, b)| a == *b || a == WILDCARD)
                })
            })
    }

    /// Watches each skeleton of a new shape; the first position with too many words, if any.
    fn saturated(&mut self, index: usize, tokens: &[&str]) -> Option<usize> {
        let mut found = None;
        for (position, token) in tokens.iter().enumerate() {
            if token.contains(WILDCARD) {
                continue;
            }
            let key = skeleton_hash(tokens, position);
            if self.skeletons.len() >= SKELETONS_MAX && !self.skeletons.contains_key(&key) {
                continue;
            }
            let skeleton = self
                .skeletons
                .entry(key)
                .or_insert(Skeleton::Watched(Vec::new()));
            if let Skeleton::Watched(seen) = skeleton {
                seen.push(index);
                if seen.len() > VALUES_MAX && found.is_none() {
                    found = Some(position);
                }
            }
        }
        found
    }

    /// Turns `position` of a shape into a wildcard and moves every template that differs from it
    /// in that position only to the new, wider one.
    fn merge(&mut self, newest: usize, tokens: &[&str], position: usize, time: Timestamp) -> usize {
        let key = skeleton_hash(tokens, position);
        let mut wide = tokens.to_vec();
        if let Some(token) = wide.get_mut(position) {
            *token = WILDCARD;
        }
        let text = wide.join(" ");
        let target = match self.by_id.get(&id_of(&text)) {
            Some(&index) => self.current(index),
            None => self.born(&text, time),
        };
        if self.templates.get(target).is_none() {
            return newest;
        }
        let members = match self.skeletons.insert(key, Skeleton::Saturated) {
            Some(Skeleton::Watched(members)) => members,
            Some(Skeleton::Saturated) | None => Vec::new(),
        };
        for member in members {
            self.absorb(target, self.current(member));
        }
        self.generalise(target);
        let wide_tokens: Vec<&str> = text.split(' ').collect();
        match self.saturated(target, &wide_tokens) {
            Some(next) => self.merge(target, &wide_tokens, next, time),
            None => target,
        }
    }

    fn absorb(&mut self, target: usize, member: usize) {
        if target == member {
            return;
        }
        let Some(from) = self.templates.get(member) else {
            return;
        };
        let (count, first_seen) = (from.count, from.first_seen);
        let lineage = from
            .merged
            .iter()
            .copied()
            .chain([from.id])
            .collect::<Vec<_>>();
        if let Some(into) = self.templates.get_mut(target) {
            into.count += count;
            into.first_seen = into.first_seen.min(first_seen);
            into.merged.extend(lineage);
            self.moved.insert(member, target);
        }
    }

    fn generalise(&mut self, index: usize) {
        let Some(template) = self.templates.get(index) else {
            return;
        };
        let list = self
            .generalised
            .entry(template.text.split(' ').count())
            .or_default();
        if !list.contains(&index) {
            list.push(index);
        }
    }

    /// Adds a template; an index past the end, the overflow, when there is no room.
    fn born(&mut self, text: &str, time: Timestamp) -> usize {
        let living = self.templates.len() - self.moved.len();
        if living >= TEMPLATES_MAX || self.templates.len() >= BIRTHS_MAX {
            return usize::MAX;
        }
        let index = self.templates.len();
        let id = id_of(text);
        let template = Template {
            id,
            text: text.into(),
            count: 0,
            first_seen: time,
            merged: Vec::new(),
        };
        self.templates.push(template);
        self.by_id.insert(id, index);
        index
    }

    fn current(&self, mut index: usize) -> usize {
        while let Some(&next) = self.moved.get(&index) {
            index = next;
        }
        index
    }
}

/// What a [`Miner`] needs to go on after a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MinerSnapshot {
    templates: Vec<Template>,
    moved: Vec<(u32, u32)>,
    records: u64,
    overflow: u64,
}

impl Miner {
    /// Everything that cannot be worked out again.
    pub fn snapshot(&self) -> MinerSnapshot {
        let mut moved: Vec<(u32, u32)> = self
            .moved
            .iter()
            .map(|(from, to)| (*from as u32, *to as u32))
            .collect();
        moved.sort_unstable();
        MinerSnapshot {
            templates: self.templates.clone(),
            moved,
            records: self.records,
            overflow: self.overflow,
        }
    }

    /// A miner that goes on where the snapshot was taken.
    pub fn restore(snapshot: MinerSnapshot) -> Self {
        let mut miner = Self {
            records: snapshot.records,
            overflow: snapshot.overflow,
            ..Self::default()
        };
        let len = snapshot.templates.len().min(BIRTHS_MAX);
        miner.templates = snapshot.templates;
        miner.templates.truncate(len);
        for (from, to) in snapshot.moved {
            let (from, to) = (from as usize, to as usize);
            // A merge always goes to another living template; anything else is not ours.
            if from != to && from < len && to < len && miner.current(to) != from {
                miner.moved.insert(from, to);
            }
        }
        let texts: Vec<(usize, Box<str>, TemplateId)> = miner
            .templates
            .iter()
            .enumerate()
            .map(|(index, template)| (index, template.text.clone(), template.id))
            .collect();
        for (index, text, id) in texts {
            miner.by_id.insert(id, index);
            let tokens: Vec<&str> = text.split(' ').collect();
            if tokens.len() <= TOKENS_MAX {
                miner.saturated(index, &tokens);
            }
            if tokens.contains(&WILDCARD) {
                miner.generalise(index);
            }
        }
        miner
    }
}

/// The first eight bytes of the SHA-256 of the text at birth.
fn id_of(text: &str) -> TemplateId {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 8];
    first
        .iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    TemplateId(u64::from_be_bytes(first))
}

fn rustc_hash_of(text: &str) -> u64 {
    use std::hash::Hasher;
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

fn skeleton_hash(tokens: &[&str], without: usize) -> u64 {
    use std::hash::Hasher;
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write_usize(without);
    for (position, token) in tokens.iter().enumerate() {
        if position != without {
            hasher.write(token.as_bytes());
        }
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_nanos(1);

    #[test]
    fn lines_that_differ_in_values_share_a_template() {
        let mut miner = Miner::default();
        let one = miner.parse("took 5 ms for 10.0.0.1", T).id;
        let two = miner.parse("took 12345 ms for 10.9.8.7:80", T).id;
        assert_eq!(one, two);
        assert_eq!(miner.resolve(one).map(|t| t.count), Some(2));
    }

    #[test]
    fn a_few_words_in_one_place_stay_apart_and_many_become_a_parameter() {
        let mut miner = Miner::default();
        let states: Vec<_> = ["started", "paused", "stopped"]
            .iter()
            .map(|s| miner.parse(&format!("VM {s}"), T).id)
            .collect();
        assert!(states.windows(2).all(|pair| pair[0] != pair[1]));
        let users = ["ann", "bob", "cid", "dan", "eve", "fay"];
        let ids: Vec<_> = users
            .iter()
            .map(|u| miner.parse(&format!("user {u} logged in"), T).id)
            .collect();
        let wide = miner.resolve(ids[0]).expect("known");
        assert_eq!(wide.text.as_ref(), "user <*> logged in");
        assert_eq!(wide.count, 6);
        assert_eq!(miner.resolve(ids[5]), miner.resolve(ids[0]));
        assert!(wide.merged.contains(&ids[0]));
    }

    #[test]
    fn two_places_that_vary_become_two_parameters() {
        let mut miner = Miner::default();
        for user in ["a", "b", "c", "d", "e", "f", "g"] {
            for group in ["q", "r", "s", "t", "u", "v", "w"] {
                miner.parse(&format!("user {user} of {group} logged in"), T);
            }
        }
        let new = miner.parse("user zoe of zoo logged in", T).id;
        assert_eq!(
            miner.resolve(new).map(|t| t.text.as_ref()),
            Some("user <*> of <*> logged in")
        );
    }

    #[test]
    fn counts_add_up_to_the_records_whatever_happens() {
        let mut miner = Miner::default();
        for word in 0..(TEMPLATES_MAX as u64 + 50) {
            // Letters only, and every position different, so that nothing merges.
            let text: String = format!("{word:05}")
                .bytes()
                .map(|b| char::from(b - b'0' + b'a'))
                .collect();
            miner.parse(
                &format!("{text} {}", text.chars().rev().collect::<String>()),
                T,
            );
        }
        let counted: u64 = miner.templates().map(|template| template.count).sum();
        assert_eq!(miner.records(), TEMPLATES_MAX as u64 + 50);
        assert!(miner.overflow() > 0);
        assert_eq!(counted + miner.overflow(), miner.records());
        assert!(miner.templates().count() <= TEMPLATES_MAX);
    }

    #[test]
    fn a_restored_miner_gives_every_line_the_same_id() {
        let lines: Vec<String> = (0..400)
            .map(|n| format!("user u{} did {} on {}", n % 7, ["a", "b", "c"][n % 3], n))
            .chain(["ann", "bob", "cid", "dan", "eve", "fay"].map(|u| format!("bye {u}")))
            .collect();
        let mut first = Miner::default();
        lines.iter().for_each(|line| {
            first.parse(line, T);
        });
        let mut second = Miner::restore(first.snapshot());
        for line in lines
            .iter()
            .chain([&"bye zoe".to_owned(), &"something else".to_owned()])
        {
            assert_eq!(first.parse(line, T), second.parse(line, T), "{line}");
        }
        assert_eq!(first.records(), second.records());
    }

    #[test]
    fn the_chance_of_a_new_template_falls_as_templates_come_back() {
        let mut miner = Miner::default();
        assert!(miner.new_template_chance() > 0.99);
        miner.parse("alpha", T);
        miner.parse("beta gamma", T);
        assert!(miner.new_template_chance() > 0.99);
        for _ in 0..98 {
            miner.parse("alpha", T);
        }
        assert!((miner.new_template_chance() - 0.01).abs() < 1e-9);
    }
}
