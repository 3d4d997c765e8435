//! What is seen of back-pressure from outside: lengths, overflows, and the event that names who met a hard limit.
//!
//! A binary of its own, with one test that listens to the log of the whole process.

mod common;

use std::time::Duration;

use d3_runtime::{MachineImpl, MachineMut, SendError, Sender, bounded};

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
    let told = listener.told("hard limit");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the filler"), "{told:?}");
    assert!(told[0].contains(&to.id().to_string()), "{told:?}");
    drop(unread);
}
