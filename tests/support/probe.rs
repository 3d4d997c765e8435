//! A machine that counts what happens to it, and instructions that count what happens to them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use d3::prelude::*;

use super::{PATIENCE, panics};

/// Counts the calls of a machine's methods. SeqCst throughout: a test has no reason to be clever.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connected: AtomicUsize,
    pub(crate) received: AtomicUsize,
    pub(crate) disconnected: AtomicUsize,
    /// Machine values dropped.
    pub(crate) dropped: AtomicUsize,
    pub(crate) sum: AtomicU64,
}

impl Tally {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// (connected, received, disconnected, dropped)
    pub(crate) fn counts(&self) -> (usize, usize, usize, usize) {
        (
            read(&self.connected),
            read(&self.received),
            read(&self.disconnected),
            read(&self.dropped),
        )
    }

    fn add(&self, value: u64) {
        self.sum.fetch_add(value, Ordering::SeqCst);
    }

    pub(crate) fn received(&self) -> usize {
        read(&self.received)
    }
}

pub(crate) fn read(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

pub(crate) fn bump(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// What a [`Probe`] understands.
#[derive(Debug, MachineImpl)]
pub(crate) enum ProbeCmd {
    /// Add this to the sum.
    Add(u64),
    /// Answer with a number.
    Echo(u64, Sender<Number>),
    /// Panic.
    Panic,
    /// Panic with a payload that panics in its drop.
    Bomb,
    /// End this machine.
    Stop,
    /// Wait at a gate.
    Hold(Arc<Gate>),
    /// Nothing; it is only dropped.
    Cargo(Counted),
}

/// An answer that is a number.
#[derive(Debug, PartialEq, Eq, MachineImpl)]
pub(crate) enum Number {
    Is(u64),
}

/// Counts what happens to it, in a [`Tally`].
pub(crate) struct Probe(pub(crate) Arc<Tally>);

impl Machine<ProbeCmd> for Probe {
    fn receive(&self, cmd: ProbeCmd) {
        bump(&self.0.received);
        match cmd {
            ProbeCmd::Add(value) => self.0.add(value),
            ProbeCmd::Echo(value, reply) => send_cmd(&reply, Number::Is(value)),
            ProbeCmd::Panic => panics::on_purpose("receive"),
            ProbeCmd::Bomb => std::panic::panic_any(panics::Bomb),
            ProbeCmd::Stop => this_machine::stop().expect("receive runs in a machine"),
            ProbeCmd::Hold(gate) => gate.pass(),
            ProbeCmd::Cargo(_) => {}
        }
    }

    fn connected(&self, _id: Uuid) {
        bump(&self.0.connected);
    }

    fn disconnected(&self) {
        bump(&self.0.disconnected);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        bump(&self.0.dropped);
    }
}

/// A value that counts its end.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(crate) fn new(counter: &Arc<AtomicUsize>) -> Self {
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        bump(&self.0);
    }
}

/// Holds a machine inside its `receive` until the test opens it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// (how many came, whether it is open)
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How many machines have come to the gate.
    pub(crate) fn came(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    /// Waits until the gate is open. Gives up after twice the patience of a test, so that a failed test can still end.
    pub(crate) fn pass(&self) {
        let until = Instant::now() + 2 * PATIENCE;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        while !state.1 && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
