//! Drivers that use d3 0.1.3's paths and nothing else: `d3::d3_derive::MachineImpl`, `d3::core::machine_impl` and
//! `d3::core::executor`.
//!
//! A program that was written against d3-core 0.1.3 looks like this crate. It builds one kind of machine, the
//! [`Forwarder`], and wires many of them into a chain, a fan or a random net by sending them instructions:
//!
//! | driver | shape | what it checks |
//! | --- | --- | --- |
//! | [`DaisyChain`] | each machine forwards to the next, perhaps several copies | order on each link, count and sum at the end |
//! | [`FanoutFanin`] | one to many to one, with mailboxes that fill | order on each link, count and sum at the end |
//! | [`ChaosMonkey`] | tokens that hop to a machine drawn by lot | order on each pair, tokens that arrived, hops each made |
//!
//! Every instruction on a link carries the number that its sender gave it for this receiver, so one that is lost, doubled
//! or overtaken shows at the machine where it happened ([`Faults`]), and sums at the end show what was lost with a machine.
#![forbid(unsafe_code)]

mod chaos_monkey;
mod daisy_chain;
mod fanout_fanin;
mod forwarder;
mod ledger;
mod message;
mod watch;

pub use chaos_monkey::ChaosMonkey;
pub use daisy_chain::DaisyChain;
pub use fanout_fanin::FanoutFanin;
pub use forwarder::{Forwarder, Gate};
pub use ledger::{Faults, Ledger};
pub use message::{TestMessage, Totals};
pub use watch::{PATIENCE, wait_for};

/// What every driver can do.
pub trait Driver {
    /// Connects and wires the machines.
    fn setup(&mut self);
    /// Sends one load through the machines and waits until all of it has arrived.
    ///
    /// # Panics
    /// If something was lost, doubled or overtaken, or did not arrive in time.
    fn run(&self);
    /// Takes the machines apart and waits until the collective is as it was before [`Driver::setup`].
    fn teardown(self);
}
