//! Bytes per machine at rest, all in: handle, cell, eight bytes of state, registry.
//!
//! Each machine has received one instruction and has nothing to do. A process measures this once, before it does anything
//! else: memory that was used and given back would be used again and not be seen.

use std::sync::Arc;
use std::time::Duration;

use d3_runtime::{Machine, Sender};

use super::rest::Rest;
use crate::collective::{Collective, Instruction, Setup};
use crate::ours::D3;
use crate::tally::{CountError, Stripes, wait_for};
use crate::{counting, probe};

/// Machines over which the bytes are averaged.
pub const MACHINES: usize = 250_000;

/// What a runtime makes at its first machines and then keeps is not the machines'.
const FIRST_MACHINES: usize = 1_000;

/// How long the machines may take to receive or to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Time for what a runtime does behind an instruction: blocks that go back, workers that fall asleep.
const SETTLE: Duration = Duration::from_millis(300);

/// Bytes per machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bytes {
    /// By what the system says of the process.
    pub resident: f64,
    /// By what was requested from the allocator: 0 if the process does not count.
    pub allocated: f64,
}

/// One reading of both.
#[derive(Clone, Copy, Debug)]
struct Reading {
    resident: u64,
    allocated: i64,
}

impl Reading {
    fn take() -> Self {
        Self {
            resident: probe::resident_bytes().unwrap_or(0),
            allocated: counting::bytes(),
        }
    }

    fn per_machine_since(self, before: Self, machines: usize) -> Bytes {
        let per_machine = |bytes: f64| bytes / machines as f64;
        Bytes {
            resident: per_machine(self.resident as f64 - before.resident as f64),
            allocated: per_machine((self.allocated - before.allocated) as f64),
        }
    }
}

/// What is counted of one filling.
struct Filling<A> {
    addresses: Vec<A>,
    stripes: &'static Stripes,
    machines: usize,
}

impl<A> Filling<A> {
    /// Waits until all machines have their instruction.
    fn settle(&self) {
        wait_for(PATIENCE, || self.stripes.received() >= self.machines as u64);
        std::thread::sleep(SETTLE);
    }

    /// Ends all machines and compares the counts.
    fn end(self, release: impl FnOnce(Vec<A>)) -> Result<(), CountError> {
        release(self.addresses);
        let machines = self.machines as u64;
        wait_for(PATIENCE, || self.stripes.ended() >= machines);
        let found = CountError {
            expected: machines,
            received: self.stripes.received(),
            machines,
            ended: self.stripes.ended(),
        };
        found.into_result()
    }
}

/// What `fill` makes of so many machines, in bytes per machine.
fn measure<A>(
    machines: usize,
    fill: impl Fn(usize, &'static Stripes) -> Vec<A>,
    release: impl Fn(Vec<A>),
) -> Result<Bytes, CountError> {
    let filling = |machines| {
        let stripes = Stripes::leak();
        let filling = Filling {
            addresses: fill(machines, stripes),
            stripes,
            machines,
        };
        filling.settle();
        filling
    };
    filling(FIRST_MACHINES).end(&release)?;
    let before = Reading::take();
    let filled = filling(machines);
    let after = Reading::take();
    filled.end(&release)?;
    Ok(after.per_machine_since(before, machines))
}

/// Bytes per machine of a collective, whose nodes are connected as it likes best: by value, with d3.
///
/// # Errors
/// [`CountError`] if instructions or machines were lost.
pub fn run<C: Collective>(setup: &Setup, machines: usize) -> Result<Bytes, CountError> {
    let collective = C::start(setup);
    let bytes = measure(
        machines,
        |machines, stripes| {
            let addresses = collective.connect(machines, move |_| Rest(stripes));
            collective.send_each(&addresses, Instruction::Token(0));
            addresses
        },
        |addresses| collective.release(addresses),
    )?;
    collective.stop();
    Ok(bytes)
}

/// A machine that is shared with who connected it.
struct SharedRest(Rest);

impl Machine<Instruction> for SharedRest {
    fn receive(&self, _: Instruction) {
        self.0.0.count_received();
    }
}

/// Bytes per machine of d3 when the value is shared: the `Arc` that `connect` returns is kept, as the sender is.
///
/// # Errors
/// [`CountError`] if instructions or machines were lost.
pub fn run_shared(setup: &Setup, machines: usize) -> Result<Bytes, CountError> {
    let collective = D3::start(setup);
    let runtime = collective.runtime().clone();
    let connect = |stripes| match setup.capacity {
        Some(capacity) => runtime.connect_with_capacity(SharedRest(Rest(stripes)), capacity),
        None => runtime.connect_unbounded(SharedRest(Rest(stripes))),
    };
    let bytes = measure::<(Arc<SharedRest>, Sender<Instruction>)>(
        machines,
        |machines, stripes| {
            let machines: Vec<_> = (0..machines).map(|_| connect(stripes)).collect();
            for (_, sender) in &machines {
                sender
                    .send(Instruction::Token(0))
                    .expect("the machine lives");
            }
            machines
        },
        drop,
    )?;
    drop(runtime);
    collective.stop();
    Ok(bytes)
}
