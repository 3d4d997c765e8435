//! It is one machine: it begins once, lives as long as any of its senders, and ends once, with all its mailboxes.

use std::thread;

use d3::{EndReason, SendError};

use crate::pair::{A, B, Do, Pair, Set};
use crate::support::probe::read;
use crate::support::{PATIENCE, panics, runtime, wait_in, wait_until, within_patience};

#[test]
fn it_is_one_machine() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 3);
    assert_eq!(runtime.machine_count(), 1);
    assert_eq!(pair.a.handle(), pair.b.handle());
    assert_eq!(pair.a.id(), pair.b.id());
    assert_eq!(pair.b.handle().name().as_deref(), Some("both"));
    assert_eq!((pair.a.capacity(), pair.b.capacity()), (Some(3), Some(3)));
    assert_eq!(runtime.machines().len(), 1);
    runtime.wait_idle(PATIENCE).expect("nothing to do");
    assert_eq!(read(&pair.books.connected), 1);
    drop((pair.a, pair.b));
    wait_in(&runtime, "the machine ends", || {
        runtime.machine_count() == 0
    });
    assert_eq!(read(&pair.books.disconnected), 1);
    assert_eq!(read(&pair.books.other_hooks), 0);
    assert_eq!(runtime.stats().total().ended, 1);
}

#[test]
fn it_lives_until_the_last_sender_of_all_its_mailboxes_is_gone() {
    let runtime = runtime(2);
    for first_goes_first in [true, false] {
        let pair = Pair::new(&runtime, 4);
        let handle = pair.a.handle();
        let Pair { books, a, b } = pair;
        let (weak_a, weak_b) = (a.downgrade(), b.downgrade());
        if first_goes_first {
            drop(a);
            runtime.wait_idle(PATIENCE).expect("quiet");
            b.send(B::new(&books, Do::Nothing)).expect("it lives");
            // A sender for a mailbox that has none left: the machine lives, and so does the mailbox.
            let a = weak_a.upgrade().expect("the machine lives");
            drop(b);
            a.send(A::new(&books, Do::Nothing)).expect("it lives");
        } else {
            drop(b);
            runtime.wait_idle(PATIENCE).expect("quiet");
            a.send(A::new(&books, Do::Nothing)).expect("it lives");
            let b = weak_b.upgrade().expect("the machine lives");
            drop(a);
            b.send(B::new(&books, Do::Nothing)).expect("it lives");
        }
        assert_eq!(
            within_patience("the end", move || handle.wait(PATIENCE)),
            Ok(EndReason::NoSenders)
        );
        assert_eq!(books.received(), [1, 1]);
        assert_eq!(read(&books.disconnected), 1);
        assert!(weak_a.upgrade().is_none() && weak_b.upgrade().is_none());
        assert_eq!(read(&books.alive), 0);
    }
    wait_in(&runtime, "both are gone", || runtime.machine_count() == 0);
}

#[test]
fn a_stop_closes_all_mailboxes_at_once_and_drops_what_they_hold() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 4);
    let gate = pair.hold();
    for _ in 0..3 {
        pair.send(Set::A, Do::Nothing);
        pair.send(Set::B, Do::Nothing);
    }
    let handle = pair.b.handle();
    handle.stop();
    assert!(matches!(
        pair.a.send(pair.a(Do::Nothing)),
        Err(SendError::Disconnected(_))
    ));
    assert!(matches!(
        pair.b.send(pair.b(Do::Nothing)),
        Err(SendError::Disconnected(_))
    ));
    gate.open();
    assert_eq!(handle.wait(PATIENCE), Ok(EndReason::Stopped));
    assert_eq!(pair.books.received(), [1, 0]);
    assert_eq!(runtime.stats().total().dropped, 6);
    assert_eq!(read(&pair.books.alive), 0);
    assert_eq!(read(&pair.books.disconnected), 1);
}

#[test]
fn a_panic_in_one_set_ends_the_machine() {
    panics::quiet();
    let runtime = runtime(2);
    for set in [Set::A, Set::B] {
        let pair = Pair::new(&runtime, 8);
        let handle = pair.a.handle();
        let gate = pair.hold();
        // The second instruction panics, and others are left behind it, in both.
        for what in [Do::Nothing, Do::Panic, Do::Nothing, Do::Nothing] {
            pair.send(set, what);
        }
        pair.send(Set::A, Do::Nothing);
        gate.open();
        assert!(matches!(handle.wait(PATIENCE), Ok(EndReason::Panicked(_))));
        assert!(pair.a.is_disconnected() && pair.b.is_disconnected());
        assert_eq!(read(&pair.books.alive), 0);
        assert_eq!(read(&pair.books.disconnected), 1);
    }
    assert_eq!(runtime.stats().total().panics, 2);
}

/// The sender of what is sent last is the last of all: it is received all the same, in whatever mailbox.
#[test]
fn what_the_last_sender_sends_to_any_mailbox_is_received() {
    let runtime = runtime(2);
    for round in 0..2_000 {
        let Pair { books, a, b } = Pair::new(&runtime, 4);
        a.send(A::new(&books, Do::Nothing)).expect("it lives");
        if round % 2 == 0 {
            drop(a);
            b.send(B::new(&books, Do::Nothing)).expect("it lives");
            drop(b);
        } else {
            // From a weak one, when the mailbox has no other sender left.
            let weak = b.downgrade();
            drop(b);
            let b = weak.upgrade().expect("it lives");
            drop(a);
            b.send(B::new(&books, Do::Nothing)).expect("it lives");
        }
        wait_in(&runtime, "it ends", || read(&books.disconnected) == 1);
        assert_eq!(books.received(), [1, 1]);
    }
    wait_in(&runtime, "all are gone", || runtime.machine_count() == 0);
}

#[test]
fn a_shutdown_drains_all_mailboxes() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 100);
    for _ in 0..50 {
        pair.send(Set::A, Do::Nothing);
        pair.send(Set::B, Do::Nothing);
    }
    let report = runtime.shutdown(PATIENCE);
    assert!(report.is_clean(), "{report}");
    assert_eq!(pair.books.received(), [50, 50]);
    assert_eq!(read(&pair.books.disconnected), 1);
    assert!(pair.a.is_disconnected() && pair.b.is_disconnected());
    assert!(matches!(
        pair.b.send(pair.b(Do::Nothing)),
        Err(SendError::Disconnected(_))
    ));
}

/// While machines drain, sends from outside are refused at every mailbox.
#[test]
fn a_runtime_that_drains_takes_nothing_from_outside_at_any_mailbox() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 100);
    let gate = pair.hold();
    let draining = runtime.clone();
    let shutdown = thread::spawn(move || draining.shutdown(PATIENCE));
    wait_until("the shutdown begins", || runtime.is_shut_down());
    assert!(pair.a.send(pair.a(Do::Nothing)).is_err());
    assert!(pair.b.send(pair.b(Do::Nothing)).is_err());
    assert!(pair.b.is_disconnected());
    gate.open();
    wait_until("the end", || shutdown.is_finished());
    assert!(shutdown.join().expect("no panic").is_clean());
}
