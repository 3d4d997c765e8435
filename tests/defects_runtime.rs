//! What d3 0.1.3 got wrong in its core, one test each, by the numbers of the list in the design.
//!
//! 2 and 16 are also about the functions of the process-wide runtime: see `default_runtime.rs`. 4 to 8 and 14 are in
//! `defects_net.rs`, 15 is in `crates/d3-classic`.

mod support;

use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use d3::prelude::*;
use d3::{Runtime, bounded, unbounded};

use support::probe::{Gate, Number, Probe, ProbeCmd, Tally, bump, read};
use support::{PATIENCE, panics, runtime, thread_name, threads_named, wait_in};

/// Writes down what happens, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Connected(Uuid),
    Received(u64),
    Disconnected,
}

impl Diary {
    fn write(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }

    fn read(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }
}

impl Machine<Number> for Diary {
    fn receive(&self, Number::Is(number): Number) {
        self.write(Entry::Received(number));
    }

    fn connected(&self, id: Uuid) {
        self.write(Entry::Connected(id));
    }

    fn disconnected(&self) {
        self.write(Entry::Disconnected);
    }
}

#[test]
fn defect_01_connected_never_called_and_ids_nil() {
    let runtime = runtime(2);
    let mut ids = HashSet::new();
    for _ in 0..100 {
        let diary = Diary::default();
        let (_, sender) = runtime.connect(diary.clone());
        sender.send(Number::Is(1)).unwrap();
        sender.send(Number::Is(2)).unwrap();
        drop(sender);
        wait_in(&runtime, "the machine ends", || {
            diary.read().last() == Some(&Entry::Disconnected)
        });
        let entries = diary.read();
        let [Entry::Connected(id), rest @ ..] = &entries[..] else {
            panic!("connected comes first: {entries:?}")
        };
        assert_eq!(
            rest,
            [Entry::Received(1), Entry::Received(2), Entry::Disconnected]
        );
        assert!(!id.is_nil());
        assert!(ids.insert(*id), "an id of its own: {id}");
    }
    runtime.shutdown(PATIENCE);
}

/// A machine that nobody sends to is connected all the same.
#[test]
fn defect_01_connected_never_called_without_an_instruction() {
    let runtime = runtime(1);
    let diary = Diary::default();
    let (_, sender) = runtime.connect(diary.clone());
    wait_in(&runtime, "connected is called", || diary.read().len() == 1);
    drop(sender);
    wait_in(&runtime, "disconnected is called", || {
        diary.read().len() == 2
    });
    runtime.shutdown(PATIENCE);
}

/// Adds up. Without interior mutability: the lock around it is the user's.
struct Sum(u64);

impl MachineMut<Number> for Sum {
    fn receive(&mut self, Number::Is(number): Number) {
        self.0 += number;
    }
}

#[test]
fn defect_03_a_mutex_machine_drops_instructions_when_its_lock_is_busy() {
    const COUNT: u64 = 100;
    let runtime = runtime(2);
    let (machine, sender) = runtime.connect(Mutex::new(Sum(0)));
    for _ in 0..3 {
        let before = machine.lock().unwrap().0;
        let busy = machine.lock().unwrap();
        for _ in 0..COUNT {
            sender.send(Number::Is(1)).unwrap();
        }
        // Longer than d3's back-off, after which it gave the instruction up.
        thread::sleep(Duration::from_millis(100));
        drop(busy);
        wait_in(&runtime, "all instructions are counted", || {
            machine.lock().unwrap().0 == before + COUNT
        });
    }
    runtime.shutdown(PATIENCE);
    assert_eq!(machine.lock().unwrap().0, 3 * COUNT);
}

#[test]
fn defect_09_a_panic_in_receive_loses_a_worker() {
    panics::quiet();
    let name = thread_name();
    let runtime = Runtime::builder()
        .workers(1)
        .thread_name(name.clone())
        .build()
        .unwrap();
    for _ in 0..20 {
        let tally = Tally::new();
        let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
        sender.send(ProbeCmd::Panic).unwrap();
        wait_in(&runtime, "the machine ends", || read(&tally.dropped) == 1);
        assert!(sender.send(ProbeCmd::Add(1)).is_err());
    }
    let (reply, answers) = unbounded();
    let (_, sender) = runtime.connect(Probe(Tally::new()));
    sender.send(ProbeCmd::Echo(1, reply)).unwrap();
    assert_eq!(
        answers.recv_timeout(PATIENCE),
        Ok(Number::Is(1)),
        "the only worker is alive"
    );
    assert!(
        threads_named(&name).is_none_or(|threads| threads == 1),
        "{:?}",
        threads_named(&name)
    );
    runtime.shutdown(PATIENCE);
}

/// Passes on into a channel, two for one.
fn doubler(into: Sender<Number>) -> impl Fn(Number) + Send + Sync {
    move |Number::Is(number)| {
        for copy in 0..2 {
            into.send(Number::Is(2 * number + copy)).unwrap();
        }
    }
}

/// d3 panicked if the receiver was parked at the moment its last sender was dropped.
#[test]
fn defect_10_dropping_a_sender_can_panic() {
    let runtime = runtime(2);
    for _ in 0..200 {
        let (full, receiver) = bounded(1);
        let (machine, sender) = runtime.connect(doubler(full));
        drop(machine);
        for number in 0..4 {
            sender.send(Number::Is(number)).unwrap();
        }
        wait_in(&runtime, "the machine is parked", || receiver.len() == 2);
        thread::spawn(move || drop(sender))
            .join()
            .expect("the drop does not panic");
        for due in 0..8 {
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Number::Is(due)));
        }
        assert!(
            receiver.recv_timeout(PATIENCE).is_err(),
            "the machine has ended"
        );
    }
    wait_in(&runtime, "all machines end", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
}

/// Many threads drop their senders at any moment of the machine's life.
#[test]
fn defect_10_dropping_senders_everywhere() {
    let runtime = runtime(2);
    for round in 0..200 {
        let tally = Tally::new();
        let (_, sender) = runtime.connect_with_capacity(Probe(Arc::clone(&tally)), 1 + round % 3);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let sender = sender.clone();
                thread::spawn(move || sender.send(ProbeCmd::Add(1)).unwrap())
            })
            .collect();
        drop(sender);
        for thread in threads {
            thread.join().unwrap();
        }
        wait_in(&runtime, "the machine ends", || {
            tally.counts() == (1, 3, 1, 1)
        });
    }
    runtime.shutdown(PATIENCE);
}

#[test]
fn defect_11_stopping_drops_work_and_skips_disconnected() {
    for _ in 0..20 {
        let runtime = runtime(2);
        let gate = Gate::new();
        let tallies: Vec<_> = (0..100).map(|_| Tally::new()).collect();
        let senders: Vec<_> = tallies
            .iter()
            .map(|tally| runtime.connect(Probe(Arc::clone(tally))).1)
            .collect();
        senders[0].send(ProbeCmd::Hold(Arc::clone(&gate))).unwrap();
        for sender in &senders {
            for _ in 0..10 {
                sender.send(ProbeCmd::Add(1)).unwrap();
            }
        }
        gate.open();
        runtime.shutdown(PATIENCE);
        for (index, tally) in tallies.iter().enumerate() {
            assert_eq!(
                tally.counts(),
                (1, 10 + usize::from(index == 0), 1, 1),
                "machine {index}"
            );
        }
    }
}

/// d3 started a new thread whenever a machine sent a second time into a full mailbox.
#[test]
fn defect_12_replacement_threads_without_bound() {
    const MACHINES: usize = 50;
    let name = thread_name();
    let runtime = Runtime::builder()
        .workers(2)
        .thread_name(name.clone())
        .build()
        .unwrap();
    let (full, receiver) = bounded(1);
    let senders: Vec<_> = (0..MACHINES)
        .map(|_| {
            let full = full.clone();
            runtime.connect(move |Number::Is(count): Number| {
                (0..count).for_each(|n| full.send(Number::Is(n)).unwrap())
            })
        })
        .map(|(_, sender)| sender)
        .collect();
    for sender in &senders {
        sender.send(Number::Is(20)).unwrap();
        sender.send(Number::Is(20)).unwrap();
    }
    wait_in(&runtime, "all machines are parked", || {
        receiver.len() == MACHINES * 20
    });
    for _ in 0..MACHINES * 2 * 20 {
        receiver.recv_timeout(PATIENCE).expect("the next one comes");
        assert!(
            threads_named(&name).is_none_or(|threads| threads <= 2),
            "{:?}",
            threads_named(&name)
        );
    }
    runtime.shutdown(PATIENCE);
}

/// Nanoseconds that the threads whose names begin with `prefix` spent on a core; `None` where the system does not tell.
fn cpu_of_threads_named(prefix: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let Ok(name) = std::fs::read_to_string(task.path().join("comm")) else {
            continue;
        };
        if name.starts_with(prefix) {
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            // After the name in parentheses: field 3 is the state, 14 and 15 are ticks of 10 ms.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let ticks: u64 =
                fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
            total += Duration::from_millis(10 * ticks);
        }
    }
    Some(total)
}

/// Everything that can wait does: workers with nothing to do, a parked machine, threads in `send` and in `recv`.
#[test]
fn defect_13_waiting_by_spinning() {
    let name = thread_name();
    let runtime = Runtime::builder()
        .workers(2)
        .thread_name(name.clone())
        .build()
        .unwrap();
    let (full, receiver) = bounded(1);
    let (_, parked) = runtime.connect(doubler(full.clone()));
    parked.send(Number::Is(0)).unwrap();
    parked.send(Number::Is(1)).unwrap();
    wait_in(&runtime, "the machine is parked", || receiver.len() == 2);
    let waiting_to_send = {
        let full = full.clone();
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || full.send(Number::Is(9)).unwrap())
            .unwrap()
    };
    let (never, silence) = bounded::<Number>(1);
    let waiting_to_receive = thread::Builder::new()
        .name(name.clone())
        .spawn(move || silence.recv())
        .unwrap();

    // What is measured is that nothing happens for a while, so this is the one place where time must pass.
    thread::sleep(Duration::from_millis(100));
    let start = (Instant::now(), cpu_of_threads_named(&name));
    thread::sleep(Duration::from_secs(1));
    let (elapsed, end) = (start.0.elapsed(), cpu_of_threads_named(&name));
    if let (Some(start), Some(end)) = (start.1, end) {
        let used = end - start;
        assert!(
            used < elapsed / 10,
            "four threads that wait used {used:?} of {elapsed:?}"
        );
    }
    drop(never);
    assert!(waiting_to_receive.join().unwrap().is_err());
    drop((full, parked));
    assert_eq!(
        receiver.iter().count(),
        5,
        "two for each of two instructions, and the thread's"
    );
    waiting_to_send.join().unwrap();
    runtime.shutdown(PATIENCE);
}

/// Statistics are read, not waited for: they show at once what has happened before.
#[test]
fn defect_16_statistics_late_by_seconds() {
    let runtime = runtime(2);
    let tally = Tally::new();
    let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    for round in 1..=100 {
        sender.send(ProbeCmd::Add(1)).unwrap();
        runtime.wait_idle(PATIENCE).unwrap();
        let start = Instant::now();
        let stats = runtime.stats();
        assert_eq!(stats.total().instructions, round, "{stats:?}");
        assert_eq!((stats.machines, stats.queued), (1, 0), "{stats:?}");
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    runtime.shutdown(PATIENCE);
}

#[test]
fn defect_18_dropping_the_last_sender_after_a_send_loses_it() {
    const COUNT: usize = 20_000;
    let runtime = runtime(2);
    let received = Arc::<AtomicUsize>::default();
    for _ in 0..COUNT {
        let received = Arc::clone(&received);
        let (machine, sender) = runtime.connect(move |_: Number| bump(&received));
        drop(machine);
        sender.send(Number::Is(1)).unwrap();
        drop(sender);
    }
    wait_in(&runtime, "every machine ends", || {
        runtime.machine_count() == 0
    });
    assert_eq!(read(&received), COUNT);
    runtime.shutdown(PATIENCE);
}

/// The same between machines: each creates the next, sends to it, and drops the sender.
#[test]
fn defect_18_between_machines() {
    #[derive(Debug, MachineImpl)]
    enum Relay {
        Left(usize, Sender<Number>),
    }
    fn link(cmd: Relay) {
        let Relay::Left(left, done) = cmd;
        if left == 0 {
            return done.send(Number::Is(1)).unwrap();
        }
        let runtime = this_machine::runtime().unwrap();
        let (_, next) = runtime.connect(link);
        next.send(Relay::Left(left - 1, done)).unwrap();
    }
    let runtime = runtime(2);
    let (done, results) = unbounded();
    for _ in 0..10 {
        let (_, first) = runtime.connect(link);
        first.send(Relay::Left(2_000, done.clone())).unwrap();
    }
    drop(done);
    for _ in 0..10 {
        assert_eq!(results.recv_timeout(PATIENCE), Ok(Number::Is(1)));
    }
    wait_in(&runtime, "every machine ends", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
}
