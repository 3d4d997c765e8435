//! A crowd behind one sink: no more are woken than there is room, in order of arrival, and nobody is left behind.
//!
//! Everything is counted and nothing timed. There is one worker, and between two instructions that the sink reads the test waits until
//! nobody can go on, so that what follows from each is known.

use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use d3::prelude::*;
use d3::{SendFuture, TryRecvError};

use crate::support::futures::CountingWaker;
use crate::support::probe::{Gate, Probe, ProbeCmd, Tally, bump, read};
use crate::support::{PATIENCE, runtime, wait_in};

const CROWD: usize = 1_000;
const CAPACITY: usize = 4;
/// What a member sends at once: more than ever fits, so that it is parked after each `receive`.
const BURST: usize = CAPACITY + 1;

/// From whom, and its how manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, MachineImpl)]
enum Parcel {
    From(usize, usize),
}

#[derive(MachineImpl)]
enum Go {
    Send,
}

/// Sends a burst for each instruction, and writes down that it ran.
struct Member {
    number: usize,
    sent: usize,
    sink: Sender<Parcel>,
    ran: Arc<Mutex<Vec<usize>>>,
}

impl MachineMut<Go> for Member {
    fn receive(&mut self, Go::Send: Go) {
        self.ran.lock().unwrap().push(self.number);
        for _ in 0..BURST {
            let parcel = Parcel::From(self.number, self.sent);
            self.sink.send(parcel).expect("the sink lives");
            self.sent += 1;
        }
    }
}

/// A sink that reads one instruction when the test says so.
trait Sink {
    fn sender(&self) -> &Sender<Parcel>;
    /// What it reads: None, if nothing is there.
    fn step(&mut self) -> Option<Parcel>;
}

struct Channel(Sender<Parcel>, Receiver<Parcel>);

impl Channel {
    fn new() -> Self {
        let (sender, receiver) = bounded(CAPACITY);
        Self(sender, receiver)
    }
}

impl Sink for Channel {
    fn sender(&self) -> &Sender<Parcel> {
        &self.0
    }

    fn step(&mut self) -> Option<Parcel> {
        match self.1.try_recv() {
            Ok(parcel) => Some(parcel),
            Err(error) => {
                assert_eq!(error, TryRecvError::Empty);
                None
            }
        }
    }
}

/// A machine that is slow because it is parked itself: it passes on each parcel twice, to a channel that has room for one.
struct Slow {
    sender: Sender<Parcel>,
    passed_on: Receiver<Parcel>,
}

impl Slow {
    fn new(runtime: &Runtime) -> Self {
        let (pass_on, passed_on) = bounded(1);
        let (_, sender) = runtime.connect_with_capacity(
            move |parcel: Parcel| {
                for _ in 0..2 {
                    pass_on.send(parcel).expect("the test reads");
                }
            },
            CAPACITY,
        );
        Self { sender, passed_on }
    }
}

impl Sink for Slow {
    fn sender(&self) -> &Sender<Parcel> {
        &self.sender
    }

    /// The machine has read the one that comes out here, and reads the next when both copies are out.
    fn step(&mut self) -> Option<Parcel> {
        let parcel = self.passed_on.try_recv().ok()?;
        assert_eq!(self.passed_on.try_recv(), Ok(parcel));
        Some(parcel)
    }
}

fn settle(runtime: &Runtime) {
    runtime.wait_idle(PATIENCE).expect("nobody can go on");
}

/// A thousand machines, each parked behind the sink with one more instruction in its mailbox, in the order of their numbers.
fn crowd(runtime: &Runtime, sink: &dyn Sink, ran: &Arc<Mutex<Vec<usize>>>) -> Vec<Sender<Go>> {
    let members: Vec<_> = (0..CROWD)
        .map(|number| {
            runtime.connect_mut(Member {
                number,
                sent: 0,
                sink: sink.sender().clone(),
                ran: Arc::clone(ran),
            })
        })
        .collect();
    for member in &members {
        member.send(Go::Send).expect("it lives");
        settle(runtime);
        // Not read before there is room.
        member.send(Go::Send).expect("it lives");
    }
    assert_eq!(ran.lock().unwrap().len(), CROWD, "each ran once");
    assert_eq!(sink.sender().info().parked, CROWD, "all are parked");
    members
}

fn machines_behind(runtime: &Runtime, mut sink: impl Sink) {
    let ran = Arc::default();
    let members = crowd(runtime, &sink, &ran);
    let resumed = || ran.lock().unwrap().len() - CROWD;
    let (mut next, mut read) = (vec![0; CROWD], 0);
    let mut take = |Parcel::From(from, nth): Parcel| {
        assert_eq!(nth, next[from], "in the order sent");
        next[from] += 1;
        read += 1;
    };
    // Until each has had its second turn: as many are resumed as there is room, and as long as there is room somebody is.
    while resumed() < CROWD {
        let (before, len) = (resumed(), sink.sender().len());
        take(sink.step().expect("somebody has sent"));
        settle(runtime);
        let room = (CAPACITY + 1).saturating_sub(len);
        let now = resumed() - before;
        assert!(now <= room, "{now} are resumed for {room} places");
        assert!(now > 0 || room == 0, "nobody is resumed for {room} places");
    }
    let order: Vec<_> = ran.lock().unwrap()[CROWD..].to_vec();
    assert!(order.into_iter().eq(0..CROWD), "in order of arrival");

    // Each is parked once more, and has nothing left to send: nobody is left behind, though they make no use of the room.
    while let Some(parcel) = sink.step() {
        take(parcel);
        settle(runtime);
    }
    assert_eq!(read, 2 * BURST * CROWD, "everything arrives");
    let parked = sink.sender().info().parked;
    assert_eq!(parked, 0, "behind a sink that is empty");
    let parks: u64 = runtime.machines().iter().map(|info| info.parks).sum();
    assert!(parks >= 2 * CROWD as u64, "{parks}");
    drop((members, sink));
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

#[test]
fn a_thousand_machines_behind_one_channel_do_not_stampede() {
    machines_behind(&runtime(1), Channel::new());
}

#[test]
fn a_thousand_machines_behind_one_machine_do_not_stampede() {
    let runtime = runtime(1);
    let sink = Slow::new(&runtime);
    machines_behind(&runtime, sink);
}

/// Keeps the one worker inside a `receive` until the gate is opened.
fn hold_the_worker(runtime: &Runtime) -> (Arc<Gate>, Sender<ProbeCmd>) {
    let gate = Gate::new();
    let (_, holder) = runtime.connect(Probe(Tally::new()));
    holder
        .send(ProbeCmd::Hold(Arc::clone(&gate)))
        .expect("it lives");
    wait_in(runtime, "the worker is held", || gate.came() == 1);
    (gate, holder)
}

/// The reader takes everything while no machine can run: those who were resumed for the first places are counted when there are more.
#[test]
fn a_channel_that_is_read_in_one_go_lets_no_more_go_than_it_holds() {
    let runtime = runtime(1);
    let (ran, mut sink) = (Arc::default(), Channel::new());
    let members = crowd(&runtime, &sink, &ran);
    let (gate, _holder) = hold_the_worker(&runtime);
    while sink.step().is_some() {}
    let info = sink.sender().info();
    assert_eq!((info.parked, info.len), (CROWD - CAPACITY, 0));
    gate.open();
    settle(&runtime);
    // Each sends more than there is room for, so none of them passes anything on.
    let order: Vec<_> = ran.lock().unwrap()[CROWD..].to_vec();
    assert!(order.into_iter().eq(0..CAPACITY));
    drop((members, sink));
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

/// Futures whose instructions wait, in the order of their numbers.
struct Waiting {
    futures: Vec<Option<SendFuture<Parcel>>>,
    wakers: Vec<Arc<CountingWaker>>,
}

impl Waiting {
    fn new(sink: &dyn Sink) -> Self {
        let (mut futures, mut wakers) = (Vec::new(), Vec::new());
        for number in 0..CROWD {
            let (counter, waker) = CountingWaker::new();
            let mut future = sink.sender().send_async(Parcel::From(number, 0));
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "there is no room");
            futures.push(Some(future));
            wakers.push(counter);
        }
        Self { futures, wakers }
    }

    fn woken(&self) -> usize {
        self.wakers.iter().map(|waker| waker.wakes()).sum()
    }
}

fn futures_behind(runtime: &Runtime, mut sink: impl Sink) {
    // Until it is full: a machine may have some in its hand.
    let mut before = 0;
    while sink.sender().try_send(Parcel::From(0, 0)).is_ok() {
        before += 1;
        settle(runtime);
    }
    let mut waiting = Waiting::new(&sink);
    assert_eq!(sink.sender().info().waiting, CROWD);
    let mut arrived = Vec::new();
    for nth in 0..before + CROWD {
        let (woken, len) = (waiting.woken(), sink.sender().len());
        assert!(len <= CAPACITY, "{len}");
        let Parcel::From(number, _) = sink.step().expect("somebody has sent");
        if nth >= before {
            arrived.push(number);
        }
        settle(runtime);
        let now = waiting.woken() - woken;
        // The place that was made is taken at once, by the one whose turn it is.
        let left = CROWD - woken;
        assert_eq!(now, left.min(1), "are woken for one place");
    }
    assert!(arrived.into_iter().eq(0..CROWD), "in order of arrival");
    assert_eq!(sink.sender().info().waiting, 0);
    for (future, counter) in waiting.futures.iter_mut().zip(&waiting.wakers) {
        assert_eq!(counter.wakes(), 1, "once");
        let mut future = future.take().expect("polled once more");
        let (_, waker) = CountingWaker::new();
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Ready(Ok(())));
    }
    drop(sink);
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

#[test]
fn a_thousand_futures_behind_one_channel_do_not_stampede() {
    futures_behind(&runtime(1), Channel::new());
}

#[test]
fn a_thousand_futures_behind_one_machine_do_not_stampede() {
    let runtime = runtime(1);
    let sink = Slow::new(&runtime);
    futures_behind(&runtime, sink);
}

/// Machines and futures by turns: the room that is there goes to futures, also behind machines that were promised it, so that up to as
/// many of each are woken as there is room. Nobody of either kind is overtaken by one of its own.
#[test]
fn a_mixed_crowd_does_not_stampede_either() {
    const PAIRS: usize = 100;
    let runtime = runtime(1);
    let mut sink = Channel::new();
    let ran = Arc::default();
    let mut members = Vec::new();
    let (mut futures, mut wakers) = (Vec::new(), Vec::new());
    for number in 0..PAIRS {
        let member = runtime.connect_mut(Member {
            number,
            sent: 0,
            sink: sink.sender().clone(),
            ran: Arc::clone(&ran),
        });
        for _ in 0..2 {
            member.send(Go::Send).expect("it lives");
            settle(&runtime);
        }
        members.push(member);
        let (counter, waker) = CountingWaker::new();
        let mut future = sink.sender().send_async(Parcel::From(PAIRS + number, 0));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "there is no room");
        futures.push(future);
        wakers.push(counter);
    }
    let info = sink.sender().info();
    assert_eq!((info.parked, info.waiting), (PAIRS, PAIRS));

    let resumed = || ran.lock().unwrap().len() - PAIRS;
    let woken = || wakers.iter().map(|waker| waker.wakes()).sum::<usize>();
    let mut arrived = Vec::new();
    loop {
        let (resumed_before, woken_before) = (resumed(), woken());
        let room = (CAPACITY + 1).saturating_sub(sink.sender().len());
        let Some(Parcel::From(number, _)) = sink.step() else {
            break;
        };
        if number >= PAIRS {
            arrived.push(number);
        }
        settle(&runtime);
        assert!(resumed() - resumed_before <= room && woken() - woken_before <= room);
    }
    assert!(arrived.into_iter().eq(PAIRS..2 * PAIRS));
    assert!(ran.lock().unwrap()[PAIRS..].iter().copied().eq(0..PAIRS));
    let info = sink.sender().info();
    assert_eq!((info.parked, info.waiting, woken()), (0, 0, PAIRS));
    drop((members, futures, sink));
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

/// Machines that have many instructions to send each, behind one that gives room for a part of them at a time. If all were resumed each time,
/// the first would fill the mailbox, and the others be parked again after one instruction each.
#[test]
fn a_crowd_that_comes_back_is_resumed_a_few_at_a_time() {
    const MEMBERS: usize = 20;
    const EACH: usize = 200;
    // The sink's turn ends when it has read a mailbox full.
    const BUDGET: usize = 64;

    // One worker, and turns that end by count and not by time: who runs when does not depend on how fast.
    let runtime = Runtime::builder()
        .workers(1)
        .time_slice(PATIENCE)
        .budget(BUDGET)
        .build()
        .expect("a thread can be had");
    // Nobody runs before all of it is there.
    let (gate, _holder) = hold_the_worker(&runtime);
    let received = Arc::<AtomicUsize>::default();
    let (_, sink) = {
        let received = Arc::clone(&received);
        runtime.connect_with_capacity(move |Parcel::From(..): Parcel| bump(&received), BUDGET)
    };
    let members: Vec<_> = (0..MEMBERS)
        .map(|number| {
            let sink = sink.clone();
            let send = move |Go::Send: Go| {
                let parcel = Parcel::From(number, 0);
                sink.send(parcel).expect("the sink lives");
            };
            let (_, member) = runtime.connect_with_capacity(send, EACH);
            for _ in 0..EACH {
                member.send(Go::Send).expect("there is room");
            }
            member
        })
        .collect();
    gate.open();
    settle(&runtime);
    assert_eq!(read(&received), MEMBERS * EACH, "everything arrives");
    let parks = runtime.stats().total().parks;
    // Of 4,000 instructions 90 as this is written; 644 where all are resumed each time.
    let few = MEMBERS as u64..(MEMBERS * EACH / 20) as u64;
    assert!(few.contains(&parks), "{parks} parks, not {few:?}");
    drop((members, sink));
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

/// As the number of a parcel: the sink is parked after it.
const PARK: usize = usize::MAX;

/// A sink with a mailbox full, parked for as long as nothing is read from the channel, and a few machines parked behind it, as many as the
/// mailbox holds. They have nothing left to send. The last of them may have sent what parks the sink once more.
fn behind_a_parked_sink(
    runtime: &Runtime,
    last: usize,
) -> (Sender<Parcel>, Receiver<Parcel>, Vec<Sender<Go>>) {
    let (pass_on, passed_on) = bounded(1);
    let pass_on = move |parcel: Parcel| {
        let Parcel::From(_, nth) = parcel;
        let copies = if nth == PARK { 2 } else { 0 };
        for _ in 0..copies {
            pass_on.send(parcel).expect("the test reads");
        }
    };
    let (_, sink) = runtime.connect_with_capacity(pass_on, CAPACITY);
    sink.send(Parcel::From(0, PARK)).expect("it lives");
    settle(runtime);
    for nth in 0..CAPACITY {
        sink.try_send(Parcel::From(0, nth)).expect("there is room");
    }
    let members: Vec<_> = (0..CAPACITY)
        .map(|number| {
            let nth = if number + 1 == CAPACITY { last } else { 0 };
            let sink = sink.clone();
            let send = move |Go::Send: Go| {
                let parcel = Parcel::From(number, nth);
                sink.send(parcel).expect("the sink lives");
            };
            let (_, member) = runtime.connect(send);
            member.send(Go::Send).expect("it lives");
            settle(runtime);
            member
        })
        .collect();
    let info = sink.info();
    assert_eq!((info.parked, info.len), (CAPACITY, 2 * CAPACITY));
    (sink, passed_on, members)
}

/// A machine that is about to be parked may not come by for long, so it lets everybody go for whom there is room, whatever became of such
/// crowds before.
#[test]
fn a_sink_that_is_parked_again_lets_all_go_for_whom_there_is_room() {
    let runtime = runtime(1);
    let (sink, passed_on, members) = behind_a_parked_sink(&runtime, PARK);
    assert_eq!(passed_on.iter().take(2).count(), 2);
    settle(&runtime);
    let info = sink.info();
    assert_eq!((info.parked, info.len), (0, 0), "an empty sink");
    assert!(
        runtime
            .machines()
            .iter()
            .any(|info| info.id == sink.id() && info.parked),
        "the sink is parked"
    );
    assert_eq!(passed_on.iter().take(2).count(), 2);
    drop((members, sink));
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

/// Those who were resumed first have nothing to send: after a turn others get the room that is there.
#[test]
fn a_crowd_that_makes_no_use_of_the_room_is_let_go() {
    let runtime = runtime(1);
    let (sink, passed_on, members) = behind_a_parked_sink(&runtime, 0);
    assert_eq!(passed_on.iter().take(2).count(), 2);
    settle(&runtime);
    let info = sink.info();
    assert_eq!((info.parked, info.len), (0, 0), "a sink at rest");
    drop((members, sink));
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}
