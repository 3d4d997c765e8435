//! A worker's own queue: the next-up slot and the deque.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crossbeam_deque::{Stealer, Worker as Deque};

use super::Pool;
use crate::cell::{Header, Scheduled};

/// What the other workers see of a worker.
pub(crate) struct Remote {
    pub(super) stealer: Stealer<Scheduled>,
    /// The machine just made runnable by the machine that runs now.
    next_up: AtomicPtr<Header>,
    /// Activations begun: a worker whose number stands still is inside a long `receive`.
    pub(super) turns: AtomicU64,
}

impl Remote {
    pub(crate) fn new(deque: &Deque<Scheduled>) -> Self {
        Self {
            stealer: deque.stealer(),
            next_up: AtomicPtr::new(ptr::null_mut()),
            turns: AtomicU64::new(0),
        }
    }

    /// Takes what lies in the slot.
    pub(super) fn take_next_up(&self) -> Option<Scheduled> {
        // Relaxed: mostly empty, and a stale look costs a turn only.
        if self.next_up.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // AcqRel: pairs with the swap in `put_next_up`: who takes the machine sees what its waker wrote.
        let cell = self.next_up.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: a pointer in the slot is the machine's token, and the swap took it out.
        NonNull::new(cell).map(|cell| unsafe { Scheduled::new(cell) })
    }

    fn put_next_up(&self, machine: Scheduled) -> Option<Scheduled> {
        // AcqRel: see `take_next_up`.
        let before = self
            .next_up
            .swap(machine.into_cell().as_ptr(), Ordering::AcqRel);
        // SAFETY: as in `take_next_up`.
        NonNull::new(before).map(|cell| unsafe { Scheduled::new(cell) })
    }

    pub(super) fn has_next_up(&self) -> bool {
        !self.next_up.load(Ordering::Relaxed).is_null()
    }

    pub(super) fn queued(&self) -> usize {
        self.stealer.len() + usize::from(self.has_next_up())
    }
}

/// What the worker itself sees.
pub(crate) struct Local {
    pub(super) index: usize,
    pub(super) pool: Arc<Pool>,
    deque: Deque<Scheduled>,
}

impl Local {
    pub(crate) fn new(index: usize, pool: Arc<Pool>, deque: Deque<Scheduled>) -> Self {
        Self { index, pool, deque }
    }

    pub(super) fn remote(&self) -> &Remote {
        &self.pool.remotes[self.index]
    }

    pub(super) fn deque(&self) -> &Deque<Scheduled> {
        &self.deque
    }

    /// The machine runs next on this worker; the one that was to run next goes to the back of the deque.
    #[inline]
    pub(super) fn push_next_up(&self, machine: Scheduled) {
        match self.remote().put_next_up(machine) {
            Some(displaced) => self.push_back_and_notify(displaced),
            None => self.pool.sleep.ask_for_watch(),
        }
    }

    /// At the back, where thieves see it.
    pub(super) fn push_back_and_notify(&self, machine: Scheduled) {
        self.deque.push(machine);
        // A lone worker has nobody to wake: it is this one.
        if self.pool.workers() > 1 {
            self.pool.sleep.notify();
        }
    }

    /// At the back, without waking anybody: this worker goes on and runs it in its turn.
    pub(super) fn push_back(&self, machine: Scheduled) {
        self.deque.push(machine);
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.deque.is_empty()
    }
}
