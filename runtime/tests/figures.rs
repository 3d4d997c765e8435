//! What the statistics say of workers and of memory.

mod common;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use d3_runtime::{MachineImpl, MachineMut};

use common::{PATIENCE, runtime, wait_until};

#[derive(MachineImpl)]
enum Do {
    Work,
    /// Until the test opens the gate.
    Wait(Receiver<()>),
}

struct Machine;

impl MachineMut<Do> for Machine {
    fn receive(&mut self, instruction: Do) {
        if let Do::Wait(gate) = instruction {
            // An error is the test's end.
            let _ = gate.recv();
        }
    }
}

/// The same by two instruction sets.
#[derive(MachineImpl)]
enum Other {
    Work,
}

impl MachineMut<Other> for Machine {
    fn receive(&mut self, _: Other) {}
}

#[test]
fn cells_are_counted_until_nobody_refers_to_them() {
    let runtime = runtime(2);
    let cells = || runtime.stats().cells;
    assert_eq!(cells(), 0);
    let connect = || runtime.machine(Machine).accepts::<Do>().connect();
    let senders: Vec<_> = (0..100).map(|_| connect()).collect();
    // Two mailboxes in one allocation.
    let (first, second) = runtime
        .machine(Machine)
        .accepts::<Do>()
        .accepts::<Other>()
        .connect();
    assert_eq!((cells(), runtime.machine_count()), (101, 101));
    first.send(Do::Work).expect("it lives");
    second.send(Other::Work).expect("it lives");

    let (handle, weak) = (senders[0].handle(), senders[1].downgrade());
    drop(senders);
    wait_until("a hundred end", || runtime.machine_count() == 1);
    wait_until("all but two are freed", || cells() == 3);
    drop(handle);
    assert_eq!(cells(), 2);
    drop(weak);
    assert_eq!(cells(), 1);

    let handle = second.handle();
    drop((first, second));
    wait_until("the last one ends", || runtime.machine_count() == 0);
    assert!(runtime.shutdown(PATIENCE).is_clean());
    assert_eq!(cells(), 1, "the handle keeps the memory");
    drop(handle);
    assert_eq!(cells(), 0);
}

#[test]
fn wakes_are_counted_by_who_was_woken() {
    let runtime = runtime(1);
    let sender = runtime.machine(Machine).accepts::<Do>().connect();
    let mut sent = 0;
    // Not each one: a worker that is about to sleep finds some by itself.
    wait_until("ten wakes", || {
        runtime.wait_idle(PATIENCE).expect("all is done");
        sender.send(Do::Work).expect("it lives");
        sent += 1;
        runtime.stats().total().wakes >= 10
    });
    let total = runtime.stats().total();
    // One for the machine's `connected`.
    assert!(total.wakes <= sent + 1, "{sent} sends: {total:?}");
    wait_until("a sleep is counted when it ends", || {
        runtime.stats().total().sleeps >= total.wakes
    });
}

#[test]
fn a_worker_says_what_it_is_at() {
    let runtime = runtime(1);
    let (open, gate) = sync_channel(1);
    let busy = runtime.machine(Machine).accepts::<Do>().connect();
    runtime.wait_idle(PATIENCE).expect("nothing to do");
    wait_until("it sleeps", || runtime.stats().states[0].asleep);
    busy.send(Do::Wait(gate)).expect("it lives");
    wait_until("it is inside", || {
        let stats = runtime.stats();
        !stats.states[0].asleep && stats.queued == 0 && stats.total().activations == 2
    });
    let text = runtime.stats().to_string();
    let line = text.lines().nth(2).expect("one worker");
    assert!(line.ends_with("  awake"), "{text}");
    open.send(()).expect("it waits");
    wait_until("it sleeps again", || runtime.stats().states[0].asleep);
    let text = runtime.stats().to_string();
    assert!(text.contains("workers asleep 1, searching 0"), "{text}");
    assert!(text.contains("  asleep\n"), "{text}");
}

/// Keeps a thread's messages for its machine: a machine with its own work behind it.
struct Feeder(Mutex<Vec<d3_runtime::Sender<Do>>>);

impl MachineMut<Do> for Feeder {
    fn receive(&mut self, instruction: Do) {
        for sender in self.0.lock().expect("one at a time").drain(..) {
            let _ = sender.send(Do::Work);
        }
        if let Do::Wait(gate) = instruction {
            let _ = gate.recv();
        }
    }
}

#[test]
fn what_waits_behind_a_long_receive_is_seen() {
    let runtime = runtime(1);
    let others: Vec<_> = (0..5)
        .map(|_| runtime.machine(Machine).accepts::<Do>().connect())
        .collect();
    runtime.wait_idle(PATIENCE).expect("nothing to do");
    let feeder = runtime
        .machine(Feeder(Mutex::new(others.clone())))
        .accepts::<Do>()
        .connect();
    runtime.wait_idle(PATIENCE).expect("nothing to do");
    let (open, gate) = sync_channel(1);
    feeder.send(Do::Wait(gate)).expect("it lives");
    wait_until("five are made runnable", || runtime.stats().queued == 5);
    let state = runtime.stats().states[0];
    assert!(state.has_next_up && state.queued == 4, "{state:?}");
    assert_eq!(state.to_string(), "awake, 4 queued, one next up");
    open.send(()).expect("it waits");
    runtime.wait_idle(PATIENCE).expect("all is done");
    drop(others);
}

/// Whatever comes while the machine is being run finds it scheduled.
#[test]
fn a_burst_from_outside_is_one_wake() {
    const BURST: usize = 200;
    let runtime = runtime(1);
    let machine = runtime
        .machine(Machine)
        .capacity(BURST + 1)
        .accepts::<Do>()
        .connect();
    runtime.wait_idle(PATIENCE).expect("it rests");
    wait_until("the worker sleeps", || runtime.stats().sleeping == 1);
    let before = runtime.stats().total();
    let (open, gate) = sync_channel(1);
    machine.send(Do::Wait(gate)).expect("it lives");
    for _ in 0..BURST {
        machine.send(Do::Work).expect("it lives");
    }
    open.send(()).expect("it waits");
    runtime.wait_idle(PATIENCE).expect("all is read");
    let after = runtime.stats().total();
    assert_eq!(after.instructions - before.instructions, BURST as u64 + 1);
    // None where the worker, about to sleep, looked a last time just then.
    assert!(after.wakes - before.wakes <= 1, "{before:?}, {after:?}");
}

/// Where a worker may run, as the system has it.
#[cfg(target_os = "linux")]
#[test]
fn workers_that_are_pinned_stay_on_one_core() {
    use std::sync::mpsc::SyncSender;

    #[derive(MachineImpl)]
    enum Ask {
        Cores(SyncSender<String>),
    }

    struct Where;

    impl MachineMut<Ask> for Where {
        fn receive(&mut self, Ask::Cores(answer): Ask) {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
            let cores = status
                .lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
                .expect("it says where");
            answer
                .send(cores.trim().to_owned())
                .expect("the test waits");
        }
    }

    let cores_of = |pinned| {
        let runtime = d3_runtime::Runtime::builder()
            .workers(1)
            .pin_workers(pinned)
            .build()
            .expect("a thread can be had");
        let (answer, cores) = sync_channel(1);
        let machine = runtime.connect_mut(Where);
        machine.send(Ask::Cores(answer)).expect("it lives");
        cores.recv_timeout(PATIENCE).expect("it answers")
    };
    let pinned = cores_of(true);
    assert!(pinned.parse::<usize>().is_ok(), "{pinned}");
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        assert_ne!(cores_of(false), pinned);
    }
}
