//! Where a failure lies, as its stack trace has it.

use serde::{Deserialize, Serialize};

/// A stack trace, reduced to what tells where a failure lies. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The type of the first thing that was thrown, the cause of all others: `TypeError`. Empty where
    /// the trace names none.
    pub thrown: Box<str>,
    /// The modules, packages or classes that the calls went through, the innermost last:
    /// `shop.cart.lock`. Of several calls in a row within one it is there once. At most
    /// [`Stack::MODULES_MAX`], the innermost ones.
    pub modules: Vec<Box<str>>,
}

impl Stack {
    /// Most modules a stack names.
    pub const MODULES_MAX: usize = 32;
}
