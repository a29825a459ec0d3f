//! Stage 2 of parsing: the form of a message → its [`Shape`].
//!
//! A form is cut into lexemes; the [`STEPS`], one after the other, replace what looks like a value
//! with one lexeme that says so; what is left is written down.

mod address;
mod lexeme;
mod line;
mod list;
mod moment;
mod name;
mod number;
mod shape;
mod view;
mod write;

pub use line::{LINE_LEN_MAX, SHAPE_LEN_MAX, WILDCARD};
pub use shape::{Shape, TOKENS_MAX};

pub(super) use line::mask_into;

use view::{Found, View};

/// Finds a value at a place of a line.
type Step = fn(&View<'_>) -> Option<Found>;

/// The rules in the order of their precedence: what is longer and surer comes first.
const STEPS: &[(&str, Step)] = &[
    ("wildcard", name::wildcard),
    ("url", address::url),
    ("email", address::email),
    ("ip", address::ip),
    ("path", address::path),
    ("colons", address::colons),
    ("worded", moment::worded),
    ("date", moment::date),
    ("clock", moment::clock),
    ("host", address::host),
    ("label", name::label),
    ("compound", name::compound),
    ("number", number::number),
    ("literal", number::literal),
    ("account", name::account),
    ("user", name::user),
    ("blob", name::blob),
    ("rest", name::rest),
    ("list", list::list),
];

/// The shape of a form: every value a wildcard, blanks normalised. A pure function, total on any
/// bytes.
pub fn shape_of(form: &[u8]) -> Shape {
    shape_with(form, |_| true)
}

pub(crate) fn shape_with(form: &[u8], takes: impl Fn(&str) -> bool) -> Shape {
    let mut lexemes = Vec::with_capacity(64);
    let whole = lexeme::lex(form, &mut lexemes);
    for &(name, step) in STEPS {
        if takes(name) {
            view::rewrite(form, &mut lexemes, step);
        }
    }
    write::write(form, &lexemes, whole)
}

#[cfg(lab)]
pub fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|s| s.0).collect()
}
