//! The one place that reads the clock for the core.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::record::Timestamp;

/// When the process first asked, by the wall clock and by the steady one.
static START: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    (Timestamp::from_nanos(nanos), Instant::now())
});

/// The time now. It never steps: what waits must neither be let go nor held back because someone
/// set the wall clock.
pub fn now() -> Timestamp {
    let (wall, steady) = *START;
    wall.plus(steady.elapsed())
}
