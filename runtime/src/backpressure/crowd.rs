//! How many of those who wait are resumed at once.

/// How many machines to resume at once, by what became of those resumed before.
///
/// Twenty machines that each have hundreds to send are resumed for a mailbox of 256: the first one fills it, the other nineteen run for one
/// instruction and wait again. Then half as many are resumed the next time; and twice as many where most did not come back.
#[derive(Debug)]
pub(super) struct Crowd {
    at_once: u64,
    resumed: u64,
    came_back: u64,
    /// Where the mailbox ended when they were resumed.
    tail: u64,
    /// A whole turn has passed since.
    waited: bool,
}

/// When the consumer will make room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComesBy {
    ThisTurn,
    NextTurn,
    /// Perhaps never: every slot counts.
    NobodyKnowsWhen,
}

impl Crowd {
    pub(super) const NEW: Self = Self {
        at_once: u64::MAX,
        resumed: 0,
        came_back: 0,
        tail: 0,
        waited: false,
    };

    /// How many may be resumed now, while the mailbox ends at `tail` and `owed` of those who were resumed have not had their turn.
    pub(super) fn how_many(&mut self, tail: u64, owed: u64, comes_by: ComesBy) -> u64 {
        if comes_by == ComesBy::NobodyKnowsWhen {
            return u64::MAX;
        }
        if self.resumed > 0 && owed > 0 && self.tail == tail && !self.waited {
            // They have not run yet. But they may be inside a long `receive`, so not for ever.
            self.waited = comes_by == ComesBy::NextTurn;
            return self.at_once.saturating_sub(self.resumed);
        }
        // Who came while nobody had been resumed came for the first time, and says nothing.
        if self.resumed > 0 {
            self.at_once = if self.came_back > self.resumed / 2 {
                // Of those who were let go one after another no more proved right than were under way together.
                (self.resumed.min(self.at_once) / 2).max(1)
            } else {
                self.at_once.saturating_mul(2)
            };
        }
        (self.resumed, self.came_back) = (0, 0);
        self.at_once
    }

    /// Whether a machine that had its turn lets the next one go, where so many others have theirs to come.
    pub(super) fn lets_follow(&self, owed: u64) -> bool {
        owed < self.at_once
    }

    /// A machine has come to wait.
    pub(super) fn comes(&mut self) {
        self.came_back += 1;
    }

    /// So many were resumed after that.
    pub(super) fn note(&mut self, resumed: u64, tail: u64) {
        if resumed > 0 {
            self.resumed += resumed;
            self.tail = tail;
            self.waited = false;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// One round: so many may be resumed, `waiting` would be, and so many come back after they have sent something.
    fn round(crowd: &mut Crowd, tail: &mut u64, waiting: u64, come_back: u64) -> u64 {
        let resumed = crowd.how_many(*tail, 0, ComesBy::NextTurn).min(waiting);
        crowd.note(resumed, *tail);
        *tail += resumed;
        for _ in 0..come_back.min(resumed) {
            crowd.comes();
        }
        resumed
    }

    #[test]
    fn all_are_resumed_as_long_as_they_do_not_come_back() {
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        for _ in 0..5 {
            assert_eq!(round(&mut crowd, &mut tail, 1_000, 0), 1_000);
        }
    }

    #[test]
    fn fewer_are_resumed_where_most_come_back_and_more_again_where_they_do_not() {
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        let resumed: Vec<u64> = (0..7)
            .map(|_| round(&mut crowd, &mut tail, 20, u64::MAX))
            .collect();
        assert_eq!(resumed, [20, 10, 5, 2, 1, 1, 1]);
        // The last one came back, and nobody does from here on.
        let resumed: Vec<u64> = (0..7)
            .map(|_| round(&mut crowd, &mut tail, 20, 0))
            .collect();
        assert_eq!(resumed, [1, 2, 4, 8, 16, 20, 20]);
    }

    #[test]
    fn those_who_have_not_run_yet_count_against_the_next() {
        let mut crowd = Crowd::NEW;
        let mut tail = 0;
        while round(&mut crowd, &mut tail, 20, u64::MAX) > 1 {}
        let tail = tail + 1;
        assert_eq!(crowd.how_many(tail, 0, ComesBy::ThisTurn), 1);
        crowd.note(1, tail);
        for _ in 0..3 {
            assert_eq!(
                crowd.how_many(tail, 1, ComesBy::ThisTurn),
                0,
                "it has not run"
            );
        }
        assert_eq!(
            crowd.how_many(tail, 1, ComesBy::NextTurn),
            0,
            "nor in the same turn"
        );
        assert!(
            crowd.how_many(tail, 1, ComesBy::NextTurn) > 0,
            "a turn later it may be inside a long `receive`, and the next one's is the room"
        );
    }

    #[test]
    fn those_who_have_run_do_not_count_though_they_sent_nothing() {
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        while round(&mut crowd, &mut tail, 20, u64::MAX) > 1 {}
        let tail = tail + 1;
        assert_eq!(crowd.how_many(tail, 0, ComesBy::ThisTurn), 1);
        crowd.note(1, tail);
        assert_eq!(crowd.how_many(tail, 0, ComesBy::ThisTurn), 2);
    }

    #[test]
    fn one_follows_another_where_no_more_are_on_their_way_than_proved_right() {
        assert!(Crowd::NEW.lets_follow(1_000));
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        while round(&mut crowd, &mut tail, 20, u64::MAX) > 1 {}
        assert!(crowd.lets_follow(0) && !crowd.lets_follow(1));
    }

    #[test]
    fn a_row_of_single_ones_that_came_back_is_no_crowd() {
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        while round(&mut crowd, &mut tail, 20, u64::MAX) > 1 {}
        // Each passes its promise on to the next one.
        for _ in 0..20 {
            tail += 1;
            crowd.note(1, tail);
            crowd.comes();
        }
        assert_eq!(crowd.how_many(tail + 1, 0, ComesBy::NextTurn), 1);
    }

    #[test]
    fn who_comes_for_the_first_time_has_not_come_back() {
        let mut crowd = Crowd::NEW;
        (0..20).for_each(|_| crowd.comes());
        assert!(crowd.how_many(0, 0, ComesBy::NextTurn) >= 20);
    }

    #[test]
    fn looks_that_resume_nobody_say_nothing() {
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        while round(&mut crowd, &mut tail, 20, u64::MAX) > 1 {}
        // The mailbox is over its capacity: there is no room for anybody.
        for _ in 0..10 {
            assert_eq!(crowd.how_many(tail, 0, ComesBy::NextTurn), 1);
            crowd.note(0, tail);
        }
    }

    #[test]
    fn who_may_never_come_by_again_resumes_all() {
        let (mut crowd, mut tail) = (Crowd::NEW, 0);
        while round(&mut crowd, &mut tail, 20, u64::MAX) > 1 {}
        assert_eq!(crowd.how_many(tail, 0, ComesBy::NobodyKnowsWhen), u64::MAX);
    }
}
