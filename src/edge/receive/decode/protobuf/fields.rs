//! The protobuf wire format: a message is fields, each a number and a value of one of five shapes.
//! <https://protobuf.dev/programming-guides/encoding/>

use super::super::meter::Fault;

/// Deepest that groups may lie in groups; the bound of other decoders.
const GROUPS_DEEP_MAX: usize = 100;

/// The value of a field as the wire has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// Fields of an old kind of message. None of OTLP's is one, so they are skipped.
    Group,
}

/// Reads the fields of one message, in the order they were sent.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(in super::super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field with its number; `None` at the end of the message.
    #[inline(always)]
    pub(in super::super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, shape) = self.key()?;
        Ok(Some((number, self.value(number, shape)?)))
    }

    /// What is wrong with a field that has not the shape its message gives it.
    #[cold]
    pub(in super::super) fn wrong_shape(&self) -> Fault {
        Fault::malformed("a field has not the shape it should have", self.rest)
    }

    #[inline(always)]
    fn key(&mut self) -> Result<(u32, u8), Fault> {
        let key = self.varint()?;
        match u32::try_from(key) {
            Ok(key) if key >> 3 > 0 => Ok((key >> 3, (key & 7) as u8)),
            _ => Err(Fault::malformed("a field has no valid number", self.rest)),
        }
    }

    #[inline(always)]
    fn value(&mut self, number: u32, shape: u8) -> Result<Field<'a>, Fault> {
        match shape {
            0 => self.varint().map(Field::Varint),
            1 => Ok(Field::Fixed64(u64::from_le_bytes(self.array()?))),
            2 => self.bytes().map(Field::Bytes),
            3 => self.skip_group(number).map(|()| Field::Group),
            5 => Ok(Field::Fixed32(u32::from_le_bytes(self.array()?))),
            4 => Err(Fault::malformed(
                "a group ends that did not begin",
                self.rest,
            )),
            _ => Err(Fault::malformed("a field has no valid shape", self.rest)),
        }
    }

    #[inline(always)]
    fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.cut_short())?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline(always)]
    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Fault> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.cut_short())?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Fault> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*byte) << 7)
            }
            _ => self.long_varint(),
        }
    }

    /// At most ten bytes, of which the last has one bit. Those that are longer than they need be are
    /// allowed.
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
            _ => Err(Fault::malformed("a number is too long", self.rest)),
        }
    }

    #[inline(never)]
    fn skip_group(&mut self, number: u32) -> Result<(), Fault> {
        const GROUP_BEGINS: u8 = 3;
        const GROUP_ENDS: u8 = 4;
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            if self.rest.is_empty() {
                return Err(self.cut_short());
            }
            match self.key()? {
                (number, GROUP_ENDS) if number == *innermost => {
                    open.pop();
                }
                (number, GROUP_BEGINS) if open.len() < GROUPS_DEEP_MAX => open.push(number),
                (_, GROUP_BEGINS) => return Err(Fault::too_deep(self.rest)),
                (number, shape) => {
                    self.value(number, shape)?;
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn cut_short(&self) -> Fault {
        Fault::malformed("it ends in the middle", self.rest)
    }
}
