//! The typed values of a message made small, for detection.

use crate::core::detect::ValueRows;
use crate::core::parse::{Param, ParamKind};
use crate::core::record::Value;

/// Most values of one message.
const ROW_LEN_MAX: usize = ValueRows::ROW_LEN_MAX;
/// Longest text read as a number.
const NUMBER_LEN_MAX: usize = 32;

/// The values of `message`, whose typed parameters are `params` (as
/// [`Miner::params`](crate::core::parse::Miner::params) gives them), at most
/// [`ValueRows::ROW_LEN_MAX`].
///
/// Each parameter is one value, in order; a timestamp is none. A port belongs to its host:
/// `10.0.0.1:80` gives the values of `10.0.0.1` and of `10.0.0.1:80`. Of a list (`a1, a2, a3`) the
/// first item stands in the list's place and the others after all else, so that what follows the
/// list keeps its place however long the list is.
pub fn values_of(message: &[u8], params: &[Param]) -> impl Iterator<Item = Value> + use<> {
    let mut row = Row {
        values: [Value::name(0); ROW_LEN_MAX],
        len: 0,
    };
    let mut lists = Vec::new();
    let mut host: Option<Span<'_>> = None;
    for param in params {
        let Some(span) = Span::new(message, param) else {
            continue;
        };
        let of_host = host.filter(|host| span.is_port_of(host));
        match param.kind {
            ParamKind::Timestamp => {}
            ParamKind::Number | ParamKind::Duration | ParamKind::Size if of_host.is_none() => {
                row.push(Value {
                    hash: hash(span.text),
                    number: number(span.text, param.kind),
                });
            }
            ParamKind::Word | ParamKind::Hex | ParamKind::Url => row.name(span.text),
            _ => {
                let start = of_host.map_or(span.start, |host| host.start);
                let mut items = items(&message[start..span.start + span.text.len()]);
                row.name(items.next().unwrap_or(span.text));
                if items.clone().next().is_some() {
                    lists.push(items);
                }
            }
        }
        host = span.is_host(param.kind).then_some(span);
    }
    for item in lists.into_iter().flatten() {
        row.name(item);
    }
    row.values.into_iter().take(row.len)
}

/// The first piece of `line` that `value` can be the value of.
pub(super) fn text_of(line: &str, value: Value) -> Option<&str> {
    let is_mark = |c: char| {
        c.is_whitespace()
            || matches!(c, ',' | ';' | '=' | '"' | '\'')
            || matches!(c, '[' | ']' | '(' | ')' | '{' | '}' | '<' | '>')
    };
    let is_edge = |c: char| matches!(c, ':' | '.' | '/');
    let words = line.split(is_mark).filter(|word| !word.is_empty());
    let mut pieces = words.flat_map(|word| {
        let trimmed = word.trim_end_matches(is_edge);
        let pathless = trimmed.trim_start_matches('/');
        let host = pathless.rsplit_once(':').map_or(pathless, |(host, _)| host);
        [word, trimmed, pathless, host]
            .into_iter()
            .chain(pathless.split(is_edge))
    });
    pieces.find(|piece| hash(piece.as_bytes()) == value.hash)
}

/// What `line` calls its piece `text`: the word that stands before it with a colon or an equals sign.
/// `None` where the piece stands in the line twice, for then it may be either.
pub(super) fn label_of<'a>(line: &'a str, text: &str) -> Option<&'a str> {
    let is_inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut places = line.match_indices(text).filter(|(at, _)| {
        let (before, rest) = line.split_at(*at);
        !is_inside(before.chars().next_back()) && !is_inside(rest.chars().nth(text.chars().count()))
    });
    let (at, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let before = line.get(..at)?;
    let is_mark = |c: char| matches!(c, ':' | '=' | '"' | '\'' | ' ');
    let named = before.trim_end_matches(is_mark);
    let marks = before.get(named.len()..)?;
    let is_part =
        |c: char| !c.is_whitespace() && !matches!(c, ',' | ';' | '{' | '[' | '&' | '?' | '"');
    let label = named.rsplit(|c| !is_part(c)).next()?;
    let is_word = label.len() <= LABEL_LEN_MAX && label.starts_with(|c: char| c.is_alphabetic());
    (is_word && marks.contains([':', '='])).then_some(label)
}

/// Longest word that names a value.
const LABEL_LEN_MAX: usize = 32;

struct Row {
    values: [Value; ROW_LEN_MAX],
    len: usize,
}

impl Row {
    fn push(&mut self, value: Value) {
        if let Some(slot) = self.values.get_mut(self.len) {
            *slot = value;
            self.len += 1;
        }
    }

    fn name(&mut self, text: &[u8]) {
        if self.len < ROW_LEN_MAX {
            self.push(Value::name(hash(text)));
        }
    }
}

/// A parameter's text and where it begins.
#[derive(Clone, Copy)]
struct Span<'a> {
    text: &'a [u8],
    start: usize,
}

impl<'a> Span<'a> {
    fn new(message: &'a [u8], param: &Param) -> Option<Self> {
        let (start, end) = (param.start as usize, param.end as usize);
        let text = message.get(start..end).filter(|text| !text.is_empty())?;
        Some(Self { text, start })
    }

    fn is_host(&self, kind: ParamKind) -> bool {
        kind == ParamKind::Ip || kind == ParamKind::Identifier && self.text.contains(&b'.')
    }

    /// Whether only a colon stands between `host` and this, which begins with a digit.
    fn is_port_of(&self, host: &Self) -> bool {
        self.start == host.start + host.text.len() + 1
            && self.text.first().is_some_and(u8::is_ascii_digit)
            && !host.text.contains(&b' ')
    }
}

/// The items of a list, or the text itself.
fn items(text: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let parts = text.split(|byte| matches!(byte, b',' | b';' | b' '));
    parts.filter(|item| !item.is_empty())
}

/// 31 bits of a text and whether it has no digit, the same on every machine and in every version: names are kept in bundles.
fn hash(text: &[u8]) -> u32 {
    const SEED: u64 = 0x243f_6a88_85a3_08d3;
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        (product >> 64) as u64 ^ product as u64
    };
    let words = text.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let state = words.fold(SEED ^ text.len() as u64, fold);
    let is_word = !text.iter().any(u8::is_ascii_digit);
    (fold(state, FACTOR) >> 33) as u32 | u32::from(is_word) << (u32::BITS - 1)
}

/// What a text measures: durations in seconds, sizes in bytes. Not a number where it does not read
/// as one.
fn number(text: &[u8], kind: ParamKind) -> f32 {
    let unit = text
        .iter()
        .rposition(u8::is_ascii_digit)
        .map_or(0, |last| last + 1);
    let (digits, unit) = text.split_at(unit);
    let scale = match kind {
        ParamKind::Duration => seconds(unit),
        ParamKind::Size => bytes(unit),
        _ => unit.is_empty().then_some(1.0),
    };
    let digits = (digits.len() <= NUMBER_LEN_MAX)
        .then(|| str::from_utf8(digits).ok())
        .flatten();
    let number: Option<f64> = digits.and_then(|digits| digits.parse().ok());
    match (number, scale) {
        (Some(number), Some(scale)) => (number * scale) as f32,
        _ => f32::NAN,
    }
}

fn seconds(unit: &[u8]) -> Option<f64> {
    Some(match unit {
        b"ns" => 1e-9,
        b"us" => 1e-6,
        b"ms" => 1e-3,
        b"s" | b"sec" | b"secs" => 1.0,
        b"m" | b"min" | b"mins" => 60.0,
        b"h" => 3_600.0,
        b"d" => 86_400.0,
        _ => return None,
    })
}

fn bytes(unit: &[u8]) -> Option<f64> {
    let Some(first) = unit.first() else {
        return Some(1.0);
    };
    // Loggers write kB, KB and KiB without telling 1,000 from 1,024; one of them has to do.
    let power = match first.to_ascii_lowercase() {
        b'b' => 0,
        b'k' => 1,
        b'm' => 2,
        b'g' => 3,
        b't' => 4,
        _ => return None,
    };
    Some(1_024_f64.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::parse::Miner;
    use crate::core::record::Timestamp;

    fn values(message: &str) -> Vec<Value> {
        let mut miner = Miner::default();
        miner.parse(message, Timestamp::ZERO);
        values_of(message.as_bytes(), miner.params()).collect()
    }

    fn numbers(message: &str) -> Vec<f32> {
        let numbers = values(message).into_iter().map(|value| value.number);
        numbers.filter(|number| !number.is_nan()).collect()
    }

    #[test]
    fn a_value_goes_by_the_name_that_its_line_gives_it() {
        for (line, text, label) in [
            ("read bytes: 12, took(ns): 34", "34", Some("took(ns)")),
            ("read bytes: 12, took(ns): 34", "12", Some("bytes")),
            (r#"{"size": "77"}"#, "77", Some("size")),
            ("user=bob", "bob", Some("user")),
            ("moved 12 files", "12", None),
            ("12 files", "12", None),
            ("host=10.0.0.1 retries: 7", "7", Some("retries")),
            ("host=10.0.0.1 retries: 1", "1", None),
            ("bytes: 5, retries: 5", "5", None),
            ("bytes: 512, retries: 5", "5", Some("retries")),
        ] {
            assert_eq!(label_of(line, text), label, "{line}");
        }
    }

    #[test]
    fn durations_are_seconds_and_sizes_are_bytes() {
        assert_eq!(numbers("took 250ms in all"), [0.25]);
        assert_eq!(numbers("took 3min in all"), [180.0]);
        assert_eq!(numbers("wrote 4KiB in all"), [4096.0]);
        assert_eq!(numbers("moved -7 steps"), [-7.0]);
        assert_eq!(numbers("load 0.5 now"), [0.5]);
    }

    #[test]
    fn a_time_of_day_is_no_value() {
        let line = values("at 2026-01-02 03:04:05 it said 7");
        assert_eq!(line.len(), 1, "{line:?}");
        assert_eq!(line[0].number, 7.0);
    }

    #[test]
    fn a_port_is_known_again_with_its_host_only() {
        let one = values("peer 10.0.0.1:80 is up");
        let [host, port] = one[..] else {
            panic!("host and port, not {one:?}")
        };
        assert!(port.number.is_nan());
        let other = values("peer 10.0.0.2:80 is up");
        assert_ne!(port, other[1]);
        assert_eq!(host.hash, values("no route to 10.0.0.1 at all")[0].hash);
        assert_eq!(port.hash, values("lost 10.0.0.1:80 again")[1].hash);
    }

    #[test]
    fn items_of_a_list_are_the_values_they_are_alone_and_come_last() {
        let listed = values("copies=10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 size 5");
        let hashes: Vec<u32> = listed.iter().map(|value| value.hash).collect();
        let alone = |host: u32| values(&format!("lost 10.0.0.{host}:80 again"))[1].hash;
        assert!(listed[2].number == 5.0, "{listed:?}");
        assert_eq!(hashes[1], alone(1));
        assert_eq!(hashes[3..], [alone(2), alone(3)]);
    }

    #[test]
    fn a_long_list_ends_where_the_row_is_full() {
        let list: Vec<String> = (0..99).map(|item| format!("10.0.0.{item}:80")).collect();
        let row = values(&format!("copies={} size 5", list.join(", ")));
        assert_eq!(row.len(), ROW_LEN_MAX);
    }

    #[test]
    fn the_hash_of_a_text_never_changes() {
        assert_eq!(
            (hash(b"node-1"), hash(b"10.0.0.1:80")),
            (0x2e64_9d27, 0x0871_0164)
        );
        assert_ne!(hash(b"node-1\0"), hash(b"node-1"));
        let is_word = |text| Value::name(hash(text)).is_word();
        assert!(is_word(b"finalized") && !is_word(b"node-1"));
    }
}
