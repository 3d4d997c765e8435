//! Bounds, lengths and back-pressure: each mailbox has its own, a parked machine is parked with all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use d3::prelude::*;
use d3::{EndReason, Runtime, SendError, SendFuture, SendTimeoutError, TrySendError, bounded};

use crate::pair::{A, B, Do, Pair, Set};
use crate::support::probe::read;
use crate::support::{PATIENCE, runtime, wait_in, wait_until};

/// What sets off a machine that sends too much.
#[derive(MachineImpl)]
enum Flood {
    Now,
}

#[test]
fn a_full_receiver_parks_the_machine_with_all_its_mailboxes() {
    let runtime = runtime(2);
    for set in [Set::A, Set::B] {
        let pair = Pair::new(&runtime, 4);
        let (sink, drain) = bounded(1);
        pair.send(set, Do::Fill(sink.clone(), 2));
        wait_in(&runtime, "it is parked", || {
            runtime.machines().iter().any(|machine| machine.parked)
        });
        pair.send(Set::A, Do::Nothing);
        pair.send(Set::B, Do::Nothing);
        runtime.wait_idle(PATIENCE).expect("all are parked or rest");
        assert_eq!(pair.books.received().iter().sum::<usize>(), 1);
        assert_eq!((pair.a.len(), pair.b.len()), (1, 1));
        for number in 0..2 {
            assert_eq!(drain.recv_timeout(PATIENCE), Ok(number));
        }
        pair.wait_for_all(&runtime);
    }
}

#[test]
fn a_parked_machine_can_be_stopped() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 4);
    let (sink, drain) = bounded(1);
    pair.send(Set::B, Do::Fill(sink.clone(), 2));
    wait_in(&runtime, "it is parked", || runtime.machines()[0].parked);
    pair.send(Set::B, Do::Nothing);
    pair.b.handle().stop();
    assert_eq!(pair.a.handle().wait(PATIENCE), Ok(EndReason::Stopped));
    assert_eq!(read(&pair.books.alive), 0);
    drop((sink, drain));
}

#[test]
fn each_mailbox_has_a_bound_of_its_own() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 3);
    let gate = pair.hold();
    for _ in 0..2 {
        pair.a.try_send(pair.a(Do::Nothing)).expect("room");
    }
    assert!(matches!(
        pair.a.try_send(pair.a(Do::Nothing)),
        Err(TrySendError::Full(_))
    ));
    for _ in 0..2 {
        pair.b.try_send(pair.b(Do::Nothing)).expect("room");
    }
    let waits = pair.waits_for_room(&runtime, 10);
    assert!(pair.b.is_full());
    gate.open();
    wait_in(&runtime, "the thread goes on", || waits.is_finished());
    assert_eq!(waits.join().expect("no panic"), 10);
    pair.wait_for_all(&runtime);
    assert_eq!(pair.books.received(), [3, 12]);
}

/// What a parked machine has read is room for others, however little it is: one of them may be whom it waits for.
#[test]
fn a_machine_gives_the_room_of_all_its_mailboxes_before_it_is_parked() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 8);
    let (sink, drain) = bounded(1);
    let gate = pair.hold();
    pair.b
        .try_send(pair.b(Do::Fill(sink.clone(), 2)))
        .expect("room");
    for _ in 1..8 {
        pair.b.try_send(pair.b(Do::Nothing)).expect("room");
    }
    let waits = pair.waits_for_room(&runtime, 1);
    gate.open();
    wait_in(&runtime, "it is parked", || runtime.machines()[0].parked);
    // Nobody has read from the channel: it is parked still.
    wait_in(&runtime, "the thread goes on", || waits.is_finished());
    assert_eq!(waits.join().expect("no panic"), 1);
    assert!(runtime.machines()[0].parked);
    assert_eq!(pair.b.len(), 8);
    for number in 0..2 {
        assert_eq!(drain.recv_timeout(PATIENCE), Ok(number));
    }
    pair.wait_for_all(&runtime);
    assert_eq!(pair.books.received(), [1, 9]);
}

/// A thread that waits for room at a mailbox whose machine is stopped gets its instruction back.
#[test]
fn a_stop_releases_who_waits_at_any_mailbox() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 1);
    let gate = pair.hold();
    pair.send(Set::B, Do::Nothing);
    let waits = pair.waits_for_room(&runtime, 1);
    pair.a.handle().stop();
    gate.open();
    wait_until("the thread goes on", || waits.is_finished());
    assert_eq!(
        waits.join().expect("no panic"),
        0,
        "the instruction comes back"
    );
    pair.wait_for_all(&runtime);
}

/// A machine that exceeds the capacity of one mailbox, whichever: the figures of the machine tell.
#[test]
fn lengths_and_overflows_are_those_of_all_mailboxes() {
    for (to_first, to_second) in [(7, 0), (0, 7), (6, 7), (7, 6)] {
        let runtime = runtime(2);
        let pair = Pair::new(&runtime, 4);
        let gate = pair.hold();
        let (a, b, books) = (pair.a.clone(), pair.b.clone(), Arc::clone(&pair.books));
        let (_flood, start) = runtime.connect(move |Flood::Now: Flood| {
            for _ in 0..to_first {
                a.send(A::new(&books, Do::Nothing)).expect("it lives");
            }
            for _ in 0..to_second {
                b.send(B::new(&books, Do::Nothing)).expect("it lives");
            }
        });
        start.send(Flood::Now).expect("it lives");
        wait_in(&runtime, "the other one is parked", || {
            runtime.machines().iter().any(|machine| machine.parked)
        });
        gate.open();
        pair.wait_for_all(&runtime);
        let mut machines = runtime.machines().into_iter();
        let info = machines.find(|info| info.id == pair.a.id());
        let info = info.expect("it lives");
        // What holds it up has left its mailbox.
        assert_eq!(info.high_water, to_first.max(to_second), "{info:?}");
        // The slot of what holds it up is not published as room before.
        let beyond = |sent: usize, room| sent.saturating_sub(room) as u64;
        assert_eq!(
            info.overflows,
            beyond(to_first, 3) + beyond(to_second, 4),
            "{info:?}"
        );
    }
}

/// One that only ever gets what fits, read at one go.
#[test]
fn a_length_below_the_capacity_is_noted_at_each_mailbox() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 10);
    let gate = pair.hold();
    for _ in 0..6 {
        pair.send(Set::B, Do::Nothing);
    }
    gate.open();
    pair.wait_for_all(&runtime);
    assert_eq!(runtime.machines()[0].high_water, 6);
}

#[test]
fn the_hard_limit_holds_at_each_mailbox() {
    let runtime = Runtime::builder()
        .workers(2)
        .hard_limit(3)
        .build()
        .expect("threads");
    let pair = Pair::new(&runtime, 4);
    let gate = pair.hold();
    let (to, counts) = bounded(1);
    let (b, books) = (pair.b.clone(), Arc::clone(&pair.books));
    let (_flood, start) = runtime.connect(move |Flood::Now: Flood| {
        let taken = (0..100).take_while(|_| {
            let sent = b.send(B::new(&books, Do::Nothing));
            assert!(matches!(sent, Ok(()) | Err(SendError::Limit(_))));
            sent.is_ok()
        });
        to.send(taken.count()).expect("the test waits");
    });
    start.send(Flood::Now).expect("it lives");
    assert_eq!(counts.recv_timeout(PATIENCE), Ok(3 * 4));
    gate.open();
    pair.wait_for_all(&runtime);
    assert_eq!(pair.books.received(), [1, 12]);
}

/// Futures and threads with a deadline at the second mailbox: room comes in order, and what gave up is not sent.
#[test]
fn futures_wait_for_room_at_any_mailbox() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 1);
    let gate = pair.hold();
    pair.b.try_send(pair.b(Do::Numbered(0, 0))).expect("room");
    let late = Duration::from_millis(1);
    assert!(matches!(
        pair.b.send_timeout(pair.b(Do::Nothing), late),
        Err(SendTimeoutError::Timeout(_))
    ));
    let mut futures: Vec<_> = (1..=20)
        .map(|number| Box::pin(pair.b.send_async(pair.b(Do::Numbered(0, number)))))
        .collect();
    let poll = |waiting: &mut Vec<_>| {
        waiting.retain_mut(|future: &mut Pin<Box<SendFuture<B>>>| {
            let mut context = Context::from_waker(Waker::noop());
            match future.as_mut().poll(&mut context) {
                Poll::Ready(sent) => {
                    sent.expect("it lives");
                    false
                }
                Poll::Pending => true,
            }
        });
        waiting.is_empty()
    };
    assert!(!poll(&mut futures));
    // The last one is dropped while it waits.
    drop(futures.pop());
    gate.open();
    wait_in(&runtime, "all are sent", || poll(&mut futures));
    pair.wait_for_all(&runtime);
    assert_eq!(pair.books.received(), [1, 20]);
    assert_eq!(read(&pair.books.out_of_order), 0);
}
