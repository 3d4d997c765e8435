//! `send_async`: a future may be polled any number of times and dropped at any moment. Its instruction has then either been delivered or
//! comes back, never both and never neither; the capacity is never exceeded; and the others who wait get their turn.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;

use d3::prelude::*;
use d3::{SendFuture, TryRecvError};

use crate::support::futures::CountingWaker;
use crate::support::probe::{Counted, bump, read};
use crate::support::rng::Rng;
use crate::support::{PATIENCE, runtime, wait_until, wait_until_or};

/// A number, and a value that counts its end.
#[derive(Debug, MachineImpl)]
enum Cargo {
    Item(
        usize,
        #[allow(dead_code, reason = "it counts its end")] Counted,
    ),
}

fn poll(future: &mut SendFuture<Cargo>) -> Poll<Result<(), SendError<Cargo>>> {
    let (_, waker) = CountingWaker::new();
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// A mailbox that is read one instruction at a time, when the test says so.
trait Mailbox {
    fn sender(&self) -> &Sender<Cargo>;
    /// Takes one instruction, if there is one.
    fn step(&mut self);
    /// What came so far, in order.
    fn received(&self) -> Vec<usize>;
    /// Waits until the reader has begun with the first instruction, where it begins by itself.
    fn begin(&self);
}

struct Channel {
    sender: Sender<Cargo>,
    receiver: Receiver<Cargo>,
    received: Vec<usize>,
}

impl Channel {
    fn new(capacity: usize) -> Self {
        let (sender, receiver) = bounded(capacity);
        Self {
            sender,
            receiver,
            received: Vec::new(),
        }
    }
}

impl Mailbox for Channel {
    fn sender(&self) -> &Sender<Cargo> {
        &self.sender
    }

    fn step(&mut self) {
        match self.receiver.try_recv() {
            Ok(Cargo::Item(number, _)) => self.received.push(number),
            Err(error) => assert_eq!(error, TryRecvError::Empty),
        }
    }

    fn received(&self) -> Vec<usize> {
        self.received.clone()
    }

    fn begin(&self) {}
}

/// A machine that waits for the test's permission inside each `receive`: one instruction is always in its hand.
struct Stepped {
    sender: Sender<Cargo>,
    permits: mpsc::Sender<()>,
    received: Arc<Mutex<Vec<usize>>>,
    entered: Arc<AtomicUsize>,
    sent: usize,
}

struct Waits {
    permits: mpsc::Receiver<()>,
    received: Arc<Mutex<Vec<usize>>>,
    entered: Arc<AtomicUsize>,
}

impl MachineMut<Cargo> for Waits {
    fn receive(&mut self, Cargo::Item(number, counted): Cargo) {
        bump(&self.entered);
        // A test that has ended gives permission, too.
        let _ = self.permits.recv_timeout(2 * PATIENCE);
        drop(counted);
        self.received.lock().unwrap().push(number);
    }
}

impl Stepped {
    fn new(runtime: &Runtime, capacity: usize) -> Self {
        let (permits, permitted) = mpsc::channel();
        let (received, entered) = (Arc::default(), Arc::default());
        let machine = Waits {
            permits: permitted,
            received: Arc::clone(&received),
            entered: Arc::clone(&entered),
        };
        let sender = runtime.machine(machine).capacity(capacity);
        Self {
            sender: sender.accepts().connect(),
            permits,
            received,
            entered,
            sent: 0,
        }
    }
}

impl Mailbox for Stepped {
    fn sender(&self) -> &Sender<Cargo> {
        &self.sender
    }

    fn step(&mut self) {
        // What it has in hand it will receive, and only that; it may find nothing more.
        if read(&self.entered) == self.sent && self.sender.is_empty() {
            return;
        }
        self.sent += 1;
        self.permits.send(()).expect("the machine lives");
        wait_until("the machine takes one step", || {
            let done = self.received.lock().unwrap().len() == self.sent;
            // It has the next in hand, or rests: then it has served those who wait.
            done && (read(&self.entered) > self.sent || self.sender.is_empty())
        });
    }

    fn received(&self) -> Vec<usize> {
        self.received.lock().unwrap().clone()
    }

    fn begin(&self) {
        wait_until("the machine begins", || read(&self.entered) > 0);
    }
}

/// What a scenario is about.
#[derive(Debug, Clone, Copy)]
struct Case {
    capacity: usize,
    /// Futures that wait besides the one that is looked at, and how many of them come before it.
    competitors: usize,
    ahead: usize,
    /// After how many polls the future is given up.
    polls: usize,
    /// Whether by a plain drop, or by taking the instruction back.
    by_drop: bool,
}

/// Fills the mailbox, lets all futures wait, reads one instruction after another and polls all. The one that is looked at is given up after
/// `case.polls` polls. Returns how often it was polled.
fn scenario(mailbox: &mut dyn Mailbox, case: Case) -> usize {
    const TARGET: usize = 1_000;
    let ends = Arc::<AtomicUsize>::default();
    let sender = mailbox.sender().clone();
    let mut full = 0;
    while sender
        .try_send(Cargo::Item(full, Counted::new(&ends)))
        .is_ok()
    {
        full += 1;
        // A machine takes the first in hand; its room is given out when it has received it.
        mailbox.begin();
    }

    let competitor = |number: usize| sender.send_async(Cargo::Item(number, Counted::new(&ends)));
    let mut others: Vec<_> = (0..case.competitors)
        .map(|nth| (2_000 + nth, Some(competitor(2_000 + nth))))
        .collect();
    let mut target = Some(competitor(TARGET));
    let (mut polled, mut delivered, mut came_back) = (0, false, false);
    let mut order = Vec::new();
    let mut rounds = 0;
    loop {
        for nth in 0..=others.len() {
            if nth == case.ahead
                && let Some(future) = &mut target
                && polled < case.polls
            {
                polled += 1;
                if polled == 1 {
                    order.push(TARGET);
                }
                if let Poll::Ready(result) = poll(future) {
                    result.expect("nobody ends here");
                    delivered = true;
                    target = None;
                }
            }
            if nth == case.ahead
                && polled == case.polls
                && let Some(future) = target.take()
            {
                if case.by_drop {
                    drop(future);
                } else {
                    came_back = future.into_inner().is_some();
                }
            }
            if let Some((number, slot @ Some(_))) = others.get_mut(nth) {
                if rounds == 0 {
                    order.push(*number);
                }
                if slot.as_mut().is_some_and(|future| poll(future).is_ready()) {
                    *slot = None;
                }
            }
        }
        assert!(sender.len() <= case.capacity, "{case:?}: over its capacity");
        let all_sent = target.is_none() && others.iter().all(|(_, future)| future.is_none());
        // One was refused when the mailbox was full.
        if all_sent && read(&ends) == full + case.competitors + 2 {
            break;
        }
        // Each round takes one: who waits longer than all that is before it is starved.
        assert!(
            rounds < 2 * (full + case.competitors + 3),
            "{case:?}: starved"
        );
        rounds += 1;
        mailbox.step();
    }

    let received = mailbox.received();
    let came = received.iter().filter(|number| **number == TARGET).count();
    assert!(came <= 1, "{case:?}: it came {came} times");
    assert!(!delivered || came == 1, "{case:?}: sent, and not received");
    assert!(
        !came_back || came == 0,
        "{case:?}: handed back, and received"
    );
    assert!(
        case.by_drop || delivered || came_back || came == 1,
        "{case:?}: lost"
    );
    order.retain(|number| *number != TARGET || came == 1);
    let due: Vec<_> = (0..full).chain(order).collect();
    assert_eq!(received, due, "{case:?}: in order of their first poll");
    polled
}

/// Every number of polls up to the end, for every place among those who wait.
fn every_number_of_polls(capacities: &[usize], make: &dyn Fn(usize) -> Box<dyn Mailbox>) {
    for &capacity in capacities {
        for competitors in 0..=3 {
            for ahead in 0..=competitors {
                for by_drop in [false, true] {
                    for polls in 0.. {
                        let case = Case {
                            capacity,
                            competitors,
                            ahead,
                            polls,
                            by_drop,
                        };
                        if scenario(&mut *make(capacity), case) < polls {
                            // It had resolved before it could be given up.
                            assert!(polls > 2, "{case:?}: it never waited");
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn given_up_after_every_number_of_polls_to_a_receiver() {
    every_number_of_polls(&[1, 2, 3, 4, 8], &|capacity| {
        Box::new(Channel::new(capacity))
    });
}

#[test]
fn given_up_after_every_number_of_polls_to_a_machine() {
    let runtime = runtime(1);
    every_number_of_polls(&[1, 2, 3, 5], &|capacity| {
        Box::new(Stepped::new(&runtime, capacity))
    });
    runtime.shutdown(PATIENCE);
}

/// What the receiver of a channel should do with random sends, polls, drops and receives: as plain as can be.
struct Model {
    capacity: usize,
    mailbox: VecDeque<usize>,
    /// In order of their first poll.
    waiting: VecDeque<usize>,
}

impl Model {
    fn room(&self) -> bool {
        self.mailbox.len() < self.capacity
    }

    fn receive(&mut self) -> Option<usize> {
        let first = self.mailbox.pop_front();
        // Who waits gets the room at once.
        if self.room() {
            self.mailbox.extend(self.waiting.pop_front());
        }
        first
    }
}

fn follows_the_model(seed: u64) {
    let mut rng = Rng::new(seed);
    let capacity = rng.within(1, 5);
    let (sender, receiver) = bounded(capacity);
    let mut model = Model {
        capacity,
        mailbox: VecDeque::new(),
        waiting: VecDeque::new(),
    };
    let ends = Arc::<AtomicUsize>::default();
    let mut futures: Vec<(usize, SendFuture<Cargo>)> = Vec::new();
    let mut made = 0;
    for _ in 0..200 {
        let what = rng.below(6);
        match what {
            0 | 1 if futures.len() < 8 => {
                made += 1;
                let mut future = sender.send_async(Cargo::Item(made, Counted::new(&ends)));
                let sent = poll(&mut future).is_ready();
                assert_eq!(sent, model.room(), "seed {seed}: the first poll of {made}");
                if sent {
                    model.mailbox.push_back(made);
                } else {
                    model.waiting.push_back(made);
                    futures.push((made, future));
                }
            }
            2 => {
                made += 1;
                let sent = sender.try_send(Cargo::Item(made, Counted::new(&ends)));
                assert_eq!(
                    sent.is_ok(),
                    model.room(),
                    "seed {seed}: try_send of {made}"
                );
                if sent.is_ok() {
                    model.mailbox.push_back(made);
                }
            }
            3 => {
                let received = receiver
                    .try_recv()
                    .ok()
                    .map(|Cargo::Item(number, _)| number);
                assert_eq!(received, model.receive(), "seed {seed}: received");
            }
            4 if !futures.is_empty() => {
                let nth = rng.below(futures.len());
                let waits = model.waiting.contains(&futures[nth].0);
                let sent = poll(&mut futures[nth].1).is_ready();
                assert_eq!(
                    sent, !waits,
                    "seed {seed}: a later poll of {}",
                    futures[nth].0
                );
                if sent {
                    drop(futures.swap_remove(nth));
                }
            }
            5 if !futures.is_empty() => {
                let (number, future) = futures.swap_remove(rng.below(futures.len()));
                let waited = model.waiting.contains(&number);
                model.waiting.retain(|other| *other != number);
                let back = future.into_inner().is_some();
                assert_eq!(back, waited, "seed {seed}: {number} was given up");
            }
            _ => {}
        }
        assert_eq!(receiver.len(), model.mailbox.len(), "seed {seed}");
        assert!(
            model.waiting.is_empty() || !model.room(),
            "seed {seed}: the model itself"
        );
    }
    drop(futures);
    model.waiting.clear();
    let rest: Vec<_> = receiver
        .try_iter()
        .map(|Cargo::Item(number, _)| number)
        .collect();
    assert_eq!(rest, Vec::from(model.mailbox), "seed {seed}: the rest");
    assert_eq!(read(&ends), made, "seed {seed}: each ends once");
}

#[test]
fn a_channel_with_waiting_futures_follows_a_plain_model() {
    for seed in 0..500 {
        follows_the_model(seed);
    }
}

/// Threads that poll once or twice and give up, against a reader that never stops and threads that wait for ever: nothing is lost or doubled,
/// and those who wait get through.
fn giving_up_races_with_the_reader(sender: &Sender<Cargo>, received: impl Fn() -> Vec<usize>) {
    const THREADS: usize = 3;
    const EACH: usize = 400;
    let ends = Arc::<AtomicUsize>::default();
    let threads: Vec<_> = (0..=THREADS)
        .map(|nth| {
            let (sender, ends) = (sender.clone(), Arc::clone(&ends));
            thread::spawn(move || {
                let mut sent = Vec::new();
                let mut rng = Rng::new(nth as u64);
                for number in nth * EACH..(nth + 1) * EACH {
                    let item = Cargo::Item(number, Counted::new(&ends));
                    // The last one waits each time.
                    if nth == THREADS {
                        sender.send(item).expect("the reader lives");
                        sent.push(number);
                        continue;
                    }
                    let mut future = sender.send_async(item);
                    for _ in 0..rng.below(4) {
                        if poll(&mut future).is_ready() {
                            break;
                        }
                        thread::yield_now();
                    }
                    // None: delivered, whether or not a poll said so.
                    if future.into_inner().is_none() {
                        sent.push(number);
                    }
                }
                sent
            })
        })
        .collect();
    let mut sent: Vec<usize> = Vec::new();
    for thread in threads {
        wait_until("nobody is starved", || thread.is_finished());
        sent.extend(thread.join().expect("no thread panics"));
    }
    wait_until_or(
        "all that was sent arrives",
        || received().len() >= sent.len(),
        || format!("{} of {}", received().len(), sent.len()),
    );
    let mut received = received();
    received.sort_unstable();
    assert_eq!(received, sent, "what was not handed back is received, once");
    wait_until("each ends once", || read(&ends) == (THREADS + 1) * EACH);
}

#[test]
fn giving_up_races_with_a_machine() {
    for capacity in [1, 4] {
        let runtime = runtime(2);
        let received = Arc::<Mutex<Vec<usize>>>::default();
        let (_, sender) = {
            let received = Arc::clone(&received);
            runtime.connect_with_capacity(
                move |Cargo::Item(number, _): Cargo| received.lock().unwrap().push(number),
                capacity,
            )
        };
        giving_up_races_with_the_reader(&sender, || received.lock().unwrap().clone());
        runtime.shutdown(PATIENCE);
    }
}

#[test]
fn giving_up_races_with_a_receiver() {
    for capacity in [1, 4] {
        let (sender, receiver) = bounded(capacity);
        let received = Arc::<Mutex<Vec<usize>>>::default();
        let reader = {
            let received = Arc::clone(&received);
            thread::spawn(move || {
                for Cargo::Item(number, _) in receiver.iter() {
                    received.lock().unwrap().push(number);
                }
            })
        };
        giving_up_races_with_the_reader(&sender, || received.lock().unwrap().clone());
        drop(sender);
        reader.join().expect("it ends with the last sender");
    }
}
