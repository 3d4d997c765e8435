//! What machines cost, by the allocator: bytes for the cell, its state of eight bytes, its place in the registry and one
//! handle, after it received an instruction; how often memory is asked for; and what is left of a burst.
//!
//! Requested bytes: they are the same on every machine and under a sanitizer. `resident_per_machine.rs` asks the system. The allocator counts for the whole
//! process, so the tests of this binary run one after the other.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use d3::Runtime;
use d3::prelude::*;
use d3_counting::Counting;

use support::small::{BYTES_BY_VALUE_MAX, Count, Owned};
use support::{PATIENCE, runtime, wait_in};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MACHINES: usize = 100_000;

/// What a runtime makes at its first machines and then keeps is not the machines'.
const FIRST_MACHINES: usize = 1_000;

/// The figure that the design promises.
const BYTES_SHARED_MAX: f64 = 256.0;

/// The allocator is this test's as long as the guard lives.
fn counting() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    d3_counting::switch_on();
    alone
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
    let _alone = counting();
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

/// Besides it there are the injector's blocks, one for each 63 that wait, the registry, which grows in large steps, and what the test keeps.
#[test]
fn a_machine_by_value_is_one_allocation() {
    const OTHERS_MAX: u64 = MACHINES as u64 / 63 + 1_000;
    let _alone = counting();
    let runtime = runtime(2);
    drop(runtime.connect_mut(Owned(0)));
    runtime.wait_idle(PATIENCE).expect("it has ended");
    let before = d3_counting::allocations();
    let senders: Vec<Sender<Count>> = (0..MACHINES)
        .map(|_| runtime.connect_mut(Owned(0)))
        .collect();
    runtime.wait_idle(PATIENCE).expect("all of them rest");
    let allocations = d3_counting::allocations() - before;
    assert!(
        (MACHINES as u64..=MACHINES as u64 + OTHERS_MAX).contains(&allocations),
        "{allocations} allocations for {MACHINES} machines"
    );
    drop(senders);
    runtime.shutdown(PATIENCE);
}

#[derive(Debug, MachineImpl)]
enum Flood {
    Wait(std::sync::mpsc::Receiver<()>),
    Drop,
}

/// Reads nothing until it may.
struct Basin;

impl MachineMut<Flood> for Basin {
    fn receive(&mut self, flood: Flood) {
        if let Flood::Wait(gate) = flood {
            // An error is the test's end.
            let _ = gate.recv();
        }
    }
}

/// Blocks go back when they were read, but for what threads keep for the next burst: a quarter of a MiB each, and 4 MiB for all (`POOL_BYTES_…`).
#[test]
fn the_storage_of_a_burst_is_given_back() {
    const BURST: usize = 1_000_000;
    const THREADS: i64 = 3;
    const KEPT_MAX: i64 = (THREADS * 256 + 4 * 1024) * 1024;
    let _alone = counting();
    let runtime = runtime(2);
    let basin = runtime
        .machine(Basin)
        .unbounded()
        .accepts::<Flood>()
        .connect();
    let (open, gate) = std::sync::mpsc::sync_channel(1);
    basin.send(Flood::Wait(gate)).expect("it lives");
    let before = d3_counting::bytes();
    for _ in 0..BURST {
        basin.send(Flood::Drop).expect("it lives");
    }
    let high = d3_counting::bytes() - before;
    open.send(()).expect("it waits");
    runtime.wait_idle(PATIENCE).expect("all is read");
    let left = d3_counting::bytes() - before;
    assert!(high > 2 * KEPT_MAX, "no burst: {high} bytes");
    assert!(left <= KEPT_MAX, "{left} bytes of {high} are left");
    drop(basin);
    runtime.shutdown(PATIENCE);
}
