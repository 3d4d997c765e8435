//! The registry: every live machine of a pool, so that a shutdown reaches them all and the count is exact.
//!
//! Sharded by the connecting thread; an entry is a bare pointer, valid while it is in the registry, since a machine leaves
//! the registry (under the shard's lock) before its token's memory reference is given up.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64 as ProcessWide, AtomicUsize as Counter, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::entries::Entries;
use super::{Header, MemRef};
use crate::id::MachineId;
use crate::tuning::{ID_BLOCK, REGISTRY_SHARDS};
use crossbeam_utils::CachePadded;

/// Where a machine stands in its registry: its shard, and its place there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistrySlot(u32);

impl RegistrySlot {
    /// For cells that stand in no registry.
    pub(crate) const NONE: Self = Self(u32::MAX);

    fn new(shard: usize, index: usize) -> Option<Self> {
        let index = u32::try_from(index)
            .ok()?
            .checked_mul(REGISTRY_SHARDS as u32)?;
        Some(Self(index + shard as u32))
    }

    fn shard(self) -> usize {
        self.0 as usize % REGISTRY_SHARDS
    }

    fn index(self) -> usize {
        self.0 as usize / REGISTRY_SHARDS
    }
}

#[derive(Default)]
struct Shard {
    cells: Entries,
    next_id: u64,
    id_end: u64,
    closed: bool,
}

pub(crate) struct Registry {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    /// Counts per shard, readable without its lock.
    counts: Box<[CachePadded<Counts>]>,
}

/// What is counted per shard.
#[derive(Default)]
struct Counts {
    /// Machines that have not ended.
    live: Counter,
    /// Cells that were built. Written under the shard's lock.
    built: Counter,
    /// Cells whose memory was given back.
    freed: Counter,
}

/// Ids are unique in the process, so that two runtimes never name two machines alike.
static NEXT_BLOCK: ProcessWide = ProcessWide::new(1);
static NEXT_THREAD: Counter = Counter::new(0);

thread_local! {
    static SHARD: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed) % REGISTRY_SHARDS;
}

/// The id of a cell that stands in no registry.
pub(crate) fn next_free_id() -> MachineId {
    MachineId::from_raw(NEXT_BLOCK.fetch_add(1, Ordering::Relaxed))
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..REGISTRY_SHARDS)
                .map(|_| CachePadded::new(Mutex::default()))
                .collect(),
            counts: (0..REGISTRY_SHARDS)
                .map(|_| CachePadded::default())
                .collect(),
        }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds a cell with its id and slot and enters it. None: the registry is closed, the runtime has ended.
    ///
    /// `build` runs under the shard's lock: it allocates and runs no user code.
    pub(crate) fn enter(
        &self,
        build: impl FnOnce(MachineId, RegistrySlot) -> NonNull<Header>,
    ) -> Option<NonNull<Header>> {
        let shard_index = SHARD.try_with(|shard| *shard).unwrap_or(0);
        let mut shard = self.lock(shard_index);
        if shard.closed {
            return None;
        }
        if shard.next_id == shard.id_end {
            shard.next_id = NEXT_BLOCK.fetch_add(ID_BLOCK, Ordering::Relaxed);
            shard.id_end = shard.next_id + ID_BLOCK;
        }
        let id = MachineId::from_raw(shard.next_id);
        shard.next_id += 1;
        // 134 million machines of one thread: more than any memory holds.
        let slot = RegistrySlot::new(shard_index, shard.cells.next_index())
            .expect("fewer machines than 2^27 per shard");
        let cell = build(id, slot);
        shard.cells.insert(cell);
        let counts = &self.counts[shard_index];
        counts.live.fetch_add(1, Ordering::Relaxed);
        let built = counts.built.load(Ordering::Relaxed);
        counts.built.store(built + 1, Ordering::Relaxed);
        Some(cell)
    }

    /// Removes a machine that has ended.
    pub(crate) fn leave(&self, slot: RegistrySlot) {
        self.lock(slot.shard()).cells.remove(slot.index());
        self.counts[slot.shard()]
            .live
            .fetch_sub(1, Ordering::Relaxed);
    }

    /// The memory of a cell that was entered here is given back.
    pub(super) fn note_freed(&self, slot: RegistrySlot) {
        // A line that the end of the machine has just written to.
        self.counts[slot.shard()]
            .freed
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Cells in memory: exact for a caller that knows that nobody connects or lets go meanwhile.
    pub(crate) fn cells(&self) -> usize {
        let sum = |of: fn(&Counts) -> &Counter| -> usize {
            let counts = self.counts.iter();
            counts.map(|count| of(count).load(Ordering::Relaxed)).sum()
        };
        // What is freed was built before.
        let freed = sum(|count| &count.freed);
        sum(|count| &count.built).saturating_sub(freed)
    }

    /// Live machines: exact for a caller that knows that nobody connects or ends meanwhile.
    pub(crate) fn len(&self) -> usize {
        self.counts
            .iter()
            .map(|count| count.live.load(Ordering::Relaxed))
            .sum()
    }

    /// Refuses every later entry.
    pub(crate) fn close(&self) {
        for shard in 0..self.shards.len() {
            self.lock(shard).closed = true;
        }
    }

    /// References to all machines, shard by shard, so that no lock is held while the caller works on them.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(MemRef)) {
        for shard in 0..self.shards.len() {
            // SAFETY: entered and not left, so the token's reference keeps the cell alive while the lock is held.
            let cells: Vec<MemRef> = self
                .lock(shard)
                .cells
                .iter()
                .map(|cell| unsafe { MemRef::new(cell) })
                .collect();
            cells.into_iter().for_each(&mut visit);
        }
    }
}
