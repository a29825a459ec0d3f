//! Stage 2 of parsing: the form of a message → its [`Shape`].
//!
//! A form is cut into lexemes: runs of letters and digits, punctuation, blanks. Three [`PASSES`]
//! from left to right put one lexeme in the place of what looks like a value: what has a syntax of
//! its own (addresses, dates), then names, numbers and words that stand for one thing among many,
//! then lists of such values. What is left is written down with a wildcard for each value.
//!
//! The notation, in words: a value is one wildcard and takes its sign and its unit along (`-5`,
//! `30ms`, `v1.2.3`, `blk_12`). What joins two values stays where both can be read alone: address
//! and port (`<*>:<*>`), the parts of a date and of a time of day (`<*>-<*>-<*> <*>:<*>:<*>`). A
//! word before a single hyphen or a dot stays (`node-<*>`, `core.<*>`). Keys, quotes and brackets
//! stay. Nothing depends on a list of products; the few words known here are units, months, zones,
//! literals, endings of host names and accounts that every system has.

mod address;
mod lexeme;
mod list;
mod moment;
mod name;
mod number;
mod shape;
mod view;
mod word;
mod write;

pub use shape::{Shape, TOKENS_MAX};

use lexeme::Lexed;
use view::Rule;

/// Stands for whatever varies, as the Collector's `log.record.template` writes it.
pub const WILDCARD: &str = "<*>";

/// Bytes of a shape; what would follow does not tell templates apart.
pub const SHAPE_LEN_MAX: usize = 2048;

/// Bytes of a message that are read. Longer than a shape, since lists collapse.
pub const LINE_LEN_MAX: usize = 32 * 1024;

/// In each pass, at each place, the first rule that finds a value wins: the longer and surer ones
/// come first.
const PASSES: [&[Rule]; 3] = [
    &[
        Rule::on(b"<", name::wildcard),
        Rule::on(b"/", address::url),
        Rule::on(b"@", address::email),
        Rule::on(b".", address::ip),
        Rule::on(b"/\\", address::path),
        Rule::on(b":", address::colons),
        Rule::on_digits(moment::worded),
        Rule::on(b"-/", moment::date),
        Rule::on(b":", moment::clock),
        Rule::on(b".", address::host),
    ],
    &[
        Rule::on(b"(=", name::label),
        Rule::on(b"_-", name::compound),
        Rule::on_digits(number::number),
        Rule::always(word::literal),
        Rule::always(word::account),
        Rule::always(word::user),
        Rule::always(word::hex),
        Rule::always(word::blob),
        Rule::on_digits(name::rest),
    ],
    &[Rule::always(list::list)],
];

/// The shape of a form: every value a wildcard, blanks normalised. A pure function, total on any
/// bytes; its work is bounded whatever the length.
pub fn shape_of(form: &[u8]) -> Shape {
    let mut lexed = Lexed::of(form);
    for rules in PASSES {
        let rules: Vec<_> = rules.iter().filter(|rule| rule.applies(&lexed)).collect();
        view::rewrite(form, &mut lexed.lexemes, &rules);
    }
    write::write(form, &lexed)
}

#[cfg(test)]
mod tests;
