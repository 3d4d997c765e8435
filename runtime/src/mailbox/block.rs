//! Blocks of slots: one allocation each, laid out by hand as header, slots, ready bytes.
//!
//! Invariants (the numbers are cited by the SAFETY lines of this file and of `queue.rs`):
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

use super::pool;
use crate::sync::{AtomicPtr, AtomicU8, Ordering, UnsafeCell};
use crate::tuning::{BLOCK_BYTES_MAX, BLOCK_SLOTS};

/// The header of a block; the slots and the ready bytes follow it in the same allocation.
#[repr(C)]
pub(crate) struct Block<P> {
    /// The next block, null until a push installed one.
    pub(super) next: AtomicPtr<Block<P>>,
    /// The index of slot 0.
    base: u64,
    slots: u32,
}

type Slot<P> = UnsafeCell<MaybeUninit<P>>;

impl<P> Block<P> {
    /// How many slots the block of the given growth step has.
    pub(crate) fn slots_at(step: u32) -> usize {
        let wanted = BLOCK_SLOTS[(step as usize).min(BLOCK_SLOTS.len() - 1)];
        let fitting = BLOCK_BYTES_MAX / size_of::<Slot<P>>().max(1);
        wanted.min(fitting.max(2))
    }

    /// Where the slots begin: a constant, so that a slot is found without a look at the block's size.
    const SLOTS_AT: usize = size_of::<Self>().next_multiple_of(align_of::<Slot<P>>());

    /// Where the ready bytes begin: behind the slots.
    fn ready_at(slots: usize) -> usize {
        let end = Self::SLOTS_AT + slots * size_of::<Slot<P>>();
        end.next_multiple_of(align_of::<AtomicU8>())
    }

    fn layout(slots: usize) -> Layout {
        let align = align_of::<Self>()
            .max(align_of::<Slot<P>>())
            .max(align_of::<AtomicU8>());
        let size = Self::ready_at(slots) + slots * size_of::<AtomicU8>();
        // Bounded by BLOCK_BYTES_MAX or two slots: only an instruction of a quarter of the address space fails here.
        Layout::from_size_align(size, align).expect("an instruction fits into memory")
    }

    /// A block whose slot 0 is `base`, with no slot ready. Aborts if memory is exhausted, as every allocation of std.
    pub(crate) fn allocate(base: u64, slots: usize) -> NonNull<Self> {
        let layout = Self::layout(slots);
        let Some(memory) = pool::allocate(layout) else {
            handle_alloc_error(layout)
        };
        let block = memory.cast::<Self>();
        // SAFETY: `memory` is a fresh allocation of `layout`, so header and ready bytes lie inside it and nobody else
        // knows it yet.
        unsafe {
            block.write(Self {
                next: AtomicPtr::new(std::ptr::null_mut()),
                base,
                slots: slots as u32,
            });
            let ready = memory.add(Self::ready_at(slots)).cast::<AtomicU8>();
            for i in 0..slots {
                ready.add(i).write(AtomicU8::new(0));
            }
            // Nothing at all under std; loom's cells carry bookkeeping.
            for i in 0..slots {
                Self::slot(block, i)
                    .cast_mut()
                    .write(UnsafeCell::new(MaybeUninit::uninit()));
            }
        }
        block
    }

    /// Gives the memory back. The slots are not dropped: the caller has read what was written.
    ///
    /// # Safety
    /// Invariant 4: nobody else will touch the block again.
    pub(crate) unsafe fn free(block: NonNull<Self>) {
        // SAFETY: the block is alive until here (caller), so its header may be read.
        let slots = unsafe { block.as_ref() }.slots as usize;
        let layout = Self::layout(slots);
        for i in 0..slots {
            // SAFETY: built by `allocate`, dropped once; loom's bookkeeping wants it. The MaybeUninit inside drops nothing.
            unsafe { std::ptr::drop_in_place(Self::slot(block, i).cast_mut()) };
        }
        // SAFETY: allocated by `allocate` with this very layout.
        unsafe { pool::free(block.cast(), layout) };
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
    pub(super) unsafe fn base(block: NonNull<Self>) -> u64 {
        // SAFETY: alive by the caller's word; `base` does not change after publication.
        unsafe { block.as_ref().base }
    }

    /// # Safety
    /// The block is alive.
    pub(super) unsafe fn slots(block: NonNull<Self>) -> u64 {
        // SAFETY: as for `base`.
        u64::from(unsafe { block.as_ref().slots })
    }

    /// # Safety
    /// The block is alive and `i` is less than its slots.
    unsafe fn ready<'a>(block: NonNull<Self>, i: usize) -> &'a AtomicU8 {
        // SAFETY: alive by the caller's word.
        let ready_at = Self::ready_at(unsafe { block.as_ref() }.slots as usize);
        // SAFETY: inside the allocation by the caller's word, built by `allocate`.
        unsafe {
            block
                .cast::<u8>()
                .add(ready_at)
                .cast::<AtomicU8>()
                .add(i)
                .as_ref()
        }
    }

    /// # Safety
    /// The block is alive and `i` is less than its slots.
    unsafe fn slot(block: NonNull<Self>, i: usize) -> *const Slot<P> {
        // SAFETY: inside the allocation by the caller's word.
        unsafe {
            block
                .cast::<u8>()
                .add(Self::SLOTS_AT)
                .cast::<Slot<P>>()
                .add(i)
        }
        .as_ptr()
    }

    /// Writes the claimed slot and marks it ready; after this the producer may not touch the block.
    ///
    /// # Safety
    /// The calling thread claimed `index`, the block is the one that holds it, and it was not written before.
    pub(super) unsafe fn write(block: NonNull<Self>, index: u64, value: P) {
        // SAFETY: the claim keeps the block alive until the ready mark (invariant 1).
        let i = (index - unsafe { Self::base(block) }) as usize;
        // SAFETY: invariant 2: the claimer alone writes the slot, and the consumer reads it only after the mark.
        unsafe { (*Self::slot(block, i)).with_mut(|slot| (*slot).write(value)) };
        // Release: pairs with the Acquire in `read`; weaker, the consumer could read the slot before it is written.
        // SAFETY: still alive, as the slot was not marked before this store.
        unsafe { Self::ready(block, i) }.store(1, Ordering::Release);
    }

    /// Takes the value of slot `index` if it is ready.
    ///
    /// # Safety
    /// The caller is the consumer, the block is alive and holds `index`, which was not read before.
    pub(super) unsafe fn read(block: NonNull<Self>, index: u64) -> Option<P> {
        // SAFETY: alive by the caller's word.
        let i = (index - unsafe { Self::base(block) }) as usize;
        // Acquire: pairs with the Release of `write`.
        // SAFETY: as above.
        if unsafe { Self::ready(block, i) }.load(Ordering::Acquire) == 0 {
            return None;
        }
        // SAFETY: invariant 2: marked ready, so written, and read only here, once.
        Some(unsafe { (*Self::slot(block, i)).with(|slot| (*slot).assume_init_read()) })
    }
}
