//! What is seen of back-pressure from outside: lengths, overflows, and the event that names who met a hard limit.
//!
//! A binary of its own, with one test that listens to the log of the whole process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use d3_runtime::{MachineImpl, MachineMut, Runtime, SendError, Sender, bounded};
use tracing::field::{Field, Visit};
use tracing::span;

const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the text of each event at level WARN.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

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

struct Slow(Arc<Mutex<()>>);

impl MachineMut<Item> for Slow {
    fn receive(&mut self, _: Item) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner));
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
    let listener = Listener::default();
    tracing::subscriber::set_global_default(listener.clone()).expect("the only one");
    let runtime = Runtime::builder().workers(2).build().expect("two threads");

    // Lengths: 12 instructions into a mailbox of 4, whose machine is held up in the first one.
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().expect("nobody panicked");
    let slow = runtime
        .machine(Slow(Arc::clone(&gate)))
        .capacity(4)
        .name("slow")
        .accepts::<Item>()
        .connect();
    let flood = runtime.connect_mut(Flood(slow.clone()));
    flood.send(Fill::With(12)).expect("it lives");
    let parked = || runtime.machines().into_iter().any(|machine| machine.parked);
    let begun = std::time::Instant::now();
    while !parked() {
        assert!(begun.elapsed() < PATIENCE, "the flood is parked");
        std::thread::yield_now();
    }
    drop(closed);
    runtime.wait_idle(PATIENCE).expect("all is read");
    let machines = runtime.machines();
    let slow_info = machines
        .iter()
        .find(|machine| machine.name.as_deref() == Some("slow"))
        .expect("it lives");
    // One may have been read before the next came.
    assert!((11..=12).contains(&slow_info.high_water), "{slow_info:?}");
    assert!((7..=8).contains(&slow_info.overflows), "{slow_info:?}");
    let flood_info = machines
        .iter()
        .find(|machine| machine.id == flood.id())
        .expect("it lives");
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
    let events = || {
        let events = listener.0.lock().unwrap_or_else(PoisonError::into_inner);
        events
            .iter()
            .filter(|text| text.contains("hard limit"))
            .cloned()
            .collect::<Vec<_>>()
    };
    let told = events();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the filler"), "{told:?}");
    assert!(told[0].contains(&to.id().to_string()), "{told:?}");
    drop(unread);
}
