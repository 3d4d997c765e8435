//! Promise 1: instructions from one sender to one mailbox arrive in the order sent, each exactly once unless the machine
//! ends first; what it leaves unread is dropped, never leaked.

use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use d3::prelude::*;
use d3::{SendError, SendTimeoutError, TrySendError, bounded};

use crate::support::futures::{CountingWaker, block_on};
use crate::support::probe::{Counted, Gate, Probe, ProbeCmd, Tally, bump, read};
use crate::support::{PATIENCE, runtime, wait_in, wait_until};

#[derive(Debug, MachineImpl)]
enum Item {
    Numbered { from: usize, seq: usize },
}

/// What the sink that threads send to has room for.
const CAPACITY: usize = 16;

/// Checks that the numbers of every sender come in order, and counts.
struct Sink {
    next: Vec<usize>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    received: AtomicUsize,
    /// Sends of threads that have returned; nobody else counts them.
    sent: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Seen {
    fn check(&self) {
        let faults = self
            .faults
            .lock()
            .expect("no machine panics with the lock held");
        assert!(
            faults.is_empty(),
            "{} faults, first {:?}",
            faults.len(),
            faults[0]
        );
    }
}

impl Sink {
    fn new(senders: usize) -> (Self, Arc<Seen>) {
        let seen = Arc::<Seen>::default();
        (
            Self {
                next: vec![0; senders],
                seen: Arc::clone(&seen),
            },
            seen,
        )
    }
}

impl MachineMut<Item> for Sink {
    fn receive(&mut self, Item::Numbered { from, seq }: Item) {
        if self.next[from] != seq {
            let fault = format!("sender {from}: {seq} came, due was {}", self.next[from]);
            self.seen
                .faults
                .lock()
                .expect("no machine panics with the lock held")
                .push(fault);
        }
        self.next[from] = seq + 1;
        bump(&self.seen.received);
        // While this runs nothing is taken out: what was sent beyond what was received is all in the mailbox.
        let waiting = read(&self.seen.sent).saturating_sub(read(&self.seen.received));
        if waiting > CAPACITY {
            let fault = format!("{waiting} instructions of threads in a mailbox of {CAPACITY}");
            self.seen
                .faults
                .lock()
                .expect("no machine panics with the lock held")
                .push(fault);
        }
    }
}

#[test]
fn from_threads_to_a_machine() {
    const THREADS: usize = 4;
    const EACH: usize = 10_000;
    let runtime = runtime(2);
    let (sink, seen) = Sink::new(THREADS);
    let sender = runtime
        .machine(sink)
        .capacity(CAPACITY)
        .accepts::<Item>()
        .connect();
    let threads: Vec<_> = (0..THREADS)
        .map(|from| {
            let (sender, seen) = (sender.clone(), Arc::clone(&seen));
            thread::spawn(move || {
                for seq in 0..EACH {
                    sender.send(Item::Numbered { from, seq }).unwrap();
                    bump(&seen.sent);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    wait_in(&runtime, "all instructions arrive", || {
        read(&seen.received) >= THREADS * EACH
    });
    seen.check();
    runtime.shutdown(PATIENCE);
    assert_eq!(read(&seen.received), THREADS * EACH);
}

#[derive(Debug, MachineImpl)]
enum Go {
    Send(usize),
}

/// Sends so many numbered items for each `Go`.
struct Source {
    id: usize,
    next: usize,
    sink: Sender<Item>,
}

impl MachineMut<Go> for Source {
    fn receive(&mut self, Go::Send(count): Go) {
        for _ in 0..count {
            self.sink
                .send(Item::Numbered {
                    from: self.id,
                    seq: self.next,
                })
                .unwrap();
            self.next += 1;
        }
    }
}

#[test]
fn from_machines_to_a_machine_that_is_full() {
    const SOURCES: usize = 8;
    const ROUNDS: usize = 1_000;
    const AT_ONCE: usize = 3;
    let runtime = runtime(2);
    let (sink, seen) = Sink::new(SOURCES);
    // Far less room than the sources send, so that they are parked again and again.
    let sink = runtime
        .machine(sink)
        .capacity(4)
        .accepts::<Item>()
        .connect();
    let sources: Vec<Sender<Go>> = (0..SOURCES)
        .map(|id| {
            runtime.connect_mut(Source {
                id,
                next: 0,
                sink: sink.clone(),
            })
        })
        .collect();
    for _ in 0..ROUNDS {
        for source in &sources {
            source.send(Go::Send(AT_ONCE)).unwrap();
        }
    }
    wait_in(&runtime, "all instructions arrive", || {
        read(&seen.received) >= SOURCES * ROUNDS * AT_ONCE
    });
    seen.check();
    runtime.shutdown(PATIENCE);
    assert_eq!(read(&seen.received), SOURCES * ROUNDS * AT_ONCE);
}

#[test]
fn from_a_machine_to_a_thread() {
    const ROUNDS: usize = 2_000;
    let runtime = runtime(2);
    let (sender, receiver) = bounded(4);
    let source = runtime.connect_mut(Source {
        id: 0,
        next: 0,
        sink: sender,
    });
    let feeder = thread::spawn(move || {
        for _ in 0..ROUNDS {
            source.send(Go::Send(3)).unwrap();
        }
    });
    for due in 0..3 * ROUNDS {
        let Item::Numbered { seq, .. } = receiver
            .recv_timeout(PATIENCE)
            .expect("the next item comes");
        assert_eq!(seq, due);
    }
    feeder.join().unwrap();
    assert!(
        receiver.recv_timeout(PATIENCE).is_err(),
        "the source is gone, and so is its sender"
    );
    runtime.shutdown(PATIENCE);
}

#[test]
fn whatever_way_a_thread_sends() {
    const COUNT: usize = 8_000;
    let runtime = runtime(2);
    let (sink, seen) = Sink::new(1);
    let sender = runtime
        .machine(sink)
        .capacity(2)
        .accepts::<Item>()
        .connect();
    for seq in 0..COUNT {
        let item = Item::Numbered { from: 0, seq };
        match seq % 4 {
            0 => sender.send(item).unwrap(),
            1 => try_until_taken(&sender, item),
            2 => match sender.send_timeout(item, PATIENCE) {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(_)) => panic!("no room within {PATIENCE:?}"),
                Err(error) => panic!("{error}"),
            },
            _ => block_on(sender.send_async(item)).unwrap(),
        }
    }
    wait_in(&runtime, "all instructions arrive", || {
        read(&seen.received) >= COUNT
    });
    seen.check();
    runtime.shutdown(PATIENCE);
    assert_eq!(read(&seen.received), COUNT);
}

fn try_until_taken(sender: &Sender<Item>, item: Item) {
    let mut item = Some(item);
    wait_until("a place in the mailbox", || {
        match sender.try_send(item.take().expect("it came back")) {
            Ok(()) => true,
            Err(TrySendError::Full(back)) => {
                item = Some(back);
                false
            }
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn futures_in_the_order_of_their_first_poll() {
    const FUTURES: usize = 10;
    let (sender, receiver) = bounded(1);
    sender.send(Item::Numbered { from: 0, seq: 0 }).unwrap();
    let (_, waker) = CountingWaker::new();
    let mut context = Context::from_waker(&waker);
    let mut futures: Vec<_> = (1..=FUTURES)
        .map(|seq| sender.send_async(Item::Numbered { from: 0, seq }))
        .collect();
    for future in &mut futures {
        assert!(
            Pin::new(future).poll(&mut context).is_pending(),
            "the mailbox is full"
        );
    }
    for due in 0..=FUTURES {
        let Item::Numbered { seq, .. } = receiver
            .recv_timeout(PATIENCE)
            .expect("the next item comes");
        assert_eq!(seq, due);
    }
    for future in &mut futures {
        assert!(matches!(
            Pin::new(future).poll(&mut context),
            Poll::Ready(Ok(()))
        ));
    }
}

#[test]
fn a_dropped_future_takes_its_instruction_back() {
    let dropped = Arc::<AtomicUsize>::default();
    let (sender, receiver) = bounded(1);
    sender.send(ProbeCmd::Add(0)).unwrap();
    let (_, waker) = CountingWaker::new();
    let mut context = Context::from_waker(&waker);
    let mut first = sender.send_async(ProbeCmd::Cargo(Counted::new(&dropped)));
    let mut second = sender.send_async(ProbeCmd::Add(2));
    assert!(Pin::new(&mut first).poll(&mut context).is_pending());
    assert!(Pin::new(&mut second).poll(&mut context).is_pending());

    drop(first);
    assert_eq!(read(&dropped), 1, "its instruction is dropped with it");
    assert!(matches!(
        receiver.recv_timeout(PATIENCE),
        Ok(ProbeCmd::Add(0))
    ));
    assert!(
        matches!(receiver.recv_timeout(PATIENCE), Ok(ProbeCmd::Add(2))),
        "the next in line is served"
    );
    assert!(receiver.try_recv().is_err());

    let unsent = sender.send_async(ProbeCmd::Add(3));
    assert!(
        matches!(unsent.into_inner(), Some(ProbeCmd::Add(3))),
        "never polled: still ours"
    );
}

#[test]
fn what_is_left_unread_is_dropped_once() {
    const CARGO: usize = 100;
    let runtime = runtime(2);
    let tally = Tally::new();
    let dropped = Arc::<AtomicUsize>::default();
    let gate = Gate::new();
    let (_, sender) = runtime.connect_with_capacity(Probe(Arc::clone(&tally)), 10 + 2 * CARGO);
    sender.send(ProbeCmd::Hold(Arc::clone(&gate))).unwrap();
    wait_in(&runtime, "the machine is held", || gate.came() == 1);
    for _ in 0..CARGO {
        sender
            .send(ProbeCmd::Cargo(Counted::new(&dropped)))
            .unwrap();
    }
    sender.send(ProbeCmd::Stop).unwrap();
    for _ in 0..CARGO {
        sender
            .send(ProbeCmd::Cargo(Counted::new(&dropped)))
            .unwrap();
    }
    gate.open();
    wait_in(&runtime, "the machine ends", || {
        sender.is_disconnected() && read(&tally.disconnected) == 1
    });
    wait_in(&runtime, "all that was sent is dropped", || {
        read(&dropped) == 2 * CARGO
    });
    assert_eq!(
        tally.received(),
        1 + CARGO + 1,
        "nothing is received after the stop"
    );
    wait_in(&runtime, "what was unread is counted", || {
        runtime.stats().total().dropped == CARGO as u64
    });

    // What comes too late is handed back.
    match sender.send(ProbeCmd::Cargo(Counted::new(&dropped))) {
        Err(SendError::Disconnected(ProbeCmd::Cargo(_))) => {}
        other => panic!("{other:?}"),
    }
    runtime.shutdown(PATIENCE);
    assert_eq!(read(&dropped), 2 * CARGO + 1);
}

#[test]
fn what_a_receiver_leaves_unread_is_dropped_once() {
    let dropped = Arc::<AtomicUsize>::default();
    let (sender, receiver) = bounded(10);
    for _ in 0..10 {
        sender
            .send(ProbeCmd::Cargo(Counted::new(&dropped)))
            .unwrap();
    }
    drop(receiver.recv_timeout(Duration::from_secs(1)));
    assert_eq!(read(&dropped), 1);
    drop(receiver);
    assert_eq!(read(&dropped), 10);
    assert!(matches!(
        sender.try_send(ProbeCmd::Add(1)),
        Err(TrySendError::Disconnected(ProbeCmd::Add(1)))
    ));
}
