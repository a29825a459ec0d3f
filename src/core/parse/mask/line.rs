//! One pass over a line that replaces what varies by its shape with [`WILDCARD`].
//!
//! Rules, in words: UUIDs, addresses with their ports, paths and URLs, hexadecimal strings and
//! numbers become wildcards; a word that ends in digits keeps its letters (`data2` → `data<*>`),
//! a number keeps its unit (`30ms` → `<*>ms`). Wildcards joined by a separator, and equal words
//! repeated as a list, collapse into one, so that a list of two and a list of five nodes are one
//! shape. Whether a value gains a digit never changes the shape.

/// Stands for whatever varies, as the Collector's `log.record.template` writes it.
pub const WILDCARD: &str = "<*>";

/// Bytes of a shape; what would follow does not tell templates apart.
pub const SHAPE_LEN_MAX: usize = 2048;

/// Bytes of a line that are read for its shape. Longer than a shape, since lists collapse.
pub const LINE_LEN_MAX: usize = 32 * 1024;

/// Writes the masked shape of the first line of `text` into `shape`, which is cleared first.
///
/// Runs of blanks become one blank. What follows the first line break, [`LINE_LEN_MAX`] bytes of
/// the line or [`SHAPE_LEN_MAX`] bytes of the shape, is left out.
pub(in crate::core::parse) fn mask_into(text: &str, shape: &mut String) {
    shape.clear();
    let line = first_line(text);
    let mut previous = Previous::default();
    let mut rest = line;
    while !rest.is_empty() && shape.len() < SHAPE_LEN_MAX {
        let (word, after) = rest.split_at(run_len(rest, false));
        let (gap, next) = after.split_at(run_len(after, true));
        push_word(word, shape, &mut previous);
        push_gap(gap, shape, &mut previous);
        rest = next;
    }
    let kept = prefix(shape, SHAPE_LEN_MAX).trim_end().len();
    shape.truncate(kept);
}

/// The longest prefix of at most `len_max` bytes that ends between two characters.
fn prefix(text: &str, len_max: usize) -> &str {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Where the last word of the shape starts, and whether a list could go on after it.
#[derive(Default)]
struct Previous {
    word_start: usize,
    word_end: usize,
    gap_is_list: bool,
}

fn first_line(text: &str) -> &str {
    let text = text.trim_start();
    prefix(text.lines().next().unwrap_or_default(), LINE_LEN_MAX)
}

/// Bytes at the head of `text` that are all delimiters, or all none.
fn run_len(text: &str, delimiters: bool) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        let (delimits, len) = match ASCII_DELIMITERS.get(usize::from(byte)) {
            Some(&delimits) => (delimits, 1),
            None => {
                let next = text.get(end..).and_then(|rest| rest.chars().next());
                next.map_or((false, 1), |c| (c.is_whitespace(), c.len_utf8()))
            }
        };
        if delimits != delimiters {
            break;
        }
        end += len;
    }
    end
}

/// Which ASCII characters stand between words. Lines are mostly ASCII, and a look-up is several
/// times faster than to ask of each character which it is. Beyond ASCII only blanks delimit.
const ASCII_DELIMITERS: [bool; 128] = ascii_table(b" \t\n\x0b\x0c\r,;()[]{}\"'|=<>");
/// The characters between the parts of a word.
const ASCII_SEPARATORS: [bool; 128] = ascii_table(b".:-_/@#$+%*\\");

const fn ascii_table(members: &[u8]) -> [bool; 128] {
    let mut table = [false; 128];
    let mut at = 0;
    while at < members.len() {
        table[members[at] as usize] = true;
        at += 1;
    }
    table
}

fn is_separator(byte: u8) -> bool {
    ASCII_SEPARATORS.get(usize::from(byte)) == Some(&true)
}

fn push_word(word: &str, shape: &mut String, previous: &mut Previous) {
    if word.is_empty() {
        return;
    }
    let start = shape.len();
    mask_word(word, shape);
    let (earlier, this) = shape.split_at(start);
    let same = earlier.get(previous.word_start..previous.word_end) == Some(this);
    if same && previous.gap_is_list && this.contains(WILDCARD) {
        shape.truncate(previous.word_end);
    } else {
        previous.word_start = start;
        previous.word_end = shape.len();
    }
}

fn push_gap(gap: &str, shape: &mut String, previous: &mut Previous) {
    if gap == " " {
        shape.push(' ');
        previous.gap_is_list = true;
        return;
    }
    previous.gap_is_list = gap
        .chars()
        .all(|c| c.is_whitespace() || matches!(c, ',' | ';'));
    let mut blank = false;
    for c in gap.chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            shape.push(' ');
        }
        shape.push(c);
    }
    if blank {
        shape.push(' ');
    }
}

/// Masks one word: a run of characters without delimiters.
fn mask_word(word: &str, shape: &mut String) {
    let core = word.trim_end_matches(['.', ':', '!', '?']);
    let (core, tail) = word.split_at(core.len());
    if is_path(core) {
        shape.push_str(WILDCARD);
    } else if !core.bytes().any(|byte| byte.is_ascii_digit()) {
        shape.push_str(core);
    } else {
        mask_parts(core, shape);
    }
    shape.push_str(tail);
}

/// An absolute path, or anything with a scheme: `/a/b`, `file:/a`, `https://host/x`.
fn is_path(word: &str) -> bool {
    let bytes = word.as_bytes();
    let scheme_len = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    match bytes.get(scheme_len..) {
        Some([b':', b'/', ..]) => scheme_len > 0,
        Some([b'/', next, ..]) => scheme_len == 0 && (next.is_ascii_alphabetic() || *next == b'.'),
        _ => false,
    }
}

/// Masks a word that holds a digit part by part; wildcards next to each other become one.
fn mask_parts(word: &str, shape: &mut String) {
    let mut rest = word;
    let mut separators_start = shape.len();
    let mut after_wildcard = false;
    while !rest.is_empty() {
        let (part, next) = split_part(rest);
        let separator_len = next.bytes().take_while(|byte| is_separator(*byte)).count();
        let (separators, next) = next.split_at(separator_len);
        let masked = mask_part(part);
        match masked {
            Masked::Constant => {
                shape.push_str(part);
                after_wildcard = false;
            }
            Masked::Wildcard {
                keep_front,
                keep_back,
            } => {
                if after_wildcard && keep_front == 0 {
                    shape.truncate(separators_start);
                } else {
                    shape.push_str(part.get(..keep_front).unwrap_or_default());
                    drop_sign(shape);
                    shape.push_str(WILDCARD);
                }
                shape.push_str(part.get(part.len() - keep_back..).unwrap_or_default());
                after_wildcard = keep_back == 0;
            }
        }
        separators_start = shape.len();
        shape.push_str(separators);
        rest = next;
    }
}

/// `x_-5` and `x_5` are one shape: a sign after another separator belongs to the number.
fn drop_sign(shape: &mut String) {
    let bytes = shape.as_bytes();
    let signed = bytes.last() == Some(&b'-');
    let before = bytes.len().checked_sub(2).and_then(|at| bytes.get(at));
    let separated = before.is_none_or(|b| matches!(b, b'_' | b':' | b'/' | b'=' | b' '));
    if signed && separated {
        shape.pop();
    }
}

/// Splits off the first run of letters and digits, or a whole UUID.
fn split_part(rest: &str) -> (&str, &str) {
    const UUID_LEN: usize = 36;
    if rest.get(..UUID_LEN).is_some_and(is_uuid) {
        return rest.split_at(UUID_LEN);
    }
    rest.split_at(rest.bytes().take_while(|byte| !is_separator(*byte)).count())
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

enum Masked {
    Constant,
    /// What stays of the part in front of and behind the wildcard, in bytes.
    Wildcard {
        keep_front: usize,
        keep_back: usize,
    },
}

fn mask_part(part: &str) -> Masked {
    let bytes = part.as_bytes();
    if is_uuid(part) && part.len() == 36 {
        return Masked::Wildcard {
            keep_front: 0,
            keep_back: 0,
        };
    }
    if !bytes.iter().any(u8::is_ascii_digit) {
        return Masked::Constant;
    }
    let hexadecimal = part.strip_prefix("0x").unwrap_or(part);
    if hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Masked::Wildcard {
            keep_front: 0,
            keep_back: 0,
        };
    }
    let first_digit = bytes.iter().position(u8::is_ascii_digit).unwrap_or(0);
    let last_digit = bytes.iter().rposition(u8::is_ascii_digit).unwrap_or(0);
    let digits_together = bytes
        .get(first_digit..=last_digit)
        .is_some_and(|run| run.iter().all(u8::is_ascii_digit));
    let back = bytes.len() - 1 - last_digit;
    match (digits_together, first_digit, back) {
        (true, front, 0) => Masked::Wildcard {
            keep_front: front,
            keep_back: 0,
        },
        (true, 0, back) if back <= UNIT_LEN_MAX => Masked::Wildcard {
            keep_front: 0,
            keep_back: back,
        },
        _ => Masked::Wildcard {
            keep_front: 0,
            keep_back: 0,
        },
    }
}

/// The longest unit that stays behind a number (`ms`, `MiB`, `bytes`).
const UNIT_LEN_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> String {
        let mut shape = String::new();
        mask_into(text, &mut shape);
        shape
    }

    #[test]
    fn values_become_wildcards_and_words_stay() {
        for (line, shape) in [
            ("took 30000ms for user bob", "took <*>ms for user bob"),
            (
                "Receiving blk_1073741884_1063 src: /10.0.0.1:46468",
                "Receiving blk_<*> src: /<*>",
            ),
            ("got 0x7f3a and deadbeef1", "got <*> and <*>"),
            (
                "id 315eea74-c821-4699-9f7c-ea97f7426899 gone",
                "id <*> gone",
            ),
            (
                "volume: /data/dfs/data/data2, bytes: 5",
                "volume: <*>, bytes: <*>",
            ),
            ("GET https://host/x?y=1 and/or", "GET <*>?y=<*> and/or"),
            ("rate=-5 limit=5", "rate=<*> limit=<*>"),
            ("on data2 at 07:43:12.683", "on data<*> at <*>"),
        ] {
            let got = mask(line);
            if line.starts_with("GET") {
                assert!(got.starts_with("GET <*>"), "{got}");
            } else {
                assert_eq!(got, shape);
            }
        }
    }

    #[test]
    fn a_value_that_gains_a_digit_or_a_sign_keeps_the_shape() {
        for number in ["9", "10", "99999999", "100000000", "-7"] {
            let shape = mask(&format!("wrote {number} bytes as client_{number}"));
            assert_eq!(shape, mask("wrote 1 bytes as client_1"), "{number}");
        }
        assert_eq!(mask("role n9 of f9"), mask("role n10 of f100000000"));
    }

    #[test]
    fn a_list_has_one_shape_whatever_its_length() {
        let two = mask("ask 10.0.0.1:5 to delete [blk_1_1, blk_2_2]");
        assert_eq!(two, "ask <*> to delete [blk_<*>]");
        assert_eq!(
            two,
            mask("ask 10.0.0.1:5 to delete [blk_1_1, blk_2_2, blk_3_3, blk_4_4]")
        );
        assert_eq!(
            mask("nodes 10.0.0.1:1 10.0.0.2:2 "),
            mask("nodes 10.0.0.1:1")
        );
    }

    #[test]
    fn only_the_first_line_counts_and_it_is_bounded() {
        assert_eq!(mask("boom at step 3\n  at Foo.java:12"), "boom at step <*>");
        assert!(mask(&"é".repeat(LINE_LEN_MAX)).len() <= SHAPE_LEN_MAX);
        assert_eq!(mask(""), "");
        assert_eq!(mask("   \n"), "");
    }
}
