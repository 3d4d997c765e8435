//! The producers' steps.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::{Bound, Queue, Refused, Wake, wake_of};
use crate::mailbox::block::{Block, Place, STEP_MAX};
use crate::mailbox::word::{BARE, CLOSED, LOCK, Tail};
use crate::protocol::Point;
use crate::sync::{Backoff, Ordering};

/// A slot that is this thread's, and that the consumer waits for: it is to be written at once, and the consumer scheduled if it was at rest.
#[must_use = "the consumer waits for the instruction"]
pub(crate) struct Claim<P> {
    place: Place<P>,
    /// The consumer was at rest, and nobody else will schedule it.
    wake: Wake,
    /// The mailbox is over its capacity: a machine that pushes is to be parked.
    pub(crate) over: bool,
}

impl<P> Claim<P> {
    /// # Safety
    /// The calling thread has claimed `index`, which `block` holds, and keeps no other claim for it.
    #[inline]
    unsafe fn new(block: NonNull<Block<P>>, index: u64, before: Tail, over: bool) -> Self {
        Self {
            // SAFETY: the caller's word.
            place: unsafe { Block::claimed(block, index) },
            wake: wake_of(before),
            over,
        }
    }

    /// Puts the instruction where the consumer finds it. A large one is copied once on its way, from the sender's stack into its slot.
    #[inline]
    pub(crate) fn write(self, value: P) -> Wake {
        let claim = ManuallyDrop::new(self);
        // SAFETY: a claim is used up here, so that its slot is written once.
        unsafe { claim.place.write(value) };
        claim.wake
    }
}

impl<P> Drop for Claim<P> {
    /// A slot that is never written would keep its consumer waiting, and a worker busy, for ever.
    fn drop(&mut self) {
        eprintln!(
            "d3: a slot that was claimed was not written; aborting, since its consumer would wait for ever"
        );
        std::process::abort();
    }
}

impl<P, M> Queue<P, M> {
    /// Claims a slot: the four ways below, one after the other, as [`Sender`](crate::Sender) does.
    #[cfg(test)]
    pub(crate) fn claim(&self, bound: Bound) -> Result<Claim<P>, Refused> {
        match self.claim_within() {
            Ok(claim) => return Ok(claim),
            Err(seen) => {
                if let Some(claim) = self.claim_first(seen) {
                    return Ok(claim);
                }
            }
        }
        if let Bound::Overflow(hard) = bound
            && let Some(claim) = self.claim_over(hard)
        {
            return Ok(claim);
        }
        self.claim_slowly(bound)
    }

    /// Claims a slot below the limit, if that takes no more than one step: most pushes. Err: with the word that it saw it is for
    /// [`claim_first`](Self::claim_first), else for [`claim_slowly`](Self::claim_slowly).
    #[inline]
    pub(crate) fn claim_within(&self) -> Result<Claim<P>, Tail> {
        // Acquire: pairs with the Release that unlocks after a block was installed, so that `end` and `tail_block` are
        // at least as new as the word; if they are newer, the claim below fails.
        let tail = Tail(self.tail.load(Ordering::Acquire));
        if tail.has(CLOSED | LOCK | BARE) || tail.index() >= self.end.load(Ordering::Relaxed) {
            return Err(tail);
        }
        let block = self.tail_block.load(Ordering::Relaxed);
        // The claim. Acquire as in `exchange`, and to see what the resting consumer left behind; Release so that the
        // consumer whose rest step reads this word sees what this thread did before.
        if !self.exchange(tail, tail.claimed()) {
            return Err(tail);
        }
        crate::sync::point(Point::Claimed);
        // SAFETY: not BARE and below `end`, and the word did not change between the look at `tail_block` and
        // the claim (the index is monotone, BARE is cleared by pushes only), so this block holds the index and
        // is alive until the ready mark.
        Ok(unsafe { Claim::new(NonNull::new_unchecked(block), tail.index(), tail, false) })
    }

    /// Claims the first slot after a rest, if that is what was `seen`. None: it is not, or not to be had at once.
    #[inline]
    pub(crate) fn claim_first(&self, seen: Tail) -> Option<Claim<P>> {
        if seen.has(CLOSED | LOCK) || !seen.has(BARE) {
            return None;
        }
        self.claim_bare(seen)
    }

    /// Claims a slot beyond the limit, up to `hard` instructions, if that takes no more than one step: most
    /// pushes of a burst. None: it is for [`claim_slowly`](Self::claim_slowly).
    #[inline]
    pub(crate) fn claim_over(&self, hard: u64) -> Option<Claim<P>> {
        // Acquire: as in `claim_within`.
        let tail = Tail(self.tail.load(Ordering::Acquire));
        let index = tail.index();
        // Relaxed, all: as in `claim_slowly`, of which this is the middle branch. The claim fails if the end of the block is old. An old limit is no harm: the
        // instruction is said to be over, and whoever would be parked for that finds the room.
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
        // SAFETY: as in `claim_within`.
        Some(unsafe { Claim::new(NonNull::new_unchecked(block), index, tail, true) })
    }

    /// The first push after a rest: `tail` says BARE, so that the mailbox is empty and below its limit.
    #[inline]
    fn claim_bare(&self, tail: Tail) -> Option<Claim<P>> {
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
        // It is written after the unlocking: a consumer that has read everything and finds LOCK would have to wait for this thread.
        // SAFETY: installed by this very push for this index.
        Some(unsafe { Claim::new(block, tail.index(), tail, false) })
    }

    /// Claims a slot, whatever that takes: a block, a new `end`, patience with who has LOCK, or leave to exceed the limit.
    #[cold]
    pub(crate) fn claim_slowly(&self, bound: Bound) -> Result<Claim<P>, Refused> {
        let mut spare = Spare::default();
        let mut backoff = Backoff::new();
        loop {
            // Acquire: as in `claim_within`.
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
            // Relaxed: written under LOCK; the Acquire above saw the unlocking of whoever wrote it last.
            let within_block = !tail.has(BARE) && index < self.block_end.load(Ordering::Relaxed);
            if within_block {
                let block = self.tail_block.load(Ordering::Relaxed);
                // Before the claim, which is to be written at once: to give a block back may take a lock.
                spare.free();
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
                // SAFETY: as in `claim_within`.
                return Ok(unsafe { Claim::new(NonNull::new_unchecked(block), index, tail, over) });
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
            return Ok(unsafe { Claim::new(block, index, tail, over) });
        }
    }

    /// Publishes a block for the index just claimed. Runs inside the LOCK window.
    #[inline]
    fn install(&self, block: NonNull<Block<P>>, before: Tail, limit: u64, step: u32) {
        let block_end = before.index() + Block::<P>::slots_at(step);
        if before.has(BARE) {
            // Release: pairs with the consumer's Acquire in `reader` and `moves_on`: the header of the block is written before.
            self.head_block.store(block.as_ptr(), Ordering::Release);
        } else {
            let last = self.tail_block.load(Ordering::Relaxed);
            // Release: pairs with the consumer's Acquire of `next` in `moves_on`. From here on the consumer may free `last`.
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

    fn free(&mut self) {
        if let Some(block) = self.0.take() {
            // SAFETY: never published: alive and ours alone.
            unsafe { Block::free(block) };
        }
    }
}

impl<P> Drop for Spare<P> {
    fn drop(&mut self) {
        self.free();
    }
}
