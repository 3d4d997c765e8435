//! Back-pressure from one runtime to another: a machine that sends to a full one elsewhere is parked in its own runtime and resumed
//! from the other's workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use d3::prelude::*;

use crate::support::probe::{Gate, bump, read};
use crate::support::{PATIENCE, runtime, wait_in, within_patience};

#[derive(MachineImpl)]
enum Hop {
    Other(Sender<Hop>),
    /// How many hops are left.
    Go(usize),
}

/// Sends everything on to its other half, in the other runtime.
struct Half {
    other: Option<Sender<Hop>>,
    hops: Arc<AtomicUsize>,
}

impl MachineMut<Hop> for Half {
    fn receive(&mut self, hop: Hop) {
        match (hop, &self.other) {
            (Hop::Other(other), _) => self.other = Some(other),
            (Hop::Go(left), Some(other)) => {
                bump(&self.hops);
                if left > 0 {
                    other.send(Hop::Go(left - 1)).expect("the other half lives");
                }
            }
            (Hop::Go(_), None) => panic!("the halves know each other first"),
        }
    }
}

/// More goes round between the two than their mailboxes hold: each runtime's machine waits for the other's, and the ring goes on.
#[test]
fn both_ways_at_once() {
    const HOPS: usize = 500;
    for (workers, capacity, tokens) in [(1, 1, 6), (2, 1, 20), (1, 4, 40), (2, 2, 3)] {
        let (left, right) = (runtime(workers), runtime(workers));
        let hops = Arc::<AtomicUsize>::default();
        let half = |runtime: &Runtime| {
            let half = Half {
                other: None,
                hops: Arc::clone(&hops),
            };
            let machine = runtime.machine(half).capacity(capacity);
            machine.accepts::<Hop>().connect()
        };
        let (a, b) = (half(&left), half(&right));
        a.send(Hop::Other(b.clone())).unwrap();
        b.send(Hop::Other(a.clone())).unwrap();
        for token in 0..tokens {
            let door = if token % 2 == 0 { &a } else { &b };
            door.send(Hop::Go(HOPS)).unwrap();
        }
        wait_in(&left, "every hop is made", || {
            read(&hops) == tokens * (HOPS + 1)
        });
        let broken = left.stats().total().ring_breaks + right.stats().total().ring_breaks;
        assert!(
            tokens <= 2 * capacity || broken > 0,
            "{tokens} tokens do not fit into two mailboxes of {capacity}"
        );
        for runtime in [left, right] {
            let end = runtime.shutdown(PATIENCE);
            assert!(end.is_clean(), "{end}");
        }
    }
}

#[derive(MachineImpl)]
enum Item {
    Hold(Arc<Gate>),
    Number(usize),
}

#[derive(MachineImpl)]
enum Work {
    /// Send these numbers, three for each instruction.
    From(usize),
}

const CAPACITY: usize = 4;
const BURST: usize = 3;

struct Slow {
    next: usize,
    longest: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
}

impl MachineMut<Item> for Slow {
    fn receive(&mut self, item: Item) {
        match item {
            Item::Hold(gate) => gate.pass(),
            Item::Number(number) => {
                assert_eq!(number, self.next, "in the order sent");
                self.next += 1;
                let me = this_machine::sender::<Item>().expect("inside");
                if let Some(me) = me.upgrade() {
                    self.longest.fetch_max(me.len(), Ordering::SeqCst);
                }
                bump(&self.received);
            }
        }
    }
}

struct Fast(Sender<Item>);

impl MachineMut<Work> for Fast {
    fn receive(&mut self, Work::From(first): Work) {
        for number in first..first + BURST {
            self.0.send(Item::Number(number)).expect("it lives");
        }
    }
}

/// One way: the fast one is parked, by name, and the mailbox of the slow one keeps its bound.
#[test]
fn one_way_keeps_the_bound() {
    const COUNT: usize = 1_000;
    let (here, there) = (runtime(2), runtime(2));
    let (longest, received) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let slow = Slow {
        next: 0,
        longest: Arc::clone(&longest),
        received: Arc::clone(&received),
    };
    let slow = there.machine(slow).capacity(CAPACITY).accepts().connect();
    let gate = Gate::new();
    slow.send(Item::Hold(Arc::clone(&gate))).unwrap();
    let fast = here
        .machine(Fast(slow.clone()))
        .capacity(8)
        .accepts()
        .connect();
    for first in [0, BURST] {
        fast.send(Work::From(first)).unwrap();
    }
    wait_in(&here, "the fast one is parked on the slow one", || {
        let machines = here.machines();
        machines
            .iter()
            .any(|machine| machine.waits_for == Some(slow.id()))
    });
    gate.open();
    for nth in 2..COUNT {
        fast.send(Work::From(nth * BURST)).unwrap();
    }
    wait_in(&there, "all arrive", || read(&received) == COUNT * BURST);
    let longest = read(&longest);
    assert!(longest <= CAPACITY + BURST, "{longest}");
    assert!(here.stats().total().parks > 0);
    for runtime in [here, there] {
        let end = runtime.shutdown(PATIENCE);
        assert!(end.is_clean(), "{end}");
    }
}

/// The other runtime ends while a machine of this one waits for room there: it goes on, and its next sends come back.
#[test]
fn the_end_of_the_other_runtime_releases_who_waits_there() {
    let (here, there) = (runtime(1), runtime(1));
    let gate = Gate::new();
    let (_, target) = there.connect_with_capacity(
        |item: Item| {
            if let Item::Hold(gate) = item {
                gate.pass();
            }
        },
        CAPACITY,
    );
    target.send(Item::Hold(Arc::clone(&gate))).unwrap();
    let returned = Arc::<AtomicUsize>::default();
    let (_, source) = {
        let (target, returned) = (target.clone(), Arc::clone(&returned));
        here.connect(move |Work::From(count): Work| {
            for number in 0..count {
                if let Err(SendError::Disconnected(_)) = target.send(Item::Number(number)) {
                    bump(&returned);
                }
            }
        })
    };
    wait_in(&there, "the target is busy", || gate.came() == 1);
    source.send(Work::From(CAPACITY + 2)).unwrap();
    source.send(Work::From(5)).unwrap();
    wait_in(&here, "the source is parked", || {
        here.machines().iter().any(|machine| machine.parked)
    });
    let end = within_patience("the other runtime ends", move || {
        gate.open();
        there.shutdown(Duration::ZERO)
    });
    // The second round met the target before or after its end; the third meets nobody.
    source.send(Work::From(5)).unwrap();
    wait_in(&here, "the source goes on", || {
        source.is_empty() && read(&returned) >= 5
    });
    here.wait_idle(PATIENCE).unwrap();
    assert!(
        !here.machines().iter().any(|machine| machine.parked),
        "{end}"
    );
    let end = here.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}
