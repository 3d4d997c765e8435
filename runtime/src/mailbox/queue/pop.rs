//! The consumer's steps.

use std::ptr::{self, NonNull};

use super::{Popped, Queue, Rest};
use crate::mailbox::block::{Block, Slots};
use crate::mailbox::word::{BARE, CLOSED, CONTROL, IDLE, LOCK, Tail, WAITERS};
use crate::protocol::Point;
use crate::sync::Ordering;
use crate::tuning::UNWRITTEN_SPINS;

/// A consumer on its way through the queue: it keeps the place of the next slot, which the queue's words say too, at hand.
pub(crate) struct Reader<'a, P, M> {
    queue: &'a Queue<P, M>,
    head: u64,
    slots: Slots<P>,
}

impl<P, M> Reader<'_, P, M> {
    /// Takes the next instruction. None: there is none, or it is claimed and not written; [`is_at_end`](Self::is_at_end) says which.
    ///
    /// # Safety
    /// As for [`Queue::reader`].
    #[inline(always)]
    pub(crate) unsafe fn take(&mut self) -> Option<P> {
        // SAFETY: the caller is the consumer.
        if self.slots.is_empty() && !unsafe { self.moves_on() } {
            return None;
        }
        // SAFETY: there is a slot, which was not read before, in a block that is alive; this is the consumer.
        let value = unsafe { self.slots.take() }?;
        self.head += 1;
        // Relaxed: only the consumer reads it for more than a figure.
        self.queue.head.store(self.head, Ordering::Relaxed);
        Some(value)
    }

    /// Whether nothing was claimed beyond what was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.queue.tail().index() == self.head
    }

    /// The index of the next instruction to read.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// On to the first block, or to the next one; false: there is none yet.
    ///
    /// # Safety
    /// The caller is the consumer and has read all slots of the block where it is.
    #[inline]
    unsafe fn moves_on(&mut self) -> bool {
        // Acquire: pairs with the Release in `install`.
        let Some(mut block) = NonNull::new(self.queue.head_block.load(Ordering::Acquire)) else {
            return false;
        };
        // SAFETY: the head block is alive while the consumer holds it (invariant 4 of block.rs).
        if self.head - unsafe { Block::base(block) } == unsafe { Block::slots(block) } {
            // Acquire: pairs with the Release in `install`.
            // SAFETY: as above.
            let Some(next) = NonNull::new(unsafe { block.as_ref() }.next.load(Ordering::Acquire))
            else {
                return false;
            };
            // Relaxed: not BARE, so nobody but the consumer looks at it.
            self.queue
                .head_block
                .store(next.as_ptr(), Ordering::Relaxed);
            // SAFETY: every slot was read, and the store of `next` was the producers' last access (invariant 3).
            unsafe { Block::free(block) };
            block = next;
        }
        // SAFETY: alive as above, and the head lies in it.
        self.slots = unsafe { Block::from(block, self.head) };
        true
    }
}

impl<P, M> Queue<P, M> {
    /// Takes the next instruction.
    ///
    /// # Safety
    /// The caller is the consumer: it holds the run token, or owns the receiver.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Popped<P> {
        // SAFETY: the caller's word.
        let mut reader = unsafe { self.reader() };
        // SAFETY: as above.
        match unsafe { reader.take() } {
            Some(value) => Popped::Item(value),
            None if reader.is_at_end() => Popped::Empty,
            None => Popped::Unwritten,
        }
    }

    /// Where the consumer is: for several pops in a row.
    ///
    /// # Safety
    /// The caller is the consumer, and takes no other step of it, and lets nobody else take one, while it uses the reader.
    #[inline]
    pub(crate) unsafe fn reader(&self) -> Reader<'_, P, M> {
        // Relaxed: only the consumer writes it, and the token came with Acquire.
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: pairs with the Release in `install`.
        let slots = match NonNull::new(self.head_block.load(Ordering::Acquire)) {
            // SAFETY: the head block is alive while the consumer holds it (invariant 4 of block.rs), and holds the head.
            Some(block) => unsafe { Block::from(block, head) },
            None => Slots::NONE,
        };
        Reader {
            queue: self,
            head,
            slots,
        }
    }

    /// Whether the next slot, which is claimed, was written meanwhile.
    ///
    /// # Safety
    /// As for `pop`.
    pub(crate) unsafe fn is_ready(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: as in `reader`.
        let Some(block) = NonNull::new(self.head_block.load(Ordering::Acquire)) else {
            return false;
        };
        // SAFETY: as in `moves_on`, to which a block whose last slot was read is left.
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

    /// The index of the next instruction to read, for the consumer.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        // Relaxed: the consumer's own.
        self.head.load(Ordering::Relaxed)
    }

    /// Notes the length, for the consumer, which knows the head exactly.
    #[inline]
    pub(crate) fn note_length(&self, tail: Tail) {
        self.peak.note(tail.index() - self.head());
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
        // No overflow: an index has 58 bits, and a capacity fewer.
        self.head.load(Ordering::Relaxed) + self.capacity()
    }

    /// The index beyond which a quarter of the capacity was read since the limit was last published.
    #[inline]
    pub(crate) fn stale_at(&self) -> u64 {
        // Relaxed, both: the consumer's own word, and a constant. Where there is no bound the limit is so far away that it matters little how much is
        // taken from it.
        let capacity = u64::from(self.capacity.load(Ordering::Relaxed));
        self.limit.load(Ordering::Relaxed) - (capacity - capacity / 4)
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

    /// Whether the consumer, who holds its token and may have read everything, has a reason to look again.
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
        self.begin_to_linger();
        true
    }

    /// The same for a consumer that has just found no reason to look.
    #[inline]
    pub(crate) fn begin_to_linger(&self) {
        self.publish_limit();
        crate::sync::point(Point::Lingers);
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
