//! The network one step at a time: a state for each sequence instead of windows.
//!
//! A window of ten keys costs ten steps for each event; a state that is kept costs one. Several
//! sequences go through together, a few in the processor's registers at a time, so that each
//! weight is loaded once for all of them. No sequence's numbers depend on what goes with it.

mod packed;
#[cfg(test)]
mod tests;
mod tile;

use std::borrow::BorrowMut;
use std::sync::Arc;

use pulp::{Scalar, Simd, WithSimd};

use self::packed::Packed;
use self::tile::{Advance, Ask, Tell};
use super::{HIDDEN_LEN, Key, ModelError, Weights};

/// Where a sequence stands: what both layers remember of the keys it took in. 1 kB, plain numbers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct State {
    lower: Memory,
    upper: Memory,
}

/// What one layer remembers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(64))]
struct Memory {
    hidden: [f32; HIDDEN_LEN],
    cell: [f32; HIDDEN_LEN],
}

/// How expected a key was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Its place among all keys: 1 is the one most expected. Of equally probable keys the smaller
    /// is first; [`Key::BEGIN`] takes no place.
    pub rank: u32,
    /// ln of its probability.
    pub log_probability: f32,
}

/// Steps sequences through a network. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct Stepper {
    processor: Processor,
    packed: Arc<Packed>,
}

/// What steps are compiled for.
#[derive(Clone, Copy, Debug)]
enum Processor {
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    Any,
}

impl State {
    /// The state of a sequence that took in nothing yet.
    pub const ZERO: Self = Self {
        lower: Memory::ZERO,
        upper: Memory::ZERO,
    };
}

impl State {
    /// As numbers in a row, to be kept: of the lower and then the upper layer what it put out and
    /// its cells.
    pub fn to_numbers(&self) -> Vec<f32> {
        let State { lower, upper } = self;
        [lower.hidden, lower.cell, upper.hidden, upper.cell].concat()
    }

    /// Reads [`to_numbers`](Self::to_numbers). `None` where they are too few, too many or no
    /// numbers.
    pub fn from_numbers(numbers: &[f32]) -> Option<Self> {
        let (parts, []) = numbers.as_chunks::<HIDDEN_LEN>() else {
            return None;
        };
        let [lower_hidden, lower_cell, hidden, cell] = *<&[_; 4]>::try_from(parts).ok()?;
        let lower = Memory {
            hidden: lower_hidden,
            cell: lower_cell,
        };
        let upper = Memory { hidden, cell };
        let finite = numbers.iter().all(|number| number.is_finite());
        finite.then_some(Self { lower, upper })
    }
}

impl Default for State {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Memory {
    const ZERO: Self = Self {
        hidden: [0.0; HIDDEN_LEN],
        cell: [0.0; HIDDEN_LEN],
    };
}

impl Stepper {
    /// Packs `weights` for the widest vectors that the processor has.
    pub fn new(weights: &Weights) -> Self {
        let best = Processor::all().next();
        Self::on(best.unwrap_or(Processor::Any), weights)
    }

    /// One for each path that the processor has, the fastest first. They differ in speed, and in
    /// the last digits of what they tell.
    pub fn all(weights: &Weights) -> impl Iterator<Item = Self> {
        Processor::all().map(|processor| Self::on(processor, weights))
    }

    fn on(processor: Processor, weights: &Weights) -> Self {
        let packed = Packed::new(weights, processor.lanes());
        Self {
            processor,
            packed: Arc::new(packed),
        }
    }

    /// How many keys the network knows, the markers included.
    pub fn key_count(&self) -> usize {
        self.packed.key_count()
    }

    /// Each state takes in the key at its place.
    ///
    /// # Errors
    /// When a key is not one of the network's; no state has then changed.
    pub fn step<S: BorrowMut<State>>(
        &self,
        states: &mut [S],
        keys: &[Key],
    ) -> Result<(), ModelError> {
        self.run(states, keys, None)
    }

    /// Tells how expected each key was at the state at its place, to the end of `told`; then the
    /// state takes the key in.
    ///
    /// # Errors
    /// When a key is not one of the network's; no state has then changed.
    pub fn advance<S: BorrowMut<State>>(
        &self,
        states: &mut [S],
        keys: &[Key],
        told: &mut Vec<Ranked>,
    ) -> Result<(), ModelError> {
        self.run(states, keys, Some(told))
    }

    /// How expected `key` is at `state`.
    ///
    /// # Errors
    /// When the key is not one of the network's.
    pub fn rank(&self, state: &State, key: Key) -> Result<Ranked, ModelError> {
        self.check(&[key])?;
        let packed = &self.packed;
        Ok(self.processor.run(Ask { packed, state, key }))
    }

    /// ln of the probability of each key at `state`.
    pub fn log_probabilities(&self, state: &State) -> Vec<f32> {
        let packed = &self.packed;
        self.processor.run(Tell { packed, state })
    }

    fn run<S: BorrowMut<State>>(
        &self,
        states: &mut [S],
        keys: &[Key],
        told: Option<&mut Vec<Ranked>>,
    ) -> Result<(), ModelError> {
        self.check(keys)?;
        debug_assert_eq!(states.len(), keys.len());
        self.processor.run(Advance {
            packed: &self.packed,
            states,
            keys,
            told,
        });
        Ok(())
    }

    fn check(&self, keys: &[Key]) -> Result<(), ModelError> {
        let known = self.key_count();
        match keys.iter().find(|key| key.index() >= known) {
            Some(key) => Err(ModelError::UnknownKey { key: key.0, known }),
            None => Ok(()),
        }
    }
}

impl Processor {
    /// What this processor can do, fastest first.
    fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [
            pulp::x86::V4::try_new().map(Self::Avx512),
            pulp::x86::V3::try_new().map(Self::Avx2),
        ];
        #[cfg(target_arch = "aarch64")]
        let vectors = [pulp::aarch64::Neon::try_new().map(Self::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let vectors = [];
        vectors.into_iter().flatten().chain([Self::Any])
    }

    /// Numbers in a vector.
    fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => 8,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => 4,
            Self::Any => 1,
        }
    }

    fn run<W: WithSimd>(self, work: W) -> W::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => Simd::vectorize(simd, work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => Simd::vectorize(simd, work),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => Simd::vectorize(simd, work),
            Self::Any => Simd::vectorize(Scalar, work),
        }
    }
}
