//! Machines that all know each other, and tokens that hop between them.

use std::sync::Arc;

use d3::Sender;

use super::{Bench, Shape};
use crate::message::roll;
use crate::{Arrived, Failure, Mutation, TestMessage};

#[derive(Debug, Default)]
pub(super) struct Net {
    /// One list for all: a list in each machine, as d3 had it, takes the square of their number.
    machines: Arc<Vec<Sender<TestMessage>>>,
}

impl Shape for Net {
    fn set_up(&mut self, bench: &Bench<'_>) -> Result<(), Failure> {
        let home = bench.connect_fanin(bench.plan.machines);
        let due = bench.plan.messages as u64;
        bench.send(&home, TestMessage::Notify(bench.notify.clone(), due))?;
        self.machines = Arc::new(
            (0..bench.plan.machines)
                .map(|id| bench.connect(id))
                .collect(),
        );
        for machine in self.machines.iter() {
            let peers = TestMessage::Peers(Arc::clone(&self.machines), home.clone());
            bench.send(machine, peers)?;
        }
        Ok(())
    }

    fn send(&mut self, bench: &Bench<'_>, iteration: u64) -> Result<Arrived, Failure> {
        let plan = bench.plan;
        let messages = plan.messages as u64;
        let mut due = Arrived::default();
        for token in iteration * messages..(iteration + 1) * messages {
            let lot = first_lot(plan.seed, token);
            let first = &self.machines[(lot % self.machines.len() as u64) as usize];
            let monkey = TestMessage::ChaosMonkey {
                counter: 0,
                max: plan.inflection_value,
                mutation: Mutation::Increment,
                lot,
            };
            bench.send(first, monkey)?;
            due.add(last_lot(lot, plan.inflection_value));
        }
        Ok(due)
    }

    fn let_go(&mut self, bench: &Bench<'_>) -> Result<(), Failure> {
        // Every machine holds a sender to itself.
        for machine in self.machines.iter() {
            bench.send(machine, TestMessage::RemoveAllSenders)?;
        }
        self.machines = Arc::default();
        Ok(())
    }
}

/// Where a token begins. Never 0, which would roll to 0 for ever.
fn first_lot(seed: u64, token: u64) -> u64 {
    let mixed =
        (seed ^ token.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    roll(mixed | 1)
}

/// The lot with which it comes home: rolled at each hop, of which there are as many as visits but one.
fn last_lot(first: u64, inflection: u32) -> u64 {
    (0..=2 * u64::from(inflection)).fold(first, |lot, _| roll(lot))
}
