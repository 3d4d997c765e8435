//! Who waits for room is seen from outside: machines, threads and futures, at each mailbox, and for how long.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use d3_runtime::{MachineImpl, MachineMut, MailboxInfo, SendFuture, Sender, TrySendError, bounded};

use common::log::listener;
use common::{Gate, PATIENCE, info_of, runtime, wait_until};

#[derive(MachineImpl)]
enum First {
    Hold(Gate),
    Item,
}

#[derive(MachineImpl)]
enum Second {
    Item,
}

struct Slow;

impl MachineMut<First> for Slow {
    fn receive(&mut self, cmd: First) {
        if let First::Hold(gate) = cmd {
            drop(gate.close());
        }
    }
}

impl MachineMut<Second> for Slow {
    fn receive(&mut self, _: Second) {}
}

/// Waits until the machine has nothing but this in its hand; its place in the mailbox is taken until the machine comes back.
fn hold(sender: &Sender<First>, gate: &Gate) {
    sender.send(First::Hold(gate.clone())).expect("it lives");
    wait_until("it is held up", || sender.is_empty());
}

fn poll_once<P: Send + 'static>(future: &mut SendFuture<P>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(future).poll(&mut context).is_ready()
}

#[test]
fn threads_and_futures_that_wait_are_counted() {
    let runtime = runtime(2);
    let gate = Gate::default();
    let closed = gate.close();
    let sender = runtime
        .machine(Slow)
        .capacity(3)
        .accepts::<First>()
        .connect();
    hold(&sender, &gate);
    for _ in 0..2 {
        sender.try_send(First::Item).expect("there is room");
    }
    let info = info_of(&runtime, &sender);
    assert_eq!((info.waiting, info.longest_wait, info.waits), (0, None, 0));

    let threads: Vec<_> = (0..3)
        .map(|_| {
            let sender = sender.clone();
            std::thread::spawn(move || sender.send(First::Item).is_ok())
        })
        .collect();
    let mut futures: Vec<_> = (0..2).map(|_| sender.send_async(First::Item)).collect();
    for future in &mut futures {
        assert!(!poll_once(future));
    }
    wait_until("five wait", || info_of(&runtime, &sender).waiting == 5);
    let info = info_of(&runtime, &sender);
    let longest = info.longest_wait.expect("somebody waits");
    assert_eq!((info.waits, info.waited_for), (5, Duration::ZERO));
    assert!(info.has_waiters && info.to_string().contains("5 outside wait"));
    wait_until("the longest wait becomes longer", || {
        info_of(&runtime, &sender).longest_wait > Some(longest)
    });

    // Who gives up has waited, too.
    drop(futures.pop());
    let info = info_of(&runtime, &sender);
    assert_eq!((info.waiting, info.waits), (4, 5));
    assert!(info.waited_for > Duration::ZERO);

    drop(closed);
    for thread in threads {
        assert!(thread.join().expect("it does not panic"));
    }
    wait_until("the future has sent", || poll_once(&mut futures[0]));
    let info = info_of(&runtime, &sender);
    assert_eq!((info.waiting, info.longest_wait, info.waits), (0, None, 5));
    assert!(info.waited_for > longest, "{info:?}");
    assert_eq!((info.overflows, info.parks), (0, 0));
}

/// A mailbox that nobody could overfill has not been longer than its capacity, however often somebody tried.
#[test]
fn a_refused_instruction_does_not_count_as_length() {
    let (sender, unread) = bounded(3);
    for nth in 0..10 {
        let sent = sender.try_send(nth);
        assert_eq!(sent.is_ok(), nth < 3);
        assert!(matches!(sent, Ok(()) | Err(TrySendError::Full(_))));
    }
    let info = unread.info();
    assert_eq!((info.len, info.high_water, info.overflows), (3, 3, 0));
}

#[derive(MachineImpl)]
enum Flood {
    With(usize),
}

struct Source(Sender<Second>);

impl MachineMut<Flood> for Source {
    fn receive(&mut self, Flood::With(count): Flood) {
        for _ in 0..count {
            self.0.send(Second::Item).expect("below the hard limit");
        }
    }
}

/// Each mailbox of a machine has figures of its own, and the machine has their sums.
#[test]
fn each_mailbox_of_a_machine_is_seen() {
    let runtime = runtime(2);
    let gate = Gate::default();
    let closed = gate.close();
    let (first, second) = runtime
        .machine(Slow)
        .capacity(2)
        .accepts::<First>()
        .accepts::<Second>()
        .connect();
    hold(&first, &gate);
    first.send(First::Item).expect("there is room");
    let source = runtime.connect_mut(Source(second.clone()));
    source.send(Flood::With(7)).expect("it lives");
    wait_until("the source is parked", || {
        info_of(&runtime, &source).waits_for == Some(first.id())
    });
    let thread = {
        let second = second.clone();
        std::thread::spawn(move || second.send(Second::Item).is_ok())
    };
    wait_until("a thread waits", || info_of(&runtime, &first).waiting == 1);

    let info = info_of(&runtime, &first);
    let [ref one, ref two] = info.mailboxes[..] else {
        panic!("two mailboxes: {info:?}")
    };
    assert!(one.instruction_set.ends_with("First") && two.instruction_set.ends_with("Second"));
    let figures = |info: &MailboxInfo| (info.len, info.high_water, info.overflows);
    assert_eq!(figures(two), (7, 7, 5));
    assert_eq!((one.len, one.overflows), (1, 0));
    assert_eq!((one.parked, one.waiting, one.waits), (0, 0, 0));
    assert_eq!((two.parked, two.waiting, two.waits), (1, 1, 1));
    assert_eq!((info.len, info.high_water, info.overflows), (8, 7, 5));
    assert_eq!((info.waiting, info.waits), (1, 1));
    assert!(info.longest_wait.is_some() && info.longest_wait == two.longest_wait);
    assert_eq!(figures(&second.info()), figures(two));
    assert_eq!(second.info().id, first.id());

    let parked = info_of(&runtime, &source);
    assert!(parked.parked && !parked.waits_for_channel, "{parked}");
    assert!(parked.parked_now.is_some() && parked.parks == 1);
    drop(closed);
    assert!(thread.join().expect("it does not panic"));
    runtime.wait_idle(PATIENCE).expect("all is read");
    let info = info_of(&runtime, &first);
    assert_eq!((info.len, info.waiting, info.has_waiters), (0, 0, false));
    let parked = info_of(&runtime, &source);
    assert_eq!((parked.parked, parked.parked_now), (false, None));
    assert!(parked.parked_for > Duration::ZERO);
    let total = runtime.stats().total();
    assert_eq!((total.parks, total.parked_for), (1, parked.parked_for));
}

#[derive(MachineImpl)]
enum Fan {
    /// Three instructions to each.
    Out(Vec<Sender<u32>>),
}

/// One `receive` may overfill many mailboxes: each of them counts what it took beyond its capacity, whichever was met first.
#[test]
fn overflows_are_counted_at_each_full_receiver() {
    let runtime = runtime(2);
    let (_, fan) = runtime.connect(|Fan::Out(targets): Fan| {
        for n in 0..3 {
            for target in &targets {
                target.send(n).expect("far below the hard limit");
            }
        }
    });
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..5).map(|_| bounded(1)).unzip();
    // A clone: for channels whose last sender is gone the machine would not be parked.
    fan.send(Fan::Out(senders.clone())).expect("it lives");
    for receiver in receivers.iter().rev() {
        // It is parked on one after another, the last one first, and each was told by then.
        wait_until("it waits for this one", || {
            info_of(&runtime, &fan).waits_for == Some(receiver.id())
        });
        let info = receiver.info();
        assert_eq!((info.len, info.high_water, info.overflows), (3, 3, 2));
        assert_eq!(receiver.try_iter().count(), 3);
    }
    runtime.wait_idle(PATIENCE).expect("it goes on");
    assert_eq!(info_of(&runtime, &fan).parks, 5);
    let total = runtime.stats().total();
    assert_eq!((total.parks, total.overflows), (5, 10));
}

/// A ring through a thread or a task cannot be seen, but the machine that waits for one can, and for how long it has.
#[test]
fn a_machine_that_waits_for_a_thread_is_named() {
    let runtime = runtime(2);
    let (items, unread) = bounded(1);
    let source = runtime
        .machine(Source(items))
        .name("source")
        .accepts()
        .connect();
    source.send(Flood::With(3)).expect("it lives");
    wait_until("it is parked", || {
        info_of(&runtime, &source).parked_now > Some(Duration::from_millis(1))
    });
    let info = info_of(&runtime, &source);
    assert_eq!(info.waits_for, Some(unread.id()));
    assert!(info.waits_for_channel);
    let text = info.to_string();
    let expected = format!(" source <{}> 0/250 parked on channel", info.instruction_set);
    assert!(text.contains(&expected), "{text}");
    let channel = unread.info();
    assert_eq!((channel.len, channel.overflows, channel.parked), (3, 2, 1));
    assert_eq!(unread.try_iter().count(), 3);
    wait_until("it goes on", || !info_of(&runtime, &source).parked);
    assert_eq!(unread.info().parked, 0);
}

/// An event names the mailbox for whose room a thread has waited long: one for all who wait there, and not again at once.
#[test]
fn a_thread_that_waits_long_is_told_of() {
    const THREADS: usize = 20;
    let listener = listener();
    let runtime = runtime(2);
    let gate = Gate::default();
    let closed = gate.close();
    let slow = runtime
        .machine(Slow)
        .capacity(2)
        .name("the slow one")
        .accepts::<First>()
        .connect();
    hold(&slow, &gate);
    slow.send(First::Item).expect("there is room");
    let begun = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|nth| {
            let slow = slow.clone();
            std::thread::spawn(move || {
                if nth % 2 == 0 {
                    slow.send(First::Item).is_ok()
                } else {
                    slow.send_timeout(First::Item, PATIENCE).is_ok()
                }
            })
        })
        .collect();
    let told = || listener.told("the slow one");
    wait_until("it is told", || !told().is_empty());
    // All of them have come to the moment at which they would tell.
    wait_until("all have waited long", || {
        slow.info().waiting == THREADS && begun.elapsed() > Duration::from_millis(1_500)
    });
    let (told, seconds) = (told(), begun.elapsed().as_secs() as usize);
    assert!((1..=seconds).contains(&told.len()), "{told:?}");
    assert!(told[0].contains("waits long for room"), "{told:?}");
    assert!(told[0].contains(&slow.id().to_string()), "{told:?}");
    assert!(told[0].contains("capacity=2"), "{told:?}");
    drop(closed);
    for thread in threads {
        assert!(thread.join().expect("it does not panic"));
    }
}

/// The future of a thread that must never wait, and what calls it back: the least that an I/O loop needs.
#[test]
fn a_callback_is_called_once_there_is_room() {
    struct Callback(Mutex<Option<std::sync::mpsc::Sender<&'static str>>>);
    impl std::task::Wake for Callback {
        fn wake(self: Arc<Self>) {
            let to = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            to.expect("called once").send("room").expect("it is read");
        }
    }
    let runtime = runtime(2);
    let gate = Gate::default();
    let closed = gate.close();
    let sender = runtime
        .machine(Slow)
        .capacity(2)
        .accepts::<First>()
        .connect();
    hold(&sender, &gate);
    sender.send(First::Item).expect("there is room");

    let (call, called) = std::sync::mpsc::channel();
    let waker = Waker::from(Arc::new(Callback(Mutex::new(Some(call)))));
    let mut future = sender.send_async(First::Item);
    let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "and this thread goes on");
    assert!(called.try_recv().is_err(), "there is no room yet");
    drop(closed);
    assert_eq!(called.recv_timeout(PATIENCE), Ok("room"));
    // The instruction is in the mailbox before the call: whoever only wants to know need not poll again.
    runtime.wait_idle(PATIENCE).expect("all is read");
    assert!(future.into_inner().is_none(), "delivered");
}

/// A runtime that drains takes nothing more from outside, also where it could stand behind others, who came in time and are still served.
#[test]
fn a_runtime_that_drains_lets_nobody_else_come_to_wait() {
    let runtime = runtime(2);
    let gate = Gate::default();
    let closed = gate.close();
    let sender = runtime.machine(Slow).capacity(1).accepts::<First>();
    let sender = sender.connect();
    hold(&sender, &gate);
    let mut in_time = sender.send_async(First::Item);
    assert!(!poll_once(&mut in_time));

    let shutdown = {
        let runtime = runtime.clone();
        std::thread::spawn(move || runtime.shutdown(PATIENCE))
    };
    wait_until("it drains", || runtime.is_shut_down());
    let mut late = sender.send_async(First::Item);
    let refused = poll_once(&mut late);
    drop(closed);
    assert!(refused, "it may not come to wait any more");
    let report = shutdown.join().expect("it does not panic");
    assert!(report.is_clean(), "{report}");
    let mut context = Context::from_waker(Waker::noop());
    let in_time = Pin::new(&mut in_time).poll(&mut context);
    assert!(matches!(in_time, Poll::Ready(Ok(()))), "{report}");
}
