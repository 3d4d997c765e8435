//! An allocator that can count: the bytes that are requested and not given back, and how often memory was asked for; and how much is resident, as the system says.
//!
//! A binary that measures memory makes it its global allocator and switches it on. While it is off it costs one load per
//! call, for everyone alike.
//!
//! A crate of its own, since an allocator cannot be had without unsafe code, and benches and tests forbid it.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: d3_counting::Counting = d3_counting::Counting;
//!
//! d3_counting::switch_on();
//! let (before, asked) = (d3_counting::bytes(), d3_counting::allocations());
//! let vector = vec![0_u8; 1_000];
//! assert_eq!(d3_counting::bytes() - before, 1_000);
//! assert_eq!(d3_counting::allocations() - asked, 1);
//! drop(vector);
//! assert_eq!(d3_counting::bytes(), before);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

static ON: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// Starts to count.
pub fn switch_on() {
    ON.store(true, Ordering::SeqCst);
}

/// Bytes requested less bytes given back since [`switch_on`]: meaningful as a difference of two readings.
pub fn bytes() -> i64 {
    BYTES.load(Ordering::SeqCst)
}

/// How often memory was asked for since [`switch_on`]; not where an allocation was made larger or smaller.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::SeqCst)
}

/// Bytes of memory that the process holds, as the system counts them. Linux only; elsewhere there is no answer.
pub fn resident_bytes() -> Option<u64> {
    // The rollup walks the page tables; `status` may lag behind by pages that threads have not reported yet.
    let text = fs::read_to_string("/proc/self/smaps_rollup")
        .or_else(|_| fs::read_to_string("/proc/self/status"))
        .ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:").or(line.strip_prefix("VmRSS:")))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[inline]
fn count(bytes: i64, allocations: u64) {
    // Relaxed: sums publish nothing.
    if ON.load(Ordering::Relaxed) {
        BYTES.fetch_add(bytes, Ordering::Relaxed);
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
    }
}

/// No layout is larger than `isize::MAX`.
fn size(layout: Layout) -> i64 {
    layout.size() as i64
}

// SAFETY: every call is handed to the system's allocator unchanged, and its answer back; counting touches statics only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout), 1);
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout), 1);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout), 0);
        // SAFETY: `pointer` came from `System` with this layout, as the caller promises of this allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as i64 - size(layout), 0);
        // SAFETY: as for `dealloc`; the caller's promise about `new_size` is the one that `System` asks for.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_is_seen() {
        let Some(before) = resident_bytes() else {
            return; // Not on Linux.
        };
        let block = vec![1_u8; 64 << 20];
        let after = resident_bytes().unwrap_or(0);
        assert!(after > before + (32 << 20), "{before} {after}");
        drop(block);
    }
}
