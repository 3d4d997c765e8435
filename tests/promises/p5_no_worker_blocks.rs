//! Promise 5: no worker ever blocks in a send, and every call that would wait returns a typed error inside a machine, its
//! hooks and its Drop.
//!
//! All runtimes here have one worker: if it blocked, nothing else would run.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use d3::prelude::*;
use d3::{RecvError, RecvTimeoutError, Runtime, WaitError, bounded};

use crate::support::probe::{Counted, Gate, Number, Probe, ProbeCmd, Tally, bump, read};
use crate::support::{PATIENCE, runtime, wait_in, wait_until, within_patience};

/// Nothing in here may take longer: the calls are given far longer timeouts.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(20);
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Makes every call that waits when a thread makes it; returns the names of those that did not refuse with their typed error, or
/// took long.
fn waiting_calls(runtime: &Runtime, neighbour: &Sender<ProbeCmd>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut call = |name: &str, refused: &mut dyn FnMut() -> bool| {
        let start = Instant::now();
        let refused = refused();
        if !refused || start.elapsed() > AT_ONCE {
            wrong.push(format!(
                "{name}: refused {refused}, took {:?}",
                start.elapsed()
            ));
        }
    };
    let (sender, receiver) = bounded::<Number>(1);
    call("recv", &mut || {
        receiver.recv() == Err(RecvError::InsideMachine)
    });
    call("recv_timeout", &mut || {
        receiver.recv_timeout(LONG) == Err(RecvTimeoutError::InsideMachine)
    });
    call("iter", &mut || receiver.iter().next().is_none());
    call("wait_idle", &mut || {
        runtime.wait_idle(LONG) == Err(WaitError::InsideMachine)
    });
    call("machine_reports", &mut || {
        runtime.machine_reports(LONG) == Err(WaitError::InsideMachine)
    });
    call("shutdown", &mut || {
        runtime.shutdown(LONG).refused == Some(WaitError::InsideMachine)
    });
    call("MachineHandle::wait", &mut || {
        neighbour.handle().wait(LONG) == Err(WaitError::InsideMachine)
    });
    // A send waits for nothing, and refuses nothing either: the machine is parked later.
    call("send", &mut || {
        (0..3).all(|number| sender.send(Number::Is(number)).is_ok())
    });
    call("send_timeout", &mut || {
        sender.send_timeout(Number::Is(3), LONG).is_ok()
    });
    call("try_send", &mut || {
        sender.try_send(Number::Is(4)) == Err(TrySendError::Full(Number::Is(4)))
    });
    // What is there already can be had: such a call would not wait.
    call("recv of what is there", &mut || {
        receiver.recv() == Ok(Number::Is(0))
            && receiver.recv_timeout(LONG) == Ok(Number::Is(1))
            && receiver.iter().take(2).count() == 2
    });
    call("recv behind the last sender", &mut || {
        let (sender, receiver) = bounded::<Number>(1);
        drop(sender);
        receiver.recv() == Err(RecvError::Disconnected)
            && receiver.recv_timeout(LONG) == Err(RecvTimeoutError::Disconnected)
    });
    wrong
}

/// Runs what it is given, where the test wants it.
struct Runner {
    place: Place,
    job: Mutex<Option<Job>>,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Connected,
    Receive,
    Disconnected,
    /// The destructor of the machine.
    Drop,
    /// The destructor of an instruction that was received.
    ReceivedInstruction,
    /// The destructor of an instruction that an ending machine leaves unread.
    UnreadInstruction,
}

pub(crate) const PLACES: [Place; 6] = [
    Place::Connected,
    Place::Receive,
    Place::Disconnected,
    Place::Drop,
    Place::ReceivedInstruction,
    Place::UnreadInstruction,
];

#[derive(MachineImpl)]
enum Task {
    Run,
    /// Does its job when it is dropped.
    Errand(#[allow(dead_code, reason = "it is there to be dropped")] Errand),
    /// Waits at the gate, then ends the machine.
    StopBehind(Arc<Gate>),
}

struct Errand(Option<Job>);

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(job) = self.0.take() {
            job();
        }
    }
}

impl Runner {
    fn run_if(&self, place: Place) {
        if place == self.place
            && let Some(job) = self.job.lock().unwrap().take()
        {
            job();
        }
    }
}

impl Machine<Task> for Runner {
    fn connected(&self, _id: Uuid) {
        self.run_if(Place::Connected);
    }

    fn receive(&self, task: Task) {
        match task {
            Task::Run => self.run_if(Place::Receive),
            Task::Errand(_) => {}
            Task::StopBehind(gate) => {
                gate.pass();
                this_machine::stop().expect("inside");
            }
        }
    }

    fn disconnected(&self) {
        self.run_if(Place::Disconnected);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.run_if(Place::Drop);
    }
}

/// Runs `job` in a machine of `runtime`, at `place`, and returns what it returned.
pub(crate) fn inside<T: Send + 'static>(
    runtime: &Runtime,
    place: Place,
    job: impl FnOnce(&Runtime) -> T + Send + 'static,
) -> T {
    let (answer, answers) = mpsc::channel();
    let handle = runtime.clone();
    let mut job: Option<Job> = Some(Box::new(move || {
        answer.send(job(&handle)).expect("the test waits for it");
    }));
    let is_errand = matches!(place, Place::ReceivedInstruction | Place::UnreadInstruction);
    let errand = is_errand.then(|| Task::Errand(Errand(job.take())));
    let (machine, sender) = runtime.connect(Runner {
        place,
        job: Mutex::new(job),
    });
    drop(machine);
    let gate = Gate::new();
    if place == Place::UnreadInstruction {
        sender.send(Task::StopBehind(Arc::clone(&gate))).unwrap();
    }
    sender.send(errand.unwrap_or(Task::Run)).unwrap();
    gate.open();
    drop(sender);
    answers
        .recv_timeout(PATIENCE)
        .expect("the job ends: the only worker is not blocked")
}

fn no_call_waits(place: Place) {
    let runtime = runtime(1);
    let (_, neighbour) = runtime.connect(Probe(Tally::new()));
    let wrong = {
        let neighbour = neighbour.clone();
        inside(&runtime, place, move |runtime| {
            waiting_calls(runtime, &neighbour)
        })
    };
    assert!(wrong.is_empty(), "in {place:?}: {wrong:#?}");

    // The runtime is none the worse for it.
    let (reply, answers) = bounded(1);
    neighbour.send(ProbeCmd::Echo(7, reply)).unwrap();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(Number::Is(7)));
    drop(neighbour);
    wait_in(&runtime, "all machines end", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
}

#[test]
fn in_receive() {
    no_call_waits(Place::Receive);
}

#[test]
fn in_connected() {
    no_call_waits(Place::Connected);
}

#[test]
fn in_disconnected() {
    no_call_waits(Place::Disconnected);
}

#[test]
fn in_drop() {
    no_call_waits(Place::Drop);
}

#[test]
fn in_the_drop_of_an_instruction() {
    no_call_waits(Place::ReceivedInstruction);
}

#[test]
fn in_the_drop_of_an_instruction_left_unread() {
    no_call_waits(Place::UnreadInstruction);
}

/// A shutdown from inside would wait for the very machine that calls it.
#[test]
fn a_shutdown_from_inside_returns() {
    for place in PLACES {
        let runtime = runtime(1);
        let took = inside(&runtime, place, |runtime| {
            let start = Instant::now();
            let report = runtime.shutdown(LONG);
            assert_eq!(report.refused, Some(WaitError::InsideMachine), "{report}");
            start.elapsed()
        });
        assert!(took < AT_ONCE, "in {place:?}: {took:?}");
        within_patience("a shutdown from outside", move || {
            runtime.shutdown(PATIENCE)
        });
    }
}

/// The same for another runtime: its shutdown could take as long as its machines like, and so could every other wait for it.
#[test]
fn a_shutdown_of_another_runtime_from_inside_returns() {
    let (runtime, other) = (runtime(1), runtime(1));
    let (_, neighbour) = other.connect(Probe(Tally::new()));
    for place in PLACES {
        let (other, neighbour) = (other.clone(), neighbour.clone());
        let wrong = inside(&runtime, place, move |_| waiting_calls(&other, &neighbour));
        assert!(wrong.is_empty(), "in {place:?}: {wrong:#?}");
    }
    drop(neighbour);
    within_patience("a shutdown from outside", move || {
        (runtime.shutdown(PATIENCE), other.shutdown(PATIENCE))
    });
}

/// The last handle of a runtime dies in a machine, once of its own and once of another.
#[test]
fn the_last_runtime_dropped_inside_blocks_nobody() {
    let outer = runtime(1);
    let tally = Tally::new();
    let (_, alive) = outer.connect(Probe(Arc::clone(&tally)));

    for (round, place) in PLACES.into_iter().enumerate() {
        let inner = runtime(1);
        let (_, stays) = inner.connect(Probe(Tally::new()));
        inside(&outer, place, move |_| drop(inner));
        alive.send(ProbeCmd::Add(1)).unwrap();
        wait_in(&outer, "the worker goes on", || tally.received() > round);
        wait_until("the inner runtime ends", || stays.is_disconnected());
    }

    let own = runtime(1);
    let (_, stays) = own.connect(Probe(Tally::new()));
    let (answer, answers) = mpsc::channel();
    let handle = own.clone();
    let job: Job = Box::new(move || {
        drop(handle);
        answer.send(()).expect("the test waits for it");
    });
    let (_, sender) = own.connect(Runner {
        place: Place::Receive,
        job: Mutex::new(Some(job)),
    });
    drop(own);
    // The job may find its runtime ended; then it is dropped with its machine, and the handle with it.
    drop(sender.send(Task::Run));
    let _ = answers.recv_timeout(PATIENCE);
    wait_until("the runtime ends", || sender.is_disconnected());
    drop(stays);
    outer.shutdown(PATIENCE);
}

/// A machine sends far more than there is room for, in one `receive`: the call ends, all of it is there, the machine is
/// parked, and other machines run.
#[test]
fn a_machine_keeps_its_call_when_a_mailbox_is_full() {
    const COUNT: u64 = 50;
    let runtime = runtime(1);
    let (full, receiver) = bounded(1);
    let received = Arc::<AtomicUsize>::default();
    let (source, counter) = {
        let received = Arc::clone(&received);
        runtime.connect(move |_: ProbeCmd| {
            bump(&received);
            for number in 0..COUNT {
                full.send(Number::Is(number)).unwrap();
            }
        })
    };
    drop(source);
    counter.send(ProbeCmd::Add(1)).unwrap();
    counter.send(ProbeCmd::Add(2)).unwrap();

    wait_in(&runtime, "the first receive ends", || {
        receiver.len() as u64 == COUNT
    });
    let tally = Tally::new();
    let (_, other) = runtime.connect(Probe(Arc::clone(&tally)));
    other.send(ProbeCmd::Add(1)).unwrap();
    wait_in(&runtime, "another machine runs", || tally.received() == 1);
    assert_eq!(
        read(&received),
        1,
        "parked: its next instruction must wait for room"
    );
    assert_eq!(counter.len(), 1);

    for _ in 0..2 {
        for due in 0..COUNT {
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Number::Is(due)));
        }
    }
    assert_eq!(read(&received), 2);
    runtime.shutdown(PATIENCE);
}

/// A parked machine that is stopped, or whose runtime is shut down, does not wait for room that never comes.
#[test]
fn a_parked_machine_can_be_stopped() {
    let runtime = runtime(1);
    let dropped = Arc::<AtomicUsize>::default();
    for by_shutdown in [false, true] {
        let (full, receiver) = bounded::<Number>(1);
        let guard = Counted::new(&dropped);
        let (source, sender) = runtime.connect(move |_: ProbeCmd| {
            let _ = &guard;
            for number in 0..3 {
                full.send(Number::Is(number)).unwrap();
            }
        });
        drop(source);
        sender.send(ProbeCmd::Add(1)).unwrap();
        wait_in(&runtime, "the machine is parked", || receiver.len() == 3);
        let before = read(&dropped);
        if by_shutdown {
            let runtime = runtime.clone();
            within_patience("shutdown", move || {
                runtime.shutdown(Duration::from_millis(200))
            });
        } else {
            sender.handle().stop();
        }
        wait_until("the machine is dropped", || read(&dropped) == before + 1);
        assert!(sender.is_disconnected());
        assert_eq!(receiver.try_iter().count(), 3, "what it sent is there");
    }
}

/// A machine that waits for room in a mailbox that ends is released.
#[test]
fn a_parked_machine_goes_on_when_the_receiver_ends() {
    let runtime = runtime(1);
    let (full, receiver) = bounded::<Number>(1);
    let sent = Arc::<AtomicUsize>::default();
    let (source, sender) = {
        let sent = Arc::clone(&sent);
        runtime.connect(move |_: ProbeCmd| {
            for number in 0..3 {
                if full.send(Number::Is(number)).is_ok() {
                    bump(&sent);
                }
            }
        })
    };
    drop(source);
    sender.send(ProbeCmd::Add(1)).unwrap();
    wait_in(&runtime, "the machine is parked", || receiver.len() == 3);
    sender.send(ProbeCmd::Add(2)).unwrap();
    drop(receiver);
    wait_in(&runtime, "it takes its next instruction", || {
        sender.is_empty()
    });
    runtime.wait_idle(PATIENCE).unwrap();
    assert_eq!(read(&sent), 3, "the second round finds the receiver gone");
    runtime.shutdown(PATIENCE);
}
