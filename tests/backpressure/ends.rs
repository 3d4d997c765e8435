//! Threads, futures and machines that wait at a mailbox whose machine ends: they all go on, and what was not received comes back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use d3::prelude::*;

use crate::support::futures::CountingWaker;
use crate::support::probe::{Gate, bump, read};
use crate::support::{PATIENCE, panics, runtime, wait_in, within_patience};

const EACH: usize = 20;

#[derive(MachineImpl)]
enum Item {
    Hold(Arc<Gate>),
    Number(usize),
}

#[derive(MachineImpl)]
enum Push {
    Number(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Shutdown,
    Panic,
}

struct Sink {
    end: End,
    received: Arc<AtomicUsize>,
}

impl MachineMut<Item> for Sink {
    fn receive(&mut self, item: Item) {
        match item {
            Item::Hold(gate) => {
                gate.pass();
                if self.end == End::Panic {
                    panics::on_purpose("it held others up");
                }
            }
            Item::Number(_) => bump(&self.received),
        }
    }
}

/// Sent, or handed back: the very same.
fn came_back(number: usize, sent: Result<(), SendError<Item>>, returned: &AtomicUsize) {
    match sent {
        Ok(()) => {}
        Err(SendError::Disconnected(Item::Number(back))) if back == number => bump(returned),
        Err(error) => panic!("{error}"),
    }
}

/// Twenty threads, futures and machines each wait for room that never comes.
fn all_go_on_when_it(end: End) {
    panics::quiet();
    let (here, there) = (runtime(2), runtime(1));
    let received = Arc::<AtomicUsize>::default();
    let sink = Sink {
        end,
        received: Arc::clone(&received),
    };
    let sink = there.machine(sink).capacity(2).accepts().connect();
    let gate = Gate::new();
    sink.send(Item::Hold(Arc::clone(&gate))).unwrap();
    wait_in(&there, "it is held up", || gate.came() == 1);
    sink.send(Item::Number(0)).unwrap();

    let returned = Arc::<AtomicUsize>::default();
    let machines: Vec<_> = (0..EACH)
        .map(|_| {
            let (sink, returned) = (sink.clone(), Arc::clone(&returned));
            let (_, pusher) = here.connect(move |Push::Number(number): Push| {
                came_back(number, sink.send(Item::Number(number)), &returned);
            });
            pusher.send(Push::Number(1)).unwrap();
            pusher.send(Push::Number(2)).unwrap();
            pusher
        })
        .collect();
    wait_in(&here, "the machines wait", || sink.info().parked == EACH);
    let threads: Vec<_> = (0..EACH)
        .map(|number| {
            let (sink, returned) = (sink.clone(), Arc::clone(&returned));
            thread::spawn(move || came_back(number, sink.send(Item::Number(number)), &returned))
        })
        .collect();
    let mut futures: Vec<_> = (0..EACH)
        .map(|number| {
            let mut future = sink.send_async(Item::Number(number));
            let (counter, waker) = CountingWaker::new();
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            (future, counter)
        })
        .collect();
    wait_in(&there, "all wait", || sink.info().waiting == 2 * EACH);

    let handle = sink.handle();
    let ending = match end {
        End::Stop => {
            handle.stop();
            None
        }
        End::Panic => None,
        End::Shutdown => {
            let there = there.clone();
            let ending = thread::spawn(move || there.shutdown(Duration::ZERO));
            wait_in(&here, "it is to end", || sink.is_disconnected());
            Some(ending)
        }
    };
    gate.open();
    within_patience("the end", move || handle.wait(PATIENCE)).expect("it ends");
    for thread in threads {
        within_patience("a thread goes on", move || thread.join().unwrap());
    }
    for (nth, (future, counter)) in futures.iter_mut().enumerate() {
        assert_eq!(counter.wakes(), 1);
        let (_, waker) = CountingWaker::new();
        match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(sent) => came_back(nth, sent, &returned),
            Poll::Pending => panic!("future {nth} still waits"),
        }
    }
    here.wait_idle(PATIENCE).unwrap();
    let info = sink.info();
    assert_eq!((info.parked, info.waiting), (0, 0));
    drop((machines, ending.map(|ending| ending.join().unwrap())));
    assert!(here.shutdown(PATIENCE).is_clean());
    there.shutdown(PATIENCE);
    // Two of each machine, one of each other, and the one that made the mailbox full.
    let dropped = there.stats().total().dropped as usize;
    let (returned, received) = (read(&returned), read(&received));
    assert_eq!(returned + received + dropped, 1 + 4 * EACH, "none is lost");
    if end != End::Shutdown {
        // The machines' first ones were taken, and dropped with the sink. (A shutdown may let the sink read a little before it ends it.)
        assert_eq!((returned, received), (3 * EACH, 0), "{end:?}");
    }
}

#[test]
fn all_go_on_when_it_is_stopped() {
    all_go_on_when_it(End::Stop);
}

#[test]
fn all_go_on_when_its_runtime_is_shut_down() {
    all_go_on_when_it(End::Shutdown);
}

#[test]
fn all_go_on_when_it_panics() {
    all_go_on_when_it(End::Panic);
}
