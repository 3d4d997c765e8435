//! Several instruction sets on one `MachineMut` under one run token: what `MachineBuilder::accepts` promises.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver as Gate, Sender as Opener, channel};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use d3::prelude::*;
use d3::{
    BuildError, EndReason, MachineMut, Runtime, SendError, SendFuture, SendTimeoutError,
    TrySendError, bounded,
};

use support::{PATIENCE, panics, runtime, wait_in, wait_until, within_patience};

/// What happened to one machine, for the test to see.
#[derive(Debug, Default)]
struct Books {
    connected: AtomicUsize,
    disconnected: AtomicUsize,
    other_hooks: AtomicUsize,
    received: [AtomicUsize; 2],
    /// Instructions that exist.
    alive: AtomicUsize,
    inside: AtomicBool,
    overlaps: AtomicUsize,
    out_of_order: AtomicUsize,
}

impl Books {
    fn is(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }

    fn received(&self) -> [usize; 2] {
        [Self::is(&self.received[0]), Self::is(&self.received[1])]
    }
}

/// Counted while it exists.
#[derive(Debug)]
struct Item(Arc<Books>);

impl Item {
    fn new(books: &Arc<Books>) -> Self {
        books.alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(books))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

enum Do {
    Nothing,
    /// The nth instruction of a sender.
    Numbered(usize, u64),
    /// Tells that it is inside, then waits until the gate opens.
    Wait(Opener<()>, Gate<()>),
    /// Sends as many to a channel.
    Fill(Sender<u64>, u64),
    /// Sends itself as many to the mailboxes of both sets.
    SendSelf(u64),
    Panic,
}

#[derive(MachineImpl)]
enum A {
    Do(Do, #[allow(dead_code)] Item),
}

#[derive(MachineImpl)]
enum B {
    Do(Do, #[allow(dead_code)] Item),
}

struct Both {
    books: Arc<Books>,
    /// Touched by both sets without a lock.
    last: HashMap<(usize, usize), u64>,
}

impl Both {
    fn new(books: &Arc<Books>) -> Self {
        Self {
            books: Arc::clone(books),
            last: HashMap::new(),
        }
    }

    fn receive(&mut self, set: usize, what: Do) {
        if self.books.inside.swap(true, Ordering::SeqCst) {
            self.books.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        match what {
            Do::Nothing => {}
            Do::Numbered(sender, number) => {
                let last = self.last.insert((set, sender), number);
                if last.map_or(0, |last| last + 1) != number {
                    self.books.out_of_order.fetch_add(1, Ordering::SeqCst);
                }
            }
            Do::Wait(entered, gate) => {
                entered.send(()).expect("the test waits");
                gate.recv_timeout(PATIENCE).expect("the test opens it");
            }
            Do::Fill(channel, count) => {
                for number in 0..count {
                    channel.send(number).expect("the channel is open");
                }
            }
            Do::SendSelf(count) => {
                let a = this_machine::sender::<A>().expect("a set of this machine");
                let b = this_machine::sender::<B>().expect("a set of this machine");
                if let (Some(a), Some(b), Some(left)) =
                    (a.upgrade(), b.upgrade(), count.checked_sub(1))
                {
                    let item = || Item::new(&self.books);
                    // Refused once the machine was stopped.
                    let _ = a.send(A::Do(Do::SendSelf(left), item()));
                    let _ = b.send(B::Do(Do::Nothing, item()));
                }
            }
            Do::Panic => {
                self.books.inside.store(false, Ordering::SeqCst);
                panics::on_purpose("one of two sets")
            }
        }
        self.books.received[set].fetch_add(1, Ordering::SeqCst);
        self.books.inside.store(false, Ordering::SeqCst);
    }
}

impl MachineMut<A> for Both {
    fn receive(&mut self, A::Do(what, _item): A) {
        Both::receive(self, 0, what);
    }

    fn connected(&mut self, id: Uuid) {
        assert_eq!(this_machine::id().map(|id| id.as_uuid()), Some(id));
        self.books.connected.fetch_add(1, Ordering::SeqCst);
    }

    fn disconnected(&mut self) {
        self.books.disconnected.fetch_add(1, Ordering::SeqCst);
    }
}

impl MachineMut<B> for Both {
    fn receive(&mut self, B::Do(what, _item): B) {
        Both::receive(self, 1, what);
    }

    fn connected(&mut self, _id: Uuid) {
        self.books.other_hooks.fetch_add(1, Ordering::SeqCst);
    }

    fn disconnected(&mut self) {
        self.books.other_hooks.fetch_add(1, Ordering::SeqCst);
    }
}

/// A machine with two sets, its senders, and what happens to it.
struct Pair {
    books: Arc<Books>,
    a: Sender<A>,
    b: Sender<B>,
}

impl Pair {
    fn new(runtime: &Runtime, capacity: usize) -> Self {
        let books = Arc::<Books>::default();
        let (a, b) = runtime
            .machine(Both::new(&books))
            .capacity(capacity)
            .name("both")
            .accepts::<A>()
            .accepts::<B>()
            .connect();
        Self { books, a, b }
    }

    fn a(&self, what: Do) -> A {
        A::Do(what, Item::new(&self.books))
    }

    fn b(&self, what: Do) -> B {
        B::Do(what, Item::new(&self.books))
    }

    /// Keeps the machine inside `receive` of its first set until the sender that is returned is used. The slot that this took is not
    /// published as room before.
    fn hold(&self) -> Opener<()> {
        let (entered, inside) = channel();
        let (opener, gate) = channel();
        self.a
            .send(self.a(Do::Wait(entered, gate)))
            .expect("the machine lives");
        inside.recv_timeout(PATIENCE).expect("the machine runs");
        opener
    }
}

#[test]
fn sets_are_received_one_at_a_time_and_in_order() {
    const EACH: u64 = 5_000;
    let runtime = runtime(4);
    let Pair { books, a, b } = Pair::new(&runtime, 8);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (books, a, b) = (Arc::clone(&books), a.clone(), b.clone());
            thread::spawn(move || {
                for number in 0..EACH {
                    let item = || Item::new(&books);
                    let what = || Do::Numbered(sender, number);
                    a.send(A::Do(what(), item())).expect("the machine lives");
                    b.send(B::Do(what(), item())).expect("the machine lives");
                }
            })
        })
        .collect();
    wait_in(&runtime, "all are sent", || {
        senders.iter().all(|sender| sender.is_finished())
    });
    drop((a, b));
    wait_in(&runtime, "the machine ends", || {
        runtime.machine_count() == 0
    });
    assert_eq!(books.received(), [4 * EACH as usize; 2]);
    assert_eq!(Books::is(&books.overlaps), 0, "two sets at a time");
    assert_eq!(Books::is(&books.out_of_order), 0);
    assert_eq!(Books::is(&books.alive), 0);
}

/// Senders that come and go by turns, so that the machine rests and is woken by either mailbox all the time.
#[test]
fn a_machine_at_rest_is_woken_by_each_of_its_mailboxes() {
    let runtime = runtime(4);
    let Pair { books, a, b } = Pair::new(&runtime, 4);
    for round in 0..3_000 {
        let item = || Item::new(&books);
        match round % 3 {
            0 => a.send(A::Do(Do::Nothing, item())).expect("lives"),
            1 => b.send(B::Do(Do::Nothing, item())).expect("lives"),
            _ => {
                a.send(A::Do(Do::Nothing, item())).expect("lives");
                b.send(B::Do(Do::Nothing, item())).expect("lives");
            }
        }
        wait_in(&runtime, "what was sent is received", || {
            Books::is(&books.alive) == 0
        });
    }
    assert_eq!(books.received(), [2_000, 2_000]);
}

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
    assert_eq!(Books::is(&pair.books.connected), 1);
    drop((pair.a, pair.b));
    wait_in(&runtime, "the machine ends", || {
        runtime.machine_count() == 0
    });
    assert_eq!(Books::is(&pair.books.disconnected), 1);
    assert_eq!(Books::is(&pair.books.other_hooks), 0);
    assert_eq!(runtime.stats().total().ended, 1);
}

#[test]
fn it_lives_until_the_last_sender_of_all_its_mailboxes_is_gone() {
    let runtime = runtime(2);
    for first_goes_first in [true, false] {
        let pair = Pair::new(&runtime, 4);
        let handle = pair.a.handle();
        let Pair { books, a, b } = pair;
        let item = || Item::new(&books);
        let (weak_a, weak_b) = (a.downgrade(), b.downgrade());
        if first_goes_first {
            drop(a);
            runtime.wait_idle(PATIENCE).expect("quiet");
            b.send(B::Do(Do::Nothing, item())).expect("it lives");
            // A sender for a mailbox that has none left: the machine lives, and so does the mailbox.
            let a = weak_a.upgrade().expect("the machine lives");
            drop(b);
            a.send(A::Do(Do::Nothing, item())).expect("it lives");
        } else {
            drop(b);
            runtime.wait_idle(PATIENCE).expect("quiet");
            a.send(A::Do(Do::Nothing, item())).expect("it lives");
            let b = weak_b.upgrade().expect("the machine lives");
            drop(a);
            b.send(B::Do(Do::Nothing, item())).expect("it lives");
        }
        assert_eq!(
            within_patience("the end", move || handle.wait(PATIENCE)),
            Ok(EndReason::NoSenders)
        );
        assert_eq!(books.received(), [1, 1]);
        assert_eq!(Books::is(&books.disconnected), 1);
        assert!(weak_a.upgrade().is_none() && weak_b.upgrade().is_none());
        assert_eq!(Books::is(&books.alive), 0);
    }
    wait_in(&runtime, "both are gone", || runtime.machine_count() == 0);
}

#[test]
fn a_stop_closes_all_mailboxes_at_once_and_drops_what_they_hold() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 4);
    let gate = pair.hold();
    for _ in 0..3 {
        pair.a.send(pair.a(Do::Nothing)).expect("room");
        pair.b.send(pair.b(Do::Nothing)).expect("room");
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
    gate.send(()).expect("it waits");
    assert_eq!(handle.wait(PATIENCE), Ok(EndReason::Stopped));
    assert_eq!(pair.books.received(), [1, 0]);
    assert_eq!(runtime.stats().total().dropped, 6);
    assert_eq!(Books::is(&pair.books.alive), 0);
    assert_eq!(Books::is(&pair.books.disconnected), 1);
}

#[test]
fn a_panic_in_one_set_ends_the_machine() {
    panics::quiet();
    let runtime = runtime(2);
    for in_first in [true, false] {
        let pair = Pair::new(&runtime, 8);
        let handle = pair.a.handle();
        let gate = pair.hold();
        // The second instruction panics, and others are left behind it, in both.
        for what in [Do::Nothing, Do::Panic, Do::Nothing, Do::Nothing] {
            if in_first {
                pair.a.send(pair.a(what)).expect("room");
            } else {
                pair.b.send(pair.b(what)).expect("room");
            }
        }
        pair.a.send(pair.a(Do::Nothing)).expect("room");
        gate.send(()).expect("it waits");
        assert!(matches!(handle.wait(PATIENCE), Ok(EndReason::Panicked(_))));
        assert!(pair.a.is_disconnected() && pair.b.is_disconnected());
        assert_eq!(Books::is(&pair.books.alive), 0);
        assert_eq!(Books::is(&pair.books.disconnected), 1);
    }
    assert_eq!(runtime.stats().total().panics, 2);
}

#[test]
fn a_full_receiver_parks_the_machine_with_all_its_mailboxes() {
    let runtime = runtime(2);
    for by_first in [true, false] {
        let pair = Pair::new(&runtime, 4);
        let (sink, drain) = bounded(1);
        let fill = Do::Fill(sink.clone(), 2);
        if by_first {
            pair.a.send(pair.a(fill)).expect("room");
        } else {
            pair.b.send(pair.b(fill)).expect("room");
        }
        wait_in(&runtime, "it is parked", || {
            runtime.machines().iter().any(|machine| machine.parked)
        });
        pair.a.send(pair.a(Do::Nothing)).expect("room");
        pair.b.send(pair.b(Do::Nothing)).expect("room");
        runtime.wait_idle(PATIENCE).expect("all are parked or rest");
        assert_eq!(pair.books.received().iter().sum::<usize>(), 1);
        assert_eq!((pair.a.len(), pair.b.len()), (1, 1));
        assert_eq!(drain.recv(), Ok(0));
        assert_eq!(drain.recv(), Ok(1));
        wait_in(&runtime, "it goes on", || Books::is(&pair.books.alive) == 0);
    }
}

#[test]
fn a_parked_machine_can_be_stopped() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 4);
    let (sink, drain) = bounded(1);
    pair.b
        .send(pair.b(Do::Fill(sink.clone(), 2)))
        .expect("room");
    wait_in(&runtime, "it is parked", || runtime.machines()[0].parked);
    pair.b.send(pair.b(Do::Nothing)).expect("room");
    pair.b.handle().stop();
    assert_eq!(pair.a.handle().wait(PATIENCE), Ok(EndReason::Stopped));
    assert_eq!(Books::is(&pair.books.alive), 0);
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
    // A thread that waits for room at the second mailbox.
    let (b, books) = (pair.b.clone(), Arc::clone(&pair.books));
    let waits = thread::spawn(move || {
        for _ in 0..10 {
            b.send(B::Do(Do::Nothing, Item::new(&books))).expect("open");
        }
    });
    wait_until("the second is full", || pair.b.is_full());
    wait_until("somebody waits", || runtime.machines()[0].has_waiters);
    gate.send(()).expect("it waits");
    wait_in(&runtime, "all is received", || {
        waits.is_finished() && Books::is(&pair.books.alive) == 0
    });
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
    let (b, last) = (pair.b.clone(), pair.b(Do::Nothing));
    let waits = thread::spawn(move || b.send(last).expect("open"));
    wait_until("somebody waits", || runtime.machines()[0].has_waiters);
    gate.send(()).expect("it waits");
    wait_in(&runtime, "it is parked", || runtime.machines()[0].parked);
    // Nobody has read from the channel: it is parked still.
    wait_in(&runtime, "the thread goes on", || waits.is_finished());
    assert!(runtime.machines()[0].parked);
    assert_eq!(pair.b.len(), 8);
    assert_eq!((drain.recv(), drain.recv()), (Ok(0), Ok(1)));
    wait_in(&runtime, "all is read", || {
        Books::is(&pair.books.alive) == 0
    });
    assert_eq!(pair.books.received(), [1, 9]);
}

/// A thread that waits for room at a mailbox whose machine is stopped gets its instruction back.
#[test]
fn a_stop_releases_who_waits_at_any_mailbox() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 1);
    let gate = pair.hold();
    pair.b.send(pair.b(Do::Nothing)).expect("room");
    let (b, books) = (pair.b.clone(), Arc::clone(&pair.books));
    let waits = thread::spawn(move || b.send(B::Do(Do::Nothing, Item::new(&books))).is_err());
    wait_until("somebody waits", || runtime.machines()[0].has_waiters);
    pair.a.handle().stop();
    gate.send(()).expect("it waits");
    wait_until("the thread goes on", || waits.is_finished());
    assert!(
        waits.join().expect("no panic"),
        "the instruction comes back"
    );
    wait_in(&runtime, "all are dropped", || {
        Books::is(&pair.books.alive) == 0
    });
}

/// A machine that exceeds the capacity of one mailbox, whichever: the figures of the machine tell.
#[test]
fn lengths_and_overflows_are_those_of_all_mailboxes() {
    for (to_first, to_second) in [(7, 0), (0, 7), (6, 7), (7, 6)] {
        let runtime = runtime(2);
        let pair = Pair::new(&runtime, 4);
        let gate = pair.hold();
        let (a, b, books) = (pair.a.clone(), pair.b.clone(), Arc::clone(&pair.books));
        let (_flood, start) = runtime.connect(move |_: C| {
            let item = || Item::new(&books);
            for _ in 0..to_first {
                a.send(A::Do(Do::Nothing, item())).expect("it lives");
            }
            for _ in 0..to_second {
                b.send(B::Do(Do::Nothing, item())).expect("it lives");
            }
        });
        start.send(C::Add(0)).expect("it lives");
        let pair_info = || {
            let machines = runtime.machines();
            let mut both = machines.into_iter().filter(|info| info.id == pair.a.id());
            both.next().expect("it lives")
        };
        wait_in(&runtime, "the other one is parked", || {
            runtime.machines().iter().any(|machine| machine.parked)
        });
        gate.send(()).expect("it waits");
        wait_in(&runtime, "all is read", || {
            Books::is(&pair.books.alive) == 0
        });
        let info = pair_info();
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
        pair.b.send(pair.b(Do::Nothing)).expect("room");
    }
    gate.send(()).expect("it waits");
    wait_in(&runtime, "all is read", || {
        Books::is(&pair.books.alive) == 0
    });
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
    let (_flood, start) = runtime.connect(move |_: C| {
        let taken = (0..100).take_while(|_| {
            let sent = b.send(B::Do(Do::Nothing, Item::new(&books)));
            assert!(matches!(sent, Ok(()) | Err(SendError::Limit(_))));
            sent.is_ok()
        });
        to.send(taken.count()).expect("the test waits");
    });
    start.send(C::Add(0)).expect("it lives");
    assert_eq!(counts.recv_timeout(PATIENCE), Ok(3 * 4));
    gate.send(()).expect("it waits");
    wait_in(&runtime, "all is read", || {
        Books::is(&pair.books.alive) == 0
    });
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
        waiting.retain_mut(|future: &mut std::pin::Pin<Box<SendFuture<B>>>| {
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
    gate.send(()).expect("it waits");
    wait_in(&runtime, "all are sent", || poll(&mut futures));
    wait_in(&runtime, "all is read", || {
        Books::is(&pair.books.alive) == 0
    });
    assert_eq!(pair.books.received(), [1, 20]);
    assert_eq!(Books::is(&pair.books.out_of_order), 0);
}

/// The sender of what is sent last is the last of all: it is received all the same, in whatever mailbox.
#[test]
fn what_the_last_sender_sends_to_any_mailbox_is_received() {
    let runtime = runtime(2);
    for round in 0..2_000 {
        let Pair { books, a, b } = Pair::new(&runtime, 4);
        let item = || Item::new(&books);
        a.send(A::Do(Do::Nothing, item())).expect("it lives");
        if round % 2 == 0 {
            drop(a);
            b.send(B::Do(Do::Nothing, item())).expect("it lives");
            drop(b);
        } else {
            // From a weak one, when the mailbox has no other sender left.
            let weak = b.downgrade();
            drop(b);
            let b = weak.upgrade().expect("it lives");
            drop(a);
            b.send(B::Do(Do::Nothing, item())).expect("it lives");
        }
        wait_in(&runtime, "it ends", || Books::is(&books.disconnected) == 1);
        assert_eq!(books.received(), [1, 1]);
    }
    wait_in(&runtime, "all are gone", || runtime.machine_count() == 0);
}

/// Two machines that answer each other at once, by turns at one mailbox and at the other: each lingers while it waits for its ball.
#[test]
fn a_machine_that_lingers_is_fed_at_each_of_its_mailboxes() {
    const HOPS: u64 = 20_000;
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let received = Arc::<AtomicUsize>::default();
        let connect = || {
            let one = Relay {
                left: None,
                right: None,
                received: Arc::clone(&received),
            };
            runtime
                .machine(one)
                .accepts::<Left>()
                .accepts::<Right>()
                .connect()
        };
        let ((left, right), (other_left, other_right)) = (connect(), connect());
        left.send(Left::Wire(other_right.clone())).expect("lives");
        right.send(Right::Wire(other_left.clone())).expect("lives");
        other_left.send(Left::Wire(right.clone())).expect("lives");
        other_right.send(Right::Wire(left.clone())).expect("lives");
        left.send(Left::Ball(HOPS)).expect("it lives");
        right.send(Right::Ball(HOPS)).expect("it lives");
        wait_in(&runtime, "every ball arrives", || {
            received.load(Ordering::SeqCst) as u64 == 2 * (HOPS + 1)
        });
        // One of them lingers still, or rests: a stop finds both.
        left.handle().stop();
        other_left.handle().stop();
        wait_in(&runtime, "both end", || runtime.machine_count() == 0);
    }
}

/// A report and a push to the second mailbox set the same bit.
#[test]
fn a_report_and_an_instruction_for_any_mailbox_do_not_hide_each_other() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 4);
    for _ in 0..100 {
        pair.b.send(pair.b(Do::Nothing)).expect("it lives");
        let reports = runtime.machine_reports(PATIENCE).expect("outside");
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].id, pair.b.id());
    }
    wait_in(&runtime, "all is read", || {
        Books::is(&pair.books.alive) == 0
    });
}

#[test]
fn a_machine_finds_the_mailboxes_of_all_its_sets() {
    let runtime = runtime(2);
    let Pair { books, a, b } = Pair::new(&runtime, 4);
    let handle = a.handle();
    a.send(A::Do(Do::SendSelf(100), Item::new(&books)))
        .expect("it lives");
    // Only the first set's senders are left: the other mailbox can still be reached from inside.
    drop(b);
    wait_in(&runtime, "all is received", || {
        books.received() == [101, 100]
    });
    drop(a);
    assert_eq!(handle.wait(PATIENCE), Ok(EndReason::NoSenders));
}

/// A mailbox that is never empty does not keep the others from being read, whatever the budget is.
#[test]
fn mailboxes_are_read_in_turn() {
    for budget in [1, 2, 256] {
        let runtime = Runtime::builder()
            .workers(1)
            .budget(budget)
            .build()
            .expect("a thread");
        let Pair { books, a, b } = Pair::new(&runtime, 1_000);
        a.send(A::Do(Do::SendSelf(u64::MAX), Item::new(&books)))
            .expect("it lives");
        for _ in 0..100 {
            b.send(B::Do(Do::Nothing, Item::new(&books)))
                .expect("it lives");
        }
        wait_in(&runtime, "the second is read too", || {
            books.received()[1] > 1_000
        });
        a.handle().stop();
        assert_eq!(a.handle().wait(PATIENCE), Ok(EndReason::Stopped));
    }
}

#[test]
fn a_shutdown_drains_all_mailboxes() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 100);
    for _ in 0..50 {
        pair.a.send(pair.a(Do::Nothing)).expect("room");
        pair.b.send(pair.b(Do::Nothing)).expect("room");
    }
    let report = runtime.shutdown(PATIENCE);
    assert!(report.is_clean(), "{report}");
    assert_eq!(pair.books.received(), [50, 50]);
    assert_eq!(Books::is(&pair.books.disconnected), 1);
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
    gate.send(()).expect("it waits");
    wait_until("the end", || shutdown.is_finished());
    assert!(shutdown.join().expect("no panic").is_clean());
}

#[test]
fn connecting_tells_what_is_wrong() {
    let runtime = runtime(1);
    let books = Arc::<Books>::default();
    let builder = || {
        let machine = runtime.machine(Both::new(&books));
        machine.accepts::<A>().accepts::<B>()
    };
    let zero = builder().capacity(0).try_connect();
    assert!(matches!(zero, Err(BuildError::ZeroCapacity)));
    assert!(builder().capacity(1).try_connect().is_ok());
    runtime.shutdown(PATIENCE);
    assert!(matches!(builder().try_connect(), Err(BuildError::Stopped)));
    let (a, b) = builder().connect();
    assert!(a.is_disconnected() && b.is_disconnected());
    assert_eq!(Books::is(&books.connected), Books::is(&books.disconnected));
}

#[derive(MachineImpl)]
enum C {
    Add(u64),
}

#[derive(MachineImpl)]
enum D {
    Add(u64),
}

#[derive(MachineImpl)]
enum E {
    Add(u64),
}

#[derive(MachineImpl)]
enum F {
    Tell(Sender<u64>),
}

#[derive(Default)]
struct Sum(u64);

impl MachineMut<C> for Sum {
    fn receive(&mut self, C::Add(n): C) {
        self.0 += n;
    }
}

impl MachineMut<D> for Sum {
    fn receive(&mut self, D::Add(n): D) {
        self.0 += n;
    }
}

impl MachineMut<E> for Sum {
    fn receive(&mut self, E::Add(n): E) {
        self.0 += n;
    }
}

impl MachineMut<F> for Sum {
    fn receive(&mut self, F::Tell(to): F) {
        to.send(self.0).expect("the test waits");
    }
}

#[test]
fn three_and_four_sets() {
    let runtime = runtime(2);
    let (c, d, f) = runtime
        .machine(Sum::default())
        .accepts::<C>()
        .accepts::<D>()
        .accepts::<F>()
        .connect();
    c.send(C::Add(1)).expect("it lives");
    d.send(D::Add(10)).expect("it lives");
    runtime.wait_idle(PATIENCE).expect("it rests");
    let (to, total) = bounded(1);
    f.send(F::Tell(to)).expect("it lives");
    assert_eq!(total.recv(), Ok(11));

    let (c, d, e, f) = runtime
        .machine(Sum::default())
        .unbounded()
        .accepts::<C>()
        .accepts::<D>()
        .accepts::<E>()
        .accepts::<F>()
        .connect();
    assert_eq!(e.capacity(), None);
    for n in 0..1_000 {
        c.send(C::Add(n)).expect("it lives");
        d.send(D::Add(n)).expect("it lives");
        e.send(E::Add(n)).expect("it lives");
    }
    runtime.wait_idle(PATIENCE).expect("it rests");
    let (to, total) = bounded(1);
    f.send(F::Tell(to)).expect("it lives");
    assert_eq!(total.recv(), Ok(3 * 499_500));
}

#[derive(MachineImpl)]
enum Left {
    Wire(Sender<Right>),
    Ball(u64),
}

#[derive(MachineImpl)]
enum Right {
    Wire(Sender<Left>),
    Ball(u64),
}

/// Answers each ball of one set by balls of the other, to the other player.
#[derive(Default)]
struct Player {
    left: Option<Sender<Left>>,
    right: Option<Sender<Right>>,
    received: Arc<AtomicUsize>,
}

impl MachineMut<Left> for Player {
    fn receive(&mut self, instruction: Left) {
        match instruction {
            Left::Wire(right) => self.right = Some(right),
            Left::Ball(hops) => {
                self.received.fetch_add(1, Ordering::SeqCst);
                for _ in 0..if hops > 0 { 2 } else { 0 } {
                    let right = self.right.as_ref().expect("wired");
                    right.send(Right::Ball(hops - 1)).expect("it lives");
                }
            }
        }
    }
}

impl MachineMut<Right> for Player {
    fn receive(&mut self, instruction: Right) {
        match instruction {
            Right::Wire(left) => self.left = Some(left),
            Right::Ball(hops) => {
                self.received.fetch_add(1, Ordering::SeqCst);
                for _ in 0..if hops > 0 { 2 } else { 0 } {
                    let left = self.left.as_ref().expect("wired");
                    left.send(Left::Ball(hops - 1)).expect("it lives");
                }
            }
        }
    }
}

/// Answers each ball of one set by one of the other, to the other player.
struct Relay {
    left: Option<Sender<Left>>,
    right: Option<Sender<Right>>,
    received: Arc<AtomicUsize>,
}

impl MachineMut<Left> for Relay {
    fn receive(&mut self, instruction: Left) {
        match instruction {
            Left::Wire(right) => self.right = Some(right),
            Left::Ball(hops) => {
                self.received.fetch_add(1, Ordering::SeqCst);
                if let Some(left) = hops.checked_sub(1) {
                    let right = self.right.as_ref().expect("wired");
                    // Refused once the machine was stopped.
                    let _ = right.send(Right::Ball(left));
                }
            }
        }
    }
}

impl MachineMut<Right> for Relay {
    fn receive(&mut self, instruction: Right) {
        match instruction {
            Right::Wire(left) => self.left = Some(left),
            Right::Ball(hops) => {
                self.received.fetch_add(1, Ordering::SeqCst);
                if let Some(hops) = hops.checked_sub(1) {
                    let left = self.left.as_ref().expect("wired");
                    let _ = left.send(Left::Ball(hops));
                }
            }
        }
    }
}

/// Two machines, each parked on the other's mailbox of another set than it was sent to: the ring leads through both mailboxes
/// of both, and somebody gives way.
#[test]
fn a_ring_through_two_sets_of_two_machines_goes_on() {
    const HOPS: u64 = 12;
    let runtime = runtime(4);
    let received = Arc::<AtomicUsize>::default();
    let connect = || {
        let player = Player {
            received: Arc::clone(&received),
            ..Player::default()
        };
        runtime
            .machine(player)
            .capacity(1)
            .accepts::<Left>()
            .accepts::<Right>()
            .connect()
    };
    let ((left, right), (other_left, other_right)) = (connect(), connect());
    left.send(Left::Wire(other_right.clone())).expect("lives");
    right.send(Right::Wire(other_left.clone())).expect("lives");
    other_left.send(Left::Wire(right.clone())).expect("lives");
    other_right.send(Right::Wire(left.clone())).expect("lives");
    let mut sent = 0;
    while runtime.stats().total().ring_breaks == 0 {
        left.send(Left::Ball(HOPS)).expect("it lives");
        other_right.send(Right::Ball(HOPS)).expect("it lives");
        sent += 2 * ((1 << (HOPS + 1)) - 1);
        wait_in(&runtime, "every ball arrives", || {
            received.load(Ordering::SeqCst) == sent
        });
    }
    runtime.wait_idle(PATIENCE).expect("all rest");
    assert!(!runtime.machines().iter().any(|machine| machine.parked));
    // They hold each other's senders.
    left.handle().stop();
    other_left.handle().stop();
    wait_in(&runtime, "both end", || runtime.machine_count() == 0);
}

/// A machine that fills its own other mailbox is a ring of one.
#[test]
fn a_machine_that_fills_its_own_other_mailbox_goes_on() {
    let runtime = runtime(2);
    let received = Arc::<AtomicUsize>::default();
    let player = Player {
        received: Arc::clone(&received),
        ..Player::default()
    };
    let (left, right) = runtime
        .machine(player)
        .capacity(1)
        .accepts::<Left>()
        .accepts::<Right>()
        .connect();
    left.send(Left::Wire(right.clone())).expect("it lives");
    right.send(Right::Wire(left.clone())).expect("it lives");
    left.send(Left::Ball(8)).expect("it lives");
    wait_in(&runtime, "every ball arrives", || {
        received.load(Ordering::SeqCst) == (1 << 9) - 1
    });
    assert!(runtime.stats().total().ring_breaks > 0);
    left.handle().stop();
    wait_in(&runtime, "it ends", || runtime.machine_count() == 0);
}
