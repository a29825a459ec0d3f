//! The views of what is normal, one module each.

mod pace;
mod values;

pub use self::pace::{Pace, Slowness, Step};
pub use self::values::Values;
