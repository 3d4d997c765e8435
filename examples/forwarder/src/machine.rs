//! The machine that all drivers are made of.

use std::sync::Arc;

use d3::prelude::*;

use crate::message::{advance, roll};
use crate::{Arrived, Shared, TestMessage};

/// Takes instructions, checks their order, and passes them on as it was told to: fan-out, fan-in, link of a chain or monkey.
#[derive(Debug)]
pub struct Forwarder {
    id: usize,
    shared: Arc<Shared>,
    targets: Vec<Target>,
    multiplier: u64,
    peers: Option<Peers>,
    notify: Option<(Sender<Arrived>, u64)>,
    /// Since the last notice.
    arrived: Arrived,
    /// The number that is due on each lane.
    due: Vec<u64>,
    received: u64,
}

#[derive(Debug)]
struct Target {
    sender: Sender<TestMessage>,
    lane: usize,
    next_seq: u64,
}

#[derive(Debug)]
struct Peers {
    all: Arc<Vec<Sender<TestMessage>>>,
    home: Sender<TestMessage>,
}

impl Forwarder {
    /// A machine that knows nobody yet. Its `id` is for people.
    #[must_use]
    pub fn new(id: usize, shared: &Arc<Shared>) -> Self {
        Self {
            id,
            shared: Arc::clone(shared),
            targets: Vec::new(),
            multiplier: 1,
            peers: None,
            notify: None,
            arrived: Arrived::default(),
            due: Vec::new(),
            received: 0,
        }
    }

    fn fault(&self, fault: impl std::fmt::Display) {
        self.shared.fault(format!("machine {}: {fault}", self.id));
    }

    fn check_order(&mut self, lane: usize, seq: u64) {
        if self.due.len() <= lane {
            self.due.resize(lane + 1, 0);
        }
        let due = std::mem::replace(&mut self.due[lane], seq + 1);
        if due != seq {
            self.fault(format_args!("lane {lane}: {seq} came, and {due} was due"));
        }
    }

    fn forward(&mut self, value: u64) {
        let mut lost = 0_u64;
        for target in &mut self.targets {
            for _ in 0..self.multiplier {
                let data = TestMessage::TestData {
                    lane: target.lane,
                    seq: target.next_seq,
                    value,
                };
                target.next_seq += 1;
                lost += u64::from(target.sender.send(data).is_err());
            }
        }
        if lost > 0 {
            self.fault(format_args!("{lost} instructions could not be forwarded"));
        }
    }

    /// Passes a token on, or reports it at home.
    fn hop(&self, counter: u32, max: u32, mutation: crate::Mutation, lot: u64) {
        let Some(peers) = &self.peers else {
            return self.fault("a token, and no peers");
        };
        let sent = match advance(counter, max, mutation) {
            None => peers.home.send(TestMessage::Home { lot }),
            Some((counter, mutation)) => {
                let lot = roll(lot);
                let next = &peers.all[(lot % peers.all.len() as u64) as usize];
                next.send(TestMessage::ChaosMonkey {
                    counter,
                    max,
                    mutation,
                    lot,
                })
            }
        };
        if let Err(error) = sent {
            self.fault(format_args!("a token could not be passed on: {error}"));
        }
    }

    fn arrive(&mut self, value: u64) {
        self.received += 1;
        let Some((sender, due)) = &self.notify else {
            return;
        };
        self.arrived.add(value);
        if self.arrived.count == *due {
            let arrived = std::mem::take(&mut self.arrived);
            if sender.send(arrived).is_err() {
                self.fault("nobody wants to know that all has arrived");
            }
        }
    }
}

impl MachineMut<TestMessage> for Forwarder {
    fn receive(&mut self, message: TestMessage) {
        match message {
            TestMessage::TestData { lane, seq, value } => {
                self.check_order(lane, seq);
                self.forward(value);
                self.arrive(value);
            }
            TestMessage::ChaosMonkey {
                counter,
                max,
                mutation,
                lot,
            } => {
                self.received += 1;
                self.hop(counter, max, mutation, lot);
            }
            TestMessage::Home { lot } => self.arrive(lot),
            TestMessage::AddSender(sender, lane) => self.targets.push(Target {
                sender,
                lane,
                next_seq: 0,
            }),
            TestMessage::Peers(all, home) => self.peers = Some(Peers { all, home }),
            TestMessage::ForwardingMultiplier(multiplier) => self.multiplier = multiplier,
            TestMessage::Notify(sender, due) => self.notify = Some((sender, due)),
            TestMessage::RemoveAllSenders => {
                self.targets.clear();
                self.peers = None;
                self.notify = None;
            }
        }
    }

    fn disconnected(&mut self) {
        self.shared.end(self.received);
    }
}
