//! What the tests of this folder share. No test sleeps and hopes: every wait is for a condition and gives up after [`PATIENCE`].

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

pub(crate) mod log;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use d3_runtime::{MachineInfo, Runtime, Sender};

/// How long a test waits for anything. Generous: a slow machine is no fault, a hang is. `.ci/mutants`, whose mutants mostly hang,
/// builds with less, `.ci/sanitizers` with more.
pub(crate) const PATIENCE: Duration =
    Duration::from_secs(match option_env!("D3_TEST_PATIENCE_S") {
        Some(seconds) => match u64::from_str_radix(seconds, 10) {
            Ok(seconds) => seconds,
            Err(_) => panic!("D3_TEST_PATIENCE_S is a number of seconds"),
        },
        None => 60,
    });

/// Waits until `condition` holds; fails the test with `what` after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::yield_now();
    }
}

/// A runtime of its own for a test, so that tests can run side by side.
pub(crate) fn runtime(workers: usize) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .build()
        .expect("a few threads can be had")
}

/// What the runtime says of the machine behind this sender.
pub(crate) fn info_of(runtime: &Runtime, sender: &Sender<impl Send + 'static>) -> MachineInfo {
    let machines = runtime.machines();
    let this = machines.into_iter().find(|info| info.id == sender.id());
    this.expect("it lives")
}

/// Holds a machine up while it is closed: the machine closes it as well, and opens it at once.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<()>>);

impl Gate {
    pub(crate) fn close(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
