//! Statistics as instructions: d3 0.1.3's face.

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use d3_derive::MachineImpl;

use super::{MachineInfo, RuntimeStats};
use crate::cell::ControlMessage;
use crate::error::TrySendError;
use crate::scheduler::{Phase, Pool};
use crate::sender::Sender;

/// Where statistics go.
pub type CoreStatsSender = Sender<CoreStatsMessage>;

/// The instruction set of statistics.
#[derive(Clone, Copy, Debug, MachineImpl)]
pub enum CoreStatsMessage {
    /// One worker.
    ExecutorStats(ExecutorStats),
    /// The scheduler as a whole.
    SchedStats(SchedStats),
}

/// What one worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutorStats {
    /// The worker, counted from 1 as in d3 0.1.3.
    pub id: usize,
    /// Runs of a machine.
    pub tasks_executed: u128,
    /// Instructions handed to machines.
    pub instructs_sent: u128,
    /// Machines parked on a full mailbox.
    pub blocked_senders: u128,
    /// Activations that ended because budget or time slice was used up, with something left to do.
    pub exhausted_slice: u128,
    /// Times the worker went to sleep.
    pub sleep_count: u128,
    /// How long it slept.
    pub sleep_time: Duration,
}

/// What the scheduler as a whole looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedStats {
    /// Live machines, as [`Runtime::machine_count`](crate::Runtime::machine_count) counts them.
    pub machines: usize,
    /// Machines that wait for a worker.
    pub queued: usize,
    /// Workers that sleep.
    pub sleeping: usize,
    /// Time since the runtime was built.
    pub total_time: Duration,
}

/// Who wants the statistics of a pool.
#[derive(Default)]
pub(crate) struct Observers(Mutex<Vec<CoreStatsSender>>);

impl Observers {
    fn lock(&self) -> MutexGuard<'_, Vec<CoreStatsSender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a sender; one that is there already is not added again, and none is once the pool ends.
    pub(crate) fn add(&self, sender: CoreStatsSender, pool: &Pool) {
        let mut senders = self.lock();
        // Looked at under the lock: `clear` comes after the phase was left.
        if pool.phase() == Phase::Running && !senders.contains(&sender) {
            senders.push(sender);
        }
    }

    /// Lets go of all senders. Dropped without the lock: one may be the last sender of a machine.
    pub(crate) fn clear(&self) {
        let senders = std::mem::take(&mut *self.lock());
        drop(senders);
    }

    pub(crate) fn remove(&self, sender: &CoreStatsSender) {
        let mut senders = self.lock();
        let removed: Vec<_> = senders.extract_if(.., |known| known == sender).collect();
        drop(senders);
        // Dropped without the lock: it may have been the last sender of a machine.
        drop(removed);
    }

    /// Sends each worker's and the scheduler's statistics to everyone: now, from this thread. Who is full is skipped, who
    /// has ended is removed.
    pub(crate) fn publish(&self, pool: &Pool) {
        let senders = self.lock().clone();
        if senders.is_empty() {
            return;
        }
        let messages = messages(pool);
        for sender in senders {
            for message in &messages {
                if let Err(TrySendError::Disconnected(_)) = sender.try_send(*message) {
                    self.remove(&sender);
                    break;
                }
            }
        }
    }
}

fn messages(pool: &Pool) -> Vec<CoreStatsMessage> {
    let stats = RuntimeStats::of(pool);
    let mut messages: Vec<_> = stats
        .workers
        .iter()
        .enumerate()
        .map(|(index, worker)| {
            CoreStatsMessage::ExecutorStats(ExecutorStats {
                id: index + 1,
                tasks_executed: worker.activations.into(),
                instructs_sent: worker.instructions.into(),
                blocked_senders: worker.parks.into(),
                exhausted_slice: worker.exhausted.into(),
                sleep_count: worker.sleeps.into(),
                sleep_time: worker.slept,
            })
        })
        .collect();
    messages.push(CoreStatsMessage::SchedStats(SchedStats {
        machines: stats.machines,
        queued: stats.queued,
        sleeping: stats.sleeping,
        total_time: Duration::from_nanos(pool.now_ns()),
    }));
    messages
}

/// Asks every machine to report itself, from between two of its instructions, and hands each report to `visit` as it
/// comes. A machine that does not run within `patience`, because it is parked or inside a long `receive`, is described from outside.
pub(crate) fn collect_reports(pool: &Pool, patience: Duration, mut visit: impl FnMut(MachineInfo)) {
    let mut asked = Vec::new();
    pool.registry.for_each(|machine| {
        if machine.held.is_parked() {
            visit(MachineInfo::of(&machine));
            return;
        }
        let (to, report) = sync_channel(1);
        match machine.post(ControlMessage::Report(to)) {
            Ok(()) => asked.push((machine, report)),
            Err(_) => visit(MachineInfo::of(&machine)),
        }
    });
    // Longer than an hour is as good as for ever, and the clock can name it.
    let deadline = Instant::now() + patience.min(Duration::from_secs(3600));
    for (machine, report) in asked {
        let left = deadline.saturating_duration_since(Instant::now());
        visit(
            report
                .recv_timeout(left)
                .unwrap_or_else(|_| MachineInfo::of(&machine)),
        );
    }
}
