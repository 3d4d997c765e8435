//! The bounded queue: its words, and the steps that change a bit of them. Those of the producers stand in `queue/push.rs`, those of the one consumer
//! in `queue/pop.rs`.
//!
//! The protocol is told in this folder's README; the bits stand in `word.rs`, the life of a block in `block.rs`.

mod pop;
mod push;

#[cfg(all(test, loom))]
pub(crate) use pop::Reader;
pub(crate) use push::Claim;

use std::ptr::{self, NonNull};

use super::block::Block;
use super::peak::Peak;
use super::word::{BARE, CLOSED, CONTROL, IDLE, LOCK, Tail, WAITERS};
use crate::protocol::Point;
use crate::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Backoff, Ordering, fence};

/// An unbounded mailbox: a capacity that the index never reaches.
pub(crate) const UNBOUNDED: u64 = u64::MAX >> 8;

/// The largest bound: four billion instructions. A larger one is cut to this.
pub(crate) const BOUND_MAX: u64 = u32::MAX as u64 - 1;

/// Looks at the length, while the consumer reads, before one is taken that is too low.
const LOOKS_AT_LENGTH_MAX: u32 = 4;

/// What a push may do when the mailbox holds its capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Give the instruction back: threads, futures, `try_send`.
    Capacity,
    /// Go on up to this many instructions: a machine, which is parked afterwards.
    Overflow(u64),
    /// Below this index: the consumer, which hands over a waiter's instruction before it publishes the room.
    Below(u64),
}

/// Who took IDLE away owes the consumer its place in a run queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Schedule the consumer.
    Schedule,
    /// It is queued, running or held: somebody else owes it.
    Nothing,
}

/// Why no slot was claimed. The instruction was not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Limit,
    Closed,
}

/// What the consumer found.
#[derive(Debug)]
#[must_use]
pub(crate) enum Popped<P> {
    Item(P),
    /// Nothing was claimed beyond what was read.
    Empty,
    /// The next slot is claimed, and its producer has not written it yet.
    Unwritten,
}

/// How the consumer's attempt to rest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Rest {
    /// At rest: from here on the next producer schedules the consumer, and the cell is not ours to touch.
    Rested,
    /// Something was pushed meanwhile.
    Busy,
    /// Somebody waits for room.
    Waiters,
    /// The control lane was filled.
    Control,
    /// Closed: nothing will ever be pushed again.
    Closed,
}

/// What became of an attempt to say "I wait for room".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Announce {
    /// WAITERS is set: the consumer will not rest before it has looked at the waiters.
    Announced,
    /// There is room again, or the consumer rests: no reason to wait.
    Room,
    /// The same, but WAITERS was set meanwhile: it is cleared if nobody else waits.
    RoomAfterAll,
    /// No instruction will ever be taken again.
    Closed,
}

/// The words of the queue. What producers write at every push stands before `middle`, what the consumer writes at every pop behind
/// it: where the middle is 56 bytes or more, no line of 64 holds both, wherever the allocator puts the queue. (One line each by
/// alignment would cost another 48 bytes per machine.)
#[repr(C)]
pub(crate) struct Queue<P, M = ()> {
    /// head + capacity, published by the consumer from time to time. Here, because threads that look for room read it all the while: beside the head they
    /// would take the consumer's line away at each pop.
    limit: AtomicU64,
    /// The block that holds the slots below `block_end`; stale while BARE. Written under LOCK.
    tail_block: AtomicPtr<Block<P>>,
    /// min(limit, end of the tail block): below it a push needs no more than its claim. Written under LOCK.
    end: AtomicU64,
    /// Index and bits: see `word.rs`. Every change is a compare-and-swap but the unlocking store.
    tail: AtomicU64,

    /// What the owner of the queue keeps here: words that are read more than written.
    pub(crate) middle: M,
    /// Index behind the last slot of the tail block. Written under LOCK.
    block_end: AtomicU64,

    /// Index of the next slot to read. Written by the consumer alone.
    head: AtomicU64,
    /// The block that holds `head`, null while there is none. Written by the consumer, and under LOCK by the push
    /// that finds BARE.
    head_block: AtomicPtr<Block<P>>,
    /// Never written again; u32::MAX: no bound. Atomic all the same: `rest` runs on `&self` while another worker may already free
    /// the cell, and a plain field behind a reference must not go away.
    capacity: AtomicU32,
    /// Growth step of the next block. Written under LOCK, and by the rest step.
    step: AtomicU8,
    peak: Peak,
}

impl<P> Queue<P> {
    /// An empty queue on its own whose consumer is at rest (`idle`) or owned by the caller.
    #[cfg(test)]
    pub(crate) fn new(capacity: u64, idle: bool) -> Self {
        Self::around((), capacity, idle)
    }
}

impl<P, M> Queue<P, M> {
    /// Where the middle lies.
    pub(crate) const MIDDLE_AT: usize = std::mem::offset_of!(Self, middle);

    /// An empty queue around `middle`, whose consumer is at rest (`idle`) or owned by the caller.
    pub(crate) fn around(middle: M, capacity: u64, idle: bool) -> Self {
        let bits = if idle { BARE | IDLE } else { BARE };
        let capacity = capacity.min(UNBOUNDED);
        Self {
            limit: AtomicU64::new(capacity),
            tail_block: AtomicPtr::new(ptr::null_mut()),
            end: AtomicU64::new(0),
            tail: AtomicU64::new(bits),
            middle,
            block_end: AtomicU64::new(0),
            head: AtomicU64::new(0),
            head_block: AtomicPtr::new(ptr::null_mut()),
            // What is not unbounded is at most BOUND_MAX.
            capacity: AtomicU32::new(u32::try_from(capacity).unwrap_or(u32::MAX)),
            step: AtomicU8::new(0),
            peak: Peak::new(),
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        // Relaxed: a constant.
        match self.capacity.load(Ordering::Relaxed) {
            u32::MAX => UNBOUNDED,
            capacity => u64::from(capacity),
        }
    }

    /// Instructions claimed and not yet read: exact for the consumer. Otherwise of one moment, or less, but never more than there were:
    /// where the head was the same before and after the look at the tail, that look is the moment; where the consumer is too fast for that, what
    /// it has read meanwhile counts as read.
    pub(crate) fn len(&self) -> u64 {
        // Acquire, all: the looks happen in this order. Nothing is read on the strength of them.
        let mut head = self.head.load(Ordering::Acquire);
        let mut looks = LOOKS_AT_LENGTH_MAX;
        loop {
            let index = Tail(self.tail.load(Ordering::Acquire)).index();
            let after = self.head.load(Ordering::Acquire);
            looks -= 1;
            if after == head || looks == 0 {
                return index.saturating_sub(after);
            }
            head = after;
        }
    }

    /// The greatest length that was noted, within a thousandth: when the consumer began to read, and where a push exceeded the capacity.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.get()
    }

    pub(crate) fn tail(&self) -> Tail {
        // Acquire: pairs with the AcqRel of whoever set the bits: who sees CLOSED sees the reason stored before it.
        Tail(self.tail.load(Ordering::Acquire))
    }

    #[inline]
    fn exchange(&self, from: Tail, to: Tail) -> bool {
        // AcqRel: as for the claim in `claim_within`. Relaxed on failure: the caller looks again.
        self.tail
            .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Changes the bits of the word, waiting for LOCK; `change` may refuse.
    fn update<R>(&self, mut change: impl FnMut(Tail) -> Result<Tail, R>) -> Result<Tail, R> {
        let mut backoff = Backoff::new();
        loop {
            let tail = self.tail();
            if tail.has(LOCK) {
                backoff.wait();
                continue;
            }
            let next = change(tail)?;
            if self.exchange(tail, next) {
                return Ok(tail);
            }
        }
    }

    /// Refuses every later push. The first to close learns whether it must schedule the consumer.
    pub(crate) fn close(&self) -> Wake {
        crate::sync::point(Point::BeforeClose);
        match self.update(|tail| Ok::<_, ()>(tail.with(CLOSED).without(IDLE))) {
            Ok(before) => wake_of(before),
            Err(()) => Wake::Nothing,
        }
    }

    /// Says that the control lane was filled. None: the mailbox is closed, and nobody may look at the lane any more.
    pub(crate) fn post_control(&self) -> Option<Wake> {
        let posted = self.update(|tail| {
            if tail.has(CLOSED) {
                Err(())
            } else {
                Ok(tail.with(CONTROL).without(IDLE))
            }
        });
        posted.ok().map(wake_of)
    }

    /// Sets WAITERS if the length is above `low_water`. The caller holds the waiter lock.
    pub(crate) fn announce_waiter(&self, low_water: u64) -> Announce {
        self.announce(|tail| {
            // Relaxed: see `announce`.
            tail.index()
                .saturating_sub(self.head.load(Ordering::Relaxed))
                > low_water
        })
    }

    /// Sets WAITERS if the index has reached the published limit: for those who may not exceed it. The caller holds the
    /// waiter lock.
    pub(crate) fn announce_waiter_at_limit(&self) -> Announce {
        // Relaxed: see `announce`.
        self.announce(|tail| tail.index() >= self.limit.load(Ordering::Relaxed))
    }

    fn announce(&self, is_full: impl Fn(Tail) -> bool) -> Announce {
        let announced = self.update(|tail| {
            if tail.has(CLOSED) {
                Err(Announce::Closed)
            } else if tail.has(IDLE) || !is_full(tail) {
                Err(Announce::Room)
            } else {
                Ok(tail.with(WAITERS))
            }
        });
        if let Err(reason) = announced {
            return reason;
        }
        crate::sync::point(Point::Announced);
        // SeqCst: pairs with the fence in `settle_room`. Head and limit may have been old when they were read above. A consumer
        // that is a machine finds WAITERS at its rest at the latest; a thread that has read what it wanted may never come by
        // again. So either it finds WAITERS after it made room, or this look finds the room.
        fence(Ordering::SeqCst);
        if is_full(self.tail()) {
            Announce::Announced
        } else {
            Announce::RoomAfterAll
        }
    }

    /// Whether somebody waits, for a consumer that has just made room and may not come by again.
    pub(crate) fn settle_room(&self) -> bool {
        // SeqCst: pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        self.tail().has(WAITERS)
    }

    /// Whether a push that may not exceed the limit would find room: a look, for who spins a little before it waits.
    pub(crate) fn seems_to_have_room(&self) -> bool {
        self.seems_to_have_room_beyond(0)
    }

    /// The same where so many instructions are expected already.
    pub(crate) fn seems_to_have_room_beyond(&self, expected: u64) -> bool {
        // Relaxed: the push decides.
        let tail = Tail(self.tail.load(Ordering::Relaxed));
        tail.has(CLOSED) || tail.index() + expected < self.limit.load(Ordering::Relaxed)
    }

    /// Clears WAITERS. The caller holds the waiter lock and found the list empty.
    pub(crate) fn clear_waiters(&self) {
        let _ = self.update(|tail| Ok::<_, ()>(tail.without(WAITERS)));
    }
}

impl<P, M> Drop for Queue<P, M> {
    /// Drops what was never read, and the storage. Exclusive access: no claim is in flight.
    fn drop(&mut self) {
        loop {
            // SAFETY: `&mut self`: there is no other consumer.
            match unsafe { self.pop() } {
                Popped::Item(value) => drop(value),
                Popped::Empty => break,
                Popped::Unwritten => {
                    debug_assert!(false, "a queue is dropped with a claim in flight");
                    break;
                }
            }
        }
        if let Some(block) = NonNull::new(self.head_block.load(Ordering::Relaxed)) {
            // SAFETY: exclusive access, and every slot was read.
            unsafe { Block::free(block) };
        }
    }
}

fn wake_of(before: Tail) -> Wake {
    if before.has(IDLE) {
        Wake::Schedule
    } else {
        Wake::Nothing
    }
}
