#![doc = include_str!("README.md")]

mod current;
mod environment;
mod launch;
mod local;
mod pace;
mod patience;
mod stream;
mod worker;

#[cfg(all(test, loom))]
mod model;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::CachePadded;

use crate::builder::Config;
use crate::cell::{Registry, Scheduled};
use crate::protocol::Point;
use crate::runtime::Handle;
use crate::sleep::Sleep;
use crate::stats::{Counters, WorkerState};
use environment::{Environment, System};

pub(crate) use current::{
    InMachine, has_noted, in_machine, is_worker_of, machine, note, take_noted,
};
pub(crate) use launch::{Launch, Workers};
pub(crate) use local::{Local, Remote};

/// How far the end of a pool has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Everything is welcome.
    Running = 0,
    /// Sends and connects from outside are refused; machines drain.
    Draining = 1,
    /// All machines are asked to end; nobody may connect.
    Ending = 2,
    /// The workers are gone.
    Stopped = 3,
}

/// Everything that the workers of one runtime share.
pub(crate) struct Pool {
    phase: AtomicU8,
    /// The deadline of the shutdown is over: machines read no more.
    overdue: AtomicBool,
    /// The last handle was dropped where nobody may wait.
    abandoned: AtomicBool,
    /// Workers exit once they find nothing to do.
    exit: AtomicBool,
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) partners: crate::cell::Partners,
    pub(crate) sleep: Sleep,
    pub(crate) environment: Box<dyn Environment>,
    injector: Injector<Scheduled>,
    /// Each with lines of its own: a worker writes to its own all the time.
    remotes: Box<[Arc<CachePadded<Remote>>]>,
    /// Sends that were refused because the receiver had ended, by `send_cmd`.
    pub(crate) lost: AtomicU64,
    /// For `this_machine::runtime()`.
    pub(crate) handle: std::sync::OnceLock<Weak<Handle>>,
    pub(crate) observers: crate::stats::Observers,
}

impl Pool {
    pub(crate) fn new(config: Config, remotes: Vec<Remote>) -> Self {
        let workers = remotes.len();
        Self {
            phase: AtomicU8::new(Phase::Running as u8),
            overdue: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            exit: AtomicBool::new(false),
            config,
            registry: Registry::new(),
            partners: crate::cell::Partners::default(),
            sleep: Sleep::new(workers),
            environment: Box::new(System::new()),
            injector: Injector::new(),
            remotes: remotes
                .into_iter()
                .map(|remote| Arc::new(CachePadded::new(remote)))
                .collect(),
            lost: AtomicU64::new(0),
            handle: std::sync::OnceLock::new(),
            observers: crate::stats::Observers::default(),
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.remotes.len()
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.remotes.iter().map(|remote| &*remote.counters)
    }

    /// What each worker is at, as far as others see it.
    pub(crate) fn worker_states(&self) -> impl Iterator<Item = WorkerState> {
        self.remotes.iter().map(|remote| remote.state())
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // Acquire: pairs with the Release in `advance`.
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            2 => Phase::Ending,
            _ => Phase::Stopped,
        }
    }

    /// Moves on to a later phase; false: it was there already.
    pub(crate) fn advance(&self, to: Phase) -> bool {
        // AcqRel: who sees the phase sees what led to it.
        self.phase.fetch_max(to as u8, Ordering::AcqRel) < to as u8
    }

    pub(crate) fn is_overdue(&self) -> bool {
        // Acquire: pairs with the Release in `set_overdue`; a machine that looks too early reads one instruction more.
        self.overdue.load(Ordering::Acquire)
    }

    pub(crate) fn set_overdue(&self) {
        // Release: see `is_overdue`.
        self.overdue.store(true, Ordering::Release);
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.environment.now_ns()
    }

    /// Machines that wait for a worker: an estimate while they move.
    pub(crate) fn queued(&self) -> usize {
        let local: usize = self.remotes.iter().map(|remote| remote.queued()).sum();
        self.injector.len() + local
    }

    /// Whether any queue holds a machine, for `wait_idle`, or the workers are to exit.
    pub(crate) fn has_work(&self) -> bool {
        !self.injector.is_empty()
            || self.remotes.iter().any(|remote| !remote.stealer.is_empty())
            || self.is_to_exit()
    }

    /// The one list of all sources that a sleeper would miss: for the last look before sleep. What lies in the deque of a worker and
    /// does not pay a second one is that worker's own, like its next-up slot.
    fn has_work_for_another(&self) -> bool {
        !self.injector.is_empty()
            || self.remotes.iter().any(|remote| remote.pays())
            || self.is_to_exit()
    }

    /// Whether the workers leave once they find nothing to run.
    fn is_to_exit(&self) -> bool {
        // Acquire: pairs with the Release in `tell_workers_to_exit`.
        self.exit.load(Ordering::Acquire)
    }

    /// Whether some other worker than the one that asks, which counts as asleep by now, is awake to find what was handed over; nobody
    /// relies on that once the workers are to exit.
    fn is_left_to_others(&self) -> bool {
        !self.is_to_exit() && self.sleep.is_anybody_awake()
    }

    /// Puts a machine where any worker finds it.
    pub(crate) fn inject(&self, machine: Scheduled) {
        self.injector.push(machine);
        crate::sync::point(Point::Injected);
        self.sleep.notify();
    }

    fn steal_injected(&self, local: &Local) -> Option<Scheduled> {
        loop {
            match self.injector.steal_batch_and_pop(local.deque()) {
                Steal::Success(machine) => return Some(machine),
                Steal::Empty => return None,
                // Not empty: somebody else moved. Giving up here could put the worker to sleep on top of work.
                Steal::Retry => {}
            }
        }
    }

    /// Tells the workers to exit once nothing is left to run.
    pub(crate) fn tell_workers_to_exit(&self) {
        // Release: pairs with the Acquire in `is_to_exit`.
        self.exit.store(true, Ordering::Release);
        self.sleep.wake_all();
    }

    /// Waits until no machine is queued or running, or the workers leave. False: the deadline came first.
    pub(crate) fn wait_idle(&self, deadline: Option<Instant>) -> bool {
        self.sleep.wait_idle(
            deadline,
            || self.is_to_exit(),
            || !self.has_work(),
            || self.are_all_quiet(),
        )
    }

    /// Whether every machine rests or is parked. One that does neither while no worker runs is in the hands of a thread that has taken its rest away and has not
    /// queued it yet; and what others have sent to it meanwhile was accepted.
    fn are_all_quiet(&self) -> bool {
        let mut quiet = true;
        self.registry
            .for_each(|machine| quiet = quiet && machine.is_quiet());
        quiet
    }

    /// Nobody waits for the end any more: the machine that ends last sends the workers home.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence at a machine's end: either that machine sees the flag, or this look sees that it left.
        fence(Ordering::SeqCst);
        self.release_workers_if_abandoned();
    }

    /// After a machine left the registry, and a SeqCst fence.
    pub(crate) fn release_workers_if_abandoned(&self) {
        // Relaxed: ordered by the fences.
        if self.abandoned.load(Ordering::Relaxed) && self.registry.len() == 0 {
            self.tell_workers_to_exit();
        }
    }
}

/// Queues a machine that was made runnable: locally where this thread is a worker of its pool, else through the
/// injector of its pool.
#[inline(never)]
pub(crate) fn schedule(machine: Scheduled) {
    queue(machine, Local::push_next_up);
}

/// Queues a machine that was held and is resumed: at the back, since others have waited meanwhile.
pub(crate) fn requeue(machine: Scheduled) {
    queue(machine, Local::push_back);
}

#[inline]
fn queue(machine: Scheduled, locally: impl FnOnce(&Local, Scheduled)) {
    let Some(pool) = machine.header().pool() else {
        return wake_by_table(machine);
    };
    // The last look at the pool through the machine: once the token is queued, it may run, end and let go of cell and pool.
    let local = current::local_of(pool);
    match local {
        // SAFETY: this thread is a worker, and is one until long after this call.
        Some(local) => locally(unsafe { local.as_ref() }, machine),
        None => inject(machine),
    }
}

#[cold]
fn inject(machine: Scheduled) {
    match machine.header().pool().cloned() {
        // Through a reference of our own: see `queue`.
        Some(pool) => pool.inject(machine),
        None => wake_by_table(machine),
    }
}

/// Queues machines that were resumed together: the sleepers are woken once for all of them.
pub(crate) fn requeue_all(machines: Vec<Scheduled>) {
    crate::sync::point(Point::Resumed);
    let mut here = 0;
    let mut elsewhere: Option<(Arc<Pool>, usize)> = None;
    for machine in machines {
        let Some(pool) = machine.header().pool() else {
            return wake_by_table(machine);
        };
        if let Some(local) = current::local_of(pool) {
            // SAFETY: as in `queue`.
            unsafe { local.as_ref() }.push_back_quietly(machine);
            here += 1;
            continue;
        }
        // Through a reference of our own: see `queue`.
        let pool = Arc::clone(pool);
        pool.injector.push(machine);
        // Waiters of one mailbox are mostly of one pool; another one's sleepers are woken at the border.
        elsewhere = match elsewhere {
            Some((before, count)) if Arc::ptr_eq(&before, &pool) => Some((before, count + 1)),
            Some((before, count)) => {
                before.sleep.notify_many(count);
                Some((pool, 1))
            }
            None => Some((pool, 1)),
        };
    }
    if let Some((pool, count)) = elsewhere {
        pool.sleep.notify_many(count);
    }
    if here > 0 {
        current::offer(here);
    }
}

/// A cell without a pool schedules itself: the models' cells do, and nobody else's.
#[cold]
fn wake_by_table(machine: Scheduled) {
    let wake = machine.header().vtable.wake;
    // SAFETY: the table belongs to the cell, and the token is handed over.
    unsafe { wake(machine.into_cell()) }
}
