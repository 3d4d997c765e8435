//! What the integration tests share: waiting with a deadline, counting probes, panics that are expected, futures.
//!
//! No test sleeps and hopes. Every wait is for a condition, gives up after [`PATIENCE`], and then says what it saw.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

pub(crate) mod futures;
pub(crate) mod panics;
pub(crate) mod probe;
pub(crate) mod rng;
pub(crate) mod small;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use d3::Runtime;

/// How long a test waits for anything. Generous: a slow machine is no fault, a hang is. `.ci/mutants`, whose mutants
/// mostly hang, is built with less.
pub(crate) const PATIENCE: Duration =
    Duration::from_secs(match option_env!("D3_TEST_PATIENCE_S") {
        Some(seconds) => match u64::from_str_radix(seconds, 10) {
            Ok(seconds) => seconds,
            Err(_) => panic!("D3_TEST_PATIENCE_S is a number of seconds"),
        },
        None => 60,
    });

/// Waits until `condition` holds; fails the test with `what` after [`PATIENCE`].
pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_or(what, condition, String::new);
}

/// As [`wait_until`]; `state` tells what to print beside `what` when the time is up.
pub(crate) fn wait_until_or(
    what: &str,
    mut condition: impl FnMut() -> bool,
    state: impl FnOnce() -> String,
) {
    let start = Instant::now();
    let mut rounds = 0_u32;
    while !condition() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?} {}",
            state()
        );
        rounds += 1;
        // A look costs the other side a cache line: look often at first, then leave the core to those who work.
        if rounds < 1_000 {
            thread::yield_now()
        } else {
            thread::sleep(Duration::from_micros(200))
        }
    }
}

/// Waits as [`wait_until`] does, and prints the runtime's statistics on a hang.
pub(crate) fn wait_in(runtime: &Runtime, what: &str, condition: impl FnMut() -> bool) {
    wait_until_or(what, condition, || {
        format!(
            "with {} machines, {:?}",
            runtime.machine_count(),
            runtime.stats()
        )
    });
}

/// A runtime of its own for a test, so that tests can run side by side.
pub(crate) fn runtime(workers: usize) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .build()
        .expect("the system gives us a few threads")
}

/// Runs `work` on a thread of its own and fails the test if it has not returned after [`PATIENCE`]: for calls that may
/// hang, where the test thread must stay free to say so.
pub(crate) fn within_patience<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let thread = thread::spawn(work);
    wait_until(what, || thread.is_finished());
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// How many rounds a test runs: the number from the environment, or `default`. CI runs few, a stress run many.
pub(crate) fn rounds(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(default)
}

/// A name for the threads of one runtime that no other test uses; short enough for the kernel to keep it whole.
pub(crate) fn thread_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // All of one length, so that none begins with another.
    format!(
        "t{:04}-{:04}",
        std::process::id() % 10_000,
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// How many threads of this process have a name that begins with `prefix`; `None` where the system does not tell.
/// A thread names itself once it runs: right after its start it is not counted yet.
pub(crate) fn threads_named(prefix: &str) -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let named = tasks.flatten().filter(|task| {
        // A thread that ends while we look has no name any more.
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(prefix))
    });
    Some(named.count())
}
