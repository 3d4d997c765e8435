//! The one number behind a swarm, unfolded: SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
//! Generators", 2014). Hand-written, since a seed must mean the same swarm in every version of every dependency.

use std::ops::RangeInclusive;

/// A stream of numbers that its seed alone decides.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for one party of a swarm, so that what one thread draws does not depend on the others.
    #[must_use]
    pub(crate) fn of_party(seed: u64, party: u64) -> Self {
        let mut mixed = Self(seed ^ party.wrapping_mul(0xA24B_AED4_963E_E407));
        Self(mixed.next())
    }

    /// What [`new`](Self::new) goes on from here with.
    #[cfg(feature = "delays")]
    pub(crate) fn state(&self) -> u64 {
        self.0
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The bias of the remainder is of no matter for numbers this small.
        if end == 0 {
            0
        } else {
            (self.next() % end as u64) as usize
        }
    }

    /// A number of the range, all alike likely.
    pub(crate) fn between(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// A number of the range, each power of two alike likely: sizes of which both the small and the large are met.
    pub(crate) fn sized(&mut self, range: RangeInclusive<usize>) -> usize {
        let (least, most) = (*range.start(), *range.end());
        let bits = |n: usize| usize::BITS - n.leading_zeros();
        let end = self.between(bits(least) as usize..=bits(most) as usize);
        let top = 1_usize
            .checked_shl(end as u32)
            .map_or(usize::MAX, |n| n - 1);
        let floor = (top / 2 + 1).clamp(least, most);
        self.between(floor..=top.clamp(floor, most))
    }

    /// True this often in a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.next() % 100 < u64::from(percent)
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
