//! Who waits: a machine with two mailboxes that is parked, rings through ports, and who is parked on a port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, Ordering::Relaxed};

use ::loom::thread;

use super::{Two, consume, finish};
use crate::backpressure::model::send_blocking;
use crate::backpressure::{Parked, Promise, park};
use crate::cell::MemRef;
use crate::cell::model::{Subject, Tally};
use crate::mailbox::word;
use crate::sync::model;

/// A machine that parks while its port is pushed to: it is not run before it is resumed, and then it reads the port.
#[test]
fn model_parked_and_port_push() {
    model("cell/parked_and_port_push", Some(2), || {
        let two = Two::new(4, false);
        let receiver = Subject::new(1, false, true);
        receiver.fill();
        receiver.fill();
        let memory = two.reference();
        let (b, item) = (two.b.clone(), two.item());
        let producer = thread::spawn(move || b.try_send(item).expect("open"));
        let (me, full) = (two.reference(), receiver.reference());
        let parker = thread::spawn(move || {
            // SAFETY: the model has the token and touches nothing else of the machine.
            if unsafe { park(&me, &full) } != Parked::Waiting {
                // SAFETY: the token is still with this thread.
                unsafe { consume(me.as_ptr()) };
            }
        });
        receiver.consume();
        finish(&memory, &two.shared, [producer, parker]);
        assert_eq!(Tally::is(&two.shared.tally.received), 1, "it was forgotten");
        drop(memory);
        two.drop_senders().assert_gone();
        let tally = Arc::clone(&receiver.tally);
        drop(receiver);
        tally.assert_gone();
    });
}

/// Two machines that park on each other, one on the other's port and one on the first mailbox, or both on ports: at least one gives way,
/// and when it has drained, both go on.
fn ring(through_first: bool) {
    let machines = [Two::new(1, false), Two::new(1, false)];
    let full = [
        if through_first {
            &machines[0].a
        } else {
            &machines[0].b
        },
        &machines[1].b,
    ];
    for (sender, machine) in full.into_iter().zip(&machines) {
        sender.try_send(machine.item()).expect("room for one");
    }
    let park_on = |me: usize| {
        let (me, receiver) = (
            machines[me].reference(),
            MemRef::of(full[1 - me].cell().header()),
        );
        move || {
            // SAFETY: the model has the token and touches nothing else of the machine.
            unsafe { park(&me, &receiver) }
        }
    };
    let other = thread::spawn(park_on(1));
    let outcomes = [park_on(0)(), other.join().unwrap()];
    assert!(
        outcomes.contains(&Parked::GaveWay),
        "both wait for each other: {outcomes:?}"
    );
    for (machine, outcome) in machines.iter().zip(outcomes) {
        if outcome != Parked::Waiting {
            // SAFETY: it went on, so its token is the model's.
            unsafe { consume(machine.header().in_cell()) };
        }
        finish(&machine.reference(), &machine.shared, []);
    }
    // Whoever was resumed has had its turn.
    for machine in &machines {
        drop(Promise::of(machine.header()));
    }
    for machine in machines {
        assert_eq!(Tally::is(&machine.shared.tally.received), 1);
        machine.drop_senders().assert_gone();
    }
}

#[test]
fn model_ring_through_ports() {
    model("cell/ring_through_ports", Some(2), || ring(false));
}

#[test]
fn model_ring_through_port_and_first() {
    model("cell/ring_through_port_and_first", Some(2), || ring(true));
}

/// Whether nobody is said to wait at the port.
fn assert_no_waiters_at_port(two: &Two) {
    assert!(!two.b.cell().queue.tail().has(word::WAITERS));
}

/// A thread that waits for room at the port of a machine that drains it, lingers and rests: delivered, and woken.
#[test]
fn model_thread_and_port() {
    model("cell/thread_and_port", Some(3), || {
        let two = Two::lingering(1);
        let memory = two.reference();
        two.b.try_send(two.item()).expect("room for one");
        let (b, item) = (two.b.clone(), two.item());
        let thread = thread::spawn(move || send_blocking(&b, item).expect("it lives"));
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &two.shared, [thread]);
        assert_eq!(Tally::is(&two.shared.tally.received), 2);
        assert_no_waiters_at_port(&two);
        drop(memory);
        two.drop_senders().assert_gone();
    });
}

/// A machine that parks on the port of one that drains it, lingers and rests: it is resumed, once.
#[test]
fn model_park_on_port_and_drain() {
    model("cell/park_on_port_and_drain", None, || {
        let two = Two::lingering(1);
        let memory = two.reference();
        two.b.try_send(two.item()).expect("room for one");
        // It only sends: who resumes it is counted.
        let sends = Subject::new(1, false, false);
        let (me, full) = (sends.reference(), MemRef::of(two.b.cell().header()));
        let parked = Arc::new(Flag::new(false));
        let waits = Arc::clone(&parked);
        let parker = thread::spawn(move || {
            // SAFETY: the model has the token and touches nothing else of the machine.
            waits.store(unsafe { park(&me, &full) } == Parked::Waiting, Relaxed);
        });
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &two.shared, [parker]);
        let resumed = Tally::is(&sends.tally.wakes);
        assert_eq!(resumed, usize::from(parked.load(Relaxed)));
        assert_eq!(Tally::is(&two.shared.tally.received), 1);
        assert_no_waiters_at_port(&two);
        sends.end().assert_gone();
        drop(memory);
        two.drop_senders().assert_gone();
    });
}
