//! The entries of one shard of the registry: eight bytes per machine.
//!
//! A word is the address of a live machine's header, which is even, or the index of the next free place, shifted and made odd.
//! Words stand in chunks: a growing registry copies nothing, and one that has become empty keeps no chunk.

use std::ptr::NonNull;

use super::Header;

/// Words per chunk: 8 KiB.
const CHUNK: usize = 1024;

/// "No free place", as the index of a free place.
const NONE: usize = usize::MAX >> 1;

/// A slab of addresses.
pub(super) struct Entries {
    chunks: Vec<Box<[usize; CHUNK]>>,
    /// Places that were ever used; those behind them are free.
    used: usize,
    /// The first of the free places before `used`.
    free: usize,
    len: usize,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            used: 0,
            free: NONE,
            len: 0,
        }
    }
}

impl Entries {
    fn word(&mut self, index: usize) -> &mut usize {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Where the next entry will stand.
    pub(super) fn next_index(&self) -> usize {
        if self.free == NONE {
            self.used
        } else {
            self.free
        }
    }

    /// Enters a cell at [`next_index`](Self::next_index). Its provenance is exposed, as that of all cells.
    pub(super) fn insert(&mut self, cell: NonNull<Header>) {
        let index = self.next_index();
        if index == self.used {
            if index.is_multiple_of(CHUNK) {
                self.chunks.push(Box::new([0; CHUNK]));
            }
            self.used += 1;
        } else {
            self.free = *self.word(index) >> 1;
        }
        *self.word(index) = cell.as_ptr().expose_provenance();
        self.len += 1;
    }

    /// Removes the entry of a place that was entered and not removed since.
    pub(super) fn remove(&mut self, index: usize) {
        let next = self.free;
        debug_assert!(*self.word(index) & 1 == 0, "removed twice");
        *self.word(index) = next << 1 | 1;
        self.free = index;
        self.len -= 1;
        if self.len == 0 {
            // A burst does not keep its entries for ever; the one chunk of a shard that comes and goes stays.
            self.chunks.truncate(1);
            self.chunks.shrink_to(1);
            self.used = 0;
            self.free = NONE;
        }
    }

    /// All cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = NonNull<Header>> {
        let words = self.chunks.iter().flat_map(|chunk| chunk.iter());
        words
            .take(self.used)
            .filter(|&word| word & 1 == 0)
            .filter_map(|&word| NonNull::new(std::ptr::with_exposed_provenance_mut(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(n: usize) -> NonNull<Header> {
        NonNull::new(std::ptr::without_provenance_mut(n * 16)).expect("not zero")
    }

    #[test]
    fn places_are_used_again_and_chunks_go_back() {
        let mut entries = Entries::default();
        for n in 1..=3 * CHUNK {
            assert_eq!(entries.next_index(), n - 1);
            entries.insert(cell(n));
        }
        for index in [5, 2000, 7] {
            entries.remove(index);
        }
        assert_eq!(entries.iter().count(), 3 * CHUNK - 3);
        assert_eq!(entries.next_index(), 7);
        entries.insert(cell(9999));
        assert!(entries.iter().any(|found| found == cell(9999)));
        assert!(
            entries
                .iter()
                .all(|found| found != cell(6) && found != cell(2001))
        );
        assert_eq!(entries.next_index(), 2000);
        for index in (0..3 * CHUNK).filter(|&index| index != 5 && index != 2000) {
            entries.remove(index);
        }
        assert_eq!((entries.iter().count(), entries.chunks.len()), (0, 1));
        entries.insert(cell(1));
        assert_eq!(entries.iter().collect::<Vec<_>>(), [cell(1)]);
    }
}
