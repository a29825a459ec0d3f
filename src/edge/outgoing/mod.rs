//! What all have in common that ask others over HTTP: where a request may lead, how long it may take, how
//! much of an answer is read, and which secrets are shown.
//!
//! ```text
//! written address ─ guard ─▶ client: no redirect, no proxy, no second attempt
//!                            │ ask
//!                            ▼
//!              Reply { status, head, as much of the body as there is room for }
//!              Silence: was anything sent at all?
//! ```

mod check;
mod client;
mod egress;
mod guard;
mod peer;
mod secret;
#[cfg(test)]
mod stub;

pub use check::{Problem, address_problem, trusted_address_problem};
pub use client::{Reach, SetupError, guarded_client};
pub use egress::Egress;
pub use guard::Refusal;
pub use peer::{Gate, Peer, Reply, Silence, ask, told};
pub use secret::{SecretError, SecretRef};

pub(crate) use client::{behind, chain};
#[cfg(test)]
pub(crate) use guard::Looking;
pub(crate) use guard::{Guard, Refused, literal};
pub(crate) use peer::{bearer, retry_after};
pub(crate) use secret::{fresh, load};
#[cfg(test)]
pub(crate) use stub::{Ask, Stub};
