//! Waiting with a deadline, and saying what the collective looked like when it passed.

use std::thread;
use std::time::{Duration, Instant};

use d3::core::executor::{self, stats};
use d3::core::machine_impl::*;

use crate::{Faults, TestMessage, Totals};

/// How long a driver waits for anything. Generous: a slow machine is no fault, a hang is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not hold within [`PATIENCE`], or if a machine noted a fault; prints the state of the collective.
pub fn wait_for(what: &str, faults: &Faults, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut rounds = 0_u32;
    while !condition() {
        give_up_on_fault(what, faults);
        if start.elapsed() > PATIENCE {
            panic!(
                "{what}: not within {PATIENCE:?}; {}",
                state_of_the_collective()
            );
        }
        rounds += 1;
        // A look costs the machines a cache line: look often at first, then leave them the core.
        if rounds < 1_000 {
            thread::yield_now()
        } else {
            thread::sleep(Duration::from_micros(200))
        }
    }
    give_up_on_fault(what, faults);
}

/// Waits for the report of the last machine and compares it.
pub(crate) fn wait_for_report(
    what: &str,
    receiver: &Receiver<TestMessage>,
    due: Totals,
    faults: &Faults,
) {
    let start = Instant::now();
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(message) => {
                assert_eq!(message, TestMessage::Report(due), "{what}");
                return give_up_on_fault(what, faults);
            }
            Err(error) => {
                give_up_on_fault(what, faults);
                if start.elapsed() > PATIENCE {
                    panic!(
                        "{what}: {error} after {PATIENCE:?}; {}",
                        state_of_the_collective()
                    );
                }
            }
        }
    }
}

/// Connects the machine count to what a driver found before it began: exact, not at least.
pub(crate) fn wait_for_machines(what: &str, count: usize, faults: &Faults) {
    wait_for(&format!("{what}: {count} machines"), faults, || {
        executor::get_machine_count() == count
    });
}

fn give_up_on_fault(what: &str, faults: &Faults) {
    if let Some(summary) = faults.summary() {
        panic!("{what}: {summary}");
    }
}

/// What can be seen from outside: counts, and the statistics of the executor as instructions.
fn state_of_the_collective() -> String {
    let mut state = format!(
        "machines {}, run queue {}, executors {} of which snoozing {}",
        executor::get_machine_count(),
        executor::get_run_queue_len(),
        executor::get_executor_count(),
        executor::get_executors_snoozing(),
    );
    let (sender, receiver) = channel();
    stats::add_core_stats_sender(sender.clone());
    stats::request_stats_now();
    stats::request_machine_info();
    while let Ok(statistics) = receiver.recv_timeout(Duration::from_secs(1)) {
        state.push_str(&format!("\n{statistics:?}"));
    }
    stats::remove_core_stats_sender(sender);
    state
}
