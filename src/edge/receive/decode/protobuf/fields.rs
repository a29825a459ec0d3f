//! The protobuf wire format: a message is fields, each a key (a number and one of five shapes) and a
//! value. <https://protobuf.dev/programming-guides/encoding/>

use super::super::What;
use super::super::meter::Fault;

/// Deepest that groups may lie in groups; the bound of other decoders.
const GROUPS_DEEP_MAX: usize = 100;

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const GROUP_BEGINS: u32 = 3;
const GROUP_ENDS: u32 = 4;
const FIXED32: u32 = 5;

/// The key of a field that is a number of any length.
pub(super) const fn varint(number: u32) -> u32 {
    number << 3 | VARINT
}

/// The key of a field of eight bytes.
pub(super) const fn fixed64(number: u32) -> u32 {
    number << 3 | FIXED64
}

/// The key of a field that is a string, bytes, a message or packed numbers.
pub(super) const fn bytes(number: u32) -> u32 {
    number << 3 | BYTES
}

/// The key of a field of four bytes.
pub(super) const fn fixed32(number: u32) -> u32 {
    number << 3 | FIXED32
}

/// Reads the fields of one message, in the order they were sent: first a key, then what it calls for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The key of the next field; `None` at the end of the message.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Result<Option<u32>, Fault> {
        match self.rest {
            [] => Ok(None),
            [key @ 8..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(Some(u32::from(*key)))
            }
            _ => self.long_key().map(Some),
        }
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(always)]
    pub(super) fn fixed64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline(always)]
    pub(super) fn fixed32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline(always)]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        match self.rest.split_at_checked(len) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.cut_short()),
        }
    }

    /// Passes over the key of the next field if it is `key`, a single byte.
    #[inline(always)]
    pub(super) fn goes_on_with(&mut self, key: u32) -> bool {
        match self.rest {
            [next @ 8..0x80, rest @ ..] if u32::from(*next) == key => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes over a message that is two fields with the keys `name` and `value`, the name of a length that
    /// is not in `lens` (a set, as bits), all of it short. Otherwise stays where it is.
    #[inline(always)]
    pub(super) fn pass_pair(&mut self, (name, value): (u32, u32), lens: u64) -> bool {
        let [len @ 0..0x80, key, name_len @ 0..64, rest @ ..] = self.rest else {
            return false;
        };
        let Some([value_key, value_len, rest @ ..]) = rest.get(usize::from(*name_len)..) else {
            return false;
        };
        let is_pair = u32::from(*key) == name
            && u32::from(*value_key) == value
            // Two keys and two lengths; as a sum of bytes it is also below 0x80.
            && u16::from(*len) == 4 + u16::from(*name_len) + u16::from(*value_len)
            && lens >> name_len & 1 == 0;
        match rest.get(usize::from(*value_len)..) {
            Some(rest) if is_pair => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes over a field that the reader has no use for. One of a `known` number has come in a shape
    /// that is not its own.
    #[inline(never)]
    pub(super) fn skip(&mut self, key: u32, known: fn(u32) -> bool) -> Result<(), Fault> {
        match known(key >> 3) {
            true => Err(Fault::malformed(What::WrongShape, self.rest)),
            false => self.pass(key),
        }
    }

    fn pass(&mut self, key: u32) -> Result<(), Fault> {
        match key & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            BYTES => self.bytes().map(drop),
            GROUP_BEGINS => self.pass_group(key >> 3),
            FIXED32 => self.fixed32().map(drop),
            GROUP_ENDS => Err(Fault::malformed(What::GroupEnds, self.rest)),
            _ => Err(Fault::malformed(What::NoShape, self.rest)),
        }
    }

    /// Groups are an old kind of message. None of OTLP's is one.
    fn pass_group(&mut self, number: u32) -> Result<(), Fault> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            let key = self.key()?.ok_or_else(|| self.cut_short())?;
            match (key >> 3, key & 7) {
                (number, GROUP_ENDS) if number == *innermost => {
                    open.pop();
                }
                (number, GROUP_BEGINS) if open.len() < GROUPS_DEEP_MAX => open.push(number),
                (_, GROUP_BEGINS) => return Err(Fault::too_deep(self.rest)),
                _ => self.pass(key)?,
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Fault> {
        match self.rest.split_first_chunk() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.cut_short()),
        }
    }

    #[inline(never)]
    fn long_key(&mut self) -> Result<u32, Fault> {
        match u32::try_from(self.varint()?) {
            Ok(key) if key >> 3 > 0 => Ok(key),
            _ => Err(Fault::malformed(What::NoNumber, self.rest)),
        }
    }

    /// At most ten bytes, of which the last has one bit. More bytes than the number needs are allowed.
    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (place, &byte) in self.rest.iter().take(10).enumerate() {
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        match self.rest.len() {
            0..10 => Err(self.cut_short()),
            _ => Err(Fault::malformed(What::LongNumber, self.rest)),
        }
    }

    #[cold]
    fn cut_short(&self) -> Fault {
        Fault::malformed(What::EndsEarly, self.rest)
    }
}
