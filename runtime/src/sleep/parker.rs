//! The flag that one worker parks on.

// Not the doors' atomics: a figure is nothing for a model to explore.
use std::sync::atomic::AtomicU64 as Figure;
use std::time::Duration;

use crate::sync::{AtomicBool, Ordering, Thread, park, park_timeout};

/// Set by the one poster that took the worker off the list of sleepers; consumed by the worker.
pub(super) struct Parker {
    flag: AtomicBool,
    /// How often it was set.
    wakes: Figure,
}

impl Parker {
    pub(super) fn new() -> Self {
        Self {
            flag: AtomicBool::new(false),
            wakes: Figure::new(0),
        }
    }

    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) fn unpark(&self, thread: &Thread) {
        // Relaxed: a figure.
        self.wakes
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Release: pairs with the Acquire in `consume`: the worker sees what the poster did before.
        // A swap only because loom lets a plain store pass the swap in `consume`; it costs nothing next to the wake.
        self.flag.swap(true, Ordering::Release);
        thread.unpark();
    }

    fn consume(&self) -> bool {
        // Acquire: see `unpark`. A swap, so that one unpark ends one sleep.
        self.flag.swap(false, Ordering::Acquire)
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
