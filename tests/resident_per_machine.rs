//! What a machine at rest costs, by the system: resident memory of the process for the cell, its state of eight bytes, its place in the registry and one handle,
//! after it received an instruction. A binary with one test, and so a fresh heap.
//!
//! Half a million machines, so that what a runtime keeps for all (blocks for the next burst, stacks) is little for each. Not under a sanitizer, whose
//! allocator has figures of its own: `.ci/sanitizers` leaves it out.
#![cfg(target_os = "linux")]

mod support;

use d3_counting::resident_bytes;

use support::small::{BYTES_BY_VALUE_MAX, Count, Owned};
use support::{PATIENCE, runtime};

const MACHINES: usize = 500_000;

#[test]
fn resident_memory_of_a_machine_at_rest() {
    let runtime = runtime(2);
    drop(runtime.connect_mut(Owned(0)));
    runtime.wait_idle(PATIENCE).expect("it has ended");
    let resident = || resident_bytes().expect("Linux says it");
    let before = resident();
    // Grown to its size at once: a vector that is moved leaves holes.
    let mut senders = Vec::with_capacity(MACHINES);
    senders.extend((0..MACHINES).map(|_| runtime.connect_mut(Owned(0))));
    for sender in &senders {
        sender.send(Count::Add(1)).expect("it lives");
    }
    runtime.wait_idle(PATIENCE).expect("all of them rest");
    let bytes = resident().saturating_sub(before) as f64 / MACHINES as f64;
    assert!(
        (64.0..=BYTES_BY_VALUE_MAX).contains(&bytes),
        "resident bytes per machine: {bytes:.1} of {BYTES_BY_VALUE_MAX}"
    );
    drop(senders);
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}
