//! The flag that one worker parks on.

use std::time::Duration;

use crate::sync::{AtomicBool, Ordering, Thread, park, park_timeout};

/// Set by the one poster that took the worker off the list of sleepers; consumed by the worker.
pub(super) struct Parker(AtomicBool);

impl Parker {
    pub(super) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(super) fn unpark(&self, thread: &Thread) {
        // Release: pairs with the Acquire in `consume`: the worker sees what the poster did before.
        // A swap only because loom lets a plain store pass the swap in `consume`; it costs nothing next to the wake.
        self.0.swap(true, Ordering::Release);
        thread.unpark();
    }

    fn consume(&self) -> bool {
        // Acquire: see `unpark`. A swap, so that one unpark ends one sleep.
        self.0.swap(false, Ordering::Acquire)
    }

    /// Returns once the flag was set. Spurious wake-ups of the thread are not wake-ups of the worker.
    pub(super) fn park(&self) {
        while !self.consume() {
            park();
        }
    }

    /// Whether the flag was set within `limit` (or a spurious wake-up before).
    pub(super) fn park_timeout(&self, limit: Duration) -> bool {
        if self.consume() {
            return true;
        }
        park_timeout(limit);
        self.consume()
    }
}
