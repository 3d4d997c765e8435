//! A machine with two mailboxes that lingers.

use std::sync::Arc;

use ::loom::thread;

use super::{Two, consume, finish, pushes_and_report_come_through, report};
use crate::cell::EndCode;
use crate::cell::model::{Item, Tally};
use crate::sync::model;

/// A machine that lingers, and rests in the end, against a push to its port and a report, which schedule nobody and use the same bit:
/// neither is missed.
#[test]
fn model_linger_port_push_and_post() {
    model("cell/linger_port_push_and_post", Some(2), || {
        let two = Two::lingering(4);
        let memory = two.reference();
        // The port is awake before it lingers.
        two.b.try_send(two.item()).expect("open");
        let (b, item) = (two.b.clone(), two.item());
        let producer = thread::spawn(move || b.try_send(item).expect("open"));
        let posted = two.reference();
        let poster = thread::spawn(move || assert!(posted.post(report()).is_ok()));
        pushes_and_report_come_through(two, memory, 2, [producer, poster]);
    });
}

/// A machine that lingers against its last sender, which pushes to the port and goes: it ends, once, and behind the push.
#[test]
fn model_linger_and_last_sender_of_a_port() {
    model("cell/linger_and_last_sender_of_a_port", None, || {
        let two = Two::lingering(4);
        let memory = two.reference();
        let Two { a, b, shared } = two;
        drop(a);
        let (items, window) = (Arc::clone(&shared.tally), Arc::clone(&shared.window));
        let last = thread::spawn(move || {
            b.try_send(Item::new(&items)).expect("open");
            drop(b);
            window.pass();
        });
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &shared, [last]);
        assert_eq!(Tally::is(&shared.tally.received), 1);
        drop(memory);
        shared.tally.assert_gone();
    });
}

/// A machine that lingers is neither at rest nor parked: its worker sees the stop. What the port had accepted is dropped or received.
#[test]
fn model_linger_stop_and_port_push() {
    model("cell/linger_stop_and_port_push", Some(2), || {
        let two = Two::lingering(4);
        let memory = two.reference();
        let (b, item) = (two.b.clone(), two.item());
        let producer = thread::spawn(move || drop(b.try_send(item)));
        let stopped = two.reference();
        let stopper = thread::spawn(move || stopped.ask_to_end(EndCode::Stopped));
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &two.shared, [producer, stopper]);
        assert_eq!(two.header().end_code(), EndCode::Stopped);
        drop(memory);
        two.drop_senders().assert_gone();
    });
}
