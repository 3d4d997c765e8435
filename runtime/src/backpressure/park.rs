//! Parking a machine, and resuming it from elsewhere than its receiver.

use super::ring::{self, Walk};
use crate::cell::{Header, MemRef, Resumed, Scheduled};
use crate::mailbox::{Announce, word};
use crate::protocol::Point;
use crate::sync::{Ordering, fence, lock};

/// What became of an attempt to park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Parked {
    /// The token is gone: whoever resumes the machine queues it.
    Waiting,
    /// There is room again, or the receiver has ended: the machine goes on.
    NotNeeded,
    /// The machine closed a ring and goes on in spite of the full mailbox.
    GaveWay,
    /// The machine is asked to end, and goes on to do so.
    AskedToEnd,
}

/// Parks `me` until `receiver` has room.
///
/// # Safety
/// The caller holds the token of `me` and has finished everything that touches the machine. After [`Parked::Waiting`] the token
/// is gone, and the caller may only drop `me`.
pub(crate) unsafe fn park(me: &MemRef, receiver: &MemRef) -> Parked {
    // SAFETY: the receiver is alive through the reference, and its table fits its type; the rest is the caller's word.
    let announced = unsafe { (receiver.vtable.park_on)(receiver.as_ptr(), me.as_ptr()) };
    if announced != Announce::Announced {
        return Parked::NotNeeded;
    }
    crate::sync::point(Point::Parked);
    // SeqCst: publish (edge and PARKED, above), fence, look. Pairs with the fence of `Header::ask_to_end` (a stop) and with
    // this very fence in the other members of a ring; see the README for why nothing weaker will do.
    fence(Ordering::SeqCst);
    let tail = me.queue().tail();
    if tail.has(word::CLOSED) && me.is_asked_to_end() {
        return if take_back(me) {
            Parked::AskedToEnd
        } else {
            Parked::Waiting
        };
    }
    if me.has_waiters() {
        if ring::walk(me) == Walk::Ring {
            let names = ring::names(me);
            if take_back(me) {
                tracing::debug!(ring = %names, "a ring of full mailboxes: the machine that closed it gives way");
                return Parked::GaveWay;
            }
        }
        // Who came since this machine made room relied on its coming by.
        for mailbox in me
            .mailboxes()
            .filter(|mailbox| mailbox.queue().tail().has(word::WAITERS))
        {
            // SAFETY: alive through `me`, and its table fits its type.
            unsafe { (mailbox.vtable.let_go)(mailbox.in_cell()) };
        }
    }
    Parked::Waiting
}

/// Tries to win one's own resume; true: the token is the caller's again, and nothing of the wait is left.
fn take_back(me: &Header) -> bool {
    if me.held.resume() == Resumed::Lost {
        return false;
    }
    leave_list(me);
    true
}

/// Resumes a machine for a reason other than room: stop and shutdown.
pub(crate) fn resume_by_other(machine: &Header) {
    if machine.held.resume() == Resumed::Won {
        leave_list(machine);
        // SAFETY: the resume was won, so the token is ours.
        crate::scheduler::requeue(unsafe { Scheduled::new(machine.in_cell()) });
    }
}

/// Takes the edge, then unlinks the node: in this order, and both before the machine runs again.
fn leave_list(machine: &Header) {
    let side = machine.side();
    if let Some(receiver) = side.edge.take() {
        // Relaxed: read after the Acquire of the resume.
        let key = side.wait_key.load(Ordering::Relaxed);
        // SAFETY: the edge kept the receiver alive, the key was stored with it, and the caller won the resume.
        unsafe { (receiver.vtable.unlink_waiter)(receiver.as_ptr(), key) };
    }
}

/// What a machine owes that was resumed because a mailbox had room: to pass it on, when it had its turn, if there is room left then.
///
/// The consumer lets no more machines go than there is room, and may not come by again: the reader of a channel, or a machine that is parked itself or
/// inside a long `receive`. A machine that does not use what it was promised is then the only one left who can let the next one go.
#[must_use = "the promise is passed on when this is dropped"]
pub(crate) struct Promise {
    receiver: MemRef,
    /// The machine has come to wait there once more.
    came_back: bool,
}

impl Promise {
    /// Promises `machine` room in the mailbox of `receiver`, which counts it. The caller won the resume of `machine` and has not queued it yet.
    pub(super) fn give(machine: &Header, receiver: MemRef) {
        let before = lock(&machine.side().promised_by).replace(Self {
            receiver,
            came_back: false,
        });
        debug_assert!(
            before.is_none(),
            "it had its turn before it was parked again"
        );
    }

    /// What `me`, whose token the caller holds, was promised last, if anything.
    pub(crate) fn of(me: &Header) -> Option<Self> {
        lock(&me.side().promised_by).take()
    }

    /// The machine that it was given to waits for room in the mailbox of `receiver`.
    pub(crate) fn note_wait(&mut self, receiver: &MemRef) {
        self.came_back |= self.receiver == *receiver;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // SAFETY: alive through the reference, and its table fits its type; the promise is consumed here.
        unsafe { (self.receiver.vtable.pass_on)(self.receiver.as_ptr(), self.came_back) };
    }
}
