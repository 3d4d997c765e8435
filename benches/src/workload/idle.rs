//! Idle: the processor time of a runtime whose machines all have nothing to do.

use std::time::{Duration, Instant};

use super::rest::Rest;
use crate::collective::{Collective, Instruction, Setup};
use crate::probe;
use crate::tally::{CountError, Stripes, wait_for};

/// What targets.md asks for.
pub const MACHINES: usize = 10_000;

/// How long it is watched.
pub const WINDOW: Duration = Duration::from_secs(2);

/// Time to come to rest after the last instruction.
const SETTLE: Duration = Duration::from_millis(500);

/// How long machines may take to receive or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Percent of one core that the runtime uses with `machines` at rest.
///
/// # Errors
/// [`CountError`] if instructions or machines were lost.
pub fn run<C: Collective>(
    setup: &Setup,
    machines: usize,
    window: Duration,
) -> Result<f64, CountError> {
    let count = machines as u64;
    let collective = C::start(setup);
    let stripes = Stripes::leak();
    let addresses = collective.connect(machines, move |_| Rest(stripes));
    collective.send_each(&addresses, Instruction::Token(0));
    wait_for(PATIENCE, || stripes.received() >= count);
    std::thread::sleep(SETTLE);

    let used = probe::processor_ns_of_others().unwrap_or(0);
    let begun = Instant::now();
    std::thread::sleep(window);
    let used = probe::processor_ns_of_others()
        .unwrap_or(0)
        .saturating_sub(used);
    let percent = 100.0 * used as f64 / begun.elapsed().as_nanos() as f64;

    collective.release(addresses);
    wait_for(PATIENCE, || stripes.ended() >= count);
    let found = CountError {
        expected: count,
        received: stripes.received(),
        machines: count,
        ended: stripes.ended(),
    };
    found.into_result()?;
    collective.stop();
    Ok(percent)
}
