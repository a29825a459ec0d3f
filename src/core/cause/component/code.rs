//! Whose code a module is: the service's own, or a library's.

use std::collections::{BTreeMap, BTreeSet};

use super::name::{Name, is_library};
use crate::core::event::{Sign, Stack};
use crate::core::record::StreamKey;

/// What the own modules of each service begin with: `shop`, `com.shop`. None where nothing is known;
/// then all is its own that is no well-known library's.
pub(super) struct Code<'a>(BTreeMap<&'a StreamKey, BTreeSet<&'a str>>);

impl<'a> Code<'a> {
    /// Learned from the names in `signs`: own modules begin as the service is called, or else as those
    /// that log for it.
    pub(super) fn of(signs: &[&'a Sign]) -> Self {
        let mut roots: BTreeMap<&StreamKey, BTreeSet<&str>> = BTreeMap::new();
        let mut tops: BTreeMap<&StreamKey, BTreeSet<&str>> = BTreeMap::new();
        let mut logging: BTreeMap<&StreamKey, BTreeSet<&str>> = BTreeMap::new();
        for sign in signs {
            let words = words(&sign.stream);
            let logger = logger_of(sign);
            let own = roots.entry(&sign.stream).or_default();
            let names = modules(sign).chain(logger).map(Name::of);
            own.extend(names.filter_map(|name| name.named_after(&words)));
            let top = |name| Name::of(name).top();
            tops.entry(&sign.stream)
                .or_default()
                .extend(modules(sign).map(top));
            logging
                .entry(&sign.stream)
                .or_default()
                .extend(logger.map(top));
        }
        for (stream, own) in roots.iter_mut().filter(|(_, own)| own.is_empty()) {
            let (Some(tops), Some(logging)) = (tops.get(stream), logging.get(stream)) else {
                continue;
            };
            own.extend(tops.intersection(logging).filter(|top| !is_library(top)));
        }
        Self(roots)
    }

    /// The service's own modules in a stack, the innermost last. Where helpers broke, they are left out:
    /// they are told what to do.
    pub(super) fn own<'s>(&self, stream: &StreamKey, stack: &'s Stack) -> Vec<&'s str> {
        let names = stack.modules.iter().map(AsRef::as_ref);
        let own: Vec<&str> = names.filter(|name| self.is_own(stream, name)).collect();
        let is_part = |name: &&str| !Name::of(self.part(stream, name)).is_helper();
        match own.iter().any(is_part) {
            true => own.into_iter().filter(is_part).collect(),
            false => own,
        }
    }

    /// Whether a module is the service's own.
    pub(super) fn is_own(&self, stream: &StreamKey, name: &str) -> bool {
        match self.0.get(stream).filter(|roots| !roots.is_empty()) {
            Some(roots) => roots.iter().any(|root| Name::of(name).is_within(root)),
            None => !is_library(name),
        }
    }

    /// The part of the service that a module is of: one segment more than all its modules share.
    pub(super) fn part<'n>(&self, stream: &StreamKey, name: &'n str) -> &'n str {
        let name = Name::of(name);
        let roots = self.0.get(stream).into_iter().flatten();
        let root = roots
            .filter(|root| name.is_within(root))
            .map(|root| root.len());
        name.part_after(root.max())
    }
}

fn modules(sign: &Sign) -> impl Iterator<Item = &str> {
    let stack = sign.stack.iter();
    stack.flat_map(|stack| stack.modules.iter().map(AsRef::as_ref))
}

/// The module that logs the template of a sign.
pub(super) fn logger_of(sign: &Sign) -> Option<&str> {
    super::logger_in(&sign.template.as_ref()?.text)
}

/// Shorter words of a service's name are no names.
const WORD_LEN_MIN: usize = 3;

/// What a service is called, in words.
fn words(stream: &StreamKey) -> Vec<String> {
    let names = [&stream.namespace, &stream.name];
    let words = names
        .into_iter()
        .flat_map(|name| name.split(|c: char| !c.is_alphanumeric()));
    let words = words.filter(|word| word.len() >= WORD_LEN_MIN);
    words.map(str::to_lowercase).collect()
}
