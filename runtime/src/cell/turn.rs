//! One machine's turn on a worker: its budget and its time slice.

use super::MemRef;
use super::slice::Slice;
use crate::backpressure::Promise;
use crate::mailbox::Queue;
use crate::scheduler::Pool;
use crate::stats::Counters;

/// What the worker hands to an activation: one for all of its machines, one after the other.
pub(crate) struct Turn<'a> {
    pub(super) pool: &'a Pool,
    pub(super) counters: &'a Counters,
    /// Instructions received or dropped so far.
    received: usize,
    slice: Slice,
    /// Up to this index of the mailbox that is being read nobody thinks of making room: it was thought of, and put off.
    pub(super) no_room_before: u64,
    /// The machine was resumed for room that it may not use: the promise goes on to the next one when the turn is over. With a reference to the
    /// machine itself, which may have gone elsewhere by then.
    pub(super) owes: Option<(Promise, MemRef)>,
    /// The machine may keep its token for a moment when it has read everything, or enough.
    pub(super) may_linger: bool,
    /// The machine is fed from another core, as it seems, and keeps its distance from who does it: see `follow.rs`.
    pub(super) follows: bool,
    /// If it follows: it has left some instructions for that, and so many were claimed then. 0: it has not.
    pub(super) left_at: u64,
    /// The machine gave way because a producer has not written what it claimed.
    pub(crate) waits_for_others: bool,
}

impl<'a> Turn<'a> {
    /// Of a worker that has run nothing yet.
    pub(crate) fn new(pool: &'a Pool, counters: &'a Counters) -> Self {
        Self {
            pool,
            counters,
            received: 0,
            slice: Slice::new(),
            no_room_before: 0,
            owes: None,
            may_linger: false,
            follows: false,
            left_at: 0,
            waits_for_others: false,
        }
    }

    /// A machine's turn begins; the last one owes nothing any more. `light`: what this worker has run lately was short.
    #[inline]
    pub(crate) fn begin(&mut self, light: bool, may_linger: bool) {
        self.slice.begin(light);
        self.received = 0;
        self.no_room_before = 0;
        self.may_linger = may_linger;
        self.follows = false;
        self.waits_for_others = false;
    }

    /// The machine, which may linger, is to keep its distance from who feeds it.
    #[cold]
    pub(crate) fn follow(&mut self) {
        self.follows = true;
        self.left_at = 0;
    }

    /// Passes the promise on that the machine has not used.
    #[cold]
    pub(super) fn pass_on(&mut self) {
        drop(self.owes.take());
    }

    /// Its instructions proved long.
    #[inline]
    pub(crate) fn is_long(&self) -> bool {
        self.slice.is_long()
    }

    /// Instructions received so far.
    #[inline]
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// How many were claimed where it left some to follow at a distance. 0: it left none.
    #[inline]
    pub(crate) fn left_at(&self) -> u64 {
        if self.follows { self.left_at } else { 0 }
    }

    /// How many there may be.
    #[inline]
    fn budget(&self) -> usize {
        self.pool.config.budget
    }

    /// How many instructions may be received before [`is_over`](Self::is_over) wants to be asked.
    #[inline]
    pub(super) fn stretch(&self) -> usize {
        self.budget().min(self.slice.look_at()) - self.received
    }

    /// From this index of the mailbox on it is time to publish room.
    #[inline]
    pub(super) fn room_at<P, M>(&self, queue: &Queue<P, M>) -> u64 {
        queue.stale_at().max(self.no_room_before) + 1
    }

    /// Whether it is.
    pub(super) fn wants_room<P, M>(&self, queue: &Queue<P, M>) -> bool {
        queue.head() >= self.room_at(queue)
    }

    /// So many instructions of the stretch were received.
    #[inline]
    pub(super) fn used(&mut self, instructions: usize) {
        self.counters.instructions.add(instructions as u64);
        self.received += instructions;
    }

    /// An instruction was dropped unread: it counts against the turn, since its destructor is user code.
    pub(super) fn dropped_one(&mut self) {
        self.counters.dropped.add(1);
        self.received += 1;
    }

    /// Whether the machine has had its share, so that it gives way if there is more for it to do.
    #[inline]
    pub(super) fn is_over(&mut self) -> bool {
        self.received >= self.budget()
            || (self.received >= self.slice.look_at() && self.slice_is_over())
    }

    #[cold]
    fn slice_is_over(&mut self) -> bool {
        let slice_ns = self.pool.config.time_slice_ns();
        self.slice.read(self.pool.now_ns(), self.received, slice_ns)
    }
}
