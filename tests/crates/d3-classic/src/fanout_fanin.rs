//! One machine that sends to many, which send to one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use d3::core::executor;
use d3::core::machine_impl::*;

use crate::watch::{wait_for_machines, wait_for_report};
use crate::{Driver, Faults, Forwarder, Gate, TestMessage, Totals, wait_for};

/// A shock at the fan-in: all producers send to one mailbox at once. The fan-in is held at a gate until its mailbox is
/// full and every producer waits, so that a run never depends on luck to fill a mailbox.
#[derive(Debug)]
pub struct FanoutFanin {
    /// How many machines stand between the two ends.
    pub producer_count: usize,
    /// How many instructions one run sends to each producer.
    pub message_count: u64,
    /// The capacity of every mailbox.
    pub capacity: usize,
    gate: Arc<Gate>,
    faults: Faults,
    fanout: Option<Sender<TestMessage>>,
    fanin: Option<Sender<TestMessage>>,
    receiver: Option<Receiver<TestMessage>>,
    baseline: usize,
    sent: AtomicU64,
}

impl Default for FanoutFanin {
    fn default() -> Self {
        Self {
            producer_count: 1_000,
            message_count: 20,
            capacity: 16,
            gate: Arc::default(),
            faults: Faults::default(),
            fanout: None,
            fanin: None,
            receiver: None,
            baseline: 0,
            sent: AtomicU64::new(0),
        }
    }
}

impl FanoutFanin {
    fn due(&self, first: u64) -> Totals {
        let producers = self.producer_count as u64;
        let values: u64 = (first..first + self.message_count).sum();
        Totals {
            count: producers * self.message_count,
            sum: producers * values,
        }
    }
}

impl Driver for FanoutFanin {
    fn setup(&mut self) {
        self.baseline = executor::get_machine_count();
        let (_, fanout) =
            executor::connect_with_capacity(Forwarder::new(1, &self.faults), self.capacity);
        let gated = Forwarder::with_gate(2, &self.faults, Arc::clone(&self.gate));
        let (_, fanin) = executor::connect_with_capacity(gated, self.capacity);
        for id in 3..self.producer_count + 3 {
            let (_, producer) =
                executor::connect_with_capacity(Forwarder::new(id, &self.faults), self.capacity);
            producer
                .send(TestMessage::AddSender(fanin.clone()))
                .unwrap();
            fanout.send(TestMessage::AddSender(producer)).unwrap();
        }
        let (sender, receiver) = channel();
        fanin
            .send(TestMessage::Notify(sender, self.due(0).count))
            .unwrap();
        self.fanout = Some(fanout);
        self.fanin = Some(fanin);
        self.receiver = Some(receiver);
        wait_for_machines(
            "fan-out/fan-in set up",
            self.baseline + self.producer_count + 2,
            &self.faults,
        );
    }

    fn run(&self) {
        let (Some(fanout), Some(fanin), Some(receiver)) =
            (&self.fanout, &self.fanin, &self.receiver)
        else {
            panic!("run comes after setup");
        };
        // A producer that still waits for room since the last run could not send before the gate opens.
        wait_for("all is quiet", &self.faults, || {
            executor::get_executors_snoozing() == executor::get_executor_count()
        });
        fanin.send(TestMessage::Hold).unwrap();
        wait_for("the fan-in is held", &self.faults, || self.gate.is_held());

        let first = self.sent.fetch_add(self.message_count, Ordering::Relaxed);
        // As much as the fan-out takes without being full: this thread must stay free to open the gate.
        for value in first..first + self.message_count {
            if value == first + self.message_count / 2 {
                // Every producer has put one instruction into the full mailbox, and waits.
                wait_for("every producer waits", &self.faults, || {
                    fanin.len() >= self.producer_count
                });
                assert!(
                    fanin.is_full(),
                    "{} instructions in a mailbox of {}",
                    fanin.len(),
                    self.capacity
                );
                self.gate.open();
            }
            fanout
                .send(TestMessage::Data {
                    from: 0,
                    seq: value,
                    value,
                })
                .unwrap();
        }
        wait_for_report("fan-out/fan-in", receiver, self.due(first), &self.faults);
    }

    fn teardown(self) {
        let (baseline, faults) = (self.baseline, self.faults.clone());
        drop(self);
        wait_for_machines("fan-out/fan-in taken apart", baseline, &faults);
    }
}
