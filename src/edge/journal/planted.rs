//! Faults that tests plant to see that they would be found.

/// A fault of a journal that keeps less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// Tells that entries are kept before they are on disk.
    AckBeforeSync,
    /// Believes a body whose header is whole.
    BodyUnchecked,
    /// Leaves it open whether a new segment is there after a power cut.
    FolderUnsynced,
}

#[cfg(test)]
thread_local! {
    /// The fault of this thread's journals.
    pub(super) static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Whether a test planted this fault.
#[cfg(test)]
pub(super) fn planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Never.
#[cfg(not(test))]
pub(super) const fn planted(_: Planted) -> bool {
    false
}
