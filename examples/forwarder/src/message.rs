//! The instruction set of the drivers.

use std::sync::Arc;

use d3::prelude::*;

use crate::Arrived;

/// What a [`Forwarder`](crate::Forwarder) understands.
#[derive(Debug, Clone, MachineImpl)]
pub enum TestMessage {
    /// Forward this to every sender that was added.
    TestData {
        /// The lane of the sender at this receiver.
        lane: usize,
        /// The number of the instruction in its lane, from 0.
        seq: u64,
        /// What is summed where instructions arrive.
        value: u64,
    },
    /// A token that hops to machines drawn by lot.
    ChaosMonkey {
        /// Runs up to `max`, and down to 0.
        counter: u32,
        /// Where the counter turns.
        max: u32,
        /// Which way it runs.
        mutation: Mutation,
        /// The lot. It travels with the token, so that a way does not depend on the schedule.
        lot: u64,
    },
    /// A token has come home: counted and summed like data, in no order.
    Home {
        /// Its last lot, which tells whether it made every hop.
        lot: u64,
    },
    /// Forward data to this machine, too, where it comes in on the lane given.
    AddSender(Sender<TestMessage>, usize),
    /// Pass tokens on to these, and report those that are done to this one.
    Peers(Arc<Vec<Sender<TestMessage>>>, Sender<TestMessage>),
    /// Forward so many copies of each instruction to each.
    ForwardingMultiplier(u64),
    /// Tell this receiver whenever so many instructions have arrived.
    Notify(Sender<Arrived>, u64),
    /// Forget all senders: machines that hold each other would live for ever.
    RemoveAllSenders,
}

/// Which way the counter of a token runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Up.
    Increment,
    /// Down.
    Decrement,
}

/// The next counter of a token, and which way it runs then; `None`: it is done.
pub(crate) fn advance(counter: u32, max: u32, mutation: Mutation) -> Option<(u32, Mutation)> {
    match mutation {
        Mutation::Increment if counter < max => Some((counter + 1, Mutation::Increment)),
        Mutation::Increment => Some((counter, Mutation::Decrement)),
        Mutation::Decrement => Some((counter.checked_sub(1)?, Mutation::Decrement)),
    }
}

/// The next lot of a token (xorshift, Marsaglia 2003). Never 0 if the last was not.
pub(crate) fn roll(mut lot: u64) -> u64 {
    lot ^= lot << 13;
    lot ^= lot >> 7;
    lot ^ (lot << 17)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(max: u32) -> Vec<u32> {
        let first = (0, Mutation::Increment);
        std::iter::successors(Some(first), |&(counter, mutation)| {
            advance(counter, max, mutation)
        })
        .map(|(counter, _)| counter)
        .collect()
    }

    #[test]
    fn a_token_counts_up_and_down() {
        assert_eq!(counters(3), [0, 1, 2, 3, 3, 2, 1, 0]);
        assert_eq!(counters(1), [0, 1, 1, 0]);
        assert_eq!(counters(0), [0, 0]);
    }
}
