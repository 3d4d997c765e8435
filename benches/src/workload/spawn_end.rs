//! Many machines: connect them, send each one instruction, end them all. Seconds are counted, by phase.

use std::time::{Duration, Instant};

use super::rest::Rest;
use crate::collective::{Collective, Instruction, Setup};
use crate::tally::{CountError, Stripes, wait_for};

/// What targets.md asks for.
pub const MACHINES: usize = 1_000_000;

/// How long one phase may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// The time of each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Until the last address is there.
    pub connect: Duration,
    /// From the first send until all have received.
    pub deliver: Duration,
    /// From the first dropped address until the last machine is dropped.
    pub end: Duration,
}

impl Phases {
    /// All phases together.
    pub fn total(&self) -> Duration {
        self.connect + self.deliver + self.end
    }
}

/// Runs the three phases once, on a running collective.
///
/// # Errors
/// [`CountError`] if instructions or machines were lost.
pub fn run_on<C: Collective>(collective: &C, machines: usize) -> Result<Phases, CountError> {
    let count = machines as u64;
    let stripes = Stripes::leak();

    let begun = Instant::now();
    let addresses = collective.connect(machines, move |_| Rest(stripes));
    let connect = begun.elapsed();

    let begun = Instant::now();
    collective.send_each(&addresses, Instruction::Token(0));
    wait_for(PATIENCE, || stripes.received() >= count);
    let deliver = begun.elapsed();

    let begun = Instant::now();
    collective.release(addresses);
    wait_for(PATIENCE, || stripes.ended() >= count);
    let end = begun.elapsed();

    let found = CountError {
        expected: count,
        received: stripes.received(),
        machines: count,
        ended: stripes.ended(),
    };
    found.into_result()?;
    Ok(Phases {
        connect,
        deliver,
        end,
    })
}

/// Runs the three phases once, in a collective of its own.
///
/// # Errors
/// [`CountError`] if instructions or machines were lost; the collective is left as it is then.
pub fn run<C: Collective>(setup: &Setup, machines: usize) -> Result<Phases, CountError> {
    let collective = C::start(setup);
    match run_on(&collective, machines) {
        Ok(phases) => {
            collective.stop();
            Ok(phases)
        }
        Err(error) => {
            std::mem::forget(collective);
            Err(error)
        }
    }
}
