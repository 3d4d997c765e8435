//! The process-wide default runtime, under d3 0.1.3's names.
//!
//! It starts at the first [`connect`], or by [`start_server`]. After the last [`stop_server`] it has ended: connecting gives disconnected
//! senders until [`start_server`] is called again. Settings count for the next start, the capacity for the next connect.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::BuildError;
use crate::machine::{Machine, MachineImpl, MachineMut};
use crate::receiver::bounded;
use crate::runtime::{Runtime, ShutdownReport};
use crate::sender::Sender;
use crate::tuning;

/// What [`stop_server`] grants the machines for draining.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

struct Default {
    runtime: Option<Runtime>,
    /// Starts without their stop.
    nested: usize,
    stopped: bool,
    executors: usize,
    time_slice: Duration,
}

static DEFAULT: Mutex<Default> = Mutex::new(Default {
    runtime: None,
    nested: 0,
    stopped: false,
    executors: 0,
    time_slice: tuning::TIME_SLICE_DEFAULT,
});
static CAPACITY: AtomicUsize = AtomicUsize::new(tuning::MAILBOX_CAPACITY_DEFAULT);
static MACHINE_COUNT_ESTIMATE: AtomicUsize = AtomicUsize::new(5000);
static SELECTOR_MAINTENANCE_MS: AtomicUsize = AtomicUsize::new(500);

fn default() -> MutexGuard<'static, Default> {
    DEFAULT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default {
    fn start(&mut self) -> Result<Runtime, BuildError> {
        if let Some(runtime) = &self.runtime {
            return Ok(runtime.clone());
        }
        let runtime = Runtime::builder()
            .workers(self.executors)
            .time_slice(self.time_slice)
            .thread_name("d3-executor")
            .build()?;
        self.stopped = false;
        self.runtime = Some(runtime.clone());
        Ok(runtime)
    }
}

/// The default runtime, started if it never ran.
///
/// # Errors
/// The runtime's [`BuildError`]; [`BuildError::Stopped`] after [`stop_server`].
pub fn runtime() -> Result<Runtime, BuildError> {
    let mut default = default();
    if default.stopped {
        return Err(BuildError::Stopped);
    }
    default.start()
}

fn with_runtime<R>(connect: impl FnOnce(&Runtime) -> R, refused: impl FnOnce() -> R) -> R {
    match runtime() {
        Ok(runtime) => connect(&runtime),
        Err(error) => {
            tracing::warn!(%error, "the default runtime does not run: the sender is disconnected");
            refused()
        }
    }
}

fn capacity() -> usize {
    CAPACITY.load(Ordering::Relaxed)
}

/// Starts the default runtime. Nested: it takes as many [`stop_server`] to end it.
///
/// # Errors
/// The runtime's [`BuildError`]: a time slice of zero, too many workers, a thread that the system refused.
pub fn try_start() -> Result<(), BuildError> {
    let mut default = default();
    default.start()?;
    default.nested += 1;
    Ok(())
}

/// As [`try_start`]; an error is written to the log, and connecting gives disconnected senders.
pub fn start_server() {
    if let Err(error) = try_start() {
        tracing::error!(%error, "the default runtime could not be started");
        default().stopped = true;
    }
}

/// Ends the default runtime: machines drain, at most ten seconds, then end. Returns when it has ended, or at once if another
/// [`start_server`] is still without its stop, or inside a machine, which may not wait.
pub fn stop_server() {
    if let Some(report) = stop() {
        tracing::info!(%report, "the default runtime has ended");
    }
}

fn stop() -> Option<ShutdownReport> {
    let runtime = {
        let mut default = default();
        default.nested = default.nested.saturating_sub(1);
        if default.nested > 0 {
            return None;
        }
        if crate::scheduler::in_machine() {
            tracing::error!(
                "stop_server inside a machine: a machine may not wait for its own runtime"
            );
            return None;
        }
        default.stopped = true;
        default.runtime.take()?
    };
    // Without the lock: hooks and destructors may call this module.
    Some(runtime.shutdown(STOP_DEADLINE))
}

/// Connects a machine to the default runtime: see [`Runtime::connect`].
pub fn connect<T, P>(machine: T) -> (Arc<T>, Sender<P>)
where
    T: Machine<P> + 'static,
    P: MachineImpl,
{
    connect_with_capacity(machine, capacity())
}

/// Connects a machine to the default runtime: see [`Runtime::connect_with_capacity`].
pub fn connect_with_capacity<T, P>(machine: T, capacity: usize) -> (Arc<T>, Sender<P>)
where
    T: Machine<P> + 'static,
    P: MachineImpl,
{
    let machine = Arc::new(machine);
    let sender = with_runtime(
        |runtime| runtime.first_connect(&machine, Some(capacity)),
        disconnected,
    );
    (machine, sender)
}

/// Connects a machine to the default runtime: see [`Runtime::connect_unbounded`].
pub fn connect_unbounded<T, P>(machine: T) -> (Arc<T>, Sender<P>)
where
    T: Machine<P> + 'static,
    P: MachineImpl,
{
    let machine = Arc::new(machine);
    let sender = with_runtime(
        |runtime| runtime.first_connect(&machine, None),
        disconnected,
    );
    (machine, sender)
}

/// Connects a machine that owns its state to the default runtime: see [`Runtime::connect_mut`].
pub fn connect_mut<T, P>(machine: T) -> Sender<P>
where
    T: MachineMut<P> + 'static,
    P: MachineImpl,
{
    let capacity = capacity();
    with_runtime(
        |runtime| {
            runtime
                .machine(machine)
                .capacity(capacity)
                .accepts::<P>()
                .connect()
        },
        disconnected,
    )
}

/// One more instruction set for a value: see [`Runtime::and_connect`].
pub fn and_connect<T, P>(machine: &Arc<T>) -> Sender<P>
where
    T: Machine<P> + ?Sized + 'static,
    P: MachineImpl,
{
    and_connect_with_capacity(machine, capacity())
}

/// One more instruction set for a value: see [`Runtime::and_connect_with_capacity`].
pub fn and_connect_with_capacity<T, P>(machine: &Arc<T>, capacity: usize) -> Sender<P>
where
    T: Machine<P> + ?Sized + 'static,
    P: MachineImpl,
{
    with_runtime(
        |runtime| runtime.and_connect_with_capacity(machine, capacity),
        disconnected,
    )
}

/// One more instruction set for a value: see [`Runtime::and_connect_unbounded`].
pub fn and_connect_unbounded<T, P>(machine: &Arc<T>) -> Sender<P>
where
    T: Machine<P> + ?Sized + 'static,
    P: MachineImpl,
{
    with_runtime(
        |runtime| runtime.and_connect_unbounded(machine),
        disconnected,
    )
}

fn disconnected<P: Send + 'static>() -> Sender<P> {
    bounded(1).0
}

/// How many workers the default runtime has, or will have; 0: one per core.
pub fn get_executor_count() -> usize {
    let default = default();
    default
        .runtime
        .as_ref()
        .map_or(default.executors, Runtime::workers)
}

/// Sets the number of workers for the next start; 0: one per core.
pub fn set_executor_count(count: usize) {
    default().executors = count;
}

/// The longest run of one machine before others get their turn.
pub fn get_time_slice() -> Duration {
    default().time_slice
}

/// Sets the time slice for the next start.
pub fn set_time_slice(slice: Duration) {
    default().time_slice = slice;
}

/// The capacity of mailboxes that are connected without one.
pub fn get_default_channel_capacity() -> usize {
    capacity()
}

/// Sets the capacity of mailboxes that are connected without one from now on; 0 counts as 1.
pub fn set_default_channel_capacity(capacity: usize) {
    CAPACITY.store(capacity, Ordering::Relaxed);
}

/// What [`set_machine_count_estimate`] was told.
#[deprecated(
    since = "0.2.0",
    note = "no estimate is needed any more; it has no effect"
)]
pub fn get_machine_count_estimate() -> usize {
    MACHINE_COUNT_ESTIMATE.load(Ordering::Relaxed)
}

/// Has no effect.
#[deprecated(
    since = "0.2.0",
    note = "no estimate is needed any more; it has no effect"
)]
pub fn set_machine_count_estimate(count: usize) {
    MACHINE_COUNT_ESTIMATE.store(count, Ordering::Relaxed);
}

/// What [`set_selector_maintenance_duration`] was told.
#[deprecated(
    since = "0.2.0",
    note = "there is no selector any more; it has no effect"
)]
pub fn get_selector_maintenance_duration() -> Duration {
    Duration::from_millis(SELECTOR_MAINTENANCE_MS.load(Ordering::Relaxed) as u64)
}

/// Has no effect.
#[deprecated(
    since = "0.2.0",
    note = "there is no selector any more; it has no effect"
)]
pub fn set_selector_maintenance_duration(duration: Duration) {
    SELECTOR_MAINTENANCE_MS.store(duration.as_millis() as usize, Ordering::Relaxed);
}

fn figure(of: impl FnOnce(&Runtime) -> usize) -> usize {
    let runtime = default().runtime.clone();
    runtime.as_ref().map_or(0, of)
}

/// Live (machine, instruction set) pairs of the default runtime: exact.
pub fn get_machine_count() -> usize {
    figure(Runtime::machine_count)
}

/// Machines of the default runtime that wait for a worker.
pub fn get_run_queue_len() -> usize {
    figure(|runtime| runtime.stats().queued)
}

/// Workers of the default runtime that sleep.
pub fn get_executors_snoozing() -> usize {
    figure(|runtime| runtime.stats().sleeping)
}

/// Statistics of the default runtime as instructions.
pub mod stats {
    use std::time::Duration;

    pub use crate::stats::{CoreStatsMessage, CoreStatsSender, ExecutorStats, SchedStats};

    /// How long a machine may take to report itself before it is described from outside.
    const PATIENCE: Duration = Duration::from_secs(1);

    fn running() -> Option<crate::Runtime> {
        super::default().runtime.clone()
    }

    /// Adds a receiver of statistics; adding it twice counts once.
    pub fn add_core_stats_sender(sender: CoreStatsSender) {
        if let Ok(runtime) = super::runtime() {
            runtime.add_core_stats_sender(sender);
        }
    }

    /// Removes a receiver of statistics.
    pub fn remove_core_stats_sender(sender: CoreStatsSender) {
        if let Some(runtime) = running() {
            runtime.remove_core_stats_sender(&sender);
        }
    }

    /// Sends one [`ExecutorStats`] per worker and one [`SchedStats`] to every receiver, before it returns.
    pub fn request_stats_now() {
        if let Some(runtime) = running() {
            runtime.publish_core_stats();
        }
    }

    /// Writes one line per machine to the log. In a machine, which may not wait, machines are described from outside.
    pub fn request_machine_info() {
        let Some(runtime) = running() else { return };
        let machines = runtime
            .machine_reports(PATIENCE)
            .unwrap_or_else(|_| runtime.machines());
        for machine in machines {
            tracing::info!(%machine, "machine");
        }
    }
}
