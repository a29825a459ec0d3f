//! A string of a request, where it lies there.

use super::meter::Meter;

/// A string as it was sent: not yet known to be UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

/// A string that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Read<'a> {
    pub(super) text: &'a str,
    /// Whether it was longer.
    pub(super) is_cut: bool,
}

impl<'a> Text<'a> {
    pub(super) const EMPTY: Self = Self(&[]);

    /// At most `len_max` bytes of the string, cut between characters. What is no UTF-8 is replaced,
    /// which needs `room`.
    #[inline]
    pub(super) fn read<'r>(
        self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Read<'r>
    where
        'a: 'r,
    {
        match std::str::from_utf8(self.0) {
            Ok(text) => {
                let end = text.floor_char_boundary(len_max);
                Read {
                    text: text.get(..end).unwrap_or_default(),
                    is_cut: end < text.len(),
                }
            }
            Err(_) => {
                meter.repaired += 1;
                self.repaired(len_max, room)
            }
        }
    }

    fn repaired(self, len_max: usize, room: &mut String) -> Read<'_> {
        room.clear();
        for chunk in self.0.utf8_chunks() {
            let mend = if chunk.invalid().is_empty() {
                ""
            } else {
                "\u{fffd}"
            };
            for part in [chunk.valid(), mend] {
                room.push_str(part);
            }
            if room.len() > len_max {
                break;
            }
        }
        let is_cut = room.len() > len_max;
        room.truncate(room.floor_char_boundary(len_max));
        Read { text: room, is_cut }
    }
}
