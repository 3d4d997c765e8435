//! What a machine at rest costs: bytes from the allocator for its cell, its state of eight bytes, its place in the registry and one
//! handle, after it received an instruction. A binary with one test: the allocator counts for the whole process.
//!
//! Requested bytes, not resident ones: they are the same on every machine and under a sanitizer. What the system says of the process is
//! measured by `benches/peers`, in a process for each run.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use d3::Runtime;
use d3::prelude::*;
use d3_counting::Counting;

use support::{PATIENCE, runtime, wait_in};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MACHINES: usize = 100_000;

/// What a runtime makes at its first machines and then keeps is not the machines'.
const FIRST_MACHINES: usize = 1_000;

/// The figures that the design promises.
const BYTES_BY_VALUE_MAX: f64 = 192.0;
const BYTES_SHARED_MAX: f64 = 256.0;

#[derive(Debug, MachineImpl)]
enum Count {
    Add(u64),
}

/// Eight bytes of state that only the machine sees.
struct Owned(u64);

impl MachineMut<Count> for Owned {
    fn receive(&mut self, Count::Add(number): Count) {
        self.0 += number;
    }
}

/// Eight bytes of state that who connected it sees, too.
struct Shared(AtomicU64);

impl Machine<Count> for Shared {
    fn receive(&self, Count::Add(number): Count) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }
}

/// Connects so many machines, sends each an instruction, waits until all of them rest, and returns their handles.
fn filled<H>(
    runtime: &Runtime,
    machines: usize,
    connect: impl Fn(&Runtime) -> H,
    sender: impl Fn(&H) -> &Sender<Count>,
) -> Vec<H> {
    let received = || runtime.stats().total().instructions;
    let before = received();
    let handles: Vec<H> = (0..machines).map(|_| connect(runtime)).collect();
    for handle in &handles {
        sender(handle).send(Count::Add(1)).expect("it lives");
    }
    runtime.wait_idle(PATIENCE).expect("all of them rest");
    assert_eq!(received() - before, machines as u64);
    handles
}

/// Bytes per machine, of those that are connected by `connect`.
fn bytes_per_machine<H>(
    connect: impl Fn(&Runtime) -> H,
    sender: impl Fn(&H) -> &Sender<Count>,
) -> f64 {
    let runtime = runtime(2);
    let all_end = || {
        wait_in(&runtime, "all machines end", || {
            runtime.machine_count() == 0
        });
        runtime.wait_idle(PATIENCE).expect("the workers rest");
    };
    drop(filled(&runtime, FIRST_MACHINES, &connect, &sender));
    all_end();
    let before = d3_counting::bytes();
    let handles = filled(&runtime, MACHINES, &connect, &sender);
    let bytes = d3_counting::bytes() - before;
    assert_eq!(runtime.machine_count(), MACHINES);
    drop(handles);
    all_end();
    runtime.shutdown(PATIENCE);
    bytes as f64 / MACHINES as f64
}

#[test]
fn a_machine_at_rest_is_small() {
    d3_counting::switch_on();
    let by_value = bytes_per_machine(|runtime| runtime.connect_mut(Owned(0)), |sender| sender);
    let shared = bytes_per_machine(
        |runtime| -> (Arc<Shared>, Sender<Count>) { runtime.connect(Shared(AtomicU64::new(0))) },
        |(_, sender)| sender,
    );
    assert!(
        by_value <= BYTES_BY_VALUE_MAX && shared <= BYTES_SHARED_MAX,
        "bytes per machine: {by_value:.1} by value of {BYTES_BY_VALUE_MAX}, {shared:.1} shared of {BYTES_SHARED_MAX}"
    );
}
