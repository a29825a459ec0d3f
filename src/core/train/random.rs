//! What is drawn by the seed.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use crate::core::model::{HIDDEN_LEN, Weights};

/// What is added to the bias of the forget gates at the start, so that cells begin by keeping what
/// they hold (Jozefowicz, Zaremba and Sutskever, 2015). Without it what came long before is often
/// not learned in the passes there are.
const FORGET_BIAS: f32 = 1.0;

/// As PyTorch starts an LSTM and a linear layer of this width, uniform in ±1/√hidden, but for
/// [`FORGET_BIAS`].
pub(super) fn initial(key_count: usize, rng: &mut ChaCha12Rng) -> Weights {
    let bound = 1.0 / (HIDDEN_LEN as f32).sqrt();
    let values = Weights::shapes_of(key_count).map(|(name, shape)| {
        let count: usize = shape.iter().product();
        let drawn = (0..count).map(|_| bound * (2.0 * unit(rng) - 1.0));
        let mut values: Vec<f32> = drawn.collect();
        if matches!(name, "lstm0.bias" | "lstm1.bias") {
            let forget = values.iter_mut().skip(HIDDEN_LEN).take(HIDDEN_LEN);
            forget.for_each(|bias| *bias += FORGET_BIAS);
        }
        values
    });
    Weights::new(key_count, values)
}

/// The numbers below `count` in an order of the generator's: Fisher–Yates.
pub(super) fn shuffled(count: usize, rng: &mut ChaCha12Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        order.swap(last, other);
    }
    order
}

/// Uniform in [0, 1).
fn unit(rng: &mut ChaCha12Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}
