//! When a turn looks at the clock, and what it makes of it.

use crate::tuning::{CLOCK_FIRST_LOOK, CLOCK_FIRST_LOOK_LIGHT, CLOCK_STRIDE_MAX};

/// A worker's time slices, one turn after the other.
///
/// The clock is read after 2, 3, 5, 9 … instructions, at most 64 apart: the first reading says when the turn began, the second whether
/// instructions are long. Where the worker's were light lately it is read after 16, 32, 64 … if it was also read a moment before the turn, and else after 16, 17,
/// 33 …: two reads cost 55 ns, an instruction often less than ten, and an activation of a few needs no clock at all. Where instructions prove long it is read
/// after each.
pub(super) struct Slice {
    /// After so many instructions the clock is read.
    look_at: usize,
    /// And after so many more. 0: it was not read in this turn.
    stride: usize,
    /// The turn began then or later. 0: nobody knows.
    started_ns: u64,
    /// The last reading, in whichever turn.
    read_ns: u64,
    is_long: bool,
}

impl Slice {
    pub(super) fn new() -> Self {
        Self {
            look_at: 0,
            stride: 0,
            started_ns: 0,
            read_ns: 0,
            is_long: false,
        }
    }

    /// A turn begins. `light`: what this worker has run lately was short, so that its last reading may have been a moment ago.
    #[inline]
    pub(super) fn begin(&mut self, light: bool) {
        (self.look_at, self.started_ns) = if light {
            (CLOCK_FIRST_LOOK_LIGHT, self.read_ns)
        } else {
            (CLOCK_FIRST_LOOK, 0)
        };
        self.stride = 0;
        self.is_long = false;
    }

    /// After so many instructions of the turn the clock is to be read.
    #[inline]
    pub(super) fn look_at(&self) -> usize {
        self.look_at
    }

    /// The turn's instructions proved long.
    #[inline]
    pub(super) fn is_long(&self) -> bool {
        self.is_long
    }

    /// The clock says `now_ns` after `received` instructions. True: the slice of `slice_ns` is over.
    pub(super) fn read(&mut self, now_ns: u64, received: usize, slice_ns: u64) -> bool {
        self.read_ns = now_ns;
        let used_ns = now_ns - self.started_ns;
        if self.stride == 0 {
            self.stride = self.look_at / 2;
            // What lies between that reading and the turn counts as the turn's: little enough not to matter, or not at all.
            if self.started_ns == 0 || used_ns > slice_ns / 64 {
                self.started_ns = now_ns;
                self.look_at = received + 1;
                return false;
            }
        }
        self.stride = if used_ns > slice_ns / 4 {
            self.is_long = true;
            1
        } else {
            (self.stride * 2).min(CLOCK_STRIDE_MAX)
        };
        self.look_at = received + self.stride;
        used_ns >= slice_ns
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SLICE_NS: u64 = 20_000_000;

    /// After which instructions of a turn the clock is read, of which the n-th takes `takes(n)` ns, until the slice is over or there were 256.
    fn readings(
        slice: &mut Slice,
        light: bool,
        now_ns: &mut u64,
        takes: impl Fn(usize) -> u64,
    ) -> Vec<usize> {
        slice.begin(light);
        let mut readings = Vec::new();
        for received in 1..256 {
            *now_ns += takes(received);
            if received == slice.look_at() {
                readings.push(received);
                if slice.read(*now_ns, received, SLICE_NS) {
                    break;
                }
            }
        }
        readings
    }

    #[test]
    fn short_instructions_make_the_looks_rare() {
        let (slice, now_ns) = (&mut Slice::new(), &mut 1_000);
        let looks = readings(slice, false, now_ns, |_| 10);
        assert_eq!(looks, [2, 3, 5, 9, 17, 33, 65, 129, 193]);
        assert!(!slice.is_long());
    }

    #[test]
    fn the_last_reading_does_for_the_beginning_where_all_is_light() {
        let (slice, now_ns) = (&mut Slice::new(), &mut 1_000);
        assert_eq!(
            readings(slice, true, now_ns, |_| 10),
            [16, 17, 33, 65, 129, 193],
            "the clock was never read"
        );
        *now_ns += SLICE_NS / 64 - 63 * 10 - 16 * 10;
        assert_eq!(
            readings(slice, true, now_ns, |_| 10),
            [16, 32, 64, 128, 192],
            "it was a moment ago"
        );
        *now_ns += SLICE_NS / 64;
        assert_eq!(
            readings(slice, true, now_ns, |_| 10),
            [16, 17, 33, 65, 129, 193],
            "it was too long ago to say anything of this turn"
        );
        assert_eq!(
            readings(slice, false, now_ns, |_| 10)[..3],
            [2, 3, 5],
            "it does not where instructions may be long"
        );
    }

    #[test]
    fn what_was_before_the_turn_does_not_make_it_long() {
        let (slice, now_ns) = (&mut Slice::new(), &mut 1_000);
        readings(slice, true, now_ns, |_| 10);
        *now_ns += 10 * SLICE_NS;
        let looks = readings(slice, true, now_ns, |_| 10);
        assert_eq!(*looks.last().expect("there are some"), 193);
        assert!(!slice.is_long());
    }

    #[test]
    fn each_long_instruction_is_followed_by_a_look_until_the_slice_is_over() {
        for light in [false, true] {
            let (slice, now_ns) = (&mut Slice::new(), &mut 1_000);
            readings(slice, light, now_ns, |_| 10);
            let looks = readings(slice, light, now_ns, |_| SLICE_NS / 8);
            let first = if light { 16 } else { 2 };
            let wanted: Vec<usize> = [first, first + 1]
                .into_iter()
                .chain(match light {
                    false => vec![5, 6, 7, 8, 9, 10],
                    true => vec![33],
                })
                .collect();
            assert_eq!(looks, wanted);
            assert!(slice.is_long());
        }
    }

    #[test]
    fn instructions_that_become_long_are_found_out_within_a_stride() {
        let (slice, now_ns) = (&mut Slice::new(), &mut 1_000);
        readings(slice, true, now_ns, |_| 10);
        let looks = readings(slice, true, now_ns, |n| if n > 16 { SLICE_NS } else { 10 });
        assert_eq!(looks, [16, 32]);
        assert!(slice.is_long());
    }
}
