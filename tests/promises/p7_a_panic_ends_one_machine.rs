//! Promise 7: a panic ends one machine (the value, with all its mailboxes), not a worker and not the process.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use d3::prelude::*;
use d3::{EndReason, Runtime, SendError, unbounded};

use crate::support::probe::{Counted, Gate, Number, Probe, ProbeCmd, Tally, bump, read};
use crate::support::{PATIENCE, panics, runtime, thread_name, threads_named, wait_in};

/// The only worker still works: another machine answers.
fn the_worker_survived(runtime: &Runtime) {
    let (_, sender) = runtime.connect(Probe(Tally::new()));
    let (reply, answers) = unbounded();
    sender.send(ProbeCmd::Echo(1, reply)).unwrap();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(Number::Is(1)));
}

fn assert_panicked(sender: &Sender<impl Send + 'static>) {
    let reason = sender.handle().wait(PATIENCE).expect("the machine ends");
    assert!(matches!(reason, EndReason::Panicked(..)), "{reason:?}");
}

fn panic_in_receive(cmd: ProbeCmd) {
    panics::quiet();
    let runtime = runtime(1);
    let tally = Tally::new();
    let dropped = Arc::<AtomicUsize>::default();
    let gate = Gate::new();
    let (machine, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    drop(machine);
    sender.send(ProbeCmd::Hold(Arc::clone(&gate))).unwrap();
    sender.send(cmd).unwrap();
    for _ in 0..5 {
        sender
            .send(ProbeCmd::Cargo(Counted::new(&dropped)))
            .unwrap();
    }
    gate.open();

    assert_panicked(&sender);
    wait_in(&runtime, "the value is dropped", || {
        read(&tally.dropped) == 1
    });
    wait_in(&runtime, "its mailbox is emptied", || read(&dropped) == 5);
    assert_eq!(
        tally.counts(),
        (1, 2, 1, 1),
        "connected, received, disconnected, dropped"
    );
    assert!(matches!(
        sender.send(ProbeCmd::Add(1)),
        Err(SendError::Disconnected(ProbeCmd::Add(1)))
    ));
    assert!(!sender.handle().is_alive());
    the_worker_survived(&runtime);
    wait_in(&runtime, "no machine is left", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
}

#[test]
fn in_receive() {
    panic_in_receive(ProbeCmd::Panic);
}

#[test]
fn in_receive_with_a_payload_that_panics_when_dropped() {
    panic_in_receive(ProbeCmd::Bomb);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Connected,
    Disconnected,
    Drop,
}

/// Panics in one of its hooks.
struct Fragile {
    place: Place,
    tally: Arc<Tally>,
}

impl Fragile {
    fn panic_if(&self, place: Place) {
        if place == self.place {
            panics::on_purpose("a hook");
        }
    }
}

impl MachineMut<ProbeCmd> for Fragile {
    fn receive(&mut self, _cmd: ProbeCmd) {
        bump(&self.tally.received);
    }

    fn connected(&mut self, _id: Uuid) {
        bump(&self.tally.connected);
        self.panic_if(Place::Connected);
    }

    fn disconnected(&mut self) {
        bump(&self.tally.disconnected);
        self.panic_if(Place::Disconnected);
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        bump(&self.tally.dropped);
        self.panic_if(Place::Drop);
    }
}

fn panic_at(place: Place) -> Arc<Tally> {
    panics::quiet();
    let runtime = runtime(1);
    let tally = Tally::new();
    let sender = runtime.connect_mut(Fragile {
        place,
        tally: Arc::clone(&tally),
    });
    // In `connected` it may have ended before this comes.
    let _ = sender.send(ProbeCmd::Add(1));
    let handle = sender.handle();
    drop(sender);
    wait_in(&runtime, "the machine ends", || {
        !handle.is_alive() && read(&tally.dropped) == 1
    });
    the_worker_survived(&runtime);
    wait_in(&runtime, "no machine is left", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
    tally
}

#[test]
fn in_connected() {
    let tally = panic_at(Place::Connected);
    assert_eq!(
        tally.counts(),
        (1, 0, 1, 1),
        "it never receives, but its end is told"
    );
}

#[test]
fn in_disconnected() {
    assert_eq!(panic_at(Place::Disconnected).counts(), (1, 1, 1, 1));
}

#[test]
fn in_the_drop_of_the_machine() {
    assert_eq!(panic_at(Place::Drop).counts(), (1, 1, 1, 1));
}

#[derive(Debug, MachineImpl)]
enum Delicate {
    Carry(#[expect(dead_code, reason = "only its drop matters")] DropPanics),
    Fine,
}

#[derive(Debug)]
struct DropPanics(Arc<AtomicUsize>);

impl Drop for DropPanics {
    fn drop(&mut self) {
        bump(&self.0);
        panics::on_purpose("the drop of an instruction");
    }
}

/// Instructions that nobody reads are dropped by the runtime; one that panics there must not keep the next from its drop.
#[test]
fn in_the_drop_of_unread_instructions() {
    panics::quiet();
    let runtime = runtime(1);
    let dropped = Arc::<AtomicUsize>::default();
    let gate = Gate::new();
    let (machine, sender) = {
        let gate = Arc::clone(&gate);
        runtime.connect(move |cmd: Delicate| {
            if matches!(cmd, Delicate::Fine) {
                gate.pass();
                this_machine::stop().unwrap();
            }
        })
    };
    drop(machine);
    sender.send(Delicate::Fine).unwrap();
    for _ in 0..3 {
        sender
            .send(Delicate::Carry(DropPanics(Arc::clone(&dropped))))
            .unwrap();
    }
    gate.open();
    wait_in(&runtime, "all are dropped", || read(&dropped) == 3);
    the_worker_survived(&runtime);
    wait_in(&runtime, "no machine is left", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
}

/// One value behind two mailboxes: a panic in one ends both.
struct Twofold(Arc<Tally>);

impl Machine<ProbeCmd> for Twofold {
    fn receive(&self, _cmd: ProbeCmd) {
        panics::on_purpose("receive of the first mailbox");
    }

    fn disconnected(&self) {
        bump(&self.0.disconnected);
    }
}

impl Machine<Number> for Twofold {
    fn receive(&self, _cmd: Number) {
        bump(&self.0.received);
    }

    fn disconnected(&self) {
        bump(&self.0.disconnected);
    }
}

impl Drop for Twofold {
    fn drop(&mut self) {
        bump(&self.0.dropped);
    }
}

#[test]
fn ends_all_mailboxes_of_the_value() {
    panics::quiet();
    let runtime = runtime(1);
    let tally = Tally::new();
    let (machine, first) = runtime.connect::<_, ProbeCmd>(Twofold(Arc::clone(&tally)));
    let second = runtime.and_connect::<_, Number>(&machine);
    drop(machine);
    second.send(Number::Is(1)).unwrap();
    wait_in(&runtime, "both are at work", || {
        tally.received() == 1 && runtime.machine_count() == 2
    });

    first.send(ProbeCmd::Add(1)).unwrap();
    assert_panicked(&first);
    let reason = second
        .handle()
        .wait(PATIENCE)
        .expect("the other mailbox ends, too");
    assert!(matches!(reason, EndReason::PartnerFailed), "{reason:?}");
    assert!(matches!(
        second.send(Number::Is(2)),
        Err(SendError::Disconnected(Number::Is(2)))
    ));
    wait_in(&runtime, "the value is dropped", || {
        read(&tally.dropped) == 1
    });
    assert_eq!(
        read(&tally.disconnected),
        2,
        "once for each instruction set"
    );
    assert_eq!(tally.received(), 1);
    wait_in(&runtime, "no machine is left", || {
        runtime.machine_count() == 0
    });
    the_worker_survived(&runtime);
    runtime.shutdown(PATIENCE);
}

/// Many panics at once on few workers: the workers are all there afterwards, and no more of them than before.
#[test]
fn workers_survive_any_number_of_panics() {
    panics::quiet();
    let name = thread_name();
    let runtime = Runtime::builder()
        .workers(2)
        .thread_name(name.clone())
        .build()
        .unwrap();
    let tallies: Vec<_> = (0..500)
        .map(|_| {
            let tally = Tally::new();
            let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
            sender.send(ProbeCmd::Panic).unwrap();
            tally
        })
        .collect();
    wait_in(&runtime, "all machines end", || {
        tallies.iter().all(|tally| read(&tally.dropped) == 1)
    });
    assert!(tallies.iter().all(|tally| tally.counts() == (1, 1, 1, 1)));
    assert_eq!(runtime.stats().total().panics, 500, "each is counted");
    wait_in(&runtime, "both workers are alive", || {
        threads_named(&name).is_none_or(|threads| threads >= 2)
    });
    assert!(
        threads_named(&name).is_none_or(|threads| threads == 2),
        "{:?}",
        threads_named(&name)
    );
    the_worker_survived(&runtime);
    runtime.shutdown(PATIENCE);
}
