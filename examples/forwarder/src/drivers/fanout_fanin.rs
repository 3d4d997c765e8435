//! One machine sends to many, all of which send to one: a shock at the fan-in, where most producers have to wait.

use d3::Sender;

use super::{Bench, Shape};
use crate::{Arrived, Failure, TestMessage};

#[derive(Debug, Default)]
pub(super) struct Fan {
    fanout: Option<Sender<TestMessage>>,
}

impl Fan {
    fn producers(bench: &Bench<'_>) -> u64 {
        bench.plan.machines as u64 - 2
    }
}

impl Shape for Fan {
    fn set_up(&mut self, bench: &Bench<'_>) -> Result<(), Failure> {
        let fanout = bench.connect(0);
        let fanin = bench.connect_fanin(1);
        for lane in 0..bench.plan.machines - 2 {
            let producer = bench.connect(lane + 2);
            bench.send(&producer, TestMessage::AddSender(fanin.clone(), lane))?;
            bench.send(&fanout, TestMessage::AddSender(producer, 0))?;
        }
        let due = Self::producers(bench) * bench.plan.messages as u64;
        bench.send(&fanin, TestMessage::Notify(bench.notify.clone(), due))?;
        self.fanout = Some(fanout);
        Ok(())
    }

    fn send(&mut self, bench: &Bench<'_>, iteration: u64) -> Result<Arrived, Failure> {
        let messages = bench.plan.messages as u64;
        let producers = Self::producers(bench);
        let mut due = Arrived::default();
        for seq in iteration * messages..(iteration + 1) * messages {
            if let Some(fanout) = &self.fanout {
                let value = seq.wrapping_mul(0x9E37_79B9);
                bench.send(
                    fanout,
                    TestMessage::TestData {
                        lane: 0,
                        seq,
                        value,
                    },
                )?;
                due.count += producers;
                due.sum = due.sum.wrapping_add(value.wrapping_mul(producers));
            }
        }
        Ok(due)
    }

    fn let_go(&mut self, _: &Bench<'_>) -> Result<(), Failure> {
        // The producers live by the fan-out, the fan-in by the producers.
        self.fanout = None;
        Ok(())
    }
}
