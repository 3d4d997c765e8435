//! loom models of this folder's protocol, on the cells of `cell/model.rs`. Those of promised room stand in `model/promises.rs`.
//!
//! A machine's token is with its thread, or was handed to `wake` by who resumed it: each model adds both up. A waiter that nobody
//! resumes is found by that sum, a thread that nobody wakes by a deadlock.

mod promises;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use ::loom::thread;

use super::{Parked, Promise, park};
use crate::cell::model::{Item, Subject, Tally, touch};
use crate::cell::{EndCode, MemRef};
use crate::mailbox::word;
use crate::sender::Sender;
use crate::sync::{Thread, current_thread, model, park as park_thread};

/// A receiver of capacity 1 whose consumer is awake, with `full` instructions in it.
fn receiver(full: usize) -> Subject {
    let receiver = Subject::new(1, false, true);
    (0..full).for_each(|_| receiver.fill());
    receiver
}

/// A machine that only sends: its token is the model's, and who resumes it is counted.
fn machine() -> Subject {
    Subject::new(1, false, false)
}

/// The parker's step, and what it leads to.
fn park_on(me: MemRef, receiver: MemRef) -> Parked {
    touch(&me);
    // SAFETY: the model has the token of `me` and touches nothing else of it.
    let parked = unsafe { park(&me, &receiver) };
    if parked != Parked::Waiting {
        touch(&me);
    }
    parked
}

/// The token is in one place: with the parker, or with the one party that resumed the machine, which then has its turn.
fn assert_resumed_once(machine: &Subject, parked: Parked) {
    drop(Promise::of(machine.header()));
    let with_parker = usize::from(parked != Parked::Waiting);
    let resumed = Tally::is(&machine.tally.wakes);
    assert_eq!(
        with_parker + resumed,
        1,
        "{parked:?}, resumed {resumed} times"
    );
    assert!(!machine.header().held.is_parked());
    assert!(machine.header().waits_for().is_none(), "an edge is left");
}

/// Nobody is in the list, and no bit says so.
fn assert_no_waiters(receiver: &Subject) {
    assert!(!receiver.header().queue().tail().has(word::WAITERS));
    if let Some(waiters) = receiver.sender.cell().waiters().get() {
        assert!(waiters.lock().is_unlinked());
    }
}

/// Ends everything: cells whose token is the model's, and the receiver, which rests.
fn clean_up(machines: impl IntoIterator<Item = Subject>, receiver: Option<Subject>) {
    for machine in machines {
        machine.end().assert_gone();
    }
    if let Some(receiver) = receiver {
        let tally = Arc::clone(&receiver.tally);
        drop(receiver);
        tally.assert_gone();
    }
}

/// Parks on another thread; the outcome comes with the join.
fn parker(me: &Subject, receiver: &Subject) -> thread::JoinHandle<Parked> {
    let (me, receiver) = (me.reference(), receiver.reference());
    thread::spawn(move || park_on(me, receiver))
}

/// Park against a receiver that drains and rests.
#[test]
fn model_park_and_drain() {
    model("backpressure/park_and_drain", None, || {
        let (m, r) = (machine(), receiver(2));
        let parker = parker(&m, &r);
        r.consume();
        let parked = parker.join().unwrap();
        assert_resumed_once(&m, parked);
        assert_no_waiters(&r);
        clean_up([m], Some(r));
    });
}

/// Park against a stop, with a receiver that does nothing: only the two fences bring them together.
#[test]
fn model_park_and_stop() {
    model("backpressure/park_and_stop", None, || {
        let (m, r) = (machine(), receiver(2));
        let parker = parker(&m, &r);
        m.header().ask_to_end(EndCode::Stopped);
        let parked = parker.join().unwrap();
        assert_ne!(parked, Parked::NotNeeded);
        assert_resumed_once(&m, parked);
        assert_no_waiters(&r);
        r.consume();
        clean_up([m], Some(r));
    });
}

/// The same behind another machine that waits already: the stop unlinks the stopped machine's node and no other.
#[test]
fn model_second_park_and_stop() {
    model("backpressure/second_park_and_stop", None, || {
        let (n, m, r) = (machine(), machine(), receiver(2));
        let first = park_on(n.reference(), r.reference());
        assert_eq!(first, Parked::Waiting);
        let parker = parker(&m, &r);
        m.header().ask_to_end(EndCode::Stopped);
        let parked = parker.join().unwrap();
        assert_resumed_once(&m, parked);
        assert!(n.header().held.is_parked());
        r.consume();
        assert_resumed_once(&n, first);
        assert_no_waiters(&r);
        clean_up([n, m], Some(r));
    });
}

/// Park against a drain and a stop: one of three wins the resume.
#[test]
fn model_park_drain_and_stop() {
    model("backpressure/park_drain_and_stop", Some(3), || {
        let (m, r) = (machine(), receiver(2));
        let parker = parker(&m, &r);
        let stopped = m.reference();
        let stopper = thread::spawn(move || stopped.ask_to_end(EndCode::Stopped));
        r.consume();
        let parked = parker.join().unwrap();
        stopper.join().unwrap();
        assert_resumed_once(&m, parked);
        assert_no_waiters(&r);
        clean_up([m], Some(r));
    });
}

/// Two machines park on one receiver that drains: both are resumed, each once.
#[test]
fn model_two_park_and_drain() {
    model("backpressure/two_park_and_drain", Some(2), || {
        let (m, n, r) = (machine(), machine(), receiver(1));
        let parkers = [parker(&m, &r), parker(&n, &r)];
        r.consume();
        let [first, second] = parkers.map(|parker| parker.join().unwrap());
        assert_resumed_once(&m, first);
        assert_resumed_once(&n, second);
        assert_no_waiters(&r);
        clean_up([m, n], Some(r));
    });
}

/// Park against a receiver that ends.
#[test]
fn model_park_and_end() {
    model("backpressure/park_and_end", None, || {
        let (m, r) = (machine(), receiver(2));
        let parker = parker(&m, &r);
        let memory = r.reference();
        let tally = r.end();
        let parked = parker.join().unwrap();
        assert_resumed_once(&m, parked);
        drop(memory);
        tally.assert_gone();
        clean_up([m], None);
    });
}

/// A machine comes to wait above the low-water mark of a receiver that is about to be parked itself, having made room: either it sees that the receiver is
/// parked, and goes on, or the receiver sees that it waits, and lets it go.
#[test]
fn model_park_behind_one_that_parks() {
    model("backpressure/park_behind_one_that_parks", None, || {
        let (m, r, s) = (machine(), Subject::new(3, false, false), receiver(2));
        (0..4).for_each(|_| r.fill());
        (0..2).for_each(|_| r.receive_once());
        let parker = parker(&m, &r);
        let outcome = park_on(r.reference(), s.reference());
        assert_eq!(outcome, Parked::Waiting);
        let parked = parker.join().unwrap();
        // There is room for one, and the receiver waits for somebody else.
        assert_resumed_once(&m, parked);
        assert_no_waiters(&r);
        s.consume();
        assert_resumed_once(&r, outcome);
        clean_up([m, r], Some(s));
    });
}

/// Machines that park in a ring, each with an instruction in its mailbox: at least one gives way, and when those that did have
/// drained, all are resumed.
fn ring(length: usize) {
    let members: Vec<_> = (0..length).map(|_| machine()).collect();
    members.iter().for_each(Subject::fill);
    let others: Vec<_> = (1..length)
        .map(|i| parker(&members[i], &members[(i + 1) % length]))
        .collect();
    let mut outcomes = vec![park_on(
        members[0].reference(),
        members[1 % length].reference(),
    )];
    outcomes.extend(others.into_iter().map(|other| other.join().unwrap()));
    assert!(!outcomes.contains(&Parked::NotNeeded) && !outcomes.contains(&Parked::AskedToEnd));
    assert!(
        outcomes.contains(&Parked::GaveWay),
        "all wait for each other"
    );
    // Whoever has its token drains its mailbox, which resumes the one before it.
    let first = outcomes
        .iter()
        .position(|parked| *parked == Parked::GaveWay)
        .unwrap();
    for step in 0..length {
        let member = (first + length - step) % length;
        assert_resumed_once(&members[member], outcomes[member]);
        members[member].drain();
    }
    members.iter().for_each(assert_no_waiters);
    clean_up(members, None);
}

/// A machine that sends to itself and is full.
#[test]
fn model_ring_of_one() {
    model("backpressure/ring_of_one", None, || ring(1));
}

#[test]
fn model_ring_of_two() {
    model("backpressure/ring_of_two", Some(2), || ring(2));
}

#[test]
fn model_ring_of_three() {
    model("backpressure/ring_of_three", Some(1), || ring(3));
}

/// A ring of two while one of its members is stopped: nobody is left parked who has a token owed.
#[test]
fn model_ring_and_stop() {
    model("backpressure/ring_and_stop", Some(2), || {
        let members = [machine(), machine()];
        members.iter().for_each(Subject::fill);
        let other = parker(&members[1], &members[0]);
        let stopped = members[0].reference();
        let stopper = thread::spawn(move || stopped.ask_to_end(EndCode::Stopped));
        let first = park_on(members[0].reference(), members[1].reference());
        let second = other.join().unwrap();
        stopper.join().unwrap();
        // The stopped one has its token again, whatever the ring did; it ends, and lets the other one go.
        assert_resumed_once(&members[0], first);
        let [m, n] = members;
        let tally = m.end();
        assert_resumed_once(&n, second);
        n.end().assert_gone();
        tally.assert_gone();
    });
}

/// Wakes a model's thread, and counts.
struct Unparker(Thread, Count);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Relaxed);
        self.0.unpark();
    }
}

/// A thread that blocks in `send`, as `block_on_send` does it.
pub(crate) fn send_blocking(sender: &Sender<Item>, item: Item) -> Result<(), ()> {
    let unparker = Arc::new(Unparker(current_thread(), Count::new(0)));
    let waker = Waker::from(unparker);
    let mut future = sender.send_async(item);
    loop {
        if let Poll::Ready(result) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return result.map_err(|back| drop(back.into_inner()));
        }
        park_thread();
    }
}

/// A thread that waits for room, against a receiver that drains and rests: delivered, and woken.
#[test]
fn model_thread_and_drain() {
    model("backpressure/thread_and_drain", Some(3), || {
        let r = receiver(1);
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            send_blocking(&sender, Item::new(&items)).expect("the receiver lives");
        });
        r.consume();
        r.finish([thread]);
        assert_eq!(Tally::is(&r.tally.received), 2);
        assert_no_waiters(&r);
        clean_up([], Some(r));
    });
}

/// A future that is polled once and dropped, against a receiver that drains: delivered or handed back, never both or neither.
#[test]
fn model_future_drain_and_drop() {
    model("backpressure/future_drain_and_drop", Some(3), || {
        let r = receiver(1);
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let returned = Arc::new(Count::new(0));
        let counted = Arc::clone(&returned);
        let thread = thread::spawn(move || {
            let mut future = sender.send_async(Item::new(&items));
            let mut context = Context::from_waker(Waker::noop());
            if Pin::new(&mut future).poll(&mut context).is_pending() {
                counted.fetch_add(usize::from(future.into_inner().is_some()), Relaxed);
            }
        });
        r.consume();
        r.finish([thread]);
        assert_eq!(Tally::is(&r.tally.received) + returned.load(Relaxed), 2);
        assert_no_waiters(&r);
        clean_up([], Some(r));
    });
}

/// A thread polls one future after another while the receiver makes room, and publishes it to everybody since it had looked for waiters before the first came:
/// the second does not take the room that the first waits for.
#[test]
fn model_second_future_and_receiver() {
    model("backpressure/second_future_and_receiver", None, || {
        let r = Subject::channel(1);
        r.fill();
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            let mut first = sender.send_async(Item::new(&items));
            let mut second = sender.send_async(Item::new(&items));
            let mut context = Context::from_waker(Waker::noop());
            let first_waits = Pin::new(&mut first).poll(&mut context).is_pending();
            let second_went = Pin::new(&mut second).poll(&mut context).is_ready();
            let is_overtaken = first_waits && second_went && first.into_inner().is_some();
            assert!(!is_overtaken, "the second went before the first");
        });
        r.receive_once();
        thread.join().unwrap();
        assert_no_waiters(&r);
        r.end().assert_gone();
    });
}

/// A thread that waits for room, against a receiver that ends: it gets its instruction back, and is woken.
#[test]
fn model_thread_and_end() {
    model("backpressure/thread_and_end", None, || {
        let r = receiver(1);
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            let _ = send_blocking(&sender, Item::new(&items));
        });
        let memory = r.reference();
        let tally = r.end();
        thread.join().unwrap();
        drop(memory);
        tally.assert_gone();
    });
}

/// A machine waits already when a thread comes to wait too: both get their turn.
#[test]
fn model_machine_and_thread() {
    model("backpressure/machine_and_thread", None, || {
        let (m, r) = (machine(), receiver(1));
        let parked = park_on(m.reference(), r.reference());
        assert_eq!(parked, Parked::Waiting);
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            send_blocking(&sender, Item::new(&items)).expect("the receiver lives");
        });
        r.consume();
        r.finish([thread]);
        assert_resumed_once(&m, parked);
        assert_eq!(Tally::is(&r.tally.received), 2);
        assert_no_waiters(&r);
        clean_up([m], Some(r));
    });
}

/// A thread that waits for room in a channel, whose receiver takes one instruction and never comes by again.
#[test]
fn model_thread_and_receiver() {
    model("backpressure/thread_and_receiver", None, || {
        let r = Subject::channel(1);
        r.fill();
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            send_blocking(&sender, Item::new(&items)).expect("the receiver lives");
        });
        r.receive_once();
        thread.join().unwrap();
        assert_no_waiters(&r);
        r.end().assert_gone();
    });
}

/// A machine that parks on a channel, whose receiver takes one instruction and never comes by again.
#[test]
fn model_park_and_receiver() {
    model("backpressure/park_and_receiver", None, || {
        let (m, r) = (machine(), Subject::channel(1));
        r.fill();
        let parker = parker(&m, &r);
        r.receive_once();
        let parked = parker.join().unwrap();
        assert_resumed_once(&m, parked);
        assert_no_waiters(&r);
        r.end().assert_gone();
        clean_up([m], None);
    });
}

/// A thread comes to wait while a receiver, which never comes by again, gives its room to a machine that waited before.
#[test]
fn model_machine_thread_and_receiver() {
    model("backpressure/machine_thread_and_receiver", None, || {
        let (m, r) = (machine(), Subject::channel(2));
        r.fill();
        r.fill();
        let parked = park_on(m.reference(), r.reference());
        assert_eq!(parked, Parked::Waiting);
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            send_blocking(&sender, Item::new(&items)).expect("the receiver lives");
        });
        r.receive_once();
        thread.join().unwrap();
        assert_resumed_once(&m, parked);
        assert_no_waiters(&r);
        r.end().assert_gone();
        clean_up([m], None);
    });
}

/// A thread that waits for room, against a receiver that drains, lingers and rests: delivered, and woken.
#[test]
fn model_thread_and_lingering() {
    model("backpressure/thread_and_lingering", Some(2), || {
        let r = Subject::lingering(1);
        r.fill();
        let (sender, items) = (r.sender.clone(), Arc::clone(&r.tally));
        let thread = thread::spawn(move || {
            send_blocking(&sender, Item::new(&items)).expect("the receiver lives");
        });
        r.consume();
        r.finish([thread]);
        assert_eq!(Tally::is(&r.tally.received), 2);
        assert_no_waiters(&r);
        clean_up([], Some(r));
    });
}
