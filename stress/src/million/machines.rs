//! What is sent, and who receives it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use d3::prelude::*;

use crate::latency::{Latencies, Stamp};

/// What an instruction carries, whatever the pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<const N: usize> {
    pub(super) stamp: Stamp,
    /// The number of the instruction for this receiver; of a token, the visits that are to come.
    pub(super) number: u64,
    payload: [u8; N],
}

impl<const N: usize> Load<N> {
    pub(super) fn new(number: u64) -> Self {
        Self {
            stamp: 0,
            number,
            payload: [number as u8; N],
        }
    }

    /// Whether both ends of the payload are as they were written.
    fn is_whole(&self) -> bool {
        let due = self.number as u8;
        self.payload.first().is_none_or(|&first| first == due)
            && self.payload.last().is_none_or(|&last| last == due)
    }
}

/// The instructions of the patterns `each` and `daisy`.
#[derive(Debug, MachineImpl)]
pub(super) enum Work<const N: usize> {
    Do(Load<N>),
}

/// The instruction of the pattern `random`: it carries its lot and the way to everybody, so that machines need neither.
#[derive(Debug, MachineImpl)]
pub(super) enum Token<const N: usize> {
    Visit {
        load: Load<N>,
        lot: u64,
        peers: Arc<Vec<Sender<Token<N>>>>,
    },
}

/// What all machines of a run share.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) latencies: Latencies,
    /// Every so many instructions one is stamped.
    pub(super) stride: u64,
    pub(super) counts: Counts,
}

/// On lines of its own: what is only read must not move between cores because of what is written.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    /// Machines that have ended.
    pub(super) ended: AtomicU64,
    /// Instructions that they had received.
    pub(super) received: AtomicU64,
    /// Instructions that were lost, doubled or overtaken.
    pub(super) out_of_order: AtomicU64,
    /// Instructions whose payload was not what was sent.
    pub(super) broken: AtomicU64,
    /// Instructions that a machine could not pass on.
    pub(super) not_passed_on: AtomicU64,
    /// Tokens that have made all their visits.
    pub(super) home: AtomicU64,
}

impl Tally {
    fn check<const N: usize>(&self, load: &Load<N>) {
        self.latencies.arrived(load.stamp);
        if !load.is_whole() {
            add(&self.counts.broken, 1);
        }
    }

    fn end(&self, received: u64) {
        add(&self.counts.received, received);
        add(&self.counts.ended, 1);
    }
}

/// Counters publish nothing; whoever reads them has waited for the runtime to be idle.
fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// A machine of the patterns `each` and `random`.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) tally: Arc<Tally>,
    pub(super) received: u64,
}

impl<const N: usize> MachineMut<Work<N>> for Plain {
    fn receive(&mut self, Work::Do(load): Work<N>) {
        self.tally.check(&load);
        if load.number != self.received {
            add(&self.tally.counts.out_of_order, 1);
        }
        self.received += 1;
    }

    fn disconnected(&mut self) {
        self.tally.end(self.received);
    }
}

impl<const N: usize> MachineMut<Token<N>> for Plain {
    fn receive(&mut self, Token::Visit { load, lot, peers }: Token<N>) {
        self.tally.check(&load);
        self.received += 1;
        let Some(left) = load.number.checked_sub(1) else {
            add(&self.tally.counts.home, 1);
            return;
        };
        let lot = next_lot(lot);
        let mut load = Load::new(left);
        if left.is_multiple_of(self.tally.stride) {
            load.stamp = self.tally.latencies.stamp();
        }
        let next = peers[(lot % peers.len() as u64) as usize].clone();
        if next.send(Token::Visit { load, lot, peers }).is_err() {
            add(&self.tally.counts.not_passed_on, 1);
        }
    }

    fn disconnected(&mut self) {
        self.tally.end(self.received);
    }
}

/// A machine of the pattern `daisy`.
#[derive(Debug)]
pub(super) struct Link<const N: usize> {
    pub(super) tally: Arc<Tally>,
    pub(super) next: Option<Sender<Work<N>>>,
    pub(super) index: u32,
    pub(super) received: u32,
}

impl<const N: usize> MachineMut<Work<N>> for Link<N> {
    fn receive(&mut self, Work::Do(mut load): Work<N>) {
        self.tally.check(&load);
        if load.number != u64::from(self.received) {
            add(&self.tally.counts.out_of_order, 1);
        }
        self.received += 1;
        let Some(next) = &self.next else {
            return;
        };
        let sampled = u64::from(self.index).is_multiple_of(self.tally.stride);
        load.stamp = if sampled {
            self.tally.latencies.stamp()
        } else {
            0
        };
        if next.send(Work::Do(load)).is_err() {
            add(&self.tally.counts.not_passed_on, 1);
        }
    }

    fn disconnected(&mut self) {
        self.tally.end(self.received.into());
    }
}

/// The next state of a lot (xorshift, Marsaglia 2003). Never 0 if the last was not.
pub(super) fn next_lot(mut lot: u64) -> u64 {
    lot ^= lot << 13;
    lot ^= lot >> 7;
    lot ^ (lot << 17)
}
