//! The registry: every live machine of a pool, so that a shutdown reaches them all and the count is exact.
//!
//! Sharded by the connecting thread; an entry is a bare pointer, valid while it is in the registry, since a machine leaves
//! the registry (under the shard's lock) before its token's memory reference is given up.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64 as ProcessWide, AtomicUsize as Counter, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use slab::Slab;

use super::{Header, MemRef};
use crate::id::MachineId;
use crate::tuning::{ID_BLOCK, REGISTRY_SHARDS};

/// Where a machine stands in its registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistrySlot {
    shard: u32,
    index: u32,
}

impl RegistrySlot {
    /// For cells that stand in no registry.
    pub(crate) const NONE: Self = Self {
        shard: u32::MAX,
        index: u32::MAX,
    };
}

struct Entry(NonNull<Header>);

// SAFETY: the pointer is used under the shard's lock only, while the machine's token keeps the cell alive.
unsafe impl Send for Entry {}

#[derive(Default)]
struct Shard {
    cells: Slab<Entry>,
    next_id: u64,
    id_end: u64,
    closed: bool,
}

pub(crate) struct Registry {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    /// Machines per shard, readable without its lock.
    counts: Box<[CachePadded<Counter>]>,
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
                .map(|_| CachePadded::new(Counter::new(0)))
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
        let entry = shard.cells.vacant_entry();
        let slot = RegistrySlot {
            shard: shard_index as u32,
            index: entry.key() as u32,
        };
        let cell = build(id, slot);
        entry.insert(Entry(cell));
        self.counts[shard_index].fetch_add(1, Ordering::Relaxed);
        Some(cell)
    }

    /// Removes a machine that has ended.
    pub(crate) fn leave(&self, slot: RegistrySlot) {
        let mut shard = self.lock(slot.shard as usize);
        shard.cells.remove(slot.index as usize);
        // A burst does not keep its entries for ever.
        if shard.cells.is_empty() && shard.cells.capacity() > 1024 {
            shard.cells = Slab::new();
        }
        self.counts[slot.shard as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Live machines: exact for a caller that knows that nobody connects or ends meanwhile.
    pub(crate) fn len(&self) -> usize {
        self.counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
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
                .map(|(_, entry)| unsafe { MemRef::new(entry.0) })
                .collect();
            cells.into_iter().for_each(&mut visit);
        }
    }
}
