//! How long a worker that has run dry looks on before it sleeps.
//!
//! To fall asleep and be woken costs a worker and its waker tens of microseconds between them; to look on costs processor time that nobody
//! else gets. Which is less, the last sleeps tell: where they were short, looking on for about as long as a wake takes would have spared
//! them (the ski-rental rule, with a memory); where they were long, it is in vain.

use crate::tuning::{PATIENCE_FIRST_NS, PATIENCE_MAX_NS, SLEEP_LONG_NS, SLEEP_SHORT_NS};

#[derive(Debug)]
pub(super) struct Patience {
    ns: u64,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            ns: PATIENCE_FIRST_NS,
        }
    }

    /// How long to look on.
    pub(super) fn ns(&self) -> u64 {
        self.ns
    }

    /// Whether there is any sense in a moment's wait.
    pub(super) fn is_none(&self) -> bool {
        self.ns == 0
    }

    /// The worker slept so long.
    pub(super) fn slept(&mut self, slept_ns: u64) {
        self.ns = if slept_ns <= SLEEP_SHORT_NS {
            (self.ns * 2).clamp(PATIENCE_FIRST_NS, PATIENCE_MAX_NS)
        } else if slept_ns <= SLEEP_LONG_NS {
            self.ns.min(PATIENCE_FIRST_NS)
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sleeps_make_it_longer_up_to_a_limit() {
        let mut patience = Patience::new();
        for _ in 0..10 {
            let before = patience.ns();
            patience.slept(SLEEP_SHORT_NS);
            assert!(patience.ns() > before || before == PATIENCE_MAX_NS);
        }
        assert_eq!(patience.ns(), PATIENCE_MAX_NS);
    }

    #[test]
    fn a_long_sleep_ends_it_and_a_short_one_brings_it_back() {
        let mut patience = Patience::new();
        patience.slept(SLEEP_LONG_NS + 1);
        assert!(patience.is_none());
        patience.slept(SLEEP_LONG_NS);
        assert!(patience.is_none(), "nothing speaks for it yet");
        patience.slept(SLEEP_SHORT_NS);
        assert_eq!(patience.ns(), PATIENCE_FIRST_NS);
    }

    #[test]
    fn a_sleep_of_middle_length_takes_back_what_grew() {
        let mut patience = Patience::new();
        patience.slept(SLEEP_SHORT_NS);
        patience.slept(SLEEP_LONG_NS);
        assert_eq!(patience.ns(), PATIENCE_FIRST_NS);
    }
}
