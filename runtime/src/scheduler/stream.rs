//! A stream from another core is let come.
//!
//! Who reads close behind a producer makes each of its sends a line that travels to and fro, where a moment later there is a batch to read (network cards
//! moderate their interrupts for the same reason). How long a moment is depends on how fast the producer is, how far away, and how long this processor's
//! turn of a busy wait is; so it is learned from what had come: a third to a half of the mailbox is right. Less, and the next moment is longer; more, and the
//! producer might have found the mailbox full.

use crate::tuning::{
    STREAM_BATCH_MAX, STREAM_CAPACITY_PER_SPIN, STREAM_MIN, STREAM_SPINS_FIRST, STREAM_SPINS_MAX,
};

/// What a worker knows of the machine that lingers on it, as far as it is fed by a stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// A machine that begins to linger after so many instructions is noted. 0, and all are: the last one had received several in that turn.
    notes_from: usize,
    /// It has left some, and so many were claimed then. 0: it had read everything.
    left_at: u64,
    /// Turns of a busy wait: a moment.
    spins: u32,
    /// That machine was let come before its turn.
    was_let: bool,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self {
            notes_from: STREAM_MIN,
            left_at: 0,
            spins: STREAM_SPINS_FIRST,
            was_let: false,
        }
    }

    /// Whether the machine that lingers, or has lingered last, seems to be fed by a stream.
    #[inline]
    pub(super) fn flows(&self) -> bool {
        self.notes_from == 0
    }

    /// Whether a machine that begins to linger after `received` instructions is worth a note.
    #[inline]
    pub(super) fn notes(&self, received: usize) -> bool {
        received >= self.notes_from
    }

    /// It is: it has left some instructions where it found `left_at` claimed, 0: none.
    #[cold]
    pub(super) fn note(&mut self, received: usize, left_at: u64, capacity: u64) {
        self.set_flows(received >= STREAM_MIN);
        self.left_at = left_at;
        if std::mem::take(&mut self.was_let) {
            self.learn(received as u64, capacity);
        }
    }

    fn set_flows(&mut self, flows: bool) {
        self.notes_from = if flows { 0 } else { STREAM_MIN };
    }

    fn learn(&mut self, came: u64, capacity: u64) {
        let batch = capacity.min(STREAM_BATCH_MAX);
        if came < batch / 3 {
            self.spins = (self.spins + self.spins / 4 + 1).min(STREAM_SPINS_MAX);
        } else if came > batch / 2 {
            self.spins -= self.spins / 4;
        }
    }

    /// How many turns of a busy wait a machine with a mailbox of this capacity is let come.
    fn moment(&self, capacity: u64) -> u32 {
        let most = capacity / STREAM_CAPACITY_PER_SPIN;
        self.spins.min(u32::try_from(most).unwrap_or(u32::MAX))
    }

    /// Lets the machine that lingers be fed for a moment. `claimed`: how many instructions were claimed.
    #[cold]
    pub(super) fn let_come(&mut self, capacity: u64, claimed: impl Fn() -> u64) {
        for _ in 0..self.moment(capacity) {
            std::hint::spin_loop();
        }
        // Else nobody feeds it: what it has left is its own, or the last of the stream.
        self.was_let = self.left_at == 0 || self.left_at != claimed();
        self.set_flows(self.was_let);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const CAPACITY: u64 = 256;

    impl Stream {
        fn lingers(&mut self, received: usize, left_at: u64, capacity: u64) {
            if self.notes(received) {
                self.note(received, left_at, capacity);
            }
        }
    }

    /// After turns that had so many instructions each, all of which were let come.
    fn moment_after(received: impl IntoIterator<Item = usize>, capacity: u64) -> u32 {
        let mut stream = Stream::new();
        for received in received {
            stream.let_come(capacity, || 0);
            stream.lingers(received, 0, capacity);
        }
        stream.moment(capacity)
    }

    #[test]
    fn a_moment_is_longer_where_little_came_up_to_a_limit() {
        let first = moment_after([], CAPACITY);
        assert_eq!(first, STREAM_SPINS_FIRST);
        assert!(moment_after([84], CAPACITY) > first);
        assert_eq!(moment_after([84; 100], CAPACITY), STREAM_SPINS_MAX);
    }

    #[test]
    fn a_moment_is_shorter_where_much_came_and_never_longer_than_before_for_that() {
        assert!(moment_after([129], CAPACITY) < STREAM_SPINS_FIRST);
        let shortest = moment_after([129; 100], CAPACITY);
        assert!(shortest <= 3);
        // It comes back from there.
        assert_eq!(
            moment_after([129; 100].into_iter().chain([84; 100]), CAPACITY),
            STREAM_SPINS_MAX
        );
    }

    #[test]
    fn between_a_third_and_a_half_it_stays() {
        for received in [85, 100, 128] {
            assert_eq!(moment_after([received; 10], CAPACITY), STREAM_SPINS_FIRST);
        }
    }

    #[test]
    fn a_small_mailbox_does_not_fill_in_a_moment() {
        for capacity in [1, 4, 16, 64] {
            assert!(u64::from(moment_after([4; 100], capacity)) <= capacity / 2);
        }
        // A turn has no more than its share, however large the mailbox is.
        assert_eq!(moment_after([100; 10], 1 << 20), STREAM_SPINS_FIRST);
    }

    #[test]
    fn a_turn_that_was_not_waited_for_teaches_nothing() {
        let mut stream = Stream::new();
        for _ in 0..10 {
            stream.lingers(10, 0, CAPACITY);
        }
        assert_eq!(stream.moment(CAPACITY), STREAM_SPINS_FIRST);
    }

    #[test]
    fn a_few_at_a_time_are_no_stream() {
        let mut stream = Stream::new();
        assert!(!stream.flows());
        stream.lingers(STREAM_MIN, 0, CAPACITY);
        assert!(stream.flows());
        stream.lingers(STREAM_MIN - 1, 0, CAPACITY);
        assert!(!stream.flows());
    }

    #[test]
    fn what_nobody_adds_to_is_no_stream_any_more() {
        let mut stream = Stream::new();
        stream.lingers(100, 1_000, CAPACITY);
        stream.let_come(CAPACITY, || 1_050);
        assert!(stream.flows(), "it was added to");
        stream.lingers(100, 1_000, CAPACITY);
        stream.let_come(CAPACITY, || 1_000);
        assert!(!stream.flows());
        stream.lingers(100, 0, CAPACITY);
        stream.let_come(CAPACITY, || 1_000);
        assert!(stream.flows(), "it had read everything: who knows");
    }
}
