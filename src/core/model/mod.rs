//! The network, its vocabulary and the bundle it is kept in (bytes in, bytes out).
//!
//! The network is DeepLog's log-key model (Du et al., CCS 2017): from the last
//! [`WINDOW_LEN`] keys of a sequence, two LSTM layers of [`HIDDEN_LEN`] units tell how probable
//! each key is as the next one. A key stands for a template ([`Vocabulary`]).

mod bundle;
mod graph;
mod kernel;
mod learn;
mod lstm;
mod manifest;
mod network;
mod stepper;
mod vocabulary;

use std::sync::Once;

use candle_core::Device;
use thiserror::Error;

pub use self::bundle::{Bundle, BundleError};
pub(in crate::core) use self::graph::Graph;
pub(in crate::core) use self::learn::{Learner, Row};
pub use self::manifest::{Calibration, Manifest, Scores, TemplateEntry, TrainedOn};
#[cfg(test)]
pub(in crate::core) use self::network::tests as network_tests;
pub use self::network::{HIDDEN_LEN, LAYER_COUNT, Network, Weights};
pub use self::stepper::{Ranked, State, Stepper};
pub use self::vocabulary::{Key, Vocabulary, WINDOW_LEN, Window};

/// Why a network cannot answer.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The window was made with another vocabulary.
    #[error("a window holds key {key}, the network knows {known} keys")]
    UnknownKey {
        /// The key.
        key: u16,
        /// How many keys the network knows.
        known: usize,
    },
    /// The tensor library refused an operation: out of memory, or a bug.
    #[error("cannot compute with the network: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Where networks compute: a CUDA device when the build has the `cuda` feature and one is
/// present, else the CPU.
///
/// On the CPU matrix products stay on the calling thread. They are too small to share out (handing
/// them to a thread pool takes longer than computing them), and work scales by shards, so the
/// threshold above which the matrix library calls on other threads is put out of reach here, once
/// per process. candle 0.11 still hands large element-wise operations of training to a pool of its
/// own; only `RAYON_NUM_THREADS=1` in the environment stops that.
pub fn device() -> Device {
    static SINGLE_THREADED: Once = Once::new();
    SINGLE_THREADED.call_once(|| gemm::set_threading_threshold(usize::MAX));
    #[cfg(feature = "cuda")]
    if let Ok(device) = Device::new_cuda(0) {
        return device;
    }
    Device::Cpu
}
