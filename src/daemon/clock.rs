//! The one place that reads the wall clock for the core.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::record::Timestamp;

/// The time now; the epoch on a machine whose clock stands before it.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
