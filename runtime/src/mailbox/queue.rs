//! The bounded queue: push by anyone, pop and rest by the one consumer.
//!
//! The protocol is told in this folder's README; the bits stand in `word.rs`, the life of a block in `block.rs`.

use std::ptr::{self, NonNull};

use super::block::{Block, STEP_MAX};
use super::peak::Peak;
use super::word::{BARE, CLOSED, CONTROL, IDLE, LOCK, Tail, WAITERS};
use crate::protocol::Point;
use crate::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Backoff, Ordering, fence};
use crate::tuning::UNWRITTEN_SPINS;

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

/// What a push that succeeded obliges its caller to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Pushed {
    /// The consumer was at rest, and nobody else will schedule it.
    pub(crate) wake: Wake,
    /// The mailbox is over its capacity: a machine that pushed is to be parked.
    pub(crate) over: bool,
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

/// Why a push did not happen; the instruction stays where it was.
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
    /// head + capacity, published by the consumer from time to time.
    limit: AtomicU64,
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
            tail_block: AtomicPtr::new(ptr::null_mut()),
            end: AtomicU64::new(0),
            tail: AtomicU64::new(bits),
            middle,
            block_end: AtomicU64::new(0),
            head: AtomicU64::new(0),
            head_block: AtomicPtr::new(ptr::null_mut()),
            limit: AtomicU64::new(capacity),
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

    /// Notes the length, for the consumer, which knows the head exactly.
    #[inline]
    pub(crate) fn note_length(&self, tail: Tail) {
        self.peak.note(tail.index() - self.head());
    }

    pub(crate) fn tail(&self) -> Tail {
        // Acquire: pairs with the AcqRel of whoever set the bits: who sees CLOSED sees the reason stored before it.
        Tail(self.tail.load(Ordering::Acquire))
    }

    // ---- producers ----

    /// Takes the instruction out of `value` and adds it.
    #[cfg(test)]
    pub(crate) fn push(&self, value: &mut Option<P>, bound: Bound) -> Result<Pushed, Refused> {
        if let Some(wake) = self.push_within(value) {
            return Ok(Pushed { wake, over: false });
        }
        if let Bound::Overflow(hard) = bound
            && let Some(wake) = self.push_over(value, hard)
        {
            return Ok(Pushed { wake, over: true });
        }
        self.push_slow(value, bound)
    }

    /// Takes the instruction out of `value` and adds it, if that takes no more than a claim, or the first block: most pushes. None: it is
    /// for [`push_slow`](Self::push_slow).
    ///
    /// By reference, so that a large instruction is copied once on its way, from the sender's stack into its slot.
    #[inline]
    pub(crate) fn push_within(&self, value: &mut Option<P>) -> Option<Wake> {
        // Acquire: pairs with the Release that unlocks after a block was installed, so that `end` and `tail_block` are
        // at least as new as the word; if they are newer, the claim below fails.
        let tail = Tail(self.tail.load(Ordering::Acquire));
        if !tail.has(CLOSED | LOCK | BARE) {
            if tail.index() < self.end.load(Ordering::Relaxed) {
                let block = self.tail_block.load(Ordering::Relaxed);
                // The claim. Acquire as in `exchange`, and to see what the resting consumer left behind; Release so that the
                // consumer whose rest step reads this word sees what this thread did before.
                if self.exchange(tail, tail.claimed()) {
                    crate::sync::point(Point::Claimed);
                    // SAFETY: not BARE and below `end`, and the word did not change between the look at `tail_block` and
                    // the claim (the index is monotone, BARE is cleared by pushes only), so this block holds the index and
                    // is alive until the ready mark.
                    unsafe {
                        Block::write(NonNull::new_unchecked(block), tail.index(), value);
                    }
                    return Some(wake_of(tail));
                }
            }
        } else if !tail.has(CLOSED | LOCK) {
            return self.push_bare(value, tail);
        }
        None
    }

    /// Takes the instruction out of `value` and adds it beyond the limit, up to `hard` instructions, if that takes no more than a claim: most
    /// pushes of a burst. None: it is for [`push_slow`](Self::push_slow).
    #[inline]
    pub(crate) fn push_over(&self, value: &mut Option<P>, hard: u64) -> Option<Wake> {
        // Acquire: as in `push_within`.
        let tail = Tail(self.tail.load(Ordering::Acquire));
        let index = tail.index();
        // Relaxed, all: as in `push_slow`, of which this is the middle branch. The claim fails if any of it is old.
        if tail.has(CLOSED | LOCK | BARE)
            || index < self.limit.load(Ordering::Relaxed)
            || index >= self.block_end.load(Ordering::Relaxed)
        {
            return None;
        }
        let length = self.length_at(index);
        if length >= hard {
            return None;
        }
        let block = self.tail_block.load(Ordering::Relaxed);
        if !self.exchange(tail, tail.claimed()) {
            return None;
        }
        crate::sync::point(Point::Claimed);
        self.peak.note(length + 1);
        // SAFETY: as in `push_within`.
        unsafe { Block::write(NonNull::new_unchecked(block), index, value) };
        Some(wake_of(tail))
    }

    /// The first push after a rest: `tail` says BARE, so that the mailbox is empty and below its limit.
    fn push_bare(&self, value: &mut Option<P>, tail: Tail) -> Option<Wake> {
        // While the word says BARE the step is 0.
        let block = Block::<P>::allocate(tail.index(), 0);
        let next = tail.claimed().without(BARE).with(LOCK);
        if !self.exchange(tail, next) {
            // SAFETY: never published: alive and ours alone.
            unsafe { Block::free(block) };
            return None;
        }
        // Relaxed: the consumer publishes the limit before it rests, and the word was read with Acquire.
        let limit = self.limit.load(Ordering::Relaxed);
        crate::sync::point(Point::Locked);
        self.install(block, tail, limit, 0);
        self.unlock(next);
        crate::sync::point(Point::Claimed);
        // Not before the unlocking: a consumer that has read everything and finds LOCK would have to wait for this thread.
        // SAFETY: installed by this very push for this index.
        unsafe { Block::write(block, tail.index(), value) };
        Some(wake_of(tail))
    }

    /// Takes the instruction out of `value` and adds it, whatever that takes: a block, a new `end`, patience with who has LOCK, or leave to exceed the limit.
    #[cold]
    pub(crate) fn push_slow(&self, value: &mut Option<P>, bound: Bound) -> Result<Pushed, Refused> {
        let mut spare = Spare::default();
        let mut backoff = Backoff::new();
        loop {
            // Acquire: as in `push`.
            let tail = Tail(self.tail.load(Ordering::Acquire));
            if tail.has(CLOSED) {
                return Err(Refused::Closed);
            }
            if tail.has(LOCK) {
                backoff.wait();
                continue;
            }
            let index = tail.index();
            // Relaxed: the limit is a number; slots are not reused on the strength of it.
            let limit = self.limit.load(Ordering::Relaxed);
            let over = index >= limit;
            if over {
                let length = self.length_at(index);
                let refused = match bound {
                    Bound::Capacity => Some(Refused::Full),
                    Bound::Overflow(hard) if length >= hard => Some(Refused::Limit),
                    Bound::Below(index_end) if index >= index_end => Some(Refused::Full),
                    Bound::Overflow(_) | Bound::Below(_) => None,
                };
                self.peak.note(length + u64::from(refused.is_none()));
                if let Some(refused) = refused {
                    return Err(refused);
                }
            }
            let pushed = Pushed {
                wake: wake_of(tail),
                over,
            };
            // Relaxed: written under LOCK; the Acquire above saw the unlocking of whoever wrote it last.
            let within_block = !tail.has(BARE) && index < self.block_end.load(Ordering::Relaxed);
            if within_block {
                let block = self.tail_block.load(Ordering::Relaxed);
                // Only a push below the limit may move `end`; one above it claims its slot and leaves `end` as it is.
                let next = if over {
                    tail.claimed()
                } else {
                    tail.claimed().with(LOCK)
                };
                if !self.exchange(tail, next) {
                    continue;
                }
                if !over {
                    crate::sync::point(Point::Locked);
                    let end = self.block_end.load(Ordering::Relaxed).min(limit);
                    self.end.store(end, Ordering::Relaxed);
                    self.unlock(next);
                }
                crate::sync::point(Point::Claimed);
                // SAFETY: as in `push`.
                unsafe { Block::write(NonNull::new_unchecked(block), index, value) };
                return Ok(pushed);
            }
            // Relaxed: a hint; any size is right.
            let step = u32::from(self.step.load(Ordering::Relaxed));
            let block = spare.take_or_allocate(index, step);
            let next = tail.claimed().without(BARE).with(LOCK);
            if !self.exchange(tail, next) {
                spare.keep(block);
                continue;
            }
            crate::sync::point(Point::Locked);
            self.install(block, tail, limit, step);
            self.unlock(next);
            crate::sync::point(Point::Claimed);
            // SAFETY: installed by this very push for this index.
            unsafe { Block::write(block, index, value) };
            return Ok(pushed);
        }
    }

    /// Publishes a block for the index just claimed. Runs inside the LOCK window.
    #[inline]
    fn install(&self, block: NonNull<Block<P>>, before: Tail, limit: u64, step: u32) {
        let block_end = before.index() + Block::<P>::slots_at(step);
        if before.has(BARE) {
            // Release: pairs with the consumer's Acquire in `pop`: the header of the block is written before.
            self.head_block.store(block.as_ptr(), Ordering::Release);
        } else {
            let last = self.tail_block.load(Ordering::Relaxed);
            // Release: pairs with the consumer's Acquire of `next` in `pop`. From here on the consumer may free `last`.
            // SAFETY: not BARE when the claim succeeded, and the consumer moves on or rests only after it finds `next`
            // or an unchanged index: `last` is alive until this store.
            unsafe { (*last).next.store(block.as_ptr(), Ordering::Release) };
        }
        // Relaxed: published by the unlocking Release store.
        self.tail_block.store(block.as_ptr(), Ordering::Relaxed);
        self.block_end.store(block_end, Ordering::Relaxed);
        self.end.store(block_end.min(limit), Ordering::Relaxed);
        self.step
            .store((step + 1).min(STEP_MAX) as u8, Ordering::Relaxed);
    }

    /// Relaxed: a head that is too old overstates the length by what is being read right now.
    fn length_at(&self, index: u64) -> u64 {
        index.saturating_sub(self.head.load(Ordering::Relaxed))
    }

    #[inline]
    fn unlock(&self, locked: Tail) {
        // Release: pairs with the Acquire of the next push. A plain store is enough, as everybody else waits for LOCK.
        self.tail.store(locked.without(LOCK).0, Ordering::Release);
    }

    #[inline]
    fn exchange(&self, from: Tail, to: Tail) -> bool {
        // AcqRel: as for the claim in `push`. Relaxed on failure: the caller looks again.
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
        // Relaxed: the push decides.
        let tail = Tail(self.tail.load(Ordering::Relaxed));
        tail.has(CLOSED) || tail.index() < self.limit.load(Ordering::Relaxed)
    }

    /// Whether the consumer, who holds its token and has read everything, has a reason to look again.
    #[inline]
    pub(crate) fn needs_turn(&self) -> bool {
        let tail = self.tail();
        tail.index() != self.head() || tail.has(CLOSED | CONTROL | WAITERS)
    }

    /// Begins to linger: the consumer, who has read everything, keeps its token and its storage for a moment, and looks again with
    /// [`needs_turn`](Self::needs_turn). False: there is a reason to look at once.
    #[inline]
    pub(crate) fn linger(&self) -> bool {
        if self.needs_turn() {
            return false;
        }
        self.publish_limit();
        crate::sync::point(Point::Lingers);
        true
    }

    /// Clears WAITERS. The caller holds the waiter lock and found the list empty.
    pub(crate) fn clear_waiters(&self) {
        let _ = self.update(|tail| Ok::<_, ()>(tail.without(WAITERS)));
    }

    // ---- the consumer ----

    /// Takes the next instruction.
    ///
    /// # Safety
    /// The caller is the consumer: it holds the run token, or owns the receiver.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Popped<P> {
        // Relaxed: only the consumer writes it, and the token came with Acquire.
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: pairs with the Release in `install`.
        let Some(mut block) = NonNull::new(self.head_block.load(Ordering::Acquire)) else {
            return self.nothing_at(head);
        };
        // SAFETY: the head block is alive while the consumer holds it (invariant 4 of block.rs).
        if head - unsafe { Block::base(block) } == unsafe { Block::slots(block) } {
            // Acquire: pairs with the Release in `install`.
            // SAFETY: as above.
            let Some(next) = NonNull::new(unsafe { block.as_ref() }.next.load(Ordering::Acquire))
            else {
                return self.nothing_at(head);
            };
            // Relaxed: not BARE, so nobody but the consumer looks at it.
            self.head_block.store(next.as_ptr(), Ordering::Relaxed);
            // SAFETY: every slot was read, and the store of `next` was the producers' last access (invariant 3).
            unsafe { Block::free(block) };
            block = next;
        }
        // SAFETY: the block holds `head`, which was not read before; this is the consumer.
        match unsafe { Block::read(block, head) } {
            Some(value) => {
                self.head.store(head + 1, Ordering::Relaxed);
                Popped::Item(value)
            }
            None => self.nothing_at(head),
        }
    }

    fn nothing_at(&self, head: u64) -> Popped<P> {
        if self.tail().index() == head {
            Popped::Empty
        } else {
            Popped::Unwritten
        }
    }

    /// Whether the next slot, which is claimed, was written meanwhile.
    ///
    /// # Safety
    /// As for `pop`.
    pub(crate) unsafe fn is_ready(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: as in `pop`.
        let Some(block) = NonNull::new(self.head_block.load(Ordering::Acquire)) else {
            return false;
        };
        // SAFETY: as in `pop`; a block whose last slot was read is left to `pop`.
        unsafe {
            if head - Block::base(block) == Block::slots(block) {
                return !block.as_ref().next.load(Ordering::Acquire).is_null();
            }
            Block::is_ready(block, head)
        }
    }

    /// As `pop`, with a short wait for a producer that is between its claim and its write.
    ///
    /// # Safety
    /// As for `pop`.
    pub(crate) unsafe fn pop_patiently(&self) -> Popped<P> {
        for _ in 0..UNWRITTEN_SPINS {
            // SAFETY: the caller is the consumer.
            match unsafe { self.pop() } {
                Popped::Unwritten if !cfg!(loom) => crate::sync::spin_loop(),
                other => return other,
            }
        }
        Popped::Unwritten
    }

    /// Publishes room: instructions below the returned limit fit.
    pub(crate) fn publish_limit(&self) -> u64 {
        let limit = self.next_limit();
        // Relaxed: a number; a producer that misses it waits, and the consumer looks for waiters before it rests.
        self.limit.store(limit, Ordering::Relaxed);
        limit
    }

    /// The limit that `publish_limit` would publish.
    pub(crate) fn next_limit(&self) -> u64 {
        self.head
            .load(Ordering::Relaxed)
            .saturating_add(self.capacity())
    }

    /// The index of the next instruction to read, for the consumer.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        // Relaxed: the consumer's own.
        self.head.load(Ordering::Relaxed)
    }

    /// The index beyond which a quarter of the capacity was read since the limit was last published.
    #[inline]
    pub(crate) fn stale_at(&self) -> u64 {
        let capacity = self.capacity();
        self.limit.load(Ordering::Relaxed) - capacity + capacity / 4
    }

    /// An eighth of the capacity from here: where a consumer that did not publish though it was time, since more is there than those who wait are
    /// resumed for, thinks of it again.
    pub(crate) fn stale_again_at(&self) -> u64 {
        self.head() + self.capacity() / 8
    }

    /// Clears CONTROL; the consumer looks at the lane afterwards, never before.
    pub(crate) fn clear_control(&self) {
        let _ = self.update(|tail| Ok::<_, ()>(tail.without(CONTROL)));
    }

    /// Rests: gives the storage back, and from now on the next event schedules the consumer.
    ///
    /// After [`Rest::Rested`] the caller touches nothing of the cell: another worker may be running it already.
    ///
    /// # Safety
    /// The caller is the consumer and found the mailbox empty.
    pub(crate) unsafe fn rest(&self) -> Rest {
        let tail = self.tail();
        let head = self.head.load(Ordering::Relaxed);
        if tail.index() != head || tail.has(LOCK) {
            return Rest::Busy;
        }
        if tail.has(CLOSED) {
            return Rest::Closed;
        }
        if tail.has(CONTROL) {
            return Rest::Control;
        }
        if tail.has(WAITERS) {
            return Rest::Waiters;
        }
        // Not earlier: who waits gets the room before it is published to everyone.
        self.publish_limit();
        // Cleared before the word says BARE: after that a push may write it at any time. And not where the word says
        // BARE already (a control post woke the consumer): a push may be writing it now.
        let mut block = ptr::null_mut();
        if !tail.has(BARE) {
            block = self.head_block.load(Ordering::Relaxed);
            self.head_block.store(ptr::null_mut(), Ordering::Relaxed);
            self.step.store(0, Ordering::Relaxed);
        }
        crate::sync::point(Point::BeforeRest);
        // The Release half publishes the two stores above, and all that the activation wrote, to the producer that
        // clears IDLE and to the worker that it schedules.
        if !self.exchange(tail, tail.with(IDLE | BARE)) {
            if !tail.has(BARE) {
                // Not BARE all the while, so no push has written the pointer.
                self.head_block.store(block, Ordering::Relaxed);
            }
            return Rest::Busy;
        }
        crate::sync::point(Point::Rested);
        if let Some(block) = NonNull::new(block) {
            // SAFETY: a local pointer; BARE keeps every later claim off the block, and every earlier one was read
            // (the index equalled the head).
            unsafe { Block::free(block) };
        }
        Rest::Rested
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

/// A block that was allocated for a claim that then failed.
struct Spare<P>(Option<NonNull<Block<P>>>);

impl<P> Default for Spare<P> {
    fn default() -> Self {
        Self(None)
    }
}

impl<P> Spare<P> {
    /// The spare block, moved to `base`, if it is of the wanted step; else a new one.
    #[inline]
    fn take_or_allocate(&mut self, base: u64, step: u32) -> NonNull<Block<P>> {
        if let Some(block) = self.0.take() {
            // SAFETY: never published: alive and ours alone.
            if unsafe { Block::step(block) } == step {
                // SAFETY: as above.
                unsafe { Block::rebase(block, base) };
                return block;
            }
            // SAFETY: as above.
            unsafe { Block::free(block) };
        }
        Block::allocate(base, step)
    }

    fn keep(&mut self, block: NonNull<Block<P>>) {
        self.0 = Some(block);
    }
}

impl<P> Drop for Spare<P> {
    fn drop(&mut self) {
        if let Some(block) = self.0.take() {
            // SAFETY: never published: alive and ours alone.
            unsafe { Block::free(block) };
        }
    }
}
