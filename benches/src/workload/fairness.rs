//! Fairness: how long a machine waits for its turn among others that never rest.
//!
//! Half of the busy ones send to themselves without end, half are pairs that play ping-pong without end. A thread outside sends
//! to a machine that is at rest otherwise, and the time from send to receive is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::to_next;
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::group::{Directory, Group};
use crate::latency::{Latencies, Stopwatch};
use crate::tally::{Account, CountError};

/// Machines that never rest.
pub const BUSY: usize = 100;

/// Instructions of one run.
pub const SAMPLES: usize = 500;

/// The pause before each instruction.
const GAP: Duration = Duration::from_micros(500);

/// The machine at rest, which is the first of the group, or a busy one.
pub struct Player<C: Collective> {
    next: Option<C::Address<Self>>,
    index: usize,
    directory: Directory<C::Address<Self>>,
    over: Arc<AtomicBool>,
    stopwatch: Stopwatch,
    // Of the machine at rest; what the busy ones receive depends on time.
    account: Account,
}

impl<C: Collective> Player<C> {
    /// To whom a busy machine sends: itself if it is in the first half, else the other one of its pair.
    fn partner(&self, machines: usize) -> usize {
        let busy = machines - 1;
        let number = self.index - 1;
        if number < busy / 2 {
            self.index
        } else {
            (number ^ 1) + 1
        }
    }
}

impl<C: Collective> Node<C> for Player<C> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        match instruction {
            Instruction::Token(sent) if self.index == 0 => {
                self.stopwatch.stop(sent);
                self.account.count();
            }
            Instruction::Token(_) if self.over.load(Ordering::Relaxed) => {}
            Instruction::Token(token) => return to_next(self.next.as_ref(), token),
            Instruction::Wire => {
                let all = self.directory.all();
                self.next = (self.index > 0).then(|| all[self.partner(all.len())].clone());
            }
            Instruction::Cut => self.next = None,
            Instruction::Produce(_) => {}
        }
        Effect::Nothing
    }
}

/// A collective with busy machines and one that waits among them.
pub struct Fairness<C: Collective> {
    group: Group<C, Player<C>>,
    over: Arc<AtomicBool>,
    stopwatch: Stopwatch,
    sent: u64,
}

impl<C: Collective> Fairness<C> {
    /// Starts the collective and sets the busy machines going.
    ///
    /// # Panics
    /// If `busy` is no multiple of 4: half of them come in pairs.
    pub fn new(setup: &Setup, busy: usize) -> Self {
        assert_eq!(busy % 4, 0, "half of the busy machines come in pairs");
        let over = Arc::new(AtomicBool::new(false));
        let stopwatch = Stopwatch::default();
        let theirs = (Arc::clone(&over), stopwatch.clone());
        let group =
            Group::<C, Player<C>>::connect_wired(setup, busy + 1, move |index, shared| Player {
                next: None,
                index,
                directory: shared.directory.clone(),
                over: Arc::clone(&theirs.0),
                stopwatch: theirs.1.clone(),
                account: shared.account(),
            });
        for index in 1..=busy {
            // One token for each self-sender, one for each pair.
            if index <= busy / 2 || index % 2 == 1 {
                group.token(index, 0);
            }
        }
        Self {
            group,
            over,
            stopwatch,
            sent: 0,
        }
    }

    /// Sends to the machine at rest up to so many times.
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
        self.over.store(true, Ordering::Relaxed);
        self.group.end(self.sent)
    }
}
