//! The runtime: a handle to a pool of workers, and its clean end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::builder::RuntimeBuilder;
use crate::cell::EndCode;
use crate::error::{BuildError, WaitError};
use crate::protocol::Point;
use crate::scheduler::{self, Phase, Pool, Workers};
use crate::sender::Sender;
use crate::stats::{self, CoreStatsMessage, MachineInfo, RuntimeStats};
use crate::tuning;

/// A collective of machines and the workers that run them. A cheap handle: clones are the same runtime.
///
/// Dropping the last handle shuts the runtime down, with five seconds for draining; inside a machine, where nobody may wait, it
/// asks everything to end and returns at once.
///
/// ```
/// use d3_runtime::{MachineImpl, Runtime};
/// use std::time::Duration;
///
/// #[derive(MachineImpl)]
/// enum Say { Hello }
///
/// let runtime = Runtime::builder().workers(2).build()?;
/// let (_, sender) = runtime.connect(|Say::Hello: Say| println!("hello"));
/// sender.send(Say::Hello).expect("the machine lives");
/// let report = runtime.shutdown(Duration::from_secs(10));
/// assert!(report.is_clean(), "{report}");
/// # Ok::<(), d3_runtime::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Runtime(Arc<Handle>);

/// What all clones of a `Runtime` share. Machines and workers hold the pool, never this.
pub(crate) struct Handle {
    pool: Arc<Pool>,
    workers: Workers,
    ended: Mutex<Option<ShutdownReport>>,
}

impl Handle {
    pub(crate) fn new(pool: Arc<Pool>, workers: Workers) -> Self {
        Self {
            pool,
            workers,
            ended: Mutex::new(None),
        }
    }

    fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = &*ended {
            return report.clone();
        }
        let report = self.end(timeout);
        *ended = Some(report.clone());
        report
    }

    fn end(&self, timeout: Duration) -> ShutdownReport {
        let pool = &*self.pool;
        let begun = Instant::now();
        // A timeout beyond what the clock can name is no deadline.
        let deadline = begun.checked_add(timeout);
        let before = RuntimeStats::of(pool).total();

        pool.advance(Phase::Draining);
        crate::sync::point(Point::Draining);
        let quiet = pool.wait_idle(deadline);
        if !quiet {
            pool.set_overdue();
        }

        crate::sync::point(Point::BeforeEnding);
        pool.advance(Phase::Ending);
        pool.registry.close();
        crate::sync::point(Point::RegistryClosed);
        pool.registry
            .for_each(|machine| machine.ask_to_end(EndCode::Shutdown));
        let now = Instant::now();
        let deadline = deadline.map_or(now + tuning::END_GRACE, |deadline| deadline.max(now));
        let last = deadline.checked_add(tuning::END_GRACE).unwrap_or(deadline);
        // A machine that is being connected right now is in the registry before it is queued: look until all are gone.
        while pool.registry.len() > 0 && Instant::now() < last {
            if !pool.is_overdue() && Instant::now() >= deadline {
                pool.set_overdue();
            }
            pool.wait_idle(Some(if pool.is_overdue() { last } else { deadline }));
            std::thread::yield_now();
        }

        crate::sync::point(Point::BeforeExit);
        pool.tell_workers_to_exit();
        let detached = self
            .workers
            .join(last.max(Instant::now() + tuning::END_GRACE / 4));
        pool.advance(Phase::Stopped);
        // They may lead to machines of this very pool, whose cells keep the pool.
        pool.observers.clear();

        let after = RuntimeStats::of(pool);
        let total = after.total();
        ShutdownReport {
            elapsed: begun.elapsed(),
            quiet,
            drained: total.instructions - before.instructions,
            dropped: total.dropped - before.dropped,
            ended: total.ended - before.ended,
            left: after.machines,
            detached,
            refused: None,
        }
    }

    /// Asks everything to end without waiting for it.
    fn abandon(&self) {
        let pool = &*self.pool;
        pool.advance(Phase::Ending);
        pool.registry.close();
        pool.registry
            .for_each(|machine| machine.ask_to_end(EndCode::Shutdown));
        pool.observers.clear();
        pool.abandon();
        self.workers.detach();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.pool.phase() == Phase::Stopped {
            return;
        }
        if scheduler::in_machine() {
            self.abandon();
        } else {
            let report = self.shutdown(tuning::DROP_DEADLINE);
            if !report.is_clean() {
                tracing::warn!(%report, "a runtime was dropped that could not end cleanly");
            }
        }
    }
}

impl Runtime {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self(handle)
    }

    pub(crate) fn from_handle(handle: Arc<Handle>) -> Self {
        Self(handle)
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0.pool
    }

    /// A builder with everything at its default.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// A runtime with everything at its default: one worker per core.
    ///
    /// # Errors
    /// [`BuildError::Thread`] if the system refuses a thread.
    pub fn start() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// The number of workers.
    pub fn workers(&self) -> usize {
        self.pool().workers()
    }

    /// Live (machine, instruction set) pairs: exact. A machine whose sets share a run token (see
    /// [`MachineBuilder::accepts`](crate::MachineBuilder::accepts)) counts once. It counts from before its `connected` until after its
    /// `disconnected`: who learns of an end from that hook finds the machine counted for a moment more, and
    /// [`MachineHandle::wait`](crate::MachineHandle::wait) or [`wait_idle`](Self::wait_idle) wait until it is not.
    pub fn machine_count(&self) -> usize {
        self.pool().registry.len()
    }

    /// Whether [`shutdown`](Self::shutdown) has begun.
    pub fn is_shut_down(&self) -> bool {
        self.pool().phase() != Phase::Running
    }

    /// Waits until no machine is queued or running: a true barrier. What was sent before the call has then been received, and
    /// so has all that followed from it, but for machines that are parked on a receiver outside of the runtime.
    ///
    /// Once all workers rest it looks at each machine, which takes some 35 ns for each.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] if there was always something to do; [`WaitError::InsideMachine`] in a machine, which would wait for
    /// itself.
    pub fn wait_idle(&self, timeout: Duration) -> Result<(), WaitError> {
        if scheduler::in_machine() {
            return Err(WaitError::InsideMachine);
        }
        let deadline = Instant::now().checked_add(timeout);
        if self.pool().phase() == Phase::Stopped || self.pool().wait_idle(deadline) {
            Ok(())
        } else {
            Err(WaitError::Timeout)
        }
    }

    /// Counters of the runtime and of each worker.
    pub fn stats(&self) -> RuntimeStats {
        RuntimeStats::of(self.pool())
    }

    /// All machines, described from outside while they run: figures of one machine may be of slightly different moments.
    pub fn machines(&self) -> Vec<MachineInfo> {
        let mut machines = Vec::with_capacity(self.machine_count());
        self.pool()
            .registry
            .for_each(|machine| machines.push(MachineInfo::of(&machine)));
        machines
    }

    /// All machines, each reported by itself from between two instructions; who does not run within `patience` is described from
    /// outside. Wakes every machine: for a look at a misbehaving server, not for a regular one.
    ///
    /// # Errors
    /// [`WaitError::InsideMachine`] in a machine, which may not wait.
    pub fn machine_reports(&self, patience: Duration) -> Result<Vec<MachineInfo>, WaitError> {
        if scheduler::in_machine() {
            return Err(WaitError::InsideMachine);
        }
        let mut machines = Vec::new();
        stats::collect_reports(self.pool(), patience, |info| machines.push(info));
        Ok(machines)
    }

    /// Adds a receiver of core statistics; adding it twice counts once.
    pub fn add_core_stats_sender(&self, sender: Sender<CoreStatsMessage>) {
        self.pool().observers.add(sender, self.pool());
    }

    /// Removes a receiver of core statistics.
    pub fn remove_core_stats_sender(&self, sender: &Sender<CoreStatsMessage>) {
        self.pool().observers.remove(sender);
    }

    /// Sends the statistics of each worker and of the scheduler to every receiver of core statistics, before it returns.
    pub fn publish_core_stats(&self) {
        self.pool().observers.publish(self.pool());
    }

    /// Ends the runtime: refuses sends and connects from outside, lets machines work until all is quiet or `timeout` is
    /// over, then ends every machine, with its `disconnected`, and joins the workers. After a quiet drain machines still
    /// receive what a thread sent at the last moment; past the timeout, or parked on somebody outside, they leave it unread.
    ///
    /// A worker that is inside user code two seconds after the deadline is detached and named in the report. A second call returns
    /// the report of the first. In a machine, which may not wait, nothing happens but that the report says so.
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        if scheduler::in_machine() {
            return ShutdownReport {
                refused: Some(WaitError::InsideMachine),
                ..ShutdownReport::default()
            };
        }
        self.0.shutdown(timeout)
    }
}

impl PartialEq for Runtime {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.pool(), other.pool())
    }
}

impl Eq for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("workers", &self.workers())
            .field("machines", &self.machine_count())
            .field("phase", &self.pool().phase())
            .finish()
    }
}

/// How a shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// From the call to the end.
    pub elapsed: Duration,
    /// Whether all machines had nothing left to do before the deadline.
    pub quiet: bool,
    /// Instructions that machines received since the call.
    pub drained: u64,
    /// Instructions that machines left unread.
    pub dropped: u64,
    /// Machines that ended since the call, counted as by [`Runtime::machine_count`].
    pub ended: u64,
    /// Those that did not end: they run on a detached worker.
    pub left: usize,
    /// Workers that were inside user code at the end, and were left to themselves.
    pub detached: Vec<String>,
    /// Why nothing was done.
    pub refused: Option<WaitError>,
}

impl ShutdownReport {
    /// Whether everything ended in time and nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.refused.is_none()
            && self.quiet
            && self.dropped == 0
            && self.left == 0
            && self.detached.is_empty()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = self.refused {
            return write!(f, "not shut down: {reason}");
        }
        write!(
            f,
            "shut down in {:.3} s: {} instructions drained, {} dropped, {} machines ended",
            self.elapsed.as_secs_f64(),
            self.drained,
            self.dropped,
            self.ended
        )?;
        if !self.quiet {
            f.write_str("; the deadline came before all was quiet")?;
        }
        if !self.detached.is_empty() {
            write!(
                f,
                "; still inside user code: {} ({} machines)",
                self.detached.join(", "),
                self.left
            )?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use d3_derive::MachineImpl;

    use super::*;

    #[derive(MachineImpl)]
    enum Count {
        One,
    }

    /// A thread has woken a machine and is preempted before it queues it; what others send meanwhile is accepted, and no worker knows of it.
    #[test]
    fn a_send_in_flight_is_no_quiet() {
        const PATIENCE: Duration = Duration::from_secs(60);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let received = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&received);
        let (_, sender) = runtime.connect(move |Count::One: Count| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        runtime.wait_idle(PATIENCE).unwrap();
        let cell = sender.cell();
        let claim = cell.queue.claim_first(cell.queue.tail());
        let claim = claim.expect("the machine rests");
        sender.send(Count::One).unwrap();
        let idle = runtime.wait_idle(Duration::from_millis(10));
        cell.header().wake(claim.write(Count::One));
        assert_eq!(idle, Err(WaitError::Timeout));
        runtime.wait_idle(PATIENCE).unwrap();
        assert_eq!(received.load(Ordering::Relaxed), 2);
    }
}
