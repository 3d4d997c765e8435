//! Every workload on d3, small: the counts are asserted by the workloads themselves.

use std::time::Duration;

use super::*;
use crate::collective::{Collective, Node, Setup};
use crate::group::Waves;
use crate::ours::D3;
use crate::tally::Stripes;
use crate::workload::wake::Wake;

const SETUPS: [Setup; 3] = [
    Setup {
        workers: 1,
        capacity: Some(256),
    },
    Setup {
        workers: 2,
        capacity: None,
    },
    // Mailboxes that are always full.
    Setup {
        workers: 2,
        capacity: Some(2),
    },
];

fn three_waves<C: Collective, N: Node<C>>(mut waves: Waves<C, N>, operations: u64) {
    for _ in 0..3 {
        assert_eq!(waves.wave().operations, operations);
    }
    waves.end().expect("nothing is lost");
}

fn size(machines: usize, instructions: u64) -> Size {
    Size {
        machines,
        instructions,
    }
}

#[test]
fn daisy_counts() {
    for setup in &SETUPS {
        three_waves(daisy::waves::<D3>(setup, size(30, 20)), 600);
    }
}

#[test]
fn ring_and_ping_pong_count() {
    for setup in &SETUPS {
        three_waves(ring::waves::<D3>(setup, size(7, 100)), 100);
        three_waves(ping_pong::waves::<D3>(setup, size(2, 100)), 100);
    }
}

#[test]
fn chaos_counts() {
    for setup in &SETUPS {
        three_waves(chaos::waves::<D3>(setup, size(30, 8), 50), 400);
    }
}

#[test]
fn fans_count() {
    for setup in &SETUPS {
        three_waves(fan_out::waves::<D3>(setup, size(5, 40)), 200);
        three_waves(fan_in::waves::<D3>(setup, size(4, 4_000)), 4_000);
    }
}

#[test]
fn outside_counts() {
    for setup in &SETUPS {
        three_waves(outside::waves::<D3>(setup, size(1, 2_000)), 2_000);
    }
}

#[test]
fn machines_come_and_go() {
    for setup in &SETUPS {
        spawn_end::run::<D3>(setup, 2_000).expect("nothing is lost");
    }
}

#[test]
fn times_are_taken() {
    let mut wake = Wake::<D3>::new(&SETUPS[1]);
    assert_eq!(wake.measure(5).count(), 5);
    wake.end().expect("nothing is lost");
    let mut fairness = fairness::Fairness::<D3>::new(&SETUPS[0], 8);
    assert_eq!(fairness.measure(5).count(), 5);
    fairness.end().expect("nothing is lost");
}

#[test]
fn a_runtime_at_rest_is_looked_at() {
    let percent = idle::run::<D3>(&SETUPS[0], 100, Duration::from_millis(50));
    assert!(percent.expect("nothing is lost") >= 0.0);
    let bytes = memory::run::<D3>(&SETUPS[0], 2_000).expect("nothing is lost");
    let shared = memory::run_shared(&SETUPS[0], 2_000).expect("nothing is lost");
    // This process does not count what it allocates.
    assert_eq!((bytes.allocated, shared.allocated), (0.0, 0.0));
}

#[test]
fn a_loss_is_told() {
    let stripes = Stripes::default();
    stripes.count_received();
    let found = crate::CountError {
        expected: 2,
        received: stripes.received(),
        machines: 1,
        ended: stripes.ended(),
    };
    let error = found.into_result().expect_err("one instruction is missing");
    assert_eq!(
        error.to_string(),
        "received 1 of 2 instructions, ended 0 of 1 machines"
    );
}
