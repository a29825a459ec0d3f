//! Stage 2 of parsing: the form of a message → its [`Shape`].

mod line;
mod shape;

pub use line::{LINE_LEN_MAX, SHAPE_LEN_MAX, WILDCARD};
pub use shape::{Shape, TOKENS_MAX, Token, TokenKind};

pub(super) use line::mask_into;

/// The shape of a form: every value a wildcard, blanks normalised. A pure function, total on any
/// bytes.
pub fn shape_of(form: &[u8]) -> Shape {
    let _ = form;
    Shape::default()
}
