//! JSON as it lies in the request: no tree is built, and strings stay where they are.

use std::borrow::Cow;

use super::super::What;
use super::super::meter::Fault;
use super::super::text::Text;

/// Deepest that brackets may lie in brackets.
const DEPTH_MAX: u32 = 128;

/// What stands at the start of a file that some editor wrote.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads values one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self {
            rest: text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
            depth: 0,
        }
    }

    /// There has to be nothing more.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault(What::GoesOn)),
        }
    }

    /// What is left to be read.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.peek();
        self.rest
    }

    /// Passes over so many bytes, which have to be a whole value.
    pub(super) fn advance(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// Reads an object; `each` reads or skips the value of each key. `null` is an empty one.
    #[inline(always)]
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.many(b'{', b'}', |reader| {
            let key = reader.string()?;
            reader.expect(b':')?;
            match key.unescaped() {
                Cow::Borrowed(key) => each(reader, key),
                Cow::Owned(key) => each(reader, &key),
            }
        })
    }

    /// Reads an array; `each` reads or skips each value. `null` is an empty one.
    #[inline(always)]
    pub(super) fn array(
        &mut self,
        each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.many(b'[', b']', each)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b'"') => self.text().map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.number().map(drop),
        }
    }

    pub(super) fn bool(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            Some(b't') => self.word(b"true").map(|()| true),
            _ => self.word(b"false").map(|()| false),
        }
    }

    /// A string; `null` is an empty one.
    pub(super) fn text(&mut self) -> Result<Text<'a>, Fault> {
        match self.is_null()? {
            true => Ok(Text::EMPTY),
            false => self.string(),
        }
    }

    /// A number, bare or in quotes, as it is written; `null` is 0.
    pub(super) fn digits(&mut self) -> Result<&'a str, Fault> {
        let digits = match self.peek() {
            Some(b'"') => self.text()?.bytes,
            Some(b'n') => self.word(b"null").map(|()| b"0".as_slice())?,
            _ => self.number()?,
        };
        std::str::from_utf8(digits).map_err(|_| self.fault(What::NoNumberHere))
    }

    /// Whether `null` comes, which is then read.
    #[inline]
    pub(super) fn is_null(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            Some(b'n') => self.word(b"null").map(|()| true),
            _ => Ok(false),
        }
    }

    #[cold]
    pub(super) fn fault(&self, what: What) -> Fault {
        Fault::malformed(what, self.rest)
    }

    #[inline(always)]
    fn many(
        &mut self,
        open: u8,
        close: u8,
        mut each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.is_null()? {
            return Ok(());
        }
        self.expect(open)?;
        if self.depth >= DEPTH_MAX {
            return Err(Fault::too_deep(self.rest));
        }
        self.depth += 1;
        if self.peek() == Some(close) {
            self.advance(1);
        } else {
            loop {
                each(self)?;
                match self.peek() {
                    Some(b',') => self.advance(1),
                    Some(byte) if byte == close => break self.advance(1),
                    _ => return Err(self.fault(What::Punctuation)),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The next byte that is no white space.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest {
                [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] => self.rest = rest,
                [byte, ..] => return Some(*byte),
                [] => return None,
            }
        }
    }

    #[inline(always)]
    fn expect(&mut self, wanted: u8) -> Result<(), Fault> {
        if self.peek() != Some(wanted) {
            return Err(self.fault(What::Punctuation));
        }
        self.advance(1);
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.ok_or_else(|| self.fault(What::NoValue))?;
        Ok(())
    }

    fn number(&mut self) -> Result<&'a [u8], Fault> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = self.rest.iter().take_while(|byte| is_part(byte)).count();
        let (number, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        let begins = number.first().is_some_and(|byte| *byte != b'+');
        if !begins {
            return Err(self.fault(What::NoValue));
        }
        self.rest = rest;
        Ok(number)
    }

    #[inline(always)]
    fn string(&mut self) -> Result<Text<'a>, Fault> {
        self.expect(b'"')?;
        let whole = self.rest;
        let mut is_escaped = false;
        loop {
            let plain = plain_len(self.rest);
            match self.rest.get(plain..) {
                Some([b'"', rest @ ..]) => {
                    let len = whole.len() - rest.len() - 1;
                    self.rest = rest;
                    let bytes = whole.get(..len).unwrap_or_default();
                    return Ok(Text { bytes, is_escaped });
                }
                Some(escape @ [b'\\', ..]) => {
                    self.rest = escape;
                    is_escaped = true;
                    let len = escape_len(escape).ok_or_else(|| self.fault(What::NoEscape))?;
                    self.advance(len);
                }
                _ => return Err(self.fault(What::EndsEarly)),
            }
        }
    }
}

/// How many bytes stand before the next quote or backslash.
#[inline]
fn plain_len(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, tail) = text.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = is_zero(word ^ (ONES * u64::from(b'"')));
        let found = quote | is_zero(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return 8 * place + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\');
    8 * words.len() + tail.iter().take_while(is_plain).count()
}

/// The length of the escape that `text` begins with.
fn escape_len(text: &[u8]) -> Option<usize> {
    match text {
        [
            _,
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
            ..,
        ] => Some(2),
        [_, b'u', hex @ ..] => {
            let hex = hex.first_chunk::<4>()?;
            hex.iter().all(u8::is_ascii_hexdigit).then_some(6)
        }
        _ => None,
    }
}
