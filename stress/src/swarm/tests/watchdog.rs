//! That the watchdog barks when nothing moves, and then only; and what it tells.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use d3::{MachineMut, Runtime};

use super::{PATIENCE, order};
use crate::swarm::load::{Load, Small};
use crate::swarm::plan::Kind;
use crate::swarm::state::Stage;
use crate::swarm::target::{Routed, Sent, Target};
use crate::swarm::watchdog::Watchdog;

#[test]
fn the_watchdog_barks_when_nothing_moves() {
    let (tell, told) = mpsc::channel();
    let _watchdog = Watchdog::start(
        Duration::from_millis(300),
        || 7,
        move || tell.send(()).expect("the test waits"),
    )
    .expect("a thread");
    told.recv_timeout(PATIENCE).expect("it barks");
}

#[test]
fn the_watchdog_is_quiet_while_something_moves() {
    let (figure, looks) = (AtomicU64::new(0), Arc::<AtomicU64>::default());
    let (tell, told) = mpsc::channel();
    let counted = Arc::clone(&looks);
    let watchdog = Watchdog::start(
        Duration::from_millis(200),
        move || {
            counted.fetch_add(1, Ordering::Relaxed);
            figure.fetch_add(1, Ordering::Relaxed)
        },
        move || tell.send(()).expect("the test waits"),
    )
    .expect("a thread");
    // More looks than it takes to lose patience.
    while looks.load(Ordering::Relaxed) < 10 {
        assert!(told.try_recv().is_err());
        std::thread::yield_now();
    }
    drop(watchdog);
    assert!(told.recv().is_err(), "it never barked");
}

/// Blocks its worker until the test lets it go.
struct Blocked(Mutex<mpsc::Receiver<()>>);

impl MachineMut<Small> for Blocked {
    fn receive(&mut self, instruction: Small) {
        instruction.open();
        // The test has let go, by a word or by its end.
        let _ = self.0.lock().expect("one at a time").recv();
    }
}

/// Sends two for one, so that it is parked.
struct Doubler(Target);

impl MachineMut<Small> for Doubler {
    fn receive(&mut self, instruction: Small) {
        instruction.open();
        for sequence in 1..=2 {
            assert_eq!(self.0.send(&order(sequence)), Sent::Accepted);
        }
    }
}

#[test]
fn a_hang_is_described() {
    let stage = Arc::<Stage>::default();
    let runtime = Runtime::builder().workers(2).build().expect("two threads");
    stage.show_runtime(Some(runtime.clone()));
    let (release, released) = mpsc::channel();
    let open = |label: &str| {
        stage
            .books
            .open_account(label.into(), Kind::Small, true, false)
    };
    let blocked = runtime.machine(Blocked(Mutex::new(released))).capacity(1);
    let blocked = Small::target(open("the blocked one"), blocked.accepts().connect());
    let doubler = runtime.machine(Doubler(blocked.clone())).capacity(1);
    let doubler = Small::target(open("the doubler"), doubler.accepts().connect());
    assert_eq!(blocked.send(&order(1)), Sent::Accepted);
    assert_eq!(doubler.send(&order(1)), Sent::Accepted);
    let is_parked = || runtime.machines().iter().any(|machine| machine.parked);
    let begun = std::time::Instant::now();
    while !is_parked() {
        assert!(begun.elapsed() < PATIENCE, "nobody is parked");
        std::thread::yield_now();
    }
    let doing = stage.enter("sender 0".into());
    let (tell, told) = mpsc::channel();
    let (watched, described) = (Arc::clone(&stage), Arc::clone(&stage));
    let _watchdog = Watchdog::start(
        Duration::from_millis(200),
        move || watched.books.moved(),
        move || tell.send(described.describe(0)).expect("the test waits"),
    )
    .expect("a thread");
    let text = told.recv_timeout(PATIENCE).expect("it barks");
    for part in [
        "worker 0:",
        "worker 1:",
        "the doubler: ",
        " parked on ",
        " → the blocked one",
        "thread sender 0: between two calls",
        "the blocked one: not conserved",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    drop((doing, release));
    drop((blocked, doubler));
    stage.show_runtime(None);
    assert!(runtime.shutdown(PATIENCE).quiet);
}
