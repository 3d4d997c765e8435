//! One machine's turn on a worker: its budget and its time slice.

use super::MemRef;
use crate::backpressure::Promise;
use crate::mailbox::Queue;
use crate::scheduler::Pool;
use crate::stats::Counters;
use crate::tuning::{CLOCK_FIRST_LOOK, CLOCK_FIRST_LOOK_LIGHT, CLOCK_STRIDE_MAX};

/// What the worker hands to an activation: one for all of its machines, one after the other.
pub(crate) struct Turn<'a> {
    pub(super) pool: &'a Pool,
    pub(super) counters: &'a Counters,
    /// Instructions received or dropped so far.
    received: usize,
    /// With so many the clock is read again, and the stride after that.
    clock_at: usize,
    stride: usize,
    started_ns: u64,
    /// Up to this index of the mailbox that is being read nobody thinks of making room: it was thought of, and put off.
    pub(super) no_room_before: u64,
    /// The machine was resumed for room that it may not use: the promise goes on to the next one when the turn is over. With a reference to the
    /// machine itself, which may have gone elsewhere by then.
    pub(super) owes: Option<(Promise, MemRef)>,
    /// The machine may keep its token for a moment when it has read everything.
    pub(super) may_linger: bool,
    /// Its instructions proved long.
    pub(crate) is_long: bool,
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
            clock_at: 0,
            stride: 0,
            started_ns: 0,
            no_room_before: 0,
            owes: None,
            may_linger: false,
            is_long: false,
            waits_for_others: false,
        }
    }

    /// A machine's turn begins; the last one owes nothing any more. `light`: what this worker has run lately was short.
    #[inline]
    pub(crate) fn begin(&mut self, light: bool, may_linger: bool) {
        self.clock_at = if light {
            CLOCK_FIRST_LOOK_LIGHT
        } else {
            CLOCK_FIRST_LOOK
        };
        self.received = 0;
        self.started_ns = 0;
        self.no_room_before = 0;
        self.may_linger = may_linger;
        self.is_long = false;
        self.waits_for_others = false;
    }

    /// Passes the promise on that the machine has not used.
    #[cold]
    pub(super) fn pass_on(&mut self) {
        drop(self.owes.take());
    }

    /// Instructions received so far.
    #[inline]
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// How many there may be.
    #[inline]
    fn budget(&self) -> usize {
        self.pool.config.budget
    }

    /// How many instructions may be received before [`is_over`](Self::is_over) wants to be asked.
    #[inline]
    pub(super) fn stretch(&self) -> usize {
        self.budget().min(self.clock_at) - self.received
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

    /// Whether the machine has had its share and gives way.
    ///
    /// The clock is read after 2, 3, 5, 9 … instructions, at most 64 apart, and where the worker's instructions were light lately after 16, 17,
    /// 33 …: two reads cost 55 ns, an instruction often less than ten, and an activation of a few needs no clock at all. Where instructions
    /// prove long it is read after each.
    #[inline]
    pub(super) fn is_over(&mut self) -> bool {
        self.received >= self.budget() || (self.received >= self.clock_at && self.slice_is_over())
    }

    #[cold]
    fn slice_is_over(&mut self) -> bool {
        let now = self.pool.now_ns();
        let slice_ns = self.pool.config.time_slice_ns();
        if self.started_ns == 0 {
            // The next reading tells whether instructions are long, so it comes after one of them.
            self.started_ns = now;
            self.stride = self.clock_at / 2;
            self.clock_at = self.received + 1;
            return false;
        }
        let used_ns = now - self.started_ns;
        self.stride = if used_ns > slice_ns / 4 {
            self.is_long = true;
            1
        } else {
            (self.stride * 2).min(CLOCK_STRIDE_MAX)
        };
        self.clock_at = self.received + self.stride;
        used_ns >= slice_ns
    }
}
