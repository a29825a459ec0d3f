//! Numbers that check themselves: payment cards and bank accounts.

use super::found::Found;
use super::kind::Kind;
use super::text::{byte, byte_before, run, run_before, says, slice};

/// Digits of the shortest and the longest card.
const CARD_LEN_MIN: usize = 14;
const CARD_LEN_MAX: usize = 19;
/// How the digits of a card are grouped where they are.
const GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];
/// Countries and the lengths of their account numbers (the registry of ISO 13616).
const COUNTRIES: &str = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20\
    EG29ES24FI18FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21\
    LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19\
    SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20";

/// The card whose first digit is at `start`.
pub(super) fn card(text: &[u8], start: usize) -> Option<Found> {
    let before = byte_before(text, start);
    if before.is_ascii_alphanumeric() || b"_-.".contains(&before) {
        return None;
    }
    let whole = run(text, start, CARD_LEN_MAX + 1, |byte| byte.is_ascii_digit());
    let end = if whole > CARD_LEN_MIN {
        if is_id(text, start) {
            return None;
        }
        start + whole
    } else {
        GROUPS
            .iter()
            .find_map(|groups| grouped_end(text, start, groups))?
    };
    let digits: Vec<u8> = slice(text, start, end)
        .iter()
        .filter_map(|byte| byte.checked_sub(b'0').filter(|digit| *digit < 10))
        .collect();
    let is_card = is_issued(&digits) && passes_luhn(&digits) && closes(text, end);
    is_card.then(|| Found::new(Kind::Card, start, end))
}

/// Whether what is before `start` calls it an id: of a span, an order, a row. One in thirty that has 16
/// digits would pass for a card.
fn is_id(text: &[u8], start: usize) -> bool {
    let gap = run_before(text, start, 6, |byte| b" :=\"'\\".contains(&byte));
    let name = start - gap;
    gap > 0 && says(text, name.saturating_sub(2), "id")
}

/// The end of groups of digits of these lengths with one kind of separator between them.
fn grouped_end(text: &[u8], start: usize, groups: &[usize]) -> Option<usize> {
    let mut at = start;
    let mut separator = None;
    for (index, len) in groups.iter().enumerate() {
        if index > 0 {
            let mark = byte(text, at);
            let fits = matches!(mark, b' ' | b'-') && separator.is_none_or(|known| known == mark);
            if !fits || at >= text.len() {
                return None;
            }
            separator = Some(mark);
            at += 1;
        }
        if run(text, at, len + 1, |byte| byte.is_ascii_digit()) != *len {
            return None;
        }
        at += len;
    }
    Some(at)
}

/// Whether no digit or letter goes on after a number.
fn closes(text: &[u8], end: usize) -> bool {
    match byte(text, end) {
        b'.' | b'-' => !byte(text, end + 1).is_ascii_alphanumeric(),
        next => !next.is_ascii_alphanumeric() && next != b'_',
    }
}

/// Whether an issuer has numbers that begin so and are so long.
fn is_issued(digits: &[u8]) -> bool {
    let first = |count: usize| {
        let digits = digits.iter().take(count);
        digits.fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    match digits.len() {
        14 => matches!(first(3), 300..=305) || matches!(first(2), 36 | 38),
        15 => matches!(first(2), 34 | 37),
        16 => {
            first(1) == 4
                || matches!(first(2), 51..=55 | 62 | 65)
                || matches!(first(4), 2221..=2720 | 6011 | 3528..=3589)
                || matches!(first(3), 644..=649)
        }
        17..=19 => first(2) == 62,
        _ => false,
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The account number whose country is at `start`.
pub(super) fn iban(text: &[u8], start: usize) -> Option<Found> {
    let is_head = byte(text, start + 2).is_ascii_digit() && byte(text, start + 3).is_ascii_digit();
    if !is_head || byte_before(text, start).is_ascii_alphanumeric() {
        return None;
    }
    let country = slice(text, start, start + 2);
    let known = COUNTRIES
        .as_bytes()
        .chunks(4)
        .find(|known| known.starts_with(country))?;
    let [_, _, tens, ones] = known else {
        return None;
    };
    let len = usize::from(tens - b'0') * 10 + usize::from(ones - b'0');
    let mut digits = Vec::with_capacity(len);
    let mut at = start;
    while digits.len() < len {
        let next = byte(text, at);
        let is_gap = next == b' ' && digits.len() % 4 == 0 && byte_before(text, at) != b' ';
        if next.is_ascii_digit() || next.is_ascii_uppercase() {
            digits.push(next);
        } else if !is_gap || at >= text.len() {
            return None;
        }
        at += 1;
    }
    (is_account(&digits) && closes(text, at)).then(|| Found::new(Kind::Iban, start, at))
}

/// ISO 7064: the number with its first four characters put last is 1 modulo 97.
fn is_account(digits: &[u8]) -> bool {
    let (head, tail) = digits.split_at_checked(4).unwrap_or_default();
    let rest = tail.iter().chain(head).fold(0_u32, |rest, digit| {
        let number = match digit {
            b'0'..=b'9' => u32::from(digit - b'0'),
            letter => u32::from(letter - b'A') + 10,
        };
        let shift = if number < 10 { 10 } else { 100 };
        (rest * shift + number) % 97
    });
    rest == 1
}
