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
    /// Activations that ended because budget or time slice was used up.
    pub exhausted: u64,
    /// Machines parked on a full mailbox.
    pub parks: u64,
    /// How long machines were parked that this worker ran next, together.
    pub parked_for: Duration,
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
    fn of(counters: &Counters) -> Self {
        Self {
            activations: counters.activations.get(),
            instructions: counters.instructions.get(),
            exhausted: counters.exhausted.get(),
            parks: counters.parks.get(),
            parked_for: Duration::from_nanos(counters.parked_ns.get()),
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
        self.ring_breaks += other.ring_breaks;
        self.steals += other.steals;
        self.rescues += other.rescues;
        self.sleeps += other.sleeps;
        self.slept += other.slept;
        self.unwritten += other.unwritten;
        self.dropped += other.dropped;
        self.panics += other.panics;
        self.ended += other.ended;
    }
}

/// A runtime at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeStats {
    /// Live (machine, instruction set) pairs.
    pub machines: usize,
    /// Machines that wait for a worker; an estimate while they move.
    pub queued: usize,
    /// Workers that sleep.
    pub sleeping: usize,
    /// Instructions that `send_cmd` could not send.
    pub lost: u64,
    /// Each worker, in order.
    pub workers: Vec<WorkerStats>,
}

impl RuntimeStats {
    pub(crate) fn of(pool: &Pool) -> Self {
        Self {
            machines: pool.registry.len(),
            queued: pool.queued(),
            sleeping: pool.sleep.sleeping(),
            lost: pool.lost.load(Ordering::Relaxed),
            workers: pool.counters().map(WorkerStats::of).collect(),
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
            "machines {}, queued {}, workers asleep {}",
            self.machines, self.queued, self.sleeping
        )?;
        writeln!(
            f,
            "worker  activations  instructions      parks     steals     sleeps"
        )?;
        for (index, worker) in self.workers.iter().enumerate() {
            writeln!(
                f,
                "{index:>6} {:>12} {:>13} {:>10} {:>10} {:>10}",
                worker.activations, worker.instructions, worker.parks, worker.steals, worker.sleeps
            )?;
        }
        Ok(())
    }
}
