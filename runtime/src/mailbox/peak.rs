//! The greatest length that a mailbox has had, in two bytes.
//!
//! A cell has two bytes to spare, and who sizes a mailbox wants to know "about 240" or "about 30,000": eleven digits of a binary number and
//! where they stand, rounded down, so that the error is below a thousandth. The code grows with the length, so that the greater of two codes is that of
//! the greater length.

use crate::sync::{AtomicU16, Ordering};

const DIGITS: u32 = 11;

fn encode(length: u64) -> u16 {
    let bits = u64::BITS - length.leading_zeros();
    let exponent = bits.saturating_sub(DIGITS);
    if exponent == 0 {
        return length as u16;
    }
    // The leading digit is always one; the exponent takes its place and the bits above.
    let digits = (length >> exponent) as u16 & ((1 << (DIGITS - 1)) - 1);
    ((exponent as u16 + 1) << (DIGITS - 1)) | digits
}

fn decode(code: u16) -> u64 {
    let high = u32::from(code >> (DIGITS - 1));
    if high <= 1 {
        return u64::from(code);
    }
    let digits = u64::from(code & ((1 << (DIGITS - 1)) - 1)) | 1 << (DIGITS - 1);
    digits << (high - 1)
}

/// The greatest length seen.
pub(super) struct Peak(AtomicU16);

impl Peak {
    pub(super) fn new() -> Self {
        Self(AtomicU16::new(0))
    }

    /// Relaxed throughout: a figure.
    #[inline]
    pub(super) fn note(&self, length: u64) {
        if length > 1 {
            self.raise(length);
        }
    }

    fn raise(&self, length: u64) {
        let code = encode(length);
        if code > self.0.load(Ordering::Relaxed) {
            self.0.fetch_max(code, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> u64 {
        decode(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_lengths_are_exact() {
        for length in 0..2048 {
            assert_eq!(decode(encode(length)), length);
        }
    }

    proptest! {
        #[test]
        fn long_ones_are_nearly(length in 2048..u64::MAX >> 8) {
            let decoded = decode(encode(length));
            prop_assert!(decoded <= length && length - decoded <= length / 1000);
        }

        #[test]
        fn the_longer_has_the_greater_code(a in 0..u64::MAX >> 8, b in 0..u64::MAX >> 8) {
            prop_assert_eq!(encode(a.max(b)), encode(a).max(encode(b)));
        }
    }
}
