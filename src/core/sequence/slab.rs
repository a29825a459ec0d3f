//! Many small things of one kind, each with a number.

/// Things in places that keep their numbers. Freed places are taken again first; memory grows by a
/// block at a time, so that it is never all there twice, and goes when nothing is left.
#[derive(Debug)]
pub(super) struct Slab<T> {
    blocks: Vec<Vec<T>>,
    free: Vec<u32>,
    len: usize,
}

/// Places in a block.
const BLOCK_LEN: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 10;

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    /// Puts `thing` into a free place; `None` when there are no more numbers.
    pub(super) fn insert(&mut self, thing: T) -> Option<u32> {
        let number = match self.free.pop() {
            Some(number) => {
                *self.get_mut(number)? = thing;
                number
            }
            None => self.push(thing)?,
        };
        self.len += 1;
        Some(number)
    }

    /// Frees the place `number`. What lies there stays until the place is taken again.
    pub(super) fn free(&mut self, number: u32) {
        self.free.push(number);
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (block, place) = split(number);
        self.blocks.get(block)?.get(place)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (block, place) = split(number);
        self.blocks.get_mut(block)?.get_mut(place)
    }

    /// Things that are not freed.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// What the places take in memory.
    pub(super) fn bytes(&self) -> usize {
        let blocks = self.blocks.capacity() * size_of::<Vec<T>>();
        let places = self.blocks.len() * BLOCK_LEN * size_of::<T>();
        blocks + places + self.free.capacity() * size_of::<u32>()
    }

    fn push(&mut self, thing: T) -> Option<u32> {
        let number = u32::try_from(self.len).ok().filter(|n| *n < u32::MAX)?;
        match self.blocks.last_mut().filter(|last| last.len() < BLOCK_LEN) {
            Some(last) => last.push(thing),
            None => {
                let mut block = Vec::with_capacity(BLOCK_LEN);
                block.push(thing);
                self.blocks.push(block);
            }
        }
        Some(number)
    }
}

const fn split(number: u32) -> (usize, usize) {
    let place = number as usize & (BLOCK_LEN - 1);
    ((number >> BLOCK_BITS) as usize, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_their_numbers_and_freed_ones_are_taken_again() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..3_000).filter_map(|n| slab.insert(n)).collect();
        numbers.iter().skip(1).for_each(|number| slab.free(*number));
        assert_eq!((slab.get(0), slab.len()), (Some(&0), 1));
        let again = slab.insert(7).unwrap();
        assert!(again < 3_000);
        assert_eq!(slab.get(again), Some(&7));
        slab.free(again);
        slab.free(0);
        assert!(
            slab.blocks.is_empty(),
            "nothing is left, and so is no memory"
        );
    }
}
