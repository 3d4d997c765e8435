//! How other threads wake the I/O thread.
//!
//! The I/O thread has two sources besides its sockets: its command mailbox, and the machines that had been full and
//! have room again. Both reach it through a [`std::task::Waker`]. One word says whether a wake must cost a system
//! call:
//!
//! | state | set by | meaning |
//! | --- | --- | --- |
//! | AWAKE | I/O thread, before it looks at its sources | it runs; what is published before its next sleep is seen |
//! | ASLEEP | I/O thread, only from AWAKE | it may be inside `poll` without a time limit |
//! | NOTIFIED | anyone | a source has something; the I/O thread must look before it sleeps |
//!
//! A waker publishes (the mailbox, the list of sockets), then swaps NOTIFIED in, and calls `mio::Waker` only if that
//! replaced ASLEEP. The I/O thread swaps AWAKE in, then looks; it sleeps only if it can go from AWAKE to ASLEEP.
//! All accesses of the word are read-modify-writes, so each reads the latest value: either the swap to NOTIFIED comes
//! before the I/O thread's swap to AWAKE, which acquires what was published and looks after it, or it comes after, and
//! then the step to ASLEEP fails or is replaced, which is the case that makes the system call. So no wake is lost, and
//! a burst costs at most one call per sleep.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::id::{NetConnId, WAKE};
use crate::stats::Counters;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTIFIED: u8 = 2;

const STOP_ASKED: u8 = 1;

#[derive(Debug)]
pub(crate) struct PollWaker {
    state: AtomicU8,
    /// Asked to stop by a handle that could not wait for room in the mailbox.
    stop: AtomicU8,
    poll: mio::Waker,
    /// Sockets whose machine has room again. Held for a push or a swap, never while anything else runs.
    sockets: Mutex<Vec<NetConnId>>,
    counters: Arc<Counters>,
}

impl PollWaker {
    pub(crate) fn new(registry: &mio::Registry, counters: Arc<Counters>) -> io::Result<Self> {
        Ok(Self {
            state: AtomicU8::new(AWAKE),
            stop: AtomicU8::new(0),
            poll: mio::Waker::new(registry, WAKE)?,
            sockets: Mutex::new(Vec::new()),
            counters,
        })
    }

    /// Makes the I/O thread look at its sources.
    pub(crate) fn notify(&self) {
        // AcqRel: Release publishes the source to the swap in `awake` and to the failed step in `may_sleep`. Acquire
        // makes a swap that replaces another NOTIFIED pass on what that one published.
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == ASLEEP {
            self.counters.wakes.one_from_any_thread();
            if let Err(error) = self.poll.wake() {
                tracing::error!(%error, "the I/O thread cannot be woken");
            }
        }
    }

    /// I/O thread, before it looks at its sources.
    pub(crate) fn awake(&self) {
        self.state.swap(AWAKE, Ordering::AcqRel);
    }

    /// I/O thread, before it sleeps: false if there is something to look at.
    #[must_use]
    pub(crate) fn may_sleep(&self) -> bool {
        self.state
            .compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Moves the sockets whose machines have room again to the end of `into`.
    pub(crate) fn take_sockets(&self, into: &mut Vec<NetConnId>) {
        into.append(&mut self.sockets.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Stops the network without going through the mailbox.
    pub(crate) fn ask_to_stop(&self) {
        // Relaxed: `notify` publishes it.
        self.stop.store(STOP_ASKED, Ordering::Relaxed);
        self.notify();
    }

    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) == STOP_ASKED
    }

    /// The waker of one socket's held instruction.
    pub(crate) fn for_socket(self: &Arc<Self>, id: NetConnId) -> Waker {
        Waker::from(Arc::new(SocketWaker {
            id,
            poll: Arc::clone(self),
        }))
    }
}

/// The waker of the command mailbox.
impl Wake for PollWaker {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

#[derive(Debug)]
struct SocketWaker {
    id: NetConnId,
    poll: Arc<PollWaker>,
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.poll
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.id);
        self.poll.notify();
    }
}

#[cfg(test)]
#[path = "wake_tests.rs"]
mod tests;
