//! The machine that all drivers are made of.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use d3::core::machine_impl::*;

use crate::{Faults, Ledger, PATIENCE, TestMessage, Totals};

/// Takes instructions, checks their order, and passes them on as it was told to.
///
/// Everything it does is set by instructions: where to forward to, how many copies, whom to notify.
#[derive(Debug)]
pub struct Forwarder {
    id: usize,
    faults: Faults,
    gate: Option<Arc<Gate>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where instructions are forwarded to, with the number the next one gets.
    targets: Vec<(Sender<TestMessage>, u64)>,
    peers: Arc<Vec<Sender<TestMessage>>>,
    copies: Option<u64>,
    notify: Option<(Sender<TestMessage>, u64)>,
    seen: Totals,
    /// Numbers of the instructions that came in, per sender.
    received: Ledger,
    /// Numbers of the tokens that went out, per receiver.
    sent: Ledger,
}

impl Forwarder {
    /// A machine that writes what it finds wrong into `faults`.
    #[must_use]
    pub fn new(id: usize, faults: &Faults) -> Self {
        Self {
            id,
            faults: faults.clone(),
            gate: None,
            state: Mutex::default(),
        }
    }

    /// A machine that waits at `gate` when it is told to hold.
    #[must_use]
    pub fn with_gate(id: usize, faults: &Faults, gate: Arc<Gate>) -> Self {
        Self {
            gate: Some(gate),
            ..Self::new(id, faults)
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, fault: impl std::fmt::Display) {
        self.faults.note(format!("machine {}: {fault}", self.id));
    }

    fn forward(&self, state: &mut State, value: u64) {
        let copies = state.copies.unwrap_or(1);
        for (target, next) in &mut state.targets {
            for _ in 0..copies {
                if let Err(error) = target.send(TestMessage::Data {
                    from: self.id,
                    seq: *next,
                    value,
                }) {
                    self.fault(error);
                }
                *next += 1;
            }
        }
    }

    fn pass_on(&self, state: &mut State, dice: u64, hops_left: u32) {
        let dice = roll(dice);
        let peer = (dice % state.peers.len().max(1) as u64) as usize;
        let Some(sender) = state.peers.get(peer).cloned() else {
            return self.fault("a token, but no peers");
        };
        let seq = state.sent.number(peer);
        if let Err(error) = sender.send(TestMessage::Monkey {
            from: self.id,
            seq,
            dice,
            hops_left: hops_left - 1,
        }) {
            self.fault(error);
        }
    }

    fn count(&self, state: &mut State, value: u64) {
        state.seen.count += 1;
        state.seen.sum += value;
        let Some((notify, due)) = &state.notify else {
            return;
        };
        if state.seen.count == *due {
            if let Err(error) = notify.send(TestMessage::Report(state.seen)) {
                self.fault(error);
            }
            state.seen = Totals::default();
        }
    }
}

impl Machine<TestMessage> for Forwarder {
    fn receive(&self, message: TestMessage) {
        let mut state = self.state();
        match message {
            TestMessage::Data { from, seq, value } => {
                state
                    .received
                    .enter(from, seq)
                    .unwrap_or_else(|fault| self.fault(fault));
                self.forward(&mut state, value);
                self.count(&mut state, value);
            }
            TestMessage::Monkey {
                from,
                seq,
                dice,
                hops_left,
            } => {
                state
                    .received
                    .enter(from, seq)
                    .unwrap_or_else(|fault| self.fault(fault));
                if hops_left == 0 {
                    self.forward(&mut state, worth(dice));
                } else {
                    self.pass_on(&mut state, dice, hops_left);
                }
            }
            TestMessage::AddSender(sender) => state.targets.push((sender, 0)),
            TestMessage::Peers(peers) => state.peers = peers,
            TestMessage::Multiplier(copies) => state.copies = Some(copies),
            TestMessage::Notify(sender, due) => state.notify = Some((sender, due)),
            TestMessage::Hold => {
                if let Some(gate) = &self.gate {
                    gate.pass().unwrap_or_else(|fault| self.fault(fault));
                }
            }
            TestMessage::RemoveAllSenders => {
                state.targets.clear();
                state.peers = Arc::default();
                state.notify = None;
            }
            TestMessage::Report(totals) => self.fault(format!("an unexpected report {totals:?}")),
        }
    }

    fn disconnected(&self) {
        let mut state = self.state();
        state.targets.clear();
        state.peers = Arc::default();
        state.notify = None;
    }
}

/// The next state of the lot (xorshift, Marsaglia 2003).
pub(crate) fn roll(mut dice: u64) -> u64 {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^ (dice << 17)
}

/// What a token adds to the sum at the end: small enough that a sum of them fits.
pub(crate) fn worth(dice: u64) -> u64 {
    dice & u64::from(u32::MAX)
}

/// A gate that holds one machine until it is opened, so that the mailboxes behind the machine fill for certain.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    waiting: bool,
    open: bool,
}

impl Gate {
    /// Whether the machine has come to the gate.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lock().waiting
    }

    /// Lets the machine go on; the next one that comes is held again.
    pub fn open(&self) {
        self.lock().open = true;
        self.changed.notify_all();
    }

    fn pass(&self) -> Result<(), &'static str> {
        // Longer than the test waits, so that the test is the one to say what it waited for.
        let until = Instant::now() + 2 * PATIENCE;
        let mut state = self.lock();
        state.waiting = true;
        while !state.open {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("the gate was never opened");
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *state = GateState::default();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
