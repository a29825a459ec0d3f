//! Signs become incidents: one trouble, one incident, told once and then only what is new about it.
//!
//! ```text
//! Sign ─ known noise? ─▶ counted
//!   ├─ another system's alert ─ surprising? ─ burst ─ seldom? ─▶ Case, or the day's rest, or its company
//!   └─ joins by trace, service, topology, storm ─▶ Case ─ settle ─▶ told: opened
//!                                                   │  quiet ─▶ resolved ─ comes back ─▶ open again
//!                                                   └─ Past: how often, how long, what helped
//! ```
//!
//! One [`Correlator`] sees every service. It has no clock of its own: the shell says what time it is,
//! and a clock that jumps moves it on by [`Correlator::STEP_MAX`] at most.

mod alerts;
mod burst;
mod case;
mod clock;
mod company;
mod correlator;
mod ending;
mod foreign;
mod gravity;
mod heard;
mod identity;
mod joining;
mod kept;
mod newcomers;
mod past;
mod places;
mod saved;
mod settings;
mod telling;
mod times;

#[cfg(test)]
mod alert_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod properties;

pub use correlator::{Correlator, Counts, IncidentError};
pub use identity::opening_sign;
pub use saved::{SavedError, SavedPart};
pub use settings::Settings;
pub use times::{Dora, Quantiles, Times};
