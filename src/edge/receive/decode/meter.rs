//! What a request may cost, and what had to be mended in it.

use super::What;

/// Bytes of request that there are for each element (a record, an attribute, a part of a value): real
/// ones mostly have several times as many.
const BYTES_PER_ELEMENT: usize = 16;
/// Elements that a request of any size may have.
const ELEMENTS_FREE: usize = 16 << 10;
/// As how many elements a resource or scope counts, which take longer to read and come more rarely.
const PER_RESOURCE: usize = 16;
const PER_SCOPE: usize = 4;
/// Most bytes of memory for a byte of request.
const MEMORY_FACTOR: usize = 4;
/// Bytes of memory that a request of any size may take.
const MEMORY_FREE: usize = 1 << 20;

/// Most memory that what is in a request of so many bytes takes, in bytes.
pub(in crate::edge::receive) const fn memory_max(len: usize) -> usize {
    MEMORY_FREE + len.saturating_mul(MEMORY_FACTOR)
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes are not what they claim to be. `at` is an address in the request.
    Malformed { what: What, at: usize },
    /// Values in values in values. `at` is an address in the request.
    TooDeep { at: usize },
    /// Much more work or memory than a request of this size honestly is.
    TooCostly,
}

impl Fault {
    /// `rest` is what follows the fault.
    #[cold]
    pub(super) fn malformed(what: What, rest: &[u8]) -> Self {
        Self::Malformed {
            what,
            at: rest.as_ptr().addr(),
        }
    }

    #[cold]
    pub(super) fn too_deep(rest: &[u8]) -> Self {
        Self::TooDeep {
            at: rest.as_ptr().addr(),
        }
    }
}

/// Counts what one request costs. Both bounds grow with the request, so that what is honest passes at
/// any size, and what is hostile is given up on before it has cost much.
#[derive(Debug)]
pub(super) struct Meter {
    elements_left: usize,
    memory: usize,
    memory_max: usize,
    /// Strings that were not UTF-8.
    pub(super) repaired: u64,
    /// Attributes and parts of values that are too many.
    pub(super) left_out: u64,
}

impl Meter {
    /// For a request of so many bytes.
    pub(super) const fn new(len: usize) -> Self {
        Self {
            elements_left: ELEMENTS_FREE + len / BYTES_PER_ELEMENT,
            memory: 0,
            memory_max: memory_max(len),
            repaired: 0,
            left_out: 0,
        }
    }

    /// One more record, attribute or part of a value.
    #[inline]
    pub(super) fn element(&mut self) -> Result<(), Fault> {
        self.elements(1)
    }

    /// One more resource.
    pub(super) fn resource(&mut self) -> Result<(), Fault> {
        self.elements(PER_RESOURCE)
    }

    /// One more scope.
    pub(super) fn scope(&mut self) -> Result<(), Fault> {
        self.elements(PER_SCOPE)
    }

    #[inline]
    fn elements(&mut self, count: usize) -> Result<(), Fault> {
        let left = self.elements_left.checked_sub(count);
        self.elements_left = left.ok_or(Fault::TooCostly)?;
        Ok(())
    }

    /// So many bytes of memory more.
    #[inline]
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory = self.memory.saturating_add(bytes);
        match self.memory <= self.memory_max {
            true => Ok(()),
            false => Err(Fault::TooCostly),
        }
    }

    /// Bytes of memory taken so far.
    pub(super) const fn memory(&self) -> usize {
        self.memory
    }
}
