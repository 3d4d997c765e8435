//! Recycled block memory: a free list per thread with a byte cap, and a shared overflow.
//!
//! A block is usually allocated by the thread that sends and freed by the worker that receives, so one side runs
//! short while the other piles up: batches go through the shared lists. Everything above the caps returns to the
//! allocator, so a burst does not keep its memory for ever.

use std::alloc::Layout;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Mutex;

use crate::sync::{alloc, dealloc};
use crate::tuning::{POOL_BYTES_BATCH, POOL_BYTES_PER_THREAD, POOL_BYTES_SHARED};

/// Sizes that are pooled: 64 bytes << class. Larger or over-aligned blocks go to the allocator directly.
const CLASSES: usize = 8;
const ALIGN: usize = 16;
const SMALLEST: usize = 64;

/// A free block; the memory behind it is ours alone.
struct Free(NonNull<u8>);

// SAFETY: a free block is plain memory without an owner thread; who holds the `Free` has it alone.
unsafe impl Send for Free {}

fn class_of(layout: Layout) -> Option<usize> {
    // A model counts every block: recycled memory would hide what is leaked, and what is used after it was freed.
    if cfg!(loom) || layout.align() > ALIGN {
        return None;
    }
    let size = layout.size().max(SMALLEST).next_power_of_two();
    let class = (size / SMALLEST).trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

fn class_layout(class: usize) -> Layout {
    // 64 << 7 is 8 KiB: neither the size nor the alignment can be refused.
    Layout::from_size_align(SMALLEST << class, ALIGN).expect("a constant size and a power of two")
}

struct Lists {
    free: [Vec<Free>; CLASSES],
}

impl Lists {
    const fn new() -> Self {
        Self {
            free: [const { Vec::new() }; CLASSES],
        }
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for (class, list) in self.free.iter_mut().enumerate() {
            for block in list.drain(..) {
                // SAFETY: every block in a list was allocated with its class's layout and is owned by the list.
                unsafe { dealloc(block.0.as_ptr(), class_layout(class)) };
            }
        }
    }
}

thread_local! {
    static LOCAL: RefCell<Lists> = const { RefCell::new(Lists::new()) };
}

static SHARED: Mutex<Lists> = Mutex::new(Lists::new());

fn shared() -> std::sync::MutexGuard<'static, Lists> {
    SHARED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn per_class(bytes: usize, class: usize) -> usize {
    (bytes / CLASSES / (SMALLEST << class)).max(1)
}

/// Memory for `layout`, recycled where possible. None: the allocator has none.
pub(super) fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    let Some(class) = class_of(layout) else {
        // SAFETY: a block layout holds at least its header, so its size is not zero.
        return NonNull::new(unsafe { alloc(layout) });
    };
    // A thread whose locals are already destroyed allocates directly.
    let recycled = LOCAL
        .try_with(|local| {
            let list = &mut local.borrow_mut().free[class];
            if list.is_empty() {
                refill(list, class);
            }
            list.pop()
        })
        .ok()
        .flatten();
    match recycled {
        Some(block) => Some(block.0),
        // SAFETY: class sizes are at least 64 bytes.
        None => NonNull::new(unsafe { alloc(class_layout(class)) }),
    }
}

fn refill(list: &mut Vec<Free>, class: usize) {
    // An outside thread that sends bursts must not fight for this lock at every block: who finds it taken goes to the
    // allocator instead.
    if let Ok(mut shared) = SHARED.try_lock() {
        let from = &mut shared.free[class];
        let keep = from
            .len()
            .saturating_sub(per_class(POOL_BYTES_BATCH, class));
        list.extend(from.drain(keep..));
    }
}

/// Takes the memory back.
///
/// # Safety
/// `memory` came from [`allocate`] with the same layout, and nobody uses it any more.
pub(super) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    let Some(class) = class_of(layout) else {
        // SAFETY: allocated with this layout (caller).
        unsafe { dealloc(memory.as_ptr(), layout) };
        return;
    };
    let mut block = Some(Free(memory));
    let _ = LOCAL.try_with(|local| {
        let list = &mut local.borrow_mut().free[class];
        if list.len() >= per_class(POOL_BYTES_PER_THREAD, class) {
            spill(list, class);
        }
        list.extend(block.take());
    });
    if let Some(block) = block {
        // SAFETY: allocated with its class's layout.
        unsafe { dealloc(block.0.as_ptr(), class_layout(class)) };
    }
}

fn spill(list: &mut Vec<Free>, class: usize) {
    let batch = list
        .len()
        .saturating_sub(per_class(POOL_BYTES_BATCH, class));
    let mut surplus: Vec<Free> = list.drain(batch..).collect();
    {
        let mut shared = shared();
        let to = &mut shared.free[class];
        let room = per_class(POOL_BYTES_SHARED, class).saturating_sub(to.len());
        let taken = surplus.len().saturating_sub(room);
        to.extend(surplus.drain(taken..));
    }
    for block in surplus {
        // SAFETY: allocated with its class's layout; the lists no longer hold it.
        unsafe { dealloc(block.0.as_ptr(), class_layout(class)) };
    }
}
