//! Tokens that hop between machines at random.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use d3::core::executor;
use d3::core::machine_impl::*;

use crate::forwarder::{roll, worth};
use crate::watch::{wait_for_machines, wait_for_report};
use crate::{Driver, Faults, Forwarder, Ledger, TestMessage, Totals};

/// A net in which every machine has a sender to every other and to itself. A token hops to a machine drawn by lot until
/// its hops are used up, then it is handed in. With mailboxes of one, machines wait for each other in rings, too.
#[derive(Debug)]
pub struct ChaosMonkey {
    /// How many machines there are.
    pub machine_count: usize,
    /// How many tokens are under way at once.
    pub tokens: u64,
    /// How often each is passed on from a machine to a machine.
    pub hops: u32,
    /// The capacity of every mailbox.
    pub capacity: usize,
    faults: Faults,
    senders: Vec<Sender<TestMessage>>,
    receiver: Option<Receiver<TestMessage>>,
    baseline: usize,
    runs: AtomicU64,
}

impl Default for ChaosMonkey {
    fn default() -> Self {
        Self {
            machine_count: 3_000,
            tokens: 200,
            hops: 99,
            capacity: 1,
            faults: Faults::default(),
            senders: Vec::new(),
            receiver: None,
            baseline: 0,
            runs: AtomicU64::new(0),
        }
    }
}

impl ChaosMonkey {
    fn first_roll(&self, run: u64, token: u64) -> u64 {
        roll(token + 1 + run * self.tokens)
    }

    /// A token rolls its dice at each hop, so where its dice ends tells how many hops it made.
    fn due(&self, run: u64) -> Totals {
        let last_roll =
            |token| (0..self.hops).fold(self.first_roll(run, token), |dice, _| roll(dice));
        Totals {
            count: self.tokens,
            sum: (0..self.tokens).map(last_roll).map(worth).sum(),
        }
    }
}

impl Driver for ChaosMonkey {
    fn setup(&mut self) {
        self.baseline = executor::get_machine_count();
        let (_, collector) = executor::connect(Forwarder::new(self.machine_count, &self.faults));
        for id in 0..self.machine_count {
            let (_, sender) =
                executor::connect_with_capacity(Forwarder::new(id, &self.faults), self.capacity);
            sender
                .send(TestMessage::AddSender(collector.clone()))
                .unwrap();
            self.senders.push(sender);
        }
        let peers = Arc::new(self.senders.clone());
        for sender in &self.senders {
            sender.send(TestMessage::Peers(Arc::clone(&peers))).unwrap();
        }
        let (sender, receiver) = channel();
        collector
            .send(TestMessage::Notify(sender, self.tokens))
            .unwrap();
        self.receiver = Some(receiver);
        wait_for_machines(
            "chaos-monkey set up",
            self.baseline + self.machine_count + 1,
            &self.faults,
        );
    }

    fn run(&self) {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let mut numbers = Ledger::default();
        for token in 0..self.tokens {
            let dice = self.first_roll(run, token);
            let start = (dice % self.machine_count as u64) as usize;
            // Each run is a sender of its own, so its numbers start at 0 again.
            let from = self.machine_count + 1 + run as usize;
            let seq = numbers.number(start);
            self.senders[start]
                .send(TestMessage::Monkey {
                    from,
                    seq,
                    dice,
                    hops_left: self.hops,
                })
                .unwrap();
        }
        let receiver = self.receiver.as_ref().expect("run comes after setup");
        wait_for_report("chaos-monkey", receiver, self.due(run), &self.faults);
    }

    fn teardown(self) {
        // Every machine holds a sender to itself: dropping ours would end none of them.
        for sender in &self.senders {
            sender.send(TestMessage::RemoveAllSenders).unwrap();
        }
        let (baseline, faults) = (self.baseline, self.faults.clone());
        drop(self);
        wait_for_machines("chaos-monkey taken apart", baseline, &faults);
    }
}
