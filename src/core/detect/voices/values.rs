//! Values that are not as they are in their place.

use serde::{Deserialize, Serialize};

use crate::core::detect::{Heard, Voice};

/// The usual values of each place of each template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {}

impl Values {
    /// Learns from `corpus`, whose keys are below `key_count`.
    pub fn learn(_corpus: &[Heard], _key_count: usize) -> Self {
        Self::default()
    }
}

impl Voice for Values {
    fn name(&self) -> &'static str {
        "values"
    }
}
