//! Snapshots of a runtime and its workers, for people and programs.

use std::fmt;
use std::time::Duration;

use super::Counters;
use crate::scheduler::Pool;
use crate::sync::Ordering;

/// What one worker has done since its runtime was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Runs of a machine.
    pub activations: u64,
    /// Instructions handed to machines.
    pub instructions: u64,
    /// Activations that ended because budget or time slice was used up, with something left to do.
    pub exhausted: u64,
    /// Machines parked on a full mailbox.
    pub parks: u64,
    /// How long machines were parked that this worker ran next, together.
    pub parked_for: Duration,
    /// Instructions that machines sent beyond the receiver's capacity.
    pub overflows: u64,
    /// Machines that gave way because parking them would have closed a ring.
    pub ring_breaks: u64,
    /// Batches of machines taken from other workers.
    pub steals: u64,
    /// Machines taken from behind another worker's long `receive`.
    pub rescues: u64,
    /// Times the worker went to sleep.
    pub sleeps: u64,
    /// How long it slept.
    pub slept: Duration,
    /// Times that somebody who had work picked it from among those asleep and woke it; its other sleeps ended by a look of its own.
    pub wakes: u64,
    /// Activations that ended because a sender had not written what it claimed.
    pub unwritten: u64,
    /// Instructions that ended machines left unread.
    pub dropped: u64,
    /// Panics of machines, their hooks and destructors.
    pub panics: u64,
    /// Machines that ended.
    pub ended: u64,
}

impl WorkerStats {
    fn of(counters: &Counters, wakes: u64) -> Self {
        Self {
            wakes,
            activations: counters.activations.get(),
            instructions: counters.instructions.get(),
            exhausted: counters.exhausted.get(),
            parks: counters.parks.get(),
            parked_for: Duration::from_nanos(counters.parked_ns.get()),
            overflows: counters.overflows.get(),
            ring_breaks: counters.ring_breaks.get(),
            steals: counters.steals.get(),
            rescues: counters.rescues.get(),
            sleeps: counters.sleeps.get(),
            slept: Duration::from_nanos(counters.slept_ns.get()),
            unwritten: counters.unwritten.get(),
            dropped: counters.dropped.get(),
            panics: counters.panics.get(),
            ended: counters.ended.get(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.activations += other.activations;
        self.instructions += other.instructions;
        self.exhausted += other.exhausted;
        self.parks += other.parks;
        self.parked_for += other.parked_for;
        self.overflows += other.overflows;
        self.ring_breaks += other.ring_breaks;
        self.steals += other.steals;
        self.rescues += other.rescues;
        self.sleeps += other.sleeps;
        self.slept += other.slept;
        self.wakes += other.wakes;
        self.unwritten += other.unwritten;
        self.dropped += other.dropped;
        self.panics += other.panics;
        self.ended += other.ended;
    }
}

/// What one worker is at, at one moment. One that is not asleep runs a machine, or looks for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerState {
    /// Whether it sleeps.
    pub asleep: bool,
    /// Machines in its own queue.
    pub queued: usize,
    /// Whether a machine is to be run next, ahead of the queue.
    pub has_next_up: bool,
    /// Whether a machine that has read everything, or all but the last of a stream, keeps its place on this worker for a moment.
    pub has_lingering: bool,
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.asleep { "asleep" } else { "awake" })?;
        if self.queued > 0 {
            write!(f, ", {} queued", self.queued)?;
        }
        if self.has_next_up {
            f.write_str(", one next up")?;
        }
        if self.has_lingering {
            f.write_str(", one lingers")?;
        }
        Ok(())
    }
}

/// A runtime at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeStats {
    /// Live machines, as [`Runtime::machine_count`](crate::Runtime::machine_count) counts them.
    pub machines: usize,
    /// Those in memory: the live ones, and ended ones that a sender or a handle still refers to.
    pub cells: usize,
    /// Machines that wait for a worker; an estimate while they move.
    pub queued: usize,
    /// Workers that sleep.
    pub sleeping: usize,
    /// Workers that look for a machine to run.
    pub searching: usize,
    /// Instructions that `send_cmd` could not send.
    pub lost: u64,
    /// What each worker has done, in order.
    pub workers: Vec<WorkerStats>,
    /// What each worker is at, in the same order.
    pub states: Vec<WorkerState>,
}

impl RuntimeStats {
    pub(crate) fn of(pool: &Pool) -> Self {
        Self {
            machines: pool.registry.len(),
            cells: pool.registry.cells(),
            queued: pool.queued(),
            sleeping: pool.sleep.sleeping(),
            searching: pool.sleep.searching(),
            lost: pool.lost.load(Ordering::Relaxed),
            workers: pool
                .counters()
                .enumerate()
                .map(|(worker, counters)| WorkerStats::of(counters, pool.sleep.wakes(worker)))
                .collect(),
            states: pool.worker_states().collect(),
        }
    }

    /// All workers together.
    pub fn total(&self) -> WorkerStats {
        let mut total = WorkerStats::default();
        self.workers.iter().for_each(|worker| total.add(worker));
        total
    }
}

impl fmt::Display for RuntimeStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "machines {}, in memory {}, queued {}, workers asleep {}, searching {}",
            self.machines, self.cells, self.queued, self.sleeping, self.searching
        )?;
        writeln!(
            f,
            "worker  activations  instructions      parks     steals     sleeps      wakes  now"
        )?;
        for (index, worker) in self.workers.iter().enumerate() {
            let state = self.states.get(index).copied().unwrap_or_default();
            writeln!(
                f,
                "{index:>6} {:>12} {:>13} {:>10} {:>10} {:>10} {:>10}  {state}",
                worker.activations,
                worker.instructions,
                worker.parks,
                worker.steals,
                worker.sleeps,
                worker.wakes
            )?;
        }
        Ok(())
    }
}
