//! Building a runtime: settings with their checks.
//!
//! The builder's word counts most; what it leaves open comes from the environment (`D3_WORKERS`), and last from `tuning`.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::checked;
use crate::error::BuildError;
use crate::runtime::{Handle, Runtime};
use crate::scheduler::Launch;
use crate::tuning;

/// More workers than any machine has cores; the limit exists so that a typing error does not exhaust the system.
const WORKERS_MAX: usize = 4096;

/// The settings of a pool, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    pub(crate) pin_workers: bool,
    pub(crate) thread_name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) time_slice: Duration,
    pub(crate) budget: usize,
    pub(crate) mailbox_capacity: usize,
    pub(crate) hard_limit: usize,
}

impl Config {
    /// The time slice as the clock counts: half a millennium is as good as no end.
    pub(crate) fn time_slice_ns(&self) -> u64 {
        u64::try_from(self.time_slice.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Builds a [`Runtime`].
///
/// ```
/// use std::time::Duration;
/// let runtime = d3_runtime::Runtime::builder()
///     .workers(2)
///     .thread_name("server")
///     .mailbox_capacity(256)
///     .time_slice(Duration::from_millis(10))
///     .build()?;
/// assert_eq!(runtime.workers(), 2);
/// # Ok::<(), d3_runtime::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RuntimeBuilder {
    workers: Option<usize>,
    config: Config,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self {
            workers: None,
            config: Config {
                workers: 0,
                pin_workers: false,
                thread_name: "d3-worker".to_owned(),
                stack_size: None,
                time_slice: tuning::TIME_SLICE_DEFAULT,
                budget: tuning::BUDGET_DEFAULT,
                mailbox_capacity: tuning::MAILBOX_CAPACITY_DEFAULT,
                hard_limit: tuning::HARD_LIMIT_DEFAULT,
            },
        }
    }
}

impl RuntimeBuilder {
    /// How many workers run machines; 0, the default, means one per core that the process may use, or what the environment
    /// variable `D3_WORKERS` says.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = (count > 0).then_some(count);
        self
    }

    /// Whether each worker is pinned to a core of its own. Off by default: it helps on a machine that the process has
    /// to itself and hurts elsewhere.
    pub fn pin_workers(mut self, pin: bool) -> Self {
        self.config.pin_workers = pin;
        self
    }

    /// The name of the worker threads; each gets its number behind it. `d3-worker` by default.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.config.thread_name = name.into();
        self
    }

    /// The stack of each worker in bytes; the system's default otherwise.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// The longest run of one machine before others get their turn; 20 ms by default. It is looked at between instructions: after the second
    /// and then ever more seldom as long as they are short, at least after every 64th; and where the worker's last turns were all short, first after the sixteenth.
    pub fn time_slice(mut self, slice: Duration) -> Self {
        self.config.time_slice = slice;
        self
    }

    /// The most instructions of one machine before others get their turn; 256 by default.
    pub fn budget(mut self, instructions: usize) -> Self {
        self.config.budget = instructions;
        self
    }

    /// What a mailbox holds before it is full, unless it is connected with a capacity of its own; 250 by default.
    pub fn mailbox_capacity(mut self, instructions: usize) -> Self {
        self.config.mailbox_capacity = instructions;
        self
    }

    /// The multiple of its capacity up to which machines may overfill a mailbox, each before it is parked; beyond it `send` hands
    /// the instruction back. 65,536 by default: far above what parking allows, below what exhausts memory.
    pub fn hard_limit(mut self, multiple: usize) -> Self {
        self.config.hard_limit = multiple;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// [`BuildError`] names the setting that makes no sense, or the thread that the system refused.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let config = self.check()?;
        let (pool, workers) = Launch::new(config).start().map_err(BuildError::Thread)?;
        let handle = Arc::new(Handle::new(Arc::clone(&pool), workers));
        // Set once, here.
        let _ = pool.handle.set(Arc::downgrade(&handle));
        Ok(Runtime::new(handle))
    }

    fn check(self) -> Result<Config, BuildError> {
        let mut config = self.config;
        checked(config.mailbox_capacity)?;
        if config.budget == 0 {
            return Err(BuildError::ZeroBudget);
        }
        if config.time_slice.is_zero() {
            return Err(BuildError::ZeroTimeSlice);
        }
        if config.hard_limit == 0 {
            return Err(BuildError::ZeroHardLimit);
        }
        if config.thread_name.contains('\0') {
            return Err(BuildError::BadThreadName(config.thread_name));
        }
        config.workers = self
            .workers
            .or_else(workers_from_environment)
            .unwrap_or_else(cores);
        if config.workers > WORKERS_MAX {
            return Err(BuildError::TooManyWorkers {
                wanted: config.workers,
                most: WORKERS_MAX,
            });
        }
        Ok(config)
    }
}

fn workers_from_environment() -> Option<usize> {
    let text = std::env::var("D3_WORKERS").ok()?;
    match text.trim().parse() {
        Ok(0) => None,
        Ok(count) => Some(count),
        Err(error) => {
            tracing::warn!(%error, value = %text, "D3_WORKERS is not a number of workers; it is ignored");
            None
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
