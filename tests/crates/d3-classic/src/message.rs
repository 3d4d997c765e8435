//! The instruction set of the drivers.

use std::sync::Arc;

use d3::core::machine_impl::*;
use d3::d3_derive::MachineImpl;

/// What a [`Forwarder`](crate::Forwarder) understands. It holds senders of its own kind, as the test messages of d3 do.
#[derive(Debug, Clone, PartialEq, Eq, MachineImpl)]
pub enum TestMessage {
    /// Forward this to every sender that was added.
    Data {
        /// Who sent it.
        from: usize,
        /// The number the sender gave it, counted from 0 for this receiver.
        seq: u64,
        /// What is summed at the end.
        value: u64,
    },
    /// A token that goes on to a machine drawn by lot until its hops are used up.
    Monkey {
        /// Who sent it.
        from: usize,
        /// The number the sender gave it, counted from 0 for this receiver.
        seq: u64,
        /// The state of the lot, different for each token. It is rolled at each hop and travels with the token, so a path
        /// does not depend on the schedule.
        dice: u64,
        /// How often the token still has to be passed on.
        hops_left: u32,
    },
    /// From now on forward to this machine, too.
    AddSender(Sender<TestMessage>),
    /// Pass tokens on to these.
    Peers(Arc<Vec<Sender<TestMessage>>>),
    /// Forward this many copies of each instruction.
    Multiplier(u64),
    /// Report to this sender whenever so many instructions have come in.
    Notify(Sender<TestMessage>, u64),
    /// Wait at the gate the machine was built with.
    Hold,
    /// Drop every sender the machine has, so that a ring of machines can end.
    RemoveAllSenders,
    /// What [`TestMessage::Notify`] asked for.
    Report(Totals),
}

/// What the last machine of a net has seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many instructions came in.
    pub count: u64,
    /// The sum of their values.
    pub sum: u64,
}
