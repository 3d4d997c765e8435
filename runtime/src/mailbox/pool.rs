//! Recycled block memory: free lists per thread with a byte cap, and a shared overflow.
//!
//! A block is usually allocated by the thread that sends and freed by the worker that receives, so one side runs
//! short while the other piles up: batches go through the shared lists. Everything above the caps returns to the
//! allocator, so a burst does not keep its memory for ever.
//!
//! A machine that gets one instruction at a time allocates and frees a block for each, so both are a handful of instructions:
//! a free block's first word is the link to the next one, and one comparison covers every reason to take the slow way.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sync::{alloc, dealloc};
use crate::tuning::{POOL_BYTES_BATCH, POOL_BYTES_PER_THREAD, POOL_BYTES_SHARED};

/// Sizes that are pooled: 64 bytes << class. Larger or over-aligned blocks go to the allocator directly.
const CLASSES: usize = 8;
const ALIGN: usize = 16;
const SMALLEST: usize = 64;

/// Where memory of one layout comes from and goes to.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// A list of this class.
    Class(usize),
    /// The allocator: too large, or aligned too much, for a list.
    Allocator(Layout),
}

impl Source {
    pub(super) const fn of(layout: Layout) -> Self {
        // A model counts every block: recycled memory would hide what is leaked, and what is used after it was freed.
        if cfg!(loom) || layout.align() > ALIGN {
            return Self::Allocator(layout);
        }
        let mut class = 0;
        while class < CLASSES {
            if layout.size() <= SMALLEST << class {
                return Self::Class(class);
            }
            class += 1;
        }
        Self::Allocator(layout)
    }
}

fn class_layout(class: usize) -> Layout {
    // 64 << 7 is 8 KiB: neither the size nor the alignment can be refused.
    Layout::from_size_align(SMALLEST << class, ALIGN).expect("a constant size and a power of two")
}

fn per_class(bytes: usize, class: usize) -> usize {
    (bytes / CLASSES / (SMALLEST << class)).max(1)
}

/// A list of free blocks of one class, linked through their first words. Each block in it is ours alone.
struct List {
    first: Cell<*mut u8>,
    len: Cell<usize>,
    /// How many it may hold. 0 until this thread uses it, and again once its locals are destroyed.
    cap: Cell<usize>,
}

impl List {
    const fn new(cap: usize) -> Self {
        Self {
            first: Cell::new(ptr::null_mut()),
            len: Cell::new(0),
            cap: Cell::new(cap),
        }
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.first.get())?;
        // SAFETY: a block in a list is at least a word, aligned to ALIGN, ours alone, and begins with the link that `push` wrote.
        self.first.set(unsafe { block.cast::<*mut u8>().read() });
        self.len.set(self.len.get() - 1);
        Some(block)
    }

    /// # Safety
    /// `block` is memory of this list's class that nobody uses.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) {
        // SAFETY: see `pop`.
        unsafe { block.cast::<*mut u8>().write(self.first.get()) };
        self.first.set(block.as_ptr());
        self.len.set(self.len.get() + 1);
    }

    /// Makes this list of the present thread ready for use; false: the thread's locals are destroyed.
    fn open(&self, class: usize) -> bool {
        if self.cap.get() == 0 && LEAVING.try_with(|_| ()).is_ok() {
            // The first use on this thread: from now on `Leaving` will empty the list.
            self.cap.set(per_class(POOL_BYTES_PER_THREAD, class));
        }
        self.cap.get() != 0
    }

    /// Moves blocks from `from` until this list holds `len`, or that one is empty.
    fn fill_from(&self, from: &Self, len: usize) {
        while self.len.get() < len {
            let Some(block) = from.pop() else {
                return;
            };
            // SAFETY: out of a list of the same class.
            unsafe { self.push(block) };
        }
    }

    /// Gives all blocks back to the allocator.
    fn empty(&self, class: usize) {
        while let Some(block) = self.pop() {
            // SAFETY: every block in a list was allocated with its class's layout.
            unsafe { dealloc(block.as_ptr(), class_layout(class)) };
        }
    }
}

/// This thread's lists. Without a destructor, so that they cost no check; `Leaving` empties them.
struct Lists([List; CLASSES]);

thread_local! {
    static LOCAL: Lists = const { Lists([const { List::new(0) }; CLASSES]) };
    static LEAVING: Leaving = const { Leaving };
}

/// Empties the lists of a thread that ends.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            for (class, list) in local.0.iter().enumerate() {
                list.cap.set(0);
                list.empty(class);
            }
        });
    }
}

/// The overflow of all threads: as many lists, each behind the one lock.
struct Shared([List; CLASSES]);

// SAFETY: a free block is plain memory without an owner thread; who holds the list, under the lock, has all of it alone.
unsafe impl Send for Shared {}

static SHARED: Mutex<Shared> = Mutex::new(Shared([const { List::new(usize::MAX) }; CLASSES]));

fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of the given source, recycled where possible. None: the allocator has none.
#[inline]
pub(super) fn allocate(source: Source) -> Option<NonNull<u8>> {
    match source {
        Source::Class(class) => LOCAL
            .with(|local| local.0[class].pop())
            .or_else(|| allocate_slowly(class)),
        // SAFETY: a block holds at least its header, so its size is not zero.
        Source::Allocator(layout) => NonNull::new(unsafe { alloc(layout) }),
    }
}

#[cold]
fn allocate_slowly(class: usize) -> Option<NonNull<u8>> {
    let recycled = LOCAL.with(|local| {
        let list = &local.0[class];
        // Also on a thread that never frees: it is the one that draws from what the others have too much of.
        if !list.open(class) {
            return None;
        }
        // An outside thread that sends bursts must not fight for this lock at every block: who finds it taken goes to the
        // allocator instead.
        if let Ok(shared) = SHARED.try_lock() {
            list.fill_from(&shared.0[class], per_class(POOL_BYTES_BATCH, class));
        }
        list.pop()
    });
    // SAFETY: class sizes are at least 64 bytes.
    recycled.or_else(|| NonNull::new(unsafe { alloc(class_layout(class)) }))
}

/// Takes the memory back.
///
/// # Safety
/// `memory` came from [`allocate`] with the same source, and nobody uses it any more.
#[inline]
pub(super) unsafe fn free(memory: NonNull<u8>, source: Source) {
    match source {
        Source::Class(class) => LOCAL.with(|local| {
            let list = &local.0[class];
            if list.len.get() < list.cap.get() {
                // SAFETY: by the caller's word.
                unsafe { list.push(memory) };
            } else {
                // SAFETY: by the caller's word.
                unsafe { free_slowly(memory, class, list) };
            }
        }),
        // SAFETY: by the caller's word.
        Source::Allocator(layout) => unsafe { dealloc(memory.as_ptr(), layout) },
    }
}

/// # Safety
/// As for `free`; `list` is this thread's of `class`.
#[cold]
unsafe fn free_slowly(memory: NonNull<u8>, class: usize, list: &List) {
    if !list.open(class) {
        // SAFETY: allocated with its class's layout; the thread's locals are destroyed, so there is no list for it.
        unsafe { dealloc(memory.as_ptr(), class_layout(class)) };
        return;
    }
    if list.len.get() >= list.cap.get() {
        spill(list, class);
    }
    // SAFETY: by the caller's word.
    unsafe { list.push(memory) };
}

/// Hands a batch to everybody, and what is too much for that to the allocator.
fn spill(list: &List, class: usize) {
    let batch = List::new(usize::MAX);
    batch.fill_from(list, per_class(POOL_BYTES_BATCH, class).min(list.len.get()));
    {
        let shared = shared();
        shared.0[class].fill_from(&batch, per_class(POOL_BYTES_SHARED, class));
    }
    batch.empty(class);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The thread that sends and the one that receives: each only allocates, or only frees.
    #[test]
    fn a_thread_that_never_frees_draws_from_what_others_have_too_much_of() {
        // Of a class that the other tests of this process hardly use.
        let class = CLASSES - 1;
        let source = Source::Class(class);
        let many = 4 * per_class(POOL_BYTES_PER_THREAD, class);
        let blocks: Vec<usize> = (0..many)
            .map(|_| {
                allocate(source)
                    .expect("there is memory")
                    .as_ptr()
                    .expose_provenance()
            })
            .collect();
        let given = blocks.clone();
        std::thread::spawn(move || {
            for block in given {
                let block =
                    NonNull::new(ptr::with_exposed_provenance_mut(block)).expect("not null");
                // SAFETY: allocated above from this source, and nobody uses it.
                unsafe { free(block, source) };
            }
            // While this thread, and with it its list, is there. Many: where another test has the lock, one comes from the allocator.
            std::thread::spawn(move || {
                let drawn: Vec<_> = (0..many)
                    .map(|_| allocate(source).expect("there is memory"))
                    .collect();
                assert!(
                    drawn
                        .iter()
                        .any(|drawn| blocks.contains(&drawn.as_ptr().addr())),
                    "no block was recycled"
                );
                for block in drawn {
                    // SAFETY: as above.
                    unsafe { free(block, source) };
                }
            })
            .join()
            .expect("it draws a recycled block");
        })
        .join()
        .expect("both threads end");
    }
}
