//! The counters of one worker: written by it alone, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter with one writer: no read-modify-write.
#[derive(Default, Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds; called by the one writer.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // Relaxed: a figure; nothing is read on the strength of it.
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One worker's counters.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) activations: Counter,
    pub(crate) instructions: Counter,
    pub(crate) exhausted: Counter,
    pub(crate) parks: Counter,
    pub(crate) parked_ns: Counter,
    pub(crate) overflows: Counter,
    pub(crate) ring_breaks: Counter,
    pub(crate) steals: Counter,
    pub(crate) rescues: Counter,
    pub(crate) sleeps: Counter,
    pub(crate) slept_ns: Counter,
    pub(crate) unwritten: Counter,
    pub(crate) dropped: Counter,
    pub(crate) panics: Counter,
    pub(crate) ended: Counter,
}
