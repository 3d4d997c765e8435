//! Wake: a thread outside sends to a machine of a runtime whose workers all sleep. The time from send to receive is counted.

use std::time::Duration;

use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::group::{Group, Shared};
use crate::latency::{Latencies, Stopwatch};
use crate::tally::{Account, CountError};

/// Instructions of one run.
pub const SAMPLES: usize = 1_000;

/// The pause before each instruction: every runtime here is asleep after it.
pub const GAP: Duration = Duration::from_millis(1);

/// A machine that notes when it is reached.
#[derive(Debug)]
pub struct Sleeper {
    account: Account,
    stopwatch: Stopwatch,
}

impl<C: Collective> Node<C> for Sleeper {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        if let Instruction::Token(sent) = instruction {
            self.stopwatch.stop(sent);
            self.account.count();
        }
        Effect::Nothing
    }
}

/// A collective with one sleeping machine.
pub struct Wake<C: Collective> {
    group: Group<C, Sleeper>,
    stopwatch: Stopwatch,
    sent: u64,
}

impl<C: Collective> Wake<C> {
    /// Starts the collective.
    pub fn new(setup: &Setup) -> Self {
        let stopwatch = Stopwatch::default();
        let theirs = stopwatch.clone();
        let group = Group::connect(setup, 1, move |_, shared: &Shared<C::Address<Sleeper>>| {
            Sleeper {
                account: shared.account(),
                stopwatch: theirs.clone(),
            }
        });
        Self {
            group,
            stopwatch,
            sent: 0,
        }
    }

    /// Wakes the machine up to so many times, with [`GAP`] before each.
    pub fn measure(&mut self, samples: usize) -> Latencies {
        let latencies = self
            .stopwatch
            .measure(samples, GAP, |now| self.group.token(0, now));
        self.sent += latencies.count();
        latencies
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`CountError`] if an instruction was lost.
    pub fn end(self) -> Result<(), CountError> {
        self.group.end(self.sent)
    }
}
