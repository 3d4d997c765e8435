//! Skynet: a tree of machines, ten children each, down to a million leaves. Each node is created by its parent in
//! `receive`, sends its result up, and every sender is dropped right after the send. d3 0.1.3 hangs on it (defect 18).
//!
//! A debug run is a small one; the full run is `D3_SKYNET_LEAVES=1000000 D3_SKYNET_ROUNDS=100 cargo test --release
//! --test skynet`.

mod support;

use std::time::Instant;

use d3::prelude::*;
use d3::{Runtime, unbounded};

use support::{PATIENCE, rounds, runtime, wait_in};

const CHILDREN: u64 = 10;

#[derive(Debug, MachineImpl)]
enum SkyCmd {
    /// Sum up the numbers from `first` on, `leaves` of them, and send the sum there. `own` is a sender to the node itself,
    /// for its children: whoever sent this has dropped his by now.
    Start {
        first: u64,
        leaves: u64,
        own: Sender<SkyCmd>,
        up: Sender<SkyCmd>,
    },
    /// The sum of a part, and how many leaves it has.
    Sum { sum: u64, leaves: u64 },
}

/// Connects a node, sends it its part, and drops the sender.
fn grow(runtime: &Runtime, first: u64, leaves: u64, up: Sender<SkyCmd>) {
    let node = runtime.connect_mut(Node::default());
    let own = node.clone();
    node.send(SkyCmd::Start {
        first,
        leaves,
        own,
        up,
    })
    .expect("a new node takes an instruction");
}

/// A node of the tree. A leaf is its own sum.
#[derive(Default)]
struct Node {
    up: Option<Sender<SkyCmd>>,
    due: u64,
    leaves: u64,
    sum: u64,
}

impl Node {
    fn start(&mut self, first: u64, leaves: u64, own: &Sender<SkyCmd>, up: Sender<SkyCmd>) {
        if leaves == 1 {
            return up
                .send(SkyCmd::Sum { sum: first, leaves })
                .expect("the parent waits for us");
        }
        self.due = leaves;
        self.up = Some(up);
        let runtime = this_machine::runtime().expect("in receive there is a runtime");
        let part = leaves / CHILDREN;
        for child in 0..CHILDREN {
            grow(&runtime, first + child * part, part, own.clone());
        }
    }

    fn add(&mut self, sum: u64, leaves: u64) {
        self.sum += sum;
        self.leaves += leaves;
        if self.leaves == self.due
            && let Some(up) = self.up.take()
        {
            up.send(SkyCmd::Sum {
                sum: self.sum,
                leaves: self.leaves,
            })
            .expect("the parent waits for us");
        }
    }
}

impl MachineMut<SkyCmd> for Node {
    fn receive(&mut self, cmd: SkyCmd) {
        match cmd {
            SkyCmd::Start {
                first,
                leaves,
                own,
                up,
            } => self.start(first, leaves, &own, up),
            SkyCmd::Sum { sum, leaves } => self.add(sum, leaves),
        }
    }
}

#[test]
fn sums_up_and_leaves_no_machine() {
    let (small, few) = if cfg!(debug_assertions) {
        (100_000, 3)
    } else {
        (1_000_000, 3)
    };
    let leaves = rounds("D3_SKYNET_LEAVES", small) as u64;
    assert_eq!(
        leaves,
        CHILDREN.pow(leaves.ilog10()),
        "the leaves of a full tree are a power of ten"
    );
    let runtime = runtime(2);
    for round in 0..rounds("D3_SKYNET_ROUNDS", few) {
        let start = Instant::now();
        let (up, results) = unbounded();
        grow(&runtime, 0, leaves, up);
        match results.recv_timeout(PATIENCE) {
            Ok(SkyCmd::Sum { sum, .. }) => {
                assert_eq!(sum, leaves * (leaves - 1) / 2, "round {round}")
            }
            other => panic!(
                "round {round}: {other:?}, {} machines, {:?}",
                runtime.machine_count(),
                runtime.stats()
            ),
        }
        wait_in(&runtime, "every machine ends", || {
            runtime.machine_count() == 0
        });
        println!("round {round}: {leaves} leaves in {:?}", start.elapsed());
    }
    runtime.shutdown(PATIENCE);
}
