//! What a scan found in a message.

use super::blocks::BLOCK;
use super::marks::Marks;
use super::reference::{extend_form, is_word};

/// Bytes of a form that are copied at once.
pub(super) const STRETCH: usize = 32;
/// Bytes of a form that there is always room for once it was needed. More is given back when a
/// short line follows, so that one long line is not paid for ever after.
const ROOM_KEPT: usize = 16 * 1024;

/// The form and the variables of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Both have room for a block more than what is written.
    form: Vec<u8>,
    form_len: usize,
    variables: Vec<(u32, u32)>,
    variables_len: usize,
    /// Of a stretch that is longer than a block.
    long_form: Vec<u8>,
    long_variables: Vec<(u32, u32)>,
}

impl Found {
    pub(super) fn form(&self) -> &[u8] {
        &self.form[..self.form_len]
    }

    /// Bytes taken.
    #[cfg(test)]
    pub(super) fn room_held(&self) -> usize {
        let variables = self.variables.capacity() + self.long_variables.capacity();
        self.form.capacity() + self.long_form.capacity() + variables * size_of::<(u32, u32)>()
    }

    pub(super) fn variables(&self) -> &[(u32, u32)] {
        &self.variables[..self.variables_len]
    }

    /// The form with zeros after its end, in blocks.
    #[inline(always)]
    pub(super) fn padded_form(&mut self) -> &[[u8; BLOCK]] {
        if let Some(padding) = self.form[self.form_len..].first_chunk_mut::<BLOCK>() {
            *padding = [0; BLOCK];
        }
        let blocks = self.form_len.div_ceil(BLOCK);
        &self.form.as_chunks().0[..blocks]
    }

    #[inline(always)]
    pub(super) fn begin(&mut self, message_len: usize) {
        (self.form_len, self.variables_len) = (0, 0);
        let room = message_len + 2 * BLOCK;
        let is_large = self.form.len() > ROOM_KEPT && room < ROOM_KEPT / 4;
        if self.form.len() < room || is_large {
            self.make_room(room);
        }
    }

    #[cold]
    fn make_room(&mut self, room: usize) {
        *self = Self::default();
        let room = room.next_power_of_two();
        self.form.resize(room, 0);
        // Of two bytes one at most begins a variable.
        self.variables.resize(room / 2 + BLOCK, (0, 0));
    }

    /// Appends `marks` of `block`, whose bytes from `marks.len` on are of no matter.
    #[inline(always)]
    pub(super) fn append(&mut self, block: &mut [u8; BLOCK + STRETCH], marks: &Marks, at: usize) {
        let mut controls = marks.control;
        while controls != 0 {
            block[controls.trailing_zeros() as usize] = b' ';
            controls &= controls - 1;
        }
        let (mut starts, mut ends) = (marks.starts(), marks.ends());
        let mut done = 0;
        while starts != 0 {
            let (start, end) = (starts.trailing_zeros(), ends.trailing_zeros());
            starts &= starts - 1;
            ends &= ends - 1;
            self.append_stretch(block, done, start as usize);
            self.form[self.form_len] = marks.placeholder_at(start);
            self.form_len += 1;
            self.variables[self.variables_len] = (at as u32 + start, at as u32 + end);
            self.variables_len += 1;
            done = end as usize;
        }
        self.append_stretch(block, done, marks.len);
    }

    #[inline(always)]
    fn append_stretch(&mut self, block: &[u8; BLOCK + STRETCH], mut from: usize, to: usize) {
        loop {
            let stretch = block[from..].first_chunk::<STRETCH>();
            let target = self.form[self.form_len..].first_chunk_mut();
            if let (Some(stretch), Some(target)) = (stretch, target) {
                *target = *stretch;
            }
            if to - from <= STRETCH {
                self.form_len += to - from;
                return;
            }
            self.form_len += STRETCH;
            from += STRETCH;
        }
    }

    /// Where the next bytes of the form and the next variables belong; a block more than is left of
    /// the message fits.
    #[inline(always)]
    pub(super) fn room(&mut self) -> (&mut [u8], &mut [(u32, u32)]) {
        (
            &mut self.form[self.form_len..],
            &mut self.variables[self.variables_len..],
        )
    }

    /// Appends what was written to the [`room`](Self::room).
    #[inline(always)]
    pub(super) fn wrote(&mut self, bytes: u32, variables: u32) {
        self.form_len += bytes as usize;
        self.variables_len += variables as usize;
    }

    /// Appends a stretch without a place to cut a block at; gives its length.
    #[cold]
    pub(super) fn append_long(&mut self, rest: &[u8], at: usize) -> usize {
        let goes_on = |&&byte: &&u8| is_word(byte) || byte == b'-';
        let len = rest.iter().take_while(goes_on).count();
        self.long_form.clear();
        self.long_variables.clear();
        extend_form(
            &rest[..len],
            at,
            &mut self.long_form,
            &mut self.long_variables,
        );
        self.form[self.form_len..][..self.long_form.len()].copy_from_slice(&self.long_form);
        self.form_len += self.long_form.len();
        self.variables[self.variables_len..][..self.long_variables.len()]
            .copy_from_slice(&self.long_variables);
        self.variables_len += self.long_variables.len();
        len
    }
}
