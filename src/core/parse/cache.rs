//! Form key → template and typed values, bounded.

use super::param::{AnchoredParam, Param, ParamKind, Place};
use super::scan::Key;

/// Most forms remembered of one stream. They take 72 bytes each, and 10 for a typed value where
/// there are more than three: with [`VALUES_PER_FORM`] values each, 15 MB.
pub const FORMS_MAX: usize = 65_536;
/// Most typed values remembered, for each form that there is room for.
pub const VALUES_PER_FORM: usize = 16;

/// What is known of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place of the template in the miner's table.
    pub template: u32,
    /// The template's version when the entry was made: an entry of another version is stale.
    pub version: u32,
    /// The typed values of a message of this form.
    pub params: Box<[AnchoredParam]>,
}

/// An [`Entry`] that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// As in [`Entry::template`].
    pub template: u32,
    /// As in [`Entry::version`].
    pub version: u32,
    /// As in [`Entry::params`].
    pub params: &'a [AnchoredParam],
}

/// Remembers the forms that come often.
///
/// A form stands in one of the eight slots of its set. Where all are taken, the newcomer takes the
/// slot of a form that was not seen again lately. Forms that are seen again stay for a while: each
/// is seen again up to three times, and the set forgets one of them for all its forms with every
/// eighth newcomer. So a flood of forms that come once pushes out its own kind, and yet what came
/// often yesterday does not stand in the way of what comes often today.
#[derive(Clone, Debug)]
pub struct Cache {
    sets: Vec<Set>,
    slots: Vec<[Slot; WAYS]>,
    forms: usize,
    sets_max: usize,
}

/// Slots of one set. A set fills one line of the processor's cache and a slot another, so that a
/// look-up touches two.
const WAYS: usize = 8;

/// Most typed values of one set.
const SET_VALUES_MAX: usize = WAYS * VALUES_PER_FORM;

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Set {
    /// A part of each slot's key.
    tags: [u32; WAYS],
    /// How often each form was seen again since it came, less what was forgotten.
    seen_again: [u8; WAYS],
    newcomers: u8,
}

/// What is remembered of how often a form was seen again.
const SEEN_AGAIN_MAX: u8 = 3;

#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Slot {
    key: Key,
    known: Option<Known>,
}

/// What an [`Entry`] says, with few typed values in place.
#[derive(Clone, Debug)]
struct Known {
    template: u32,
    version: u32,
    params: Params,
}

#[derive(Clone, Debug)]
enum Params {
    Few(u8, [AnchoredParam; FEW]),
    Many(Box<[AnchoredParam]>),
}

/// As many as leave a slot at 64 bytes.
const FEW: usize = 3;
const _: () = assert!(size_of::<Slot>() == 64 && size_of::<Set>() == 64);

impl Cache {
    /// A cache for at most `forms_max` forms, or eight if that is more. It begins small.
    pub fn new(forms_max: usize) -> Self {
        Self {
            sets: vec![Set::default()],
            slots: vec![Default::default()],
            forms: 0,
            sets_max: (forms_max / WAYS).max(1),
        }
    }

    /// What is remembered of the form with `key`.
    #[inline]
    pub fn get(&mut self, key: Key) -> Option<Hit<'_>> {
        let (at, way) = self.find(key)?;
        let seen_again = &mut self.sets[at].seen_again[way];
        *seen_again = (*seen_again + 1).min(SEEN_AGAIN_MAX);
        let known = self.slots[at][way].known.as_ref()?;
        Some(Hit {
            template: known.template,
            version: known.version,
            params: known.params.as_slice(),
        })
    }

    /// Remembers `entry` as what is known of the form with `key`, unless it has more typed values
    /// than eight forms have room for.
    pub fn insert(&mut self, key: Key, entry: Entry) {
        if let Some((at, way)) = self.find(key) {
            self.empty(at, way);
        }
        if entry.params.len() > SET_VALUES_MAX {
            return;
        }
        self.grow_for(key, entry.params.len());
        let at = self.set_of(key);
        let way = self.make_room(at, entry.params.len());
        let known = Known {
            template: entry.template,
            version: entry.version,
            params: Params::new(entry.params),
        };
        self.put(at, way, key, known);
    }

    /// Forms remembered.
    pub fn len(&self) -> usize {
        self.forms
    }

    /// Whether no form is remembered.
    pub fn is_empty(&self) -> bool {
        self.forms == 0
    }

    /// Forgets all forms.
    pub fn clear(&mut self) {
        *self = Self::new(self.sets_max * WAYS);
    }

    #[inline]
    fn set_of(&self, key: Key) -> usize {
        // As far along the sets as the key is along all keys.
        ((u128::from(key.1) * self.sets.len() as u128) >> u64::BITS) as usize
    }

    #[inline]
    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let at = self.set_of(key);
        let mut ways = self.sets[at].ways_of(key);
        while ways != 0 {
            let way = ways.trailing_zeros() as usize;
            let slot = &self.slots[at][way];
            if slot.key == key && slot.known.is_some() {
                return Some((at, way));
            }
            ways &= ways - 1;
        }
        None
    }

    /// Doubles the sets while that of `key` has no room and an eighth of all slots are taken.
    fn grow_for(&mut self, key: Key, values: usize) {
        while self.sets.len() < self.sets_max
            && self.forms * 8 >= self.sets.len() * WAYS
            && self.room(self.set_of(key), values).is_none()
        {
            let doubled = (self.sets.len() * 2).min(self.sets_max);
            self.sets = vec![Set::default(); doubled];
            let slots = std::mem::take(&mut self.slots);
            self.slots.resize_with(doubled, Default::default);
            self.forms = 0;
            for slot in slots.into_iter().flatten() {
                let Some(known) = slot.known else { continue };
                let at = self.set_of(slot.key);
                // Where the sets do not quite double, those of two may fall to one.
                if let Some(way) = self.room(at, known.params.as_slice().len()) {
                    self.put(at, way, slot.key, known);
                }
            }
        }
    }

    /// An empty slot of a set that has room for `values`.
    fn room(&self, at: usize, values: usize) -> Option<usize> {
        let slots = &self.slots[at];
        let known = slots.iter().flat_map(|slot| &slot.known);
        let taken: usize = known.map(|known| known.params.as_slice().len()).sum();
        let empty = slots.iter().position(|slot| slot.known.is_none());
        empty.filter(|_| taken + values <= SET_VALUES_MAX)
    }

    fn make_room(&mut self, at: usize, values: usize) -> usize {
        loop {
            if let Some(way) = self.room(at, values) {
                return way;
            }
            let slots = &self.slots[at];
            let way = self.sets[at].seldom_seen(|way| slots[way].known.is_some());
            self.empty(at, way);
        }
    }

    fn put(&mut self, at: usize, way: usize, key: Key, known: Known) {
        self.forms += 1;
        self.sets[at].tags[way] = tag_of(key);
        self.slots[at][way] = Slot {
            key,
            known: Some(known),
        };
    }

    fn empty(&mut self, at: usize, way: usize) {
        let removed = std::mem::take(&mut self.slots[at][way]);
        self.sets[at].seen_again[way] = 0;
        self.forms -= usize::from(removed.known.is_some());
    }
}

impl Set {
    /// The slot, of those `taken`, that a newcomer may have. One is taken at least.
    fn seldom_seen(&mut self, taken: impl Fn(usize) -> bool) -> usize {
        self.newcomers = self.newcomers.wrapping_add(1);
        // From another slot each time, so that a newcomer has some time to be seen again.
        let first = usize::from(self.newcomers) % WAYS;
        if first == 0 {
            self.forget_one();
        }
        loop {
            let mut ways = (first..first + WAYS).map(|way| way % WAYS);
            if let Some(way) = ways.find(|&way| self.seen_again[way] == 0 && taken(way)) {
                return way;
            }
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        for seen_again in &mut self.seen_again {
            *seen_again = seen_again.saturating_sub(1);
        }
    }

    /// A bit for each slot whose key may be `key`.
    #[inline]
    fn ways_of(&self, key: Key) -> u32 {
        // All are compared at once, without a branch for each.
        let ways = self.tags.iter().enumerate();
        ways.fold(0, |same, (way, &tag)| {
            same | u32::from(tag == tag_of(key)) << way
        })
    }
}

fn tag_of(key: Key) -> u32 {
    key.0 as u32
}

impl Params {
    fn new(params: Box<[AnchoredParam]>) -> Self {
        match params.len() {
            len @ ..=FEW => {
                let mut few = [NO_VALUE; FEW];
                few[..len].copy_from_slice(&params);
                Self::Few(len as u8, few)
            }
            _ => Self::Many(params),
        }
    }

    #[inline]
    fn as_slice(&self) -> &[AnchoredParam] {
        match self {
            Self::Few(len, few) => &few[..usize::from(*len)],
            Self::Many(many) => many,
        }
    }
}

/// Fills the places of typed values that there are not.
const NO_VALUE: AnchoredParam = AnchoredParam {
    kind: ParamKind::Word,
    start: Place { after: 0, delta: 0 },
    end: Place { after: 0, delta: 0 },
};

/// Writes the typed values of a message to `out`, in place of what it held. `variables` are those
/// of the message.
#[inline]
pub fn emit(params: &[AnchoredParam], variables: &[(u32, u32)], out: &mut Vec<Param>) {
    out.clear();
    out.extend(params.iter().map(|param| Param {
        kind: param.kind,
        start: byte_at(param.start, variables),
        end: byte_at(param.end, variables),
    }));
}

#[inline]
fn byte_at(place: Place, variables: &[(u32, u32)]) -> u32 {
    let before = usize::from(place.after).wrapping_sub(1);
    let anchor = variables.get(before).map_or(0, |variable| variable.1);
    anchor + u32::from(place.delta)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(template: u32, values: usize) -> Entry {
        let value = AnchoredParam {
            kind: ParamKind::Number,
            start: Place::default(),
            end: Place::default(),
        };
        Entry {
            template,
            version: 0,
            params: vec![value; values].into(),
        }
    }

    /// Well-mixed keys, as a scan makes them.
    fn key(number: u64) -> Key {
        let mixed = u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        Key((mixed >> 32) as u64, (mixed >> 64) as u64)
    }

    fn template_of(cache: &mut Cache, key: Key) -> Option<u32> {
        cache.get(key).map(|entry| entry.template)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_is_what_was_remembered_last_of_that_form(
            forms_max in 0..100_usize,
            steps in prop::collection::vec((0..4_u64, 0..40_u64, any::<bool>()), 0..400),
        ) {
            let mut cache = Cache::new(forms_max);
            let mut remembered = BTreeMap::new();
            for (step, (first, second, insert)) in steps.into_iter().enumerate() {
                // Many keys share a half or a set.
                let key = Key(first, second);
                if insert {
                    cache.insert(key, entry(step as u32, 1));
                    remembered.insert(key, step as u32);
                    prop_assert_eq!(template_of(&mut cache, key), Some(step as u32));
                } else if let Some(found) = template_of(&mut cache, key) {
                    prop_assert_eq!(Some(&found), remembered.get(&key));
                }
                prop_assert!(cache.len() <= forms_max.max(WAYS));
                let forms = cache.slots.iter().flatten().filter(|slot| slot.known.is_some());
                prop_assert_eq!(cache.len(), forms.count());
            }
        }
    }

    #[test]
    fn forms_that_come_often_stay_in_a_flood_of_forms_that_come_once() {
        let mut cache = Cache::new(1_024);
        for form in 0..512 {
            cache.insert(key(form), entry(form as u32, 1));
            assert!(cache.get(key(form)).is_some());
        }
        let mut once = 1_000_000;
        for round in 0..1_000 {
            for form in 0..512 {
                let found = template_of(&mut cache, key(form));
                assert_eq!(found, Some(form as u32), "in round {round}");
                cache.insert(key(once), entry(0, 1));
                once += 1;
            }
        }
        assert!(cache.len() <= 1_024);
    }

    #[test]
    fn forms_that_begin_to_come_often_take_the_place_of_those_that_came_before() {
        let mut cache = Cache::new(1_024);
        let mut missed = 0;
        for first in (0..10_000).step_by(1_000) {
            missed = 0;
            for _ in 0..20 {
                missed = 0;
                for form in first..first + 700 {
                    if cache.get(key(form)).is_none() {
                        missed += 1;
                        cache.insert(key(form), entry(form as u32, 1));
                    }
                }
            }
        }
        // Sets differ in how many forms fall to them, so a few do not fit.
        assert!(missed < 70, "{missed} of 700 forms are not remembered");
    }

    #[test]
    fn forms_with_many_typed_values_are_remembered_too() {
        let mut cache = Cache::new(FORMS_MAX);
        for form in 0..300 {
            cache.insert(key(form), entry(0, 64));
        }
        let kept = (0..300).filter(|&form| cache.get(key(form)).is_some());
        assert!(kept.count() > 250);
        cache.insert(key(300), entry(0, SET_VALUES_MAX + 1));
        assert_eq!(cache.get(key(300)), None);
    }

    fn values(cache: &Cache) -> usize {
        let entries = cache.slots.iter().flatten().flat_map(|slot| &slot.known);
        entries.map(|known| known.params.as_slice().len()).sum()
    }

    #[test]
    fn typed_values_are_bounded_and_make_room_for_later_ones() {
        let mut cache = Cache::new(1_024);
        for form in 0..2_000 {
            cache.insert(key(form), entry(0, 64));
            assert!(values(&cache) <= 1_024 * VALUES_PER_FORM);
        }
        let late = (2_000..4_000).filter(|&form| {
            cache.insert(key(form), entry(1, 4));
            cache.get(key(form)).is_some()
        });
        assert!(late.count() == 2_000);
        cache.clear();
        assert!(cache.is_empty() && values(&cache) == 0);
        assert_eq!(cache.get(key(3_999)), None);
    }

    #[test]
    fn typed_values_stand_where_their_anchors_say() {
        // "took 30ms on /10.0.0.1" with variables 30, 10, 0, 0 and 1.
        let variables = [(5, 7), (14, 16), (17, 18), (19, 20), (21, 22)];
        let place = |after, delta| Place { after, delta };
        let anchored = [
            (ParamKind::Word, place(0, 0), place(0, 4)),
            (ParamKind::Duration, place(0, 5), place(1, 2)),
            (ParamKind::Ip, place(1, 7), place(5, 0)),
            // Of another form; it must not bring the daemon down.
            (ParamKind::Number, place(6, 1), place(6, 2)),
        ];
        let params = anchored.map(|(kind, start, end)| AnchoredParam { kind, start, end });
        let mut out = Vec::new();
        emit(&params, &[], &mut out);
        emit(&params, &variables, &mut out);
        let spans: Vec<_> = out
            .iter()
            .map(|param| (param.kind, param.start, param.end))
            .collect();
        assert_eq!(
            spans,
            [
                (ParamKind::Word, 0, 4),
                (ParamKind::Duration, 5, 9),
                (ParamKind::Ip, 14, 22),
                (ParamKind::Number, 1, 2),
            ]
        );
    }
}
