//! A chain of machines, each of which forwards to the next: a pulse that runs through all of them, and grows with the multiplier.

use d3::Sender;

use super::{Bench, Shape};
use crate::{Arrived, Failure, TestMessage};

#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The head; each machine lives by the sender that the one before it holds.
    head: Option<Sender<TestMessage>>,
}

impl Shape for Chain {
    fn set_up(&mut self, bench: &Bench<'_>) -> Result<(), Failure> {
        let plan = bench.plan;
        let head = bench.connect(0);
        let mut last = head.clone();
        for id in 1..plan.machines {
            let next = if id + 1 == plan.machines {
                bench.connect_fanin(id)
            } else {
                bench.connect(id)
            };
            bench.send(&last, TestMessage::AddSender(next.clone(), 0))?;
            let multiplier = plan.forwarding_multiplier as u64;
            bench.send(&last, TestMessage::ForwardingMultiplier(multiplier))?;
            last = next;
        }
        // Counted already when the plan was checked.
        let due = plan.growth().unwrap_or(0) * plan.messages as u64;
        bench.send(&last, TestMessage::Notify(bench.notify.clone(), due))?;
        self.head = Some(head);
        Ok(())
    }

    fn send(&mut self, bench: &Bench<'_>, iteration: u64) -> Result<Arrived, Failure> {
        let messages = bench.plan.messages as u64;
        let growth = bench.plan.growth().unwrap_or(0);
        let mut due = Arrived::default();
        for seq in iteration * messages..(iteration + 1) * messages {
            if let Some(head) = &self.head {
                let value = seq.wrapping_mul(0x9E37_79B9);
                bench.send(
                    head,
                    TestMessage::TestData {
                        lane: 0,
                        seq,
                        value,
                    },
                )?;
                due.count += growth;
                due.sum = due.sum.wrapping_add(value.wrapping_mul(growth));
            }
        }
        Ok(due)
    }

    fn let_go(&mut self, _: &Bench<'_>) -> Result<(), Failure> {
        self.head = None;
        Ok(())
    }
}
