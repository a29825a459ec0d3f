//! A string of a request, where it lies there.

use std::borrow::Cow;

use super::meter::Meter;

/// A string as it was sent: not yet known to be UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether there are escapes of JSON in it; they are all well formed.
    pub(super) is_escaped: bool,
}

/// A string that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Read<'a> {
    pub(super) text: &'a str,
    /// Whether it was longer.
    pub(super) is_cut: bool,
}

impl<'a> Text<'a> {
    pub(super) const EMPTY: Self = Self::plain(&[]);

    /// A string without escapes.
    pub(super) const fn plain(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            is_escaped: false,
        }
    }

    /// The string without its escapes.
    #[inline(always)]
    pub(super) fn unescaped(self) -> Cow<'a, [u8]> {
        match self.is_escaped {
            false => Cow::Borrowed(self.bytes),
            true => Cow::Owned(unescaped(self.bytes)),
        }
    }

    /// At most `len_max` bytes of the string, cut between characters. `room` is where it is made if it
    /// has escapes, or is no UTF-8 and has to be mended.
    #[inline(always)]
    pub(super) fn read<'r>(
        self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Read<'r>
    where
        'a: 'r,
    {
        match std::str::from_utf8(self.bytes) {
            Ok(text) if !self.is_escaped => Read::of(text, len_max),
            _ => self.made(len_max, room, meter),
        }
    }

    #[inline(never)]
    fn made<'r>(self, len_max: usize, room: &'r mut String, meter: &mut Meter) -> Read<'r> {
        room.clear();
        let bytes = self.unescaped();
        let mut is_broken = false;
        for chunk in bytes.utf8_chunks() {
            room.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                is_broken = true;
                room.push(char::REPLACEMENT_CHARACTER);
            }
            if room.len() > len_max {
                break;
            }
        }
        meter.repaired += u64::from(is_broken);
        Read::of(room, len_max)
    }
}

impl<'a> Read<'a> {
    /// At most `len_max` bytes of `text`, cut between characters.
    #[inline]
    pub(super) fn of(text: &'a str, len_max: usize) -> Self {
        if text.len() <= len_max {
            let is_cut = false;
            return Self { text, is_cut };
        }
        let end = text.floor_char_boundary(len_max);
        Self {
            text: text.get(..end).unwrap_or_default(),
            is_cut: true,
        }
    }
}

/// Resolves the escapes of JSON. Half of a surrogate pair becomes bytes that are no UTF-8, to be mended
/// like any such.
fn unescaped(escaped: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let (plain, escape) = rest.split_at(at);
        text.extend_from_slice(plain);
        rest = match escape {
            [_, b'u', after @ ..] => unicode(after, &mut text),
            [_, letter, after @ ..] => {
                text.push(match letter {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                after
            }
            _ => &[],
        };
    }
    text.extend_from_slice(rest);
    text
}

/// Writes the character whose UTF-16 `text` begins with, and gives what follows it.
fn unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (first, after) = unit(text);
    let (c, after) = match char::from_u32(first) {
        Some(c) => (Some(c), after),
        None => match after {
            [b'\\', b'u', pair @ ..] => {
                let (second, behind) = unit(pair);
                let both = [first as u16, second as u16];
                match char::decode_utf16(both).next() {
                    Some(Ok(c)) => (Some(c), behind),
                    _ => (None, after),
                }
            }
            _ => (None, after),
        },
    };
    match c {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.push(0xff),
    }
    after
}

/// Four hexadecimal digits and what follows them.
fn unit(text: &[u8]) -> (u32, &[u8]) {
    let (digits, after) = text.split_at_checked(4).unwrap_or((text, &[]));
    let unit = digits.iter().fold(0, |unit, &digit| {
        16 * unit + char::from(digit).to_digit(16).unwrap_or_default()
    });
    (unit, after)
}
