//! How close a consumer comes to a producer that writes on another core at the same time.
//!
//! A slot shares its line with its neighbours. Who reads up to the last one that was claimed takes that line away from the producer, who is about to write
//! the next slot there, and gets it back only to lose it again: a slot then costs each of them a line that travels, and where the cores lie far apart
//! (two sockets: 390 ns to and fro) nothing else counts any more. So a machine that follows a stream reads what lies some lines behind, and lets
//! the rest come. A queue between two cores that keeps its two ends some lines apart is an old idea: J. Giacomoni et al., *FastForward for efficient pipeline parallelism*,
//! PPoPP 2008, call it temporal slipping.

use crate::tuning::{FOLLOW_CAPACITY_PER_SLOT, FOLLOW_DISTANCE_MAX, STREAM_MIN};

/// What a consumer that follows a stream does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// It reads what lies before this index, and looks again.
    Read(u64),
    /// It lets the stream come: what is left lies too close to the producer.
    LetCome,
    /// There is nothing.
    Empty,
}

impl Follow {
    /// `head`: the next index to read. `claimed`: the first one that nobody has claimed. `received` in this turn so far: a turn that has received next to nothing reads
    /// what is there, since a few at a time are no stream.
    #[inline]
    pub(super) fn next(head: u64, claimed: u64, capacity: u64, received: usize) -> Self {
        let distance = FOLLOW_DISTANCE_MAX.min(capacity / FOLLOW_CAPACITY_PER_SLOT);
        let there = claimed - head;
        if there == 0 {
            Self::Empty
        } else if there > distance {
            Self::Read(claimed - distance)
        } else if received < STREAM_MIN {
            Self::Read(claimed)
        } else {
            Self::LetCome
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const CAPACITY: u64 = 256;

    #[test]
    fn it_reads_what_lies_behind_and_lets_the_rest_come() {
        assert_eq!(Follow::next(100, 300, CAPACITY, 1), Follow::Read(268));
        assert_eq!(Follow::next(268, 300, CAPACITY, 169), Follow::LetCome);
        assert_eq!(Follow::next(268, 301, CAPACITY, 169), Follow::Read(269));
    }

    #[test]
    fn a_turn_that_has_read_next_to_nothing_reads_what_is_there() {
        for received in 0..STREAM_MIN {
            assert_eq!(
                Follow::next(100, 132, CAPACITY, received),
                Follow::Read(132)
            );
        }
        assert_eq!(
            Follow::next(100, 132, CAPACITY, STREAM_MIN),
            Follow::LetCome
        );
    }

    #[test]
    fn nothing_is_nothing() {
        for received in [0, STREAM_MIN, 200] {
            assert_eq!(Follow::next(100, 100, CAPACITY, received), Follow::Empty);
        }
    }

    #[test]
    fn a_small_mailbox_is_read_to_the_end() {
        for capacity in 1..FOLLOW_CAPACITY_PER_SLOT {
            assert_eq!(Follow::next(100, 101, capacity, 200), Follow::Read(101));
        }
        assert_eq!(Follow::next(100, 164, 64, 1), Follow::Read(156));
    }

    #[test]
    fn without_a_bound_the_distance_is_the_same() {
        let unbounded = crate::mailbox::UNBOUNDED;
        assert_eq!(Follow::next(100, 300, unbounded, 1), Follow::Read(268));
    }
}
