//! Promise 9: shutdown refuses sends from outside, lets machines drain until quiet or the deadline, then ends all, calls
//! every `disconnected`, frees every machine, joins every thread. Start and stop can be repeated for ever, and senders
//! outlive all of it.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use d3::prelude::*;
use d3::{Runtime, SendError, SendTimeoutError, TrySendError};

use crate::support::futures::block_on;
use crate::support::probe::{Counted, Gate, Probe, ProbeCmd, Tally, bump, read};
use crate::support::{
    PATIENCE, runtime, thread_name, threads_named, wait_in, wait_until, within_patience,
};

#[test]
fn all_that_was_sent_is_received_first() {
    const MACHINES: usize = 50;
    const EACH: usize = 100;
    for _ in 0..20 {
        let runtime = runtime(2);
        let tallies: Vec<_> = (0..MACHINES).map(|_| Tally::new()).collect();
        let senders: Vec<_> = tallies
            .iter()
            .map(|tally| runtime.connect(Probe(Arc::clone(tally))).1)
            .collect();
        for _ in 0..EACH {
            for sender in &senders {
                sender.send(ProbeCmd::Add(1)).unwrap();
            }
        }
        // No wait: shutdown finds mailboxes full of work.
        let report = runtime.shutdown(PATIENCE);
        for tally in &tallies {
            assert_eq!(tally.counts(), (1, EACH, 1, 1), "{report}");
        }
        assert_eq!(runtime.machine_count(), 0);
    }
}

#[derive(Debug, MachineImpl)]
enum Relay {
    Pass(usize),
}

/// Passes on to the next in line.
struct Station {
    next: Option<Sender<Relay>>,
    arrived: Arc<AtomicUsize>,
}

impl MachineMut<Relay> for Station {
    fn receive(&mut self, Relay::Pass(left): Relay) {
        match &self.next {
            Some(next) => next.send(Relay::Pass(left - 1)).unwrap(),
            None => bump(&self.arrived),
        }
    }
}

/// Machines may send to each other while they drain: what is under way arrives.
#[test]
fn what_is_under_way_between_machines_arrives() {
    const STATIONS: usize = 200;
    const COUNT: usize = 100;
    for _ in 0..10 {
        let runtime = runtime(2);
        let arrived = Arc::<AtomicUsize>::default();
        let mut next = None;
        for _ in 0..STATIONS {
            let station = Station {
                next: next.take(),
                arrived: Arc::clone(&arrived),
            };
            next = Some(
                runtime
                    .machine(station)
                    .capacity(4)
                    .accepts::<Relay>()
                    .connect(),
            );
        }
        let first = next.expect("there are stations");
        for _ in 0..COUNT {
            first.send(Relay::Pass(STATIONS)).unwrap();
        }
        runtime.shutdown(PATIENCE);
        assert_eq!(read(&arrived), COUNT);
    }
}

#[test]
fn sends_from_outside_are_refused_while_machines_drain() {
    let runtime = runtime(2);
    let tally = Tally::new();
    let gate = Gate::new();
    let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    let (_, resting) = runtime.connect(Probe(Tally::new()));
    sender.send(ProbeCmd::Hold(Arc::clone(&gate))).unwrap();
    sender.send(ProbeCmd::Add(1)).unwrap();
    wait_in(&runtime, "the machine is held", || gate.came() == 1);
    let stopping = {
        let runtime = runtime.clone();
        thread::spawn(move || runtime.shutdown(PATIENCE))
    };
    // The machine cannot end while it is held, so only the refusal ends this wait.
    wait_until("the machines drain", || sender.is_disconnected());
    for (sender, held) in [(&sender, 1), (&resting, 0)] {
        assert_eq!(sender.len(), held, "there is room");
        let refused = sender.try_send(ProbeCmd::Add(1));
        assert!(matches!(
            refused,
            Err(TrySendError::Disconnected(ProbeCmd::Add(1)))
        ));
        let refused = sender.send(ProbeCmd::Add(1));
        assert!(matches!(
            refused,
            Err(SendError::Disconnected(ProbeCmd::Add(1)))
        ));
    }
    assert!(!stopping.is_finished(), "the machine still drains");
    gate.open();
    stopping.join().unwrap();
    assert_eq!(
        tally.counts(),
        (1, 2, 1, 1),
        "what was taken before is received"
    );
}

/// Feeds itself for ever.
struct Endless {
    tally: Arc<Tally>,
}

impl MachineMut<Relay> for Endless {
    fn receive(&mut self, _cmd: Relay) {
        bump(&self.tally.received);
        if let Ok(own) = this_machine::sender::<Relay>()
            && let Some(own) = own.upgrade()
        {
            let _ = own.send(Relay::Pass(0));
        }
    }

    fn disconnected(&mut self) {
        bump(&self.tally.disconnected);
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        bump(&self.tally.dropped);
    }
}

#[test]
fn the_deadline_ends_machines_that_never_rest() {
    let runtime = runtime(2);
    let tally = Tally::new();
    let sender = runtime.connect_mut(Endless {
        tally: Arc::clone(&tally),
    });
    sender.send(Relay::Pass(0)).unwrap();
    wait_in(&runtime, "it runs", || tally.received() > 100);
    within_patience("shutdown", move || {
        runtime.shutdown(Duration::from_millis(100))
    });
    assert_eq!(read(&tally.disconnected), 1);
    assert_eq!(read(&tally.dropped), 1);
    assert!(sender.is_disconnected());
}

/// User code that does not return cannot be ended: the worker is left behind, and the report says where it hangs.
#[test]
fn a_machine_that_does_not_return_is_left_behind_and_named() {
    let threads = thread_name();
    let runtime = Runtime::builder()
        .workers(2)
        .thread_name(threads.clone())
        .build()
        .unwrap();
    let (stuck, healthy) = (Tally::new(), Tally::new());
    let gate = Gate::new();
    let (_, sender) = runtime.connect(Probe(Arc::clone(&stuck)));
    let (_, other) = runtime.connect(Probe(Arc::clone(&healthy)));
    sender.send(ProbeCmd::Hold(Arc::clone(&gate))).unwrap();
    wait_in(&runtime, "the machine is held", || gate.came() == 1);
    let start = Instant::now();
    let report = {
        let runtime = runtime.clone();
        within_patience("shutdown", move || {
            runtime.shutdown(Duration::from_millis(300))
        })
    };
    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "it was given its time: {:?}",
        start.elapsed()
    );
    assert_eq!(
        (report.detached.len(), report.left, report.is_clean()),
        (1, 1, false),
        "{report}"
    );
    assert!(
        report.detached[0].starts_with(&threads)
            && report.to_string().contains(&report.detached[0]),
        "{report}"
    );
    assert_eq!(healthy.counts(), (1, 0, 1, 1), "the others end in order");
    assert!(other.is_disconnected() && sender.is_disconnected());

    // Once it returns it ends as the others did.
    gate.open();
    wait_until("the late one ends", || read(&stuck.dropped) == 1);
    assert_eq!(stuck.counts(), (1, 1, 1, 1));
}

#[test]
fn start_and_stop_repeat_and_leave_no_thread() {
    let name = thread_name();
    for round in 0..100 {
        let runtime = Runtime::builder()
            .workers(1 + round % 3)
            .thread_name(name.clone())
            .build()
            .unwrap();
        let tally = Tally::new();
        let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
        sender.send(ProbeCmd::Add(1)).unwrap();
        assert!(threads_named(&name).is_none_or(|threads| threads <= 1 + round % 3));
        runtime.shutdown(PATIENCE);
        assert_eq!(tally.counts(), (1, 1, 1, 1));
        // The system may list a thread for a moment after it was joined.
        wait_until("no thread is left", || {
            threads_named(&name).is_none_or(|threads| threads == 0)
        });
        // Twice does no harm.
        runtime.shutdown(PATIENCE);
    }
}

#[test]
fn several_threads_may_shut_down_at_once() {
    for _ in 0..20 {
        let runtime = runtime(2);
        let tally = Tally::new();
        let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
        sender.send(ProbeCmd::Add(1)).unwrap();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let runtime = runtime.clone();
                thread::spawn(move || runtime.shutdown(PATIENCE).to_string())
            })
            .collect();
        for thread in threads {
            wait_until("shutdown returns", || thread.is_finished());
            thread.join().unwrap();
        }
        assert_eq!(tally.counts(), (1, 1, 1, 1));
    }
}

#[test]
fn dropping_the_last_handle_ends_the_machines() {
    let tally = Tally::new();
    let runtime = runtime(2);
    let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    sender.send(ProbeCmd::Add(1)).unwrap();
    let second = runtime.clone();
    drop(runtime);
    sender.send(ProbeCmd::Add(1)).expect("one handle is left");
    within_patience("the drop of the last handle", move || drop(second));
    wait_until("the machine ends", || read(&tally.dropped) == 1);
    assert_eq!(tally.counts(), (1, 2, 1, 1));
    assert!(sender.is_disconnected());
}

#[test]
fn senders_outlive_their_runtime() {
    let dropped = Arc::<AtomicUsize>::default();
    let runtime = runtime(2);
    let (_, sender) = runtime.connect(Probe(Tally::new()));
    let weak = sender.downgrade();
    let handle = sender.handle();
    runtime.shutdown(PATIENCE);
    drop(runtime);

    let cargo = || ProbeCmd::Cargo(Counted::new(&dropped));
    assert!(matches!(
        sender.send(cargo()),
        Err(SendError::Disconnected(_))
    ));
    assert!(matches!(
        sender.try_send(cargo()),
        Err(TrySendError::Disconnected(_))
    ));
    assert!(matches!(
        sender.send_timeout(cargo(), PATIENCE),
        Err(SendTimeoutError::Disconnected(_))
    ));
    assert!(matches!(
        block_on(sender.send_async(cargo())),
        Err(SendError::Disconnected(_))
    ));
    send_cmd(&sender, cargo());
    assert_eq!(
        read(&dropped),
        5,
        "each comes back, or is dropped, and none is kept"
    );

    assert!(sender.is_disconnected() && sender.is_empty() && !handle.is_alive());
    assert_eq!(sender.len(), 0);
    assert!(
        sender == sender.clone()
            && !format!("{sender:?}").is_empty()
            && !handle.to_string().is_empty()
    );
    handle.stop();
    handle.wait(PATIENCE).expect("it has ended");
    thread::spawn(move || drop((sender, handle)))
        .join()
        .unwrap();
    assert!(weak.upgrade().is_none());
}

/// Threads go on sending while the runtime ends under them: each send is received or handed back, also one that came
/// through after all was quiet.
#[test]
fn sends_that_race_with_the_end_are_received_or_handed_back() {
    for _ in 0..100 {
        let runtime = runtime(2);
        let tally = Tally::new();
        let (_, sender) = runtime.connect_with_capacity(Probe(Arc::clone(&tally)), 4);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let sender = sender.clone();
                thread::spawn(move || {
                    let mut taken = 0;
                    while sender.send(ProbeCmd::Add(1)).is_ok() {
                        taken += 1;
                    }
                    taken
                })
            })
            .collect();
        wait_in(&runtime, "the machine is busy", || tally.received() > 20);
        let report = runtime.shutdown(PATIENCE);
        let taken: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(tally.received(), taken, "{report}");
        assert!(report.is_clean(), "{report}");
    }
}

/// Two runtimes in one process know nothing of each other but their senders.
#[test]
fn one_runtime_ends_and_another_goes_on() {
    let (first, second) = (runtime(1), runtime(1));
    let tally = Tally::new();
    let (_, target) = second.connect(Probe(Arc::clone(&tally)));
    let forward = {
        let target = target.clone();
        first
            .connect(move |cmd: ProbeCmd| target.send(cmd).unwrap())
            .1
    };
    for _ in 0..100 {
        forward.send(ProbeCmd::Add(1)).unwrap();
    }
    first.shutdown(PATIENCE);
    wait_in(&second, "all were passed on", || tally.received() == 100);
    target
        .send(ProbeCmd::Add(1))
        .expect("the second runtime is untouched");
    assert!(forward.is_disconnected());
    second.shutdown(PATIENCE);
    assert_eq!(tally.counts(), (1, 101, 1, 1));
}

/// `disconnected` may still send, and is told why the machine ended.
struct Farewell {
    to: Sender<ProbeCmd>,
    reason: Arc<Mutex<Option<d3::EndReason>>>,
}

impl MachineMut<Relay> for Farewell {
    fn receive(&mut self, _cmd: Relay) {}

    fn disconnected(&mut self) {
        *self.reason.lock().unwrap() = this_machine::end_reason();
        let _ = self.to.send(ProbeCmd::Add(1));
    }
}

#[test]
fn disconnected_knows_the_reason() {
    let runtime = runtime(1);
    let tally = Tally::new();
    let (_, to) = runtime.connect(Probe(Arc::clone(&tally)));
    let reasons: Vec<_> = (0..3)
        .map(|_| Arc::<Mutex<Option<d3::EndReason>>>::default())
        .collect();
    let mut senders: Vec<_> = reasons
        .iter()
        .map(|reason| {
            runtime.connect_mut(Farewell {
                to: to.clone(),
                reason: Arc::clone(reason),
            })
        })
        .collect();
    let last = senders.pop();
    senders[1].handle().stop();
    drop(senders.remove(0));
    wait_in(&runtime, "two have said good-bye", || tally.received() == 2);
    runtime.shutdown(PATIENCE);
    let reasons: Vec<_> = reasons
        .iter()
        .map(|reason| reason.lock().unwrap().take())
        .collect();
    assert!(
        matches!(reasons[0], Some(d3::EndReason::NoSenders)),
        "{:?}",
        reasons[0]
    );
    assert!(
        matches!(reasons[1], Some(d3::EndReason::Stopped)),
        "{:?}",
        reasons[1]
    );
    assert!(
        matches!(reasons[2], Some(d3::EndReason::Shutdown)),
        "{:?}",
        reasons[2]
    );
    drop(last);
}
