//! Blocks of slots: one allocation each, laid out by hand as a header and slots.
//!
//! The ready mark stands beside its value: a consumer that runs close behind a producer on another core fetches one line for
//! both, and slots of one line that are written at once move at once.
//!
//! Invariants (the numbers are cited by the SAFETY lines of this file and of `queue/`):
//!
//! 1. A block is reached by producers only through the tail block of a mailbox, between a claim that succeeded and the
//!    ready mark of the claimed slot; by the consumer through its head block and the `next` chain.
//! 2. Slot `i` is written by the one producer that claimed index `base + i`, before its ready mark, and read by the
//!    consumer once, after it saw the mark. No one else touches it.
//! 3. `next` is written once, inside the LOCK window of the push that claimed index `base + slots`; that store is the
//!    last access of any producer to the block.
//! 4. The consumer frees a block when it has read every slot and moved to `next`, or has given the storage back with
//!    BARE; an ended mailbox frees it after the last claim in flight was written.

use std::alloc::{Layout, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::pool::{self, Source};
use crate::sync::{AtomicPtr, AtomicU8, Ordering, UnsafeCell};
use crate::tuning::BLOCK_BYTES;

/// The header of a block; the slots follow it in the same allocation.
#[repr(C)]
pub(crate) struct Block<P> {
    /// The next block, null until a push installed one.
    pub(super) next: AtomicPtr<Block<P>>,
    /// The index of slot 0.
    base: u64,
    slots: u32,
    /// The growth step whose layout it has.
    step: u32,
}

/// A value and whether it is there.
#[repr(C)]
struct Slot<P> {
    value: UnsafeCell<MaybeUninit<P>>,
    ready: AtomicU8,
}

/// A slot that was claimed and not written.
pub(super) struct Place<P>(NonNull<Slot<P>>);

impl<P> Place<P> {
    /// Moves the instruction into the slot and marks it ready; after this the producer may not touch the block.
    ///
    /// # Safety
    /// The place was not written before.
    #[inline]
    pub(super) unsafe fn write(&self, value: P) {
        // SAFETY: the claim keeps the block alive until the ready mark (invariant 1).
        let slot = unsafe { self.0.as_ref() };
        slot.value.with_mut(|to| {
            // SAFETY: invariant 2: the claimer alone writes the slot, and the consumer reads it only after the mark.
            unsafe { (*to).write(value) };
        });
        // Release: pairs with the Acquire in `Slots::take`; weaker, the consumer could read the slot before it is written.
        slot.ready.store(1, Ordering::Release);
    }
}

/// The last growth step.
pub(crate) const STEP_MAX: u32 = BLOCK_BYTES.len() as u32 - 1;

impl<P> Block<P> {
    /// Where the slots begin.
    const SLOTS_AT: usize = size_of::<Self>().next_multiple_of(align_of::<Slot<P>>());

    const SLOTS: [u32; BLOCK_BYTES.len()] = {
        let mut slots = [0; BLOCK_BYTES.len()];
        let mut step = 0;
        while step < slots.len() {
            let fitting = BLOCK_BYTES[step].saturating_sub(Self::SLOTS_AT) / size_of::<Slot<P>>();
            // A large instruction still gets two: a block of one slot would be a list.
            slots[step] = if cfg!(loom) || fitting < 2 {
                2
            } else {
                fitting as u32
            };
            step += 1;
        }
        slots
    };

    const SOURCES: [Source; BLOCK_BYTES.len()] = {
        let mut sources = [Source::Class(0); BLOCK_BYTES.len()];
        let mut step = 0;
        while step < sources.len() {
            let size = Self::SLOTS_AT + Self::SLOTS[step] as usize * size_of::<Slot<P>>();
            let align = if align_of::<Self>() > align_of::<Slot<P>>() {
                align_of::<Self>()
            } else {
                align_of::<Slot<P>>()
            };
            // Only two instructions of a quarter of the address space each fail here, when they are compiled.
            let Ok(layout) = Layout::from_size_align(size, align) else {
                panic!("an instruction fits into memory")
            };
            sources[step] = Source::of(layout);
            step += 1;
        }
        sources
    };

    /// How many slots the block of the given growth step has.
    #[inline]
    pub(crate) fn slots_at(step: u32) -> u64 {
        u64::from(Self::SLOTS[step as usize])
    }

    /// A block whose slot 0 is `base`, with no slot ready. Aborts if memory is exhausted, as every allocation of std.
    #[inline]
    pub(crate) fn allocate(base: u64, step: u32) -> NonNull<Self> {
        let Some(memory) = pool::allocate(Self::SOURCES[step as usize]) else {
            handle_alloc_error(Layout::new::<Self>())
        };
        let block = memory.cast::<Self>();
        let slots = Self::SLOTS[step as usize];
        // SAFETY: `memory` is a fresh allocation for header and slots, and nobody else knows it yet.
        unsafe {
            block.write(Self {
                next: AtomicPtr::new(std::ptr::null_mut()),
                base,
                slots,
                step,
            });
            for i in 0..slots as usize {
                let slot = Self::slot(block, i).as_ptr();
                (&raw mut (*slot).ready).write(AtomicU8::new(0));
                // Loom's cells carry bookkeeping; ours are what is in them.
                #[cfg(loom)]
                (&raw mut (*slot).value).write(UnsafeCell::new(MaybeUninit::uninit()));
            }
        }
        block
    }

    /// Gives the memory back. The slots are not dropped: the caller has read what was written.
    ///
    /// # Safety
    /// Invariant 4: nobody else will touch the block again.
    #[inline]
    pub(crate) unsafe fn free(block: NonNull<Self>) {
        // SAFETY: the block is alive until here (caller), so its header may be read.
        let step = unsafe { block.as_ref() }.step;
        #[cfg(loom)]
        for i in 0..Self::SLOTS[step as usize] as usize {
            // SAFETY: built by `allocate`, dropped once; loom's bookkeeping wants it. The MaybeUninit inside drops nothing.
            unsafe { Self::slot(block, i).drop_in_place() };
        }
        // SAFETY: allocated by `allocate` from this very source.
        unsafe { pool::free(block.cast(), Self::SOURCES[step as usize]) };
    }

    /// Takes a fresh block for another base: it was allocated before the claim that it serves was known.
    ///
    /// # Safety
    /// The block was not published yet.
    pub(crate) unsafe fn rebase(block: NonNull<Self>, base: u64) {
        // SAFETY: unpublished, so this thread is the only one with access.
        unsafe { (*block.as_ptr()).base = base };
    }

    /// # Safety
    /// The block is alive.
    #[inline]
    pub(super) unsafe fn base(block: NonNull<Self>) -> u64 {
        // SAFETY: alive by the caller's word; `base` does not change after publication.
        unsafe { block.as_ref().base }
    }

    /// # Safety
    /// The block is alive.
    #[inline]
    pub(super) unsafe fn slots(block: NonNull<Self>) -> u64 {
        // SAFETY: as for `base`.
        u64::from(unsafe { block.as_ref().slots })
    }

    /// # Safety
    /// The block is alive.
    pub(super) unsafe fn step(block: NonNull<Self>) -> u32 {
        // SAFETY: as for `base`.
        unsafe { block.as_ref().step }
    }

    /// # Safety
    /// The block is alive and `i` is at most the number of its slots; with that number the result is their end, and no slot.
    #[inline]
    unsafe fn slot(block: NonNull<Self>, i: usize) -> NonNull<Slot<P>> {
        // SAFETY: inside the allocation by the caller's word.
        unsafe {
            block
                .cast::<u8>()
                .add(Self::SLOTS_AT)
                .cast::<Slot<P>>()
                .add(i)
        }
    }

    /// The place of a slot that the calling thread has claimed.
    ///
    /// # Safety
    /// The calling thread claimed `index`, the block is the one that holds it, and this is asked once.
    #[inline]
    pub(super) unsafe fn claimed(block: NonNull<Self>, index: u64) -> Place<P> {
        // SAFETY: the claim keeps the block alive until the ready mark (invariant 1).
        Place(unsafe { Self::slot(block, (index - Self::base(block)) as usize) })
    }

    /// Whether slot `index` was written.
    ///
    /// # Safety
    /// The caller is the consumer, and the block, which holds `index`, is alive.
    pub(super) unsafe fn is_ready(block: NonNull<Self>, index: u64) -> bool {
        // SAFETY: alive by the caller's word, and the slot is inside.
        let slot = unsafe { Self::slot(block, (index - Self::base(block)) as usize).as_ref() };
        // Acquire: not needed for the look; `Slots::take` has its own.
        slot.ready.load(Ordering::Acquire) != 0
    }

    /// The slots from `index` on.
    ///
    /// # Safety
    /// The caller is the consumer, the block is alive and holds `index` or ends there; it stays alive while they are used.
    #[inline]
    pub(super) unsafe fn from(block: NonNull<Self>, index: u64) -> Slots<P> {
        // SAFETY: alive by the caller's word; both slots are inside, or one behind the last.
        unsafe {
            Slots {
                next: Self::slot(block, (index - Self::base(block)) as usize),
                end: Self::slot(block, Self::slots(block) as usize),
            }
        }
    }
}

/// The slots of a block that the consumer has not read yet.
pub(super) struct Slots<P> {
    next: NonNull<Slot<P>>,
    end: NonNull<Slot<P>>,
}

impl<P> Slots<P> {
    /// No block, no slots.
    pub(super) const NONE: Self = Self {
        next: NonNull::dangling(),
        end: NonNull::dangling(),
    };

    /// Whether all were read.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.end
    }

    /// Takes the value of the next slot if it is ready.
    ///
    /// # Safety
    /// The caller is the consumer, the slots are not empty, and their block is alive.
    #[inline]
    pub(super) unsafe fn take(&mut self) -> Option<P> {
        // SAFETY: alive by the caller's word.
        let slot = unsafe { self.next.as_ref() };
        // Acquire: pairs with the Release of `Place::write`.
        if slot.ready.load(Ordering::Acquire) == 0 {
            return None;
        }
        // SAFETY: at most one behind the last.
        self.next = unsafe { self.next.add(1) };
        // SAFETY: invariant 2: marked ready, so written, and read only here, once.
        Some(
            slot.value
                .with(|from| unsafe { (*from).assume_init_read() }),
        )
    }
}
