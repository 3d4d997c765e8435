//! Full mailboxes in awkward company.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use d3_runtime::{MachineImpl, MachineMut, Runtime, Sender, bounded, this_machine};

use common::{PATIENCE, runtime, wait_until};

#[derive(MachineImpl)]
enum Cmd {
    Triple(u32),
}

struct Tripler(Sender<u32>);
impl MachineMut<Cmd> for Tripler {
    fn receive(&mut self, Cmd::Triple(n): Cmd) {
        for _ in 0..3 {
            self.0.send(n).expect("the receiver lives");
        }
    }
}

/// A machine that is about to be parked gives out the room it has made: the thread that waits for it may be the one that
/// would read what the machine waits for.
#[test]
fn a_machine_gives_room_before_it_is_parked() {
    for workers in [1, 2] {
        for _ in 0..100 {
            let runtime = runtime(workers);
            let (sender, receiver) = bounded(1);
            let tripler = runtime
                .machine(Tripler(sender))
                .capacity(8)
                .accepts::<Cmd>()
                .connect();
            let work = std::thread::spawn(move || {
                for n in 0..9 {
                    tripler.send(Cmd::Triple(n)).expect("it lives");
                }
                (0..27)
                    .map(|_| receiver.recv_timeout(PATIENCE))
                    .filter(Result::is_ok)
                    .count()
            });
            assert_eq!(work.join().expect("it does not panic"), 27);
        }
    }
}

#[derive(MachineImpl)]
enum Busy {
    Loop,
    Visit,
}

struct Spinner {
    stop: Arc<AtomicBool>,
    visits: Arc<AtomicUsize>,
}
impl MachineMut<Busy> for Spinner {
    fn receive(&mut self, cmd: Busy) {
        match cmd {
            Busy::Visit => {
                self.visits.fetch_add(1, Ordering::Relaxed);
            }
            Busy::Loop if self.stop.load(Ordering::Relaxed) => {}
            Busy::Loop => {
                let me = this_machine::sender::<Busy>().expect("inside").upgrade();
                me.expect("the test holds a sender")
                    .send(Busy::Loop)
                    .expect("never at the hard limit");
            }
        }
    }
}

/// A thread gets its turn at a mailbox that its own machine keeps nearly full for ever, and the machine never meets its hard
/// limit, which is a matter of length, not of time.
#[test]
fn a_thread_is_not_starved_by_a_machine_that_feeds_itself() {
    let runtime = Runtime::builder()
        .workers(1)
        .hard_limit(16)
        .build()
        .expect("a thread can be had");
    let (stop, visits) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let spinner = Spinner {
        stop: Arc::clone(&stop),
        visits: Arc::clone(&visits),
    };
    let sender = runtime
        .machine(spinner)
        .capacity(4)
        .accepts::<Busy>()
        .connect();
    for _ in 0..3 {
        sender.send(Busy::Loop).expect("it lives");
    }
    for _ in 0..1_000 {
        sender
            .send_timeout(Busy::Visit, PATIENCE)
            .expect("it gets its turn");
    }
    stop.store(true, Ordering::Relaxed);
    runtime
        .wait_idle(PATIENCE)
        .expect("it rests once nobody feeds it");
    assert_eq!(visits.load(Ordering::Relaxed), 1_000);
    let total = runtime.stats().total();
    assert_eq!(total.panics, 0);
}

#[derive(MachineImpl)]
enum Flood {
    On,
}

/// Sends to the sink and goes on, until it is to stop.
struct Flooder {
    sink: Sender<Visit>,
    stop: Arc<AtomicBool>,
}

impl MachineMut<Flood> for Flooder {
    fn receive(&mut self, Flood::On: Flood) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        self.sink.send(Visit::OfMachine).expect("the sink lives");
        let me = this_machine::sender::<Flood>().expect("inside").upgrade();
        me.expect("the test holds a sender")
            .send(Flood::On)
            .expect("never at the hard limit");
    }
}

#[derive(MachineImpl)]
enum Visit {
    OfMachine,
    OfThread,
}

/// Counts the visits of each kind.
struct Host(Arc<[AtomicUsize; 2]>);

impl MachineMut<Visit> for Host {
    fn receive(&mut self, visit: Visit) {
        self.0[visit as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// A thread gets its turn at a mailbox that more machines than it has places keep full for ever.
#[test]
fn a_thread_is_not_starved_by_machines_that_never_stop_sending() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let visits = Arc::<[AtomicUsize; 2]>::default();
        let sink = runtime
            .machine(Host(Arc::clone(&visits)))
            .capacity(4)
            .accepts::<Visit>()
            .connect();
        let stop = Arc::<AtomicBool>::default();
        let flooders: Vec<Sender<Flood>> = (0..16)
            .map(|_| {
                runtime.connect_mut(Flooder {
                    sink: sink.clone(),
                    stop: Arc::clone(&stop),
                })
            })
            .collect();
        for flooder in &flooders {
            flooder.send(Flood::On).expect("it lives");
        }
        wait_until("it is flooded", || visits[0].load(Ordering::Relaxed) > 100);
        for _ in 0..1_000 {
            sink.send_timeout(Visit::OfThread, PATIENCE)
                .expect("it gets its turn");
        }
        stop.store(true, Ordering::Relaxed);
        runtime
            .wait_idle(PATIENCE)
            .expect("it rests once nobody sends");
        assert_eq!(visits[1].load(Ordering::Relaxed), 1_000);
    }
}

#[derive(MachineImpl)]
enum Gate {
    Item,
}

#[derive(MachineImpl)]
enum Feed {
    Fill(u32),
    Done,
}

/// A machine that is stopped lets everybody go who is parked on it, also where it has made no room at all.
#[test]
fn a_machine_parked_on_one_that_is_stopped_goes_on() {
    let runtime = runtime(2);
    let (entered, is_inside) = bounded(1);
    let (release, may_go) = std::sync::mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let (_, gate) = runtime.connect_with_capacity(
        move |Gate::Item: Gate| {
            entered.send(()).expect("the test waits");
            may_go
                .lock()
                .expect("one machine")
                .recv()
                .expect("the test lets it go");
        },
        4,
    );
    gate.send(Gate::Item).expect("it lives");
    is_inside.recv().expect("it runs");

    let (done, is_done) = bounded(1);
    let to_gate = gate.clone();
    let (_, feeder) = runtime.connect(move |cmd: Feed| match cmd {
        Feed::Fill(count) => {
            (0..count).for_each(|_| {
                to_gate
                    .send(Gate::Item)
                    .expect("a machine may overfill it once")
            });
        }
        Feed::Done => done.send(()).expect("the test waits"),
    });
    feeder.send(Feed::Fill(12)).expect("it lives");
    feeder.send(Feed::Done).expect("it lives");
    let parked = || runtime.machines().iter().any(|machine| machine.parked);
    let begun = std::time::Instant::now();
    while !parked() {
        assert!(begun.elapsed() < PATIENCE, "the feeder is parked");
        std::thread::yield_now();
    }

    gate.handle().stop();
    release.send(()).expect("it waits");
    is_done.recv_timeout(PATIENCE).expect("the feeder goes on");
    assert!(gate.is_disconnected());
}

#[derive(MachineImpl)]
enum Fan {
    /// Two instructions to each.
    Out(Vec<Sender<u32>>),
    Done,
}

/// A machine that met several full receivers in one `receive` waits for each of them, one after another, and for none that has room by
/// then. Who waits behind it gets the room that it makes no use of while it waits for the next.
#[test]
fn a_machine_waits_for_each_full_receiver_that_it_met() {
    let runtime = runtime(2);
    let (done, is_done) = bounded(8);
    let fan = || {
        let done = done.clone();
        let (_, fan) = runtime.connect(move |cmd: Fan| match cmd {
            Fan::Out(targets) => {
                for n in 0..2 {
                    for target in &targets {
                        target.send(n).expect("far below the hard limit");
                    }
                }
            }
            Fan::Done => done.send(()).expect("the test waits"),
        });
        fan
    };
    let waits_for = |fan: &Sender<Fan>| {
        let machines = runtime.machines();
        let this = machines.iter().find(|machine| machine.id == fan.id());
        this.expect("it lives").waits_for
    };
    let wait_until = |what: &str, condition: &dyn Fn() -> bool| {
        let begun = std::time::Instant::now();
        while !condition() {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            std::thread::yield_now();
        }
    };
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| bounded(1)).unzip();
    let (first, second) = (fan(), fan());
    first.send(Fan::Out(senders.clone())).expect("it lives");
    first.send(Fan::Done).expect("it lives");
    wait_until("it waits for the last", &|| {
        waits_for(&first) == Some(receivers[3].id())
    });
    second
        .send(Fan::Out(vec![senders[3].clone()]))
        .expect("it lives");
    second.send(Fan::Done).expect("it lives");
    wait_until("another waits behind it", &|| {
        waits_for(&second) == Some(receivers[3].id())
    });

    // Room at the second before it is its turn: no reason to wait there.
    assert_eq!(receivers[1].try_iter().count(), 2);
    assert_eq!(receivers[3].iter().take(4).count(), 4);
    wait_until("it waits for the third", &|| {
        waits_for(&first) == Some(receivers[2].id())
    });
    is_done
        .recv_timeout(PATIENCE)
        .expect("the other one goes on");
    assert!(is_done.try_recv().is_err(), "it waits");
    assert_eq!(receivers[2].iter().take(2).count(), 2);
    wait_until("it waits for the first", &|| {
        waits_for(&first) == Some(receivers[0].id())
    });
    assert!(is_done.try_recv().is_err(), "it still waits");
    assert_eq!(receivers[0].iter().take(2).count(), 2);
    is_done.recv_timeout(PATIENCE).expect("it goes on");
}

/// Twenty receivers that are read one after another have room one after another. Who waits for the first of them, then for the second, and so on, is woken by each; who
/// waits for the last finds that the others have room, too.
#[test]
fn a_machine_that_filled_many_is_not_woken_by_each_of_them() {
    let runtime = runtime(2);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..20).map(|_| bounded(1)).unzip();
    let (_, fan) = runtime.connect(|cmd: Fan| {
        if let Fan::Out(targets) = cmd {
            for n in 0..2 {
                for target in &targets {
                    target.send(n).expect("far below the hard limit");
                }
            }
        }
    });
    // A clone: nobody waits for a channel whose last sender is gone.
    fan.send(Fan::Out(senders.clone())).expect("it lives");
    let this = || runtime.machines().remove(0);
    wait_until("it is parked", || this().waits_for.is_some());
    for receiver in &receivers {
        assert_eq!(
            this().waits_for,
            receivers.last().map(|last| last.id()),
            "it was filled last"
        );
        assert_eq!(receiver.try_iter().count(), 2);
    }
    runtime.wait_idle(PATIENCE).expect("it goes on");
    assert_eq!(runtime.stats().total().parks, 1);
}
