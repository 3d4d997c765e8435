//! Random graphs of machines that flood each other: everything arrives, in order, within its bound, and nobody is left parked.
//!
//! A graph follows from its seed (`plan.rs`); the schedule does not, so that a seed is a good start for a second look, not a
//! recording. `D3_GRAPH_SEED=n` runs one graph alone, `D3_GRAPHS=n` more or fewer than 1,000.
//!
//! # The bound
//!
//! Mailbox `v` holds at most `capacity(v)` + the sum over all mailboxes `u` that send to it of `burst(u)`, the most that one `receive` of
//! `u` sends. Threads and futures add nothing. Why: look back to the last moment at which `v` held its capacity or less. What came
//! since came from machines, beyond the bound. A machine that sends beyond the bound is parked after that `receive`, for `v` is still over its
//! low-water mark, and it is not resumed before `v` holds less than its capacity: so each contributes one `receive`.
//!
//! A machine that gives way in a ring is not parked, so the bound holds for mailboxes into which no edge leads that is part of a cycle.
//! A cycle goes through a machine: into one of its mailboxes, and out of whichever it reads under the same run token.
//!
//! # The conservation law
//!
//! An instruction carries a budget: how many instructions may still follow from it. Whoever receives one with budget b sends k, and
//! divides b - k among them. So what the outside puts in, 1 + budget each, is in the end the sum of: 1 for each instruction received; the budgets that
//! ended in machines with nobody to send to; 1 + budget for each instruction that came back, was dropped unread, or met a panic.

mod node;
mod outside;
mod plan;
mod run;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{panics, rounds};
use plan::Plan;

/// What happened in all graphs together.
#[derive(Debug, Default)]
struct Report {
    graphs: usize,
    mailboxes: usize,
    received: u64,
    parks: u64,
    rings_broken: u64,
    /// The longest chain of machines that waited for each other when all was quiet.
    longest_chain: usize,
    /// Instructions that found their mailbox over its capacity, where no ring allows it.
    over_capacity: u64,
    /// Stopped, or made to panic, while all ran.
    hunted: usize,
    /// Stopped while parked, when all was quiet.
    stopped_while_parked: usize,
    /// Ended while parked because another mailbox of the same value panicked.
    panicked_while_parked: usize,
    returned: u64,
    dropped: u64,
    /// Futures that were dropped before they had sent.
    futures_dropped: u64,
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.graphs += other.graphs;
        self.mailboxes += other.mailboxes;
        self.received += other.received;
        self.parks += other.parks;
        self.rings_broken += other.rings_broken;
        self.longest_chain = self.longest_chain.max(other.longest_chain);
        self.over_capacity += other.over_capacity;
        self.hunted += other.hunted;
        self.stopped_while_parked += other.stopped_while_parked;
        self.panicked_while_parked += other.panicked_while_parked;
        self.returned += other.returned;
        self.dropped += other.dropped;
        self.futures_dropped += other.futures_dropped;
    }

    /// A test that never parked anybody would prove nothing.
    fn assert_it_was_worth_it(&self) {
        assert!(
            self.parks > 0
                && self.rings_broken > 0
                && self.longest_chain > 1
                && self.over_capacity > 0
                && self.hunted > 0
                && self.stopped_while_parked > 0
                && self.panicked_while_parked > 0
                && self.returned > 0
                && self.dropped > 0
                && self.futures_dropped > 0,
            "something never happened: {self:#?}"
        );
    }
}

/// Names the seed when a graph fails.
struct NamesSeed<'a>(&'a Plan);

impl Drop for NamesSeed<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "this graph failed: {}\nrun it alone with D3_GRAPH_SEED={}",
                self.0, self.0.seed
            );
        }
    }
}

fn run_seed(seed: u64) -> Report {
    let plan = Plan::of(seed);
    let _names = NamesSeed(&plan);
    run::run(&plan)
}

#[test]
fn random_graphs_deliver_everything_and_leave_nobody_parked() {
    panics::quiet();
    if let Ok(text) = std::env::var("D3_GRAPH_SEED") {
        let seed = text.parse().expect("D3_GRAPH_SEED is a number");
        println!("{}", Plan::of(seed));
        println!("{:#?}", run_seed(seed));
        return;
    }
    let graphs = rounds("D3_GRAPHS", 1_000);
    let next = Arc::<AtomicUsize>::default();
    let total = Arc::<Mutex<Report>>::default();
    // Two side by side, so that one graph's workers are preempted by another's.
    let drivers: Vec<_> = (0..2)
        .map(|_| {
            let (next, total) = (Arc::clone(&next), Arc::clone(&total));
            thread::spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= graphs {
                        return;
                    }
                    let report = run_seed(seed as u64);
                    let mut total = total.lock().expect("the other driver has not failed");
                    total.add(&report);
                    if total.graphs.is_multiple_of(200) {
                        println!("{} graphs of {graphs}", total.graphs);
                    }
                }
            })
        })
        .collect();
    let failed = drivers
        .into_iter()
        .filter_map(|driver| driver.join().err())
        .count();
    assert_eq!(failed, 0, "a graph failed: its seed is named above");
    let total = total.lock().expect("no driver has failed");
    println!("{total:#?}");
    assert_eq!(total.graphs, graphs);
    // A handful of graphs may lack this or that.
    if graphs >= 500 {
        total.assert_it_was_worth_it();
    }
}
