//! A worker's own queue: the next-up slot and the deque.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_deque::{Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;

use super::Pool;
use super::pace::Pace;
use crate::cell::{Header, Scheduled};
use crate::protocol::Point;
use crate::stats::{Counters, WorkerState};
use crate::sync::{AtomicPtr, Ordering};

/// What the other workers see of a worker.
pub(crate) struct Remote {
    pub(super) stealer: Stealer<Scheduled>,
    /// The machine just made runnable by the machine that runs now.
    next_up: AtomicPtr<Header>,
    /// A machine that lingers with its token: who sends to it need not schedule it.
    lingering: AtomicPtr<Header>,
    pub(super) pace: Pace,
    /// Whether it sleeps, or is about to: a hint for a worker that would hand its machines over.
    pub(super) asleep: AtomicBool,
    /// Its activations: a worker whose number stands still is inside a long `receive`.
    pub(crate) counters: CachePadded<Counters>,
}

impl Remote {
    pub(crate) fn new(deque: &Deque<Scheduled>) -> Self {
        Self {
            stealer: deque.stealer(),
            next_up: AtomicPtr::new(ptr::null_mut()),
            lingering: AtomicPtr::new(ptr::null_mut()),
            pace: Pace::new(),
            asleep: AtomicBool::new(false),
            counters: CachePadded::default(),
        }
    }

    /// Takes what lies in the slot.
    #[inline]
    pub(super) fn take_next_up(&self) -> Option<Scheduled> {
        // Relaxed: mostly empty, and a stale look costs a turn only.
        if self.next_up.load(Ordering::Relaxed).is_null() {
            return None;
        }
        crate::sync::point(Point::NextUpSeen);
        // AcqRel: pairs with the Release in `put_next_up`: who takes the machine sees what its waker wrote.
        let cell = self.next_up.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: a pointer in the slot is the machine's token, and the swap took it out.
        NonNull::new(cell).map(|cell| unsafe { Scheduled::new(cell) })
    }

    /// Puts a machine into the slot; what was there comes back. Called by the worker whose slot it is.
    #[inline]
    pub(super) fn put_next_up(&self, machine: Scheduled) -> Option<Scheduled> {
        let machine = machine.into_cell().as_ptr();
        crate::sync::point(Point::BeforeNextUp);
        if self.next_up.load(Ordering::Relaxed).is_null() {
            // An empty slot stays empty, as only its worker fills it: no exchange is needed.
            // Release: pairs with the Acquire in `take_next_up`.
            self.next_up.store(machine, Ordering::Release);
            return None;
        }
        // AcqRel: as above, and as in `take_next_up`.
        let before = self.next_up.swap(machine, Ordering::AcqRel);
        // SAFETY: as in `take_next_up`.
        NonNull::new(before).map(|cell| unsafe { Scheduled::new(cell) })
    }

    /// Puts a machine that lingers, takes the one that did.
    #[inline]
    pub(super) fn swap_lingering(&self, machine: Option<Scheduled>) -> Option<Scheduled> {
        let machine = machine.map_or(ptr::null_mut(), |machine| machine.into_cell().as_ptr());
        crate::sync::point(Point::BeforeLingering);
        // AcqRel: the token changes hands, perhaps to a watch that finds this worker stuck.
        let before = self.lingering.swap(machine, Ordering::AcqRel);
        // SAFETY: a pointer in the slot is the machine's token, and the swap took it out.
        NonNull::new(before).map(|cell| unsafe { Scheduled::new(cell) })
    }

    #[inline]
    pub(super) fn has_lingering(&self) -> bool {
        // Relaxed: the owner's own store, or that the watch took it; the swap decides.
        !self.lingering.load(Ordering::Relaxed).is_null()
    }

    pub(super) fn has_next_up(&self) -> bool {
        !self.next_up.load(Ordering::Relaxed).is_null()
    }

    pub(super) fn queued(&self) -> usize {
        self.stealer.len() + usize::from(self.has_next_up())
    }

    pub(super) fn state(&self) -> WorkerState {
        WorkerState {
            asleep: self.asleep.load(Ordering::Relaxed),
            queued: self.stealer.len(),
            has_next_up: self.has_next_up(),
            has_lingering: self.has_lingering(),
        }
    }

    /// Whether machines wait here for the worker's present turn to end.
    pub(super) fn keeps_waiting(&self) -> bool {
        self.queued() > 0 || self.has_lingering()
    }

    /// Whether it pays to take some of its queue.
    pub(super) fn pays(&self) -> bool {
        self.pace.pays(self.stealer.len())
    }
}

/// What the worker itself sees.
pub(crate) struct Local {
    pub(super) index: usize,
    pub(super) pool: Arc<Pool>,
    remote: Arc<CachePadded<Remote>>,
    deque: Deque<Scheduled>,
    /// There is no other worker to wake.
    alone: bool,
}

impl Local {
    pub(crate) fn new(index: usize, pool: Arc<Pool>, deque: Deque<Scheduled>) -> Self {
        let remote = Arc::clone(&pool.remotes[index]);
        let alone = pool.workers() == 1;
        Self {
            index,
            pool,
            remote,
            deque,
            alone,
        }
    }

    #[inline]
    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    #[inline]
    pub(super) fn deque(&self) -> &Deque<Scheduled> {
        &self.deque
    }

    /// The machine runs next on this worker; the one that was to run next goes to the back of the deque.
    #[inline]
    pub(super) fn push_next_up(&self, machine: Scheduled) {
        match self.remote.put_next_up(machine) {
            Some(displaced) => self.push_back(displaced),
            None => {
                if !self.alone {
                    self.pool.sleep.ask_for_watch();
                }
            }
        }
    }

    /// At the back, where thieves see it.
    #[inline]
    pub(super) fn push_back(&self, machine: Scheduled) {
        self.deque.push(machine);
        self.offer(1);
    }

    /// `count` machines were pushed: wakes as many others as find it worth while.
    pub(super) fn offer(&self, count: usize) {
        // A lone worker has nobody to wake: it is this one.
        if self.alone {
            return;
        }
        if self.remote.pace.pays(self.deque.len()) {
            self.pool.sleep.notify_unfenced(count);
        } else {
            self.pool.sleep.ask_for_watch();
        }
    }

    /// At the back, without waking anybody.
    pub(super) fn push_back_quietly(&self, machine: Scheduled) {
        self.deque.push(machine);
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.deque.is_empty()
    }
}
