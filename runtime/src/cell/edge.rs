//! The wait edge: the cell whose room a parked machine waits for.
//!
//! The word is a pointer that owns a memory reference, and a bit-lock in bit 0. A walker locks the edge, takes a
//! memory reference of its own, unlocks: so the cell that it goes to next cannot be freed under its hands. Who wins a resume locks the edge
//! and takes the reference out.

use std::ptr::NonNull;

use super::{Header, MemRef};
use crate::sync::{AtomicUsize, Backoff, Ordering};

const LOCKED: usize = 1;

pub(crate) struct Edge(AtomicUsize);

impl Edge {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Points the edge at `target`. The caller is about to park and has no edge.
    pub(crate) fn set(&self, target: MemRef) {
        let pointer = target.into_raw().as_ptr() as usize;
        // A walker may hold the bit-lock over an empty edge for a moment.
        let before = self.lock();
        debug_assert_eq!(before, 0, "one wait at a time");
        // Release: pairs with the Acquire in `lock`.
        self.0.store(pointer, Ordering::Release);
    }

    /// Takes the edge away: by whoever won the resume, or by the parker whose parking failed.
    pub(crate) fn take(&self) -> Option<MemRef> {
        let pointer = self.lock();
        // Release: unlocks.
        self.0.store(0, Ordering::Release);
        // SAFETY: a non-zero word owns a memory reference, and the zero just stored gave it to us.
        NonNull::new(pointer as *mut Header).map(|cell| unsafe { MemRef::from_raw(cell) })
    }

    /// A reference of the caller's own to the target.
    pub(crate) fn follow(&self) -> Option<MemRef> {
        if self.0.load(Ordering::Relaxed) & !LOCKED == 0 {
            return None;
        }
        let pointer = self.lock();
        // SAFETY: the edge owns a memory reference while it is locked by us, so the target is alive.
        let target = NonNull::new(pointer as *mut Header).map(|cell| unsafe { MemRef::new(cell) });
        // Release: unlocks.
        self.0.store(pointer, Ordering::Release);
        target
    }

    fn lock(&self) -> usize {
        let mut backoff = Backoff::new();
        loop {
            // Relaxed: the compare-and-swap decides. Not `fetch_or`: a waiter that writes makes the owner's plain unlocking
            // store wait for the line, and loom cannot order the two.
            let before = self.0.load(Ordering::Relaxed);
            // Acquire: pairs with the Release stores of `set`, `take` and `follow`.
            if before & LOCKED == 0
                && self
                    .0
                    .compare_exchange(
                        before,
                        before | LOCKED,
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    )
                    .is_ok()
            {
                return before;
            }
            backoff.wait();
        }
    }
}
