//! What this thread is at the moment: a worker of which pool, running which machine.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::{Local, Pool};
use crate::cell::{Header, MemRef};

/// Nothing in here needs a destructor, so it can be read as long as the thread lives.
struct Current {
    pool: Cell<*const Pool>,
    local: Cell<*const Local>,
    machine: Cell<*const Header>,
    /// Full receivers met in the running `receive`: two inline, the rest in a box.
    noted: [Cell<*mut Header>; 2],
    /// How many instructions each of the two took beyond its capacity.
    over: [Cell<u32>; 2],
    noted_more: Cell<*mut Vec<(MemRef, u32)>>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            pool: Cell::new(ptr::null()),
            local: Cell::new(ptr::null()),
            machine: Cell::new(ptr::null()),
            noted: [const { Cell::new(ptr::null_mut()) }; 2],
            over: [const { Cell::new(0) }; 2],
            noted_more: Cell::new(ptr::null_mut()),
        }
    };
}

/// Makes this thread a worker of `pool` until the guard is dropped.
pub(super) struct OnWorker(());

impl OnWorker {
    /// # Safety
    /// `pool` and `local` outlive the guard, which is dropped on this thread.
    pub(super) unsafe fn enter(pool: &Pool, local: &Local) -> Self {
        CURRENT.with(|current| {
            current.pool.set(pool);
            current.local.set(local);
        });
        Self(())
    }
}

impl Drop for OnWorker {
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.pool.set(ptr::null());
            current.local.set(ptr::null());
        });
    }
}

/// The machine that this thread runs, as long as the guard lives.
pub(crate) struct InMachine(*const Header);

impl InMachine {
    /// The caller keeps `machine` alive while the guard lives.
    #[inline]
    pub(crate) fn enter(machine: &Header) -> Self {
        Self(CURRENT.with(|current| current.machine.replace(machine.in_cell().as_ptr())))
    }
}

impl Drop for InMachine {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.machine.set(self.0));
    }
}

/// Whether this thread runs user code of a machine: `receive`, a hook, a destructor.
#[inline]
pub(crate) fn in_machine() -> bool {
    CURRENT.with(|current| !current.machine.get().is_null())
}

/// A memory reference to the machine that this thread runs.
pub(crate) fn machine() -> Option<MemRef> {
    let machine = CURRENT.with(|current| current.machine.get());
    // SAFETY: set by `InMachine`, whose caller keeps the cell alive.
    NonNull::new(machine.cast_mut()).map(|cell| unsafe { MemRef::new(cell) })
}

/// Whether this thread is a worker of `pool`.
#[inline]
pub(crate) fn is_worker_of(pool: &Pool) -> bool {
    CURRENT.with(|current| ptr::eq(current.pool.get(), pool))
}

/// The local queue of this worker. Valid as long as this thread is a worker, which every caller leaves first.
#[inline]
fn local() -> Option<NonNull<Local>> {
    // A plain read, no closure around what is done with the queue: this stands behind every send that wakes.
    CURRENT.with(|current| NonNull::new(current.local.get().cast_mut()))
}

/// The same, if the pool is its own.
#[inline]
pub(super) fn local_of(pool: &Pool) -> Option<NonNull<Local>> {
    if is_worker_of(pool) { local() } else { None }
}

/// This worker has pushed `count` machines onto its own deque.
pub(super) fn offer(count: usize) {
    if let Some(local) = local() {
        // SAFETY: as its doc says.
        unsafe { local.as_ref() }.offer(count);
    }
}

/// Notes a receiver that took an instruction beyond its capacity.
#[inline]
pub(crate) fn note(receiver: &Header) {
    // A burst meets the same one again and again.
    let (first, over) = CURRENT.with(|current| (current.noted[0].get(), current.over[0].get()));
    if ptr::eq(first, receiver) {
        CURRENT.with(|current| current.over[0].set(over.saturating_add(1)));
    } else {
        note_another(receiver);
    }
}

fn note_another(receiver: &Header) {
    CURRENT.with(|current| {
        for (noted, over) in current.noted.iter().zip(&current.over) {
            if ptr::eq(noted.get(), receiver) {
                over.set(over.get().saturating_add(1));
                return;
            }
            if noted.get().is_null() {
                noted.set(MemRef::of(receiver).into_raw().as_ptr());
                over.set(1);
                return;
            }
        }
        note_more(current, receiver);
    });
}

#[cold]
fn note_more(current: &Current, receiver: &Header) {
    let mut more = current.noted_more.get();
    if more.is_null() {
        more = Box::into_raw(Box::default());
        current.noted_more.set(more);
    }
    // SAFETY: a box of this thread, taken out by `take_noted` only; no reference to it outlives this block.
    let more = unsafe { &mut *more };
    let known = more
        .iter_mut()
        .find(|(noted, _)| ptr::eq::<Header>(&**noted, receiver));
    match known {
        Some((_, over)) => *over = over.saturating_add(1),
        None => more.push((MemRef::of(receiver), 1)),
    }
}

/// Whether a full receiver was noted: one load, the answer after most instructions.
#[inline]
pub(crate) fn has_noted() -> bool {
    CURRENT.with(|current| !current.noted[0].get().is_null())
}

/// The noted receivers, in the order they were met. Each is told what it took beyond its capacity.
pub(crate) fn take_noted() -> Noted {
    CURRENT.with(|current| {
        let more = current.noted_more.replace(ptr::null_mut());
        Noted {
            inline: [0, 1].map(|i| {
                let cell = NonNull::new(current.noted[i].replace(ptr::null_mut()));
                // SAFETY: `note` stored the reference, and it is taken out once.
                cell.map(|cell| (unsafe { MemRef::from_raw(cell) }, current.over[i].get()))
            }),
            more: if more.is_null() {
                Vec::new()
            } else {
                // SAFETY: made by `note`, taken out once.
                *unsafe { Box::from_raw(more) }
            }
            .into_iter(),
        }
    })
}

/// What [`take_noted`] took: no allocation for one or two.
pub(crate) struct Noted {
    inline: [Option<(MemRef, u32)>; 2],
    more: std::vec::IntoIter<(MemRef, u32)>,
}

impl Iterator for Noted {
    type Item = MemRef;

    fn next(&mut self) -> Option<MemRef> {
        let [first, second] = &mut self.inline;
        let (receiver, over) = first
            .take()
            .or_else(|| second.take())
            .or_else(|| self.more.next())?;
        receiver.overflowed(over);
        if let Some(local) = local() {
            // SAFETY: as its doc says.
            let counters = &unsafe { local.as_ref() }.remote().counters;
            counters.overflows.add(u64::from(over));
        }
        Some(receiver)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
