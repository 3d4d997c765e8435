//! A chain of machines, each of which forwards to the next.

use std::sync::atomic::{AtomicU64, Ordering};

use d3::core::executor;
use d3::core::machine_impl::*;

use crate::watch::{wait_for_machines, wait_for_report};
use crate::{Driver, Faults, Forwarder, TestMessage, Totals};

/// A pulse of instructions that runs through all machines one after another. With a multiplier above 1 every machine
/// sends several copies of what it gets, so the pulse grows by that factor at each link.
#[derive(Debug)]
pub struct DaisyChain {
    /// How many machines there are.
    pub machine_count: usize,
    /// How many instructions one run sends into the chain.
    pub message_count: u64,
    /// How many copies each machine sends.
    pub multiplier: u64,
    /// Whether the mailboxes are bounded (by the executor's default capacity).
    pub bound_queue: bool,
    faults: Faults,
    senders: Vec<Sender<TestMessage>>,
    receiver: Option<Receiver<TestMessage>>,
    baseline: usize,
    sent: AtomicU64,
}

impl Default for DaisyChain {
    fn default() -> Self {
        Self {
            machine_count: 4_000,
            message_count: 200,
            multiplier: 1,
            bound_queue: true,
            faults: Faults::default(),
            senders: Vec::new(),
            receiver: None,
            baseline: 0,
            sent: AtomicU64::new(0),
        }
    }
}

impl DaisyChain {
    /// What the last machine of the chain gets in one run, where `first` is the value of the run's first instruction.
    fn due(&self, first: u64) -> Totals {
        let links =
            u32::try_from(self.machine_count - 1).expect("a chain of less than 2^32 machines");
        let growth = self.multiplier.pow(links);
        let values: u64 = (first..first + self.message_count).sum();
        Totals {
            count: growth * self.message_count,
            sum: growth * values,
        }
    }
}

impl Driver for DaisyChain {
    fn setup(&mut self) {
        self.baseline = executor::get_machine_count();
        for id in 1..=self.machine_count {
            let forwarder = Forwarder::new(id, &self.faults);
            let (_, sender) = if self.bound_queue {
                executor::connect(forwarder)
            } else {
                executor::connect_unbounded(forwarder)
            };
            if let Some(previous) = self.senders.last() {
                previous
                    .send(TestMessage::AddSender(sender.clone()))
                    .unwrap();
                previous
                    .send(TestMessage::Multiplier(self.multiplier))
                    .unwrap();
            }
            self.senders.push(sender);
        }
        let (sender, receiver) = channel();
        let last = self.senders.last().expect("a chain has a last machine");
        last.send(TestMessage::Notify(sender, self.due(0).count))
            .unwrap();
        self.receiver = Some(receiver);
        wait_for_machines(
            "daisy-chain set up",
            self.baseline + self.machine_count,
            &self.faults,
        );
    }

    fn run(&self) {
        let first = self.sent.fetch_add(self.message_count, Ordering::Relaxed);
        for value in first..first + self.message_count {
            // The values are the sequence numbers of the test thread, which is number 0 among the senders.
            self.senders[0]
                .send(TestMessage::Data {
                    from: 0,
                    seq: value,
                    value,
                })
                .unwrap();
        }
        let receiver = self.receiver.as_ref().expect("run comes after setup");
        wait_for_report("daisy-chain", receiver, self.due(first), &self.faults);
    }

    fn teardown(self) {
        let (baseline, faults) = (self.baseline, self.faults.clone());
        // Each machine lives by the sender that the one before it holds: the chain ends from its head on.
        drop(self);
        wait_for_machines("daisy-chain taken apart", baseline, &faults);
    }
}
