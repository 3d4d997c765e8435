//! A stream from another core is let come.
//!
//! Who reads close behind a producer makes each of its sends a line that travels to and fro, where a moment later there is a batch to read (network cards
//! moderate their interrupts for the same reason). How long a moment is depends on how fast the producer is, how far away, and how long this processor's
//! turn of a busy wait is; so it is learned from what the turn after it finds: a third to a half of the mailbox is right. Where it is less the next moment is
//! twice as long, if that brings more. If not there is no more on its way: somebody sends a few at a time and waits for what becomes of them, and is not kept
//! waiting.

use crate::tuning::{
    STREAM_BATCH_MAX, STREAM_CAPACITY_PER_SPIN, STREAM_MIN, STREAM_SPINS_FIRST, STREAM_SPINS_MAX,
    STREAM_SPINS_MIN,
};

/// What a worker knows of the machine that lingers on it, as far as it is fed by a stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// A machine that begins to linger after so many instructions is noted. 0, and all are: the last one had received several in that turn.
    notes_from: usize,
    /// Much comes, or the longest moment brings more than a shorter one: it may keep its distance.
    outruns: bool,
    /// It has left some, and so many were claimed then. 0: it had read everything.
    left_at: u64,
    /// Turns of a busy wait: a moment.
    spins: u32,
    /// It was let come a moment ago, and its turn has not ended.
    was_let: bool,
    /// It is twice as long as one after which a turn found so many.
    doubled_for: Option<u64>,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self {
            notes_from: STREAM_MIN,
            outruns: false,
            left_at: 0,
            spins: STREAM_SPINS_FIRST,
            was_let: false,
            doubled_for: None,
        }
    }

    /// Whether the machine that lingers, or has lingered last, seems to be fed by a stream.
    #[inline]
    pub(super) fn flows(&self) -> bool {
        self.notes_from == 0
    }

    /// Whether more of it is on its way than somebody would send who waits for answers.
    pub(super) fn outruns(&self) -> bool {
        self.outruns
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

    /// The turn of the machine that was let come ended with more to do: its share was used up, or somebody waits for room.
    #[inline]
    pub(super) fn is_behind(&mut self) {
        if std::mem::take(&mut self.was_let) {
            self.shorten();
        }
    }

    /// The machine that was let come rests, is parked or has ended, or others wait: nothing follows from what its turn found.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.was_let = false;
    }

    fn set_flows(&mut self, flows: bool) {
        self.notes_from = if flows { 0 } else { STREAM_MIN };
        self.outruns &= flows;
    }

    fn learn(&mut self, found: u64, capacity: u64) {
        let batch = capacity.min(STREAM_BATCH_MAX);
        if found >= batch / 3 {
            self.outruns = true;
            if found > batch / 2 {
                self.shorten();
            }
            return;
        }
        let longest = longest(capacity);
        match self.doubled_for {
            Some(before) if found <= before + before / 8 => {
                // In vain: and back to before the last two.
                self.outruns = false;
                self.doubled_for = None;
                self.spins = (self.spins / 4).max(STREAM_SPINS_MIN);
            }
            // As long as may be, and worth it.
            Some(_) if self.spins >= longest => self.outruns = true,
            // As long as may be, and who knows what for.
            None if self.spins >= longest => self.spins = (self.spins / 2).max(STREAM_SPINS_MIN),
            _ => {
                self.doubled_for = Some(found);
                self.spins *= 2;
            }
        }
    }

    #[cold]
    fn shorten(&mut self) {
        self.doubled_for = None;
        self.spins = (self.spins - self.spins / 4).max(STREAM_SPINS_MIN);
    }

    /// How many turns of a busy wait a machine with a mailbox of this capacity is let come.
    fn moment(&self, capacity: u64) -> u32 {
        self.spins.min(longest(capacity))
    }

    /// Lets the machine that lingers be fed for a moment. `claimed`: how many instructions were claimed.
    #[cold]
    pub(super) fn let_come(&mut self, capacity: u64, claimed: impl Fn() -> u64) {
        for _ in 0..self.moment(capacity) {
            std::hint::spin_loop();
        }
        self.was_let = true;
        if self.left_at != 0 && self.left_at == claimed() {
            // What it has left is its own, or the last of the stream.
            self.set_flows(false);
        }
    }
}

/// The longest moment, before a mailbox of this capacity.
fn longest(capacity: u64) -> u32 {
    let most = (capacity / STREAM_CAPACITY_PER_SPIN).min(u64::from(STREAM_SPINS_MAX));
    most as u32
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

        /// A moment, and a turn that finds so many.
        fn finds(&mut self, received: usize, capacity: u64) -> u32 {
            self.let_come(capacity, || 0);
            self.lingers(received, 0, capacity);
            self.moment(capacity)
        }
    }

    /// Where so many come in each turn of a busy wait, beside `few` that are there anyway.
    fn fed(stream: &mut Stream, per_spin: f64, few: usize, capacity: u64) -> f64 {
        let mut found = 0.0;
        for _ in 0..200 {
            found = f64::from(stream.moment(capacity)) * per_spin + few as f64;
            stream.finds(found as usize, capacity);
        }
        found
    }

    #[test]
    fn a_moment_is_as_long_as_a_third_to_half_of_the_mailbox_takes() {
        for per_spin in [1.5, 2.0, 4.0, 10.0] {
            for few in [4, 40] {
                let mut stream = Stream::new();
                let found = fed(&mut stream, per_spin, few, CAPACITY);
                assert!((85.0..=128.0).contains(&found), "{found}");
                assert!(stream.outruns());
            }
        }
    }

    #[test]
    fn a_moment_that_was_too_long_becomes_shorter() {
        let mut stream = Stream::new();
        fed(&mut stream, 0.5, 4, CAPACITY);
        let found = fed(&mut stream, 10.0, 4, CAPACITY);
        assert!((85.0..=128.0).contains(&found), "{found}");
    }

    #[test]
    fn a_slow_stream_is_let_come_for_as_long_as_may_be() {
        for (capacity, longest) in [(CAPACITY, 64), (1 << 20, STREAM_SPINS_MAX)] {
            let mut stream = Stream::new();
            fed(&mut stream, 0.5, 4, capacity);
            assert_eq!(stream.moment(capacity), longest);
            assert!(stream.outruns());
        }
    }

    #[test]
    fn who_waits_for_answers_is_not_kept_waiting() {
        let mut stream = Stream::new();
        for speed in [0.0, 2.0, 0.5] {
            // Also after a stream.
            fed(&mut stream, speed, 4, CAPACITY);
            for window in [16, 38, 64] {
                for _ in 0..20 {
                    stream.finds(window, CAPACITY);
                }
                assert!(stream.moment(CAPACITY) <= 2 * STREAM_SPINS_MIN);
                assert!(!stream.outruns());
            }
        }
    }

    #[test]
    fn between_a_third_and_a_half_it_stays() {
        for received in [85, 100, 128] {
            let mut stream = Stream::new();
            for _ in 0..10 {
                assert_eq!(stream.finds(received, CAPACITY), STREAM_SPINS_FIRST);
            }
        }
    }

    #[test]
    fn a_small_mailbox_does_not_fill_in_a_moment() {
        let mut stream = Stream::new();
        fed(&mut stream, 0.5, 4, 1 << 20);
        for capacity in [1, 4, 16, 64, 256] {
            assert!(u64::from(stream.moment(capacity)) <= capacity / 4);
        }
    }

    #[test]
    fn what_small_mailboxes_teach_leaves_a_moment_for_large_ones() {
        for capacity in [1, 4, 16, 32] {
            let mut stream = Stream::new();
            for _ in 0..20 {
                stream.finds(0, capacity);
                assert!(stream.moment(CAPACITY) >= STREAM_SPINS_MIN);
            }
        }
    }

    #[test]
    fn a_share_that_is_used_up_makes_it_shorter() {
        let mut stream = Stream::new();
        stream.let_come(CAPACITY, || 0);
        stream.is_behind();
        let shorter = stream.moment(CAPACITY);
        assert!(shorter < STREAM_SPINS_FIRST);
        // What the next turn finds was not let come.
        stream.is_behind();
        stream.lingers(50, 0, CAPACITY);
        assert_eq!(stream.moment(CAPACITY), shorter);
    }

    #[test]
    fn a_turn_that_was_not_waited_for_teaches_nothing() {
        let mut stream = Stream::new();
        for _ in 0..10 {
            stream.lingers(10, 0, CAPACITY);
            stream.is_behind();
        }
        // It was, and rested: the next one is another machine's.
        stream.let_come(CAPACITY, || 0);
        stream.forget();
        stream.lingers(1, 0, CAPACITY);
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
        stream.finds(100, CAPACITY);
        stream.lingers(100, 1_000, CAPACITY);
        stream.let_come(CAPACITY, || 1_050);
        assert!(stream.flows() && stream.outruns(), "it was added to");
        stream.lingers(100, 1_000, CAPACITY);
        stream.let_come(CAPACITY, || 1_000);
        assert!(!stream.flows() && !stream.outruns());
        stream.lingers(100, 0, CAPACITY);
        stream.let_come(CAPACITY, || 1_000);
        assert!(stream.flows(), "it had read everything: who knows");
    }
}
