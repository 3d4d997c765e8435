//! What is seen of back-pressure from outside: lengths, overflows, and the events that name who met a hard limit and who broke a ring.
//!
//! A binary of its own, whose tests listen to the log of the whole process for names of their own.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use d3_runtime::{MachineImpl, MachineMut, Runtime, SendError, Sender, bounded};

use common::log::listener;
use common::{Gate, PATIENCE, info_of, runtime, wait_until};

#[derive(MachineImpl)]
enum Fill {
    With(usize),
}

/// Sends to a receiver that nobody reads, and says how many were taken.
struct Filler {
    to: Sender<usize>,
    taken: Sender<usize>,
}

impl MachineMut<Fill> for Filler {
    fn receive(&mut self, Fill::With(count): Fill) {
        let taken = (0..count)
            .take_while(|&n| match self.to.send(n) {
                Ok(()) => true,
                Err(SendError::Limit(back)) => {
                    assert_eq!(back, n);
                    false
                }
                Err(error) => panic!("the receiver lives: {error}"),
            })
            .count();
        self.taken.send(taken).expect("the test waits");
    }
}

#[derive(MachineImpl)]
enum Item {
    Item,
}

struct Slow(Gate);

impl MachineMut<Item> for Slow {
    fn receive(&mut self, _: Item) {
        drop(self.0.close());
    }
}

struct Flood(Sender<Item>);

impl MachineMut<Fill> for Flood {
    fn receive(&mut self, Fill::With(count): Fill) {
        for _ in 0..count {
            self.0.send(Item::Item).expect("below the hard limit");
        }
    }
}

#[test]
fn lengths_overflows_and_the_hard_limit() {
    let listener = listener();
    let runtime = runtime(2);

    // Lengths: 12 instructions into a mailbox of 4, whose machine is held up in the first one.
    let gate = Gate::default();
    let closed = gate.close();
    let slow = runtime
        .machine(Slow(gate.clone()))
        .capacity(4)
        .accepts::<Item>()
        .connect();
    let flood = runtime.connect_mut(Flood(slow.clone()));
    flood.send(Fill::With(12)).expect("it lives");
    wait_until("the flood is parked", || info_of(&runtime, &flood).parked);
    drop(closed);
    runtime.wait_idle(PATIENCE).expect("all is read");
    let slow_info = info_of(&runtime, &slow);
    // One may have been read before the next came.
    assert!((11..=12).contains(&slow_info.high_water), "{slow_info:?}");
    assert!((7..=8).contains(&slow_info.overflows), "{slow_info:?}");
    let flood_info = info_of(&runtime, &flood);
    assert_eq!((flood_info.parks, flood_info.overflows), (1, 0));
    assert!(flood_info.parked_for > Duration::ZERO);

    // The hard limit: a channel that nobody reads, twice.
    let (to, unread) = bounded(1);
    let (taken, counts) = bounded(2);
    let filler = runtime
        .machine(Filler {
            to: to.clone(),
            taken,
        })
        .name("the filler")
        .accepts::<Fill>()
        .connect();
    filler.send(Fill::With(usize::MAX)).expect("it lives");
    let count = counts.recv_timeout(PATIENCE).expect("it meets the limit");
    assert!(
        count > 1_000,
        "a generous multiple of the capacity: {count}"
    );
    let mut told = listener.told("hard limit");
    told.retain(|event| event.contains("the filler"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&to.id().to_string()), "{told:?}");
    drop(unread);
}

#[derive(MachineImpl)]
enum Rumour {
    Next(Sender<Rumour>),
    Heard,
}

/// Tells everything twice, until it is to be silent.
struct Gossip {
    next: Option<Sender<Rumour>>,
    silent: Arc<AtomicBool>,
}

impl MachineMut<Rumour> for Gossip {
    fn receive(&mut self, rumour: Rumour) {
        match rumour {
            Rumour::Next(next) => self.next = Some(next),
            Rumour::Heard if self.silent.load(Ordering::Relaxed) => self.next = None,
            Rumour::Heard => {
                for _ in 0..2 {
                    match self.next.as_ref().map(|next| next.send(Rumour::Heard)) {
                        None | Some(Ok(()) | Err(SendError::Limit(_))) => {}
                        Some(Err(error)) => panic!("the ring lives: {error}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_ring_that_multiplies_is_named() {
    const NAMES: [&str; 2] = ["the first gossip", "the second gossip"];
    let listener = listener();
    let runtime = Runtime::builder()
        .workers(2)
        .hard_limit(4)
        .build()
        .expect("a few threads can be had");
    let silent = Arc::<AtomicBool>::default();
    let pair = NAMES.map(|name| {
        let gossip = Gossip {
            next: None,
            silent: Arc::clone(&silent),
        };
        let machine = runtime.machine(gossip).name(name).capacity(2);
        machine.accepts::<Rumour>().connect()
    });
    for (one, other) in [(0, 1), (1, 0)] {
        let next = Rumour::Next(pair[other].clone());
        pair[one].send(next).expect("it lives");
    }
    pair[0].send(Rumour::Heard).expect("it lives");

    let told_of = |what: &str, names: &[&str]| {
        let told = listener.told(what);
        let of_all = |event: &String| names.iter().all(|name| event.contains(name));
        told.iter().any(of_all)
    };
    wait_until("who gives way says so, and names the ring", || {
        told_of("gives way", &NAMES)
    });
    wait_until("who is at its limit is named, and by whom", || {
        told_of("hard limit", &NAMES)
    });
    silent.store(true, Ordering::Relaxed);
    runtime.wait_idle(PATIENCE).expect("it falls silent");
    drop(pair);
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}
