//! Bad input to the runtime: odd numbers, calls that come too late, calls from the wrong place. Nothing panics, nothing
//! hangs, and what can be told is told.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use d3::prelude::*;
use d3::{
    BuildError, EndReason, Receiver, RecvTimeoutError, Runtime, SendError, SendTimeoutError,
    TryRecvError, TrySendError, bounded, unbounded,
};

use support::futures::block_on;
use support::probe::{Counted, Number, Probe, ProbeCmd, Tally, read};
use support::{
    PATIENCE, runtime, thread_name, threads_named, wait_in, wait_until, within_patience,
};

/// The runtime does what a runtime does.
fn works(runtime: &Runtime) {
    let (_, sender) = runtime.connect(Probe(Tally::new()));
    let (reply, answers) = bounded(1);
    sender.send(ProbeCmd::Echo(5, reply)).unwrap();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(Number::Is(5)));
}

#[test]
fn capacity_0_counts_as_1() {
    let runtime = runtime(1);
    let tally = Tally::new();
    let (machine, sender) =
        runtime.connect_with_capacity::<_, ProbeCmd>(Probe(Arc::clone(&tally)), 0);
    assert_eq!(sender.capacity(), Some(1));
    let second = runtime.and_connect_with_capacity::<_, ProbeCmd>(&machine, 0);
    assert_eq!(second.capacity(), Some(1));
    for _ in 0..10 {
        sender.send(ProbeCmd::Add(1)).unwrap();
        second.send(ProbeCmd::Add(1)).unwrap();
    }
    wait_in(&runtime, "all arrive", || tally.received() == 20);

    let (sender, receiver) = bounded(0);
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(1), Some(1)));
    sender
        .try_send(Number::Is(1))
        .expect("there is room for one");
    assert!(matches!(
        sender.try_send(Number::Is(2)),
        Err(TrySendError::Full(Number::Is(2)))
    ));
    assert_eq!(receiver.recv(), Ok(Number::Is(1)));

    let (sender, _receiver) = d3::core::machine_impl::channel_with_capacity::<Number>(0);
    assert_eq!(sender.capacity(), Some(1));
    runtime.shutdown(PATIENCE);
}

/// Builders can return an error, so they do.
#[test]
fn capacity_0_is_an_error_of_a_builder() {
    let built = Runtime::builder().workers(1).mailbox_capacity(0).build();
    let error: BuildError = built.expect_err("no mailbox can hold nothing");
    assert!(!error.to_string().is_empty());

    let runtime = runtime(1);
    let tally = Tally::new();
    let refused = runtime
        .machine(Mutable(Arc::clone(&tally)))
        .capacity(0)
        .accepts::<ProbeCmd>()
        .try_connect();
    let error: BuildError = refused.expect_err("no mailbox can hold nothing");
    assert!(!error.to_string().is_empty());
    assert_eq!(
        tally.counts(),
        (0, 0, 0, 1),
        "no hook is called, and the machine is dropped"
    );
    assert_eq!(runtime.machine_count(), 0);
    works(&runtime);
    runtime.shutdown(PATIENCE);
}

struct Mutable(Arc<Tally>);

impl MachineMut<ProbeCmd> for Mutable {
    fn receive(&mut self, cmd: ProbeCmd) {
        support::probe::bump(&self.0.received);
        drop(cmd);
    }

    fn connected(&mut self, _id: Uuid) {
        support::probe::bump(&self.0.connected);
    }

    fn disconnected(&mut self) {
        support::probe::bump(&self.0.disconnected);
    }
}

impl Drop for Mutable {
    fn drop(&mut self) {
        support::probe::bump(&self.0.dropped);
    }
}

#[test]
fn workers_0_means_all_cores() {
    let name = thread_name();
    let runtime = Runtime::builder()
        .workers(0)
        .thread_name(name.clone())
        .build()
        .unwrap();
    works(&runtime);
    let cores = thread::available_parallelism().unwrap().get();
    // A thread has its name only once it runs.
    wait_in(&runtime, "every worker runs", || {
        threads_named(&name).is_none_or(|threads| threads >= cores)
    });
    assert_eq!(
        (runtime.workers(), threads_named(&name).unwrap_or(cores)),
        (cores, cores)
    );
    runtime.shutdown(PATIENCE);
}

/// Numbers that no system can satisfy are refused; numbers that make no sense are refused or made sense of.
#[test]
fn odd_settings_give_an_error_or_a_runtime_that_works() {
    assert!(Runtime::builder().workers(usize::MAX).build().is_err());
    assert!(
        Runtime::builder()
            .workers(1)
            .stack_size(usize::MAX)
            .build()
            .is_err()
    );
    let odd = [
        Runtime::builder().workers(1).budget(0).build(),
        Runtime::builder().workers(1).budget(usize::MAX).build(),
        Runtime::builder()
            .workers(1)
            .time_slice(Duration::ZERO)
            .build(),
        Runtime::builder()
            .workers(1)
            .time_slice(Duration::MAX)
            .build(),
        Runtime::builder().workers(1).hard_limit(0).build(),
        Runtime::builder().workers(1).hard_limit(usize::MAX).build(),
        Runtime::builder()
            .workers(1)
            .mailbox_capacity(usize::MAX)
            .build(),
        Runtime::builder().workers(1).thread_name("").build(),
        Runtime::builder()
            .workers(1)
            .thread_name("with\0nul")
            .build(),
        Runtime::builder()
            .workers(1)
            .thread_name("x".repeat(10_000))
            .build(),
        Runtime::builder().workers(1).stack_size(0).build(),
        Runtime::builder().workers(1).pin_workers(true).build(),
    ];
    for built in odd {
        match built {
            Ok(runtime) => {
                works(&runtime);
                within_patience("shutdown", move || runtime.shutdown(PATIENCE));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

struct Deaf;

impl MachineMut<Number> for Deaf {
    fn receive(&mut self, _: Number) {}
}

/// A channel's settings are checked as a runtime's and a machine's are, and the error says what was wrong and what can be had.
#[test]
fn bad_capacities_and_limits_have_errors_of_their_own() {
    const TOO_LARGE: usize = usize::MAX;
    let channel = || Receiver::<Number>::builder();
    let built = channel().capacity(0).build();
    assert!(matches!(built, Err(BuildError::ZeroCapacity)));
    let built = channel().capacity(7).hard_limit(0).build();
    assert!(matches!(built, Err(BuildError::ZeroHardLimit)));
    let too_large = [
        channel().capacity(TOO_LARGE).build().err(),
        Runtime::builder().mailbox_capacity(TOO_LARGE).build().err(),
        runtime(1)
            .machine(Deaf)
            .capacity(TOO_LARGE)
            .accepts::<Number>()
            .try_connect()
            .err(),
    ];
    for error in too_large {
        let Some(BuildError::CapacityTooLarge { wanted, most }) = error else {
            panic!("{error:?}")
        };
        assert!(wanted == TOO_LARGE && most < wanted);
        let (sender, _receiver) = channel().capacity(most).build().unwrap();
        assert_eq!(sender.capacity(), Some(most));
    }
    // Odd, and right: as many as the length can count.
    let (sender, receiver) = channel().hard_limit(usize::MAX).build().unwrap();
    assert_eq!(sender.capacity(), Some(250));
    sender.send(Number::Is(1)).unwrap();
    assert_eq!(receiver.recv(), Ok(Number::Is(1)));
    let (sender, _receiver) = channel().unbounded().hard_limit(1).build().unwrap();
    assert_eq!(sender.capacity(), None);
}

/// A runtime that could not be built leaves no thread behind.
#[test]
fn a_runtime_that_could_not_be_built_leaves_no_thread() {
    let name = thread_name();
    assert!(
        Runtime::builder()
            .workers(4)
            .thread_name(name.clone())
            .stack_size(usize::MAX)
            .build()
            .is_err()
    );
    // The system may list a thread for a moment after it was joined.
    wait_until("no thread is left", || {
        threads_named(&name).is_none_or(|threads| threads == 0)
    });
}

#[test]
fn a_send_after_the_end_hands_the_instruction_back() {
    let runtime = runtime(1);
    let (_, sender) = runtime.connect(Probe(Tally::new()));
    sender.handle().stop();
    assert!(matches!(
        sender.handle().wait(PATIENCE),
        Ok(EndReason::Stopped)
    ));
    assert!(matches!(
        sender.send(ProbeCmd::Add(1)),
        Err(SendError::Disconnected(ProbeCmd::Add(1)))
    ));
    assert!(matches!(
        sender.try_send(ProbeCmd::Add(2)),
        Err(TrySendError::Disconnected(ProbeCmd::Add(2)))
    ));
    let late = sender.send_timeout(ProbeCmd::Add(3), PATIENCE);
    assert!(matches!(
        late,
        Err(SendTimeoutError::Disconnected(ProbeCmd::Add(3)))
    ));
    let late = block_on(sender.send_async(ProbeCmd::Add(4)));
    assert!(matches!(
        late,
        Err(SendError::Disconnected(ProbeCmd::Add(4)))
    ));
    send_cmd(&sender, ProbeCmd::Add(5));
    // A second stop, and a stop of what has ended, do nothing.
    sender.handle().stop();
    sender.handle().stop();
    works(&runtime);
    runtime.shutdown(PATIENCE);
}

#[test]
fn connecting_to_a_stopped_runtime_gives_disconnected_senders() {
    let runtime = runtime(2);
    let (early, _sender) = runtime.connect::<_, ProbeCmd>(Probe(Tally::new()));
    runtime.shutdown(PATIENCE);

    let tallies: Vec<_> = (0..6).map(|_| Tally::new()).collect();
    let probe = |index: usize| Probe(Arc::clone(&tallies[index]));
    let mutable = |index: usize| Mutable(Arc::clone(&tallies[index]));
    let senders = [
        runtime.connect(probe(0)).1,
        runtime.connect_with_capacity(probe(1), 5).1,
        runtime.connect_unbounded(probe(2)).1,
        runtime.connect_mut(mutable(3)),
        runtime.machine(mutable(4)).accepts::<ProbeCmd>().connect(),
        runtime.and_connect(&early),
        runtime.and_connect_with_capacity(&early, 5),
        runtime.and_connect_unbounded(&early),
    ];
    for (index, sender) in senders.iter().enumerate() {
        assert!(sender.is_disconnected(), "sender {index}");
        assert!(
            matches!(
                sender.send(ProbeCmd::Add(1)),
                Err(SendError::Disconnected(_))
            ),
            "sender {index}"
        );
        assert!(!sender.handle().is_alive(), "sender {index}");
        within_patience("the wait for a machine that never lived", {
            let handle = sender.handle();
            move || handle.wait(PATIENCE).expect("it has ended")
        });
    }
    assert!(
        runtime
            .machine(mutable(5))
            .accepts::<ProbeCmd>()
            .try_connect()
            .is_err()
    );
    drop(senders);
    for (index, tally) in tallies.iter().enumerate() {
        assert_eq!(
            tally.counts(),
            (0, 0, 0, 1),
            "machine {index}: no hook is called, and nothing leaks"
        );
    }
    assert_eq!(runtime.machine_count(), 0);
}

#[test]
fn this_machine_outside_of_a_machine() {
    assert!(this_machine::id().is_none());
    assert!(this_machine::name().is_none());
    assert!(this_machine::sender::<ProbeCmd>().is_err());
    assert!(this_machine::stop().is_err());
    assert!(this_machine::runtime().is_err());
    assert!(this_machine::end_reason().is_none());
    let error = this_machine::stop().unwrap_err();
    assert!(!error.to_string().is_empty());
}

/// A machine that asks for a sender of an instruction set that it has no mailbox for.
#[test]
fn this_machine_with_the_wrong_instruction_set() {
    let runtime = runtime(1);
    let (answer, answers) = unbounded();
    let (_, sender) = runtime.connect(move |_: ProbeCmd| {
        let (right, wrong) = (
            this_machine::sender::<ProbeCmd>().is_ok(),
            this_machine::sender::<Number>().is_err(),
        );
        answer
            .send(Number::Is(u64::from(right) + 2 * u64::from(wrong)))
            .unwrap();
    });
    sender.send(ProbeCmd::Add(1)).unwrap();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(Number::Is(3)));
    runtime.shutdown(PATIENCE);
}

#[test]
fn timeouts_of_zero_and_of_for_ever() {
    let (sender, receiver) = bounded(1);
    assert_eq!(
        receiver.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    );
    sender
        .send_timeout(Number::Is(1), Duration::ZERO)
        .expect("there is room");
    assert!(matches!(
        sender.send_timeout(Number::Is(2), Duration::ZERO),
        Err(SendTimeoutError::Timeout(Number::Is(2)))
    ));
    assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(Number::Is(1)));

    sender.send_timeout(Number::Is(3), Duration::MAX).unwrap();
    let blocked = {
        let sender = sender.clone();
        thread::spawn(move || sender.send_timeout(Number::Is(4), Duration::MAX))
    };
    assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(Number::Is(3)));
    assert_eq!(receiver.recv_timeout(Duration::MAX), Ok(Number::Is(4)));
    blocked.join().unwrap().unwrap();

    let runtime = runtime(1);
    works(&runtime);
    within_patience("wait_idle", {
        let runtime = runtime.clone();
        move || runtime.wait_idle(Duration::MAX).unwrap()
    });
    let _ = runtime.wait_idle(Duration::ZERO);
    within_patience("shutdown", {
        let runtime = runtime.clone();
        move || runtime.shutdown(Duration::MAX)
    });
    within_patience("shutdown", move || runtime.shutdown(Duration::ZERO));

    let tally = Tally::new();
    let runtime = support::runtime(1);
    let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    sender.send(ProbeCmd::Add(1)).unwrap();
    within_patience("shutdown", move || runtime.shutdown(Duration::ZERO));
    let (_, _, disconnected, dropped) = tally.counts();
    assert_eq!(
        (disconnected, dropped),
        (1, 1),
        "no time to drain, but an orderly end"
    );
}

#[test]
fn a_receiver_without_senders_gives_what_is_left_first() {
    let (sender, mut receiver) = unbounded();
    for number in 0..3 {
        sender.send(Number::Is(number)).unwrap();
    }
    drop(sender);
    assert_eq!(receiver.recv(), Ok(Number::Is(0)));
    assert_eq!(receiver.try_recv(), Ok(Number::Is(1)));
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(Number::Is(2)));
    assert!(receiver.recv().is_err());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(
        receiver.recv_timeout(Duration::MAX),
        Err(RecvTimeoutError::Disconnected)
    );
    assert_eq!(receiver.iter().count() + receiver.try_iter().count(), 0);
    assert_eq!(block_on(receiver.recv_async()), None);
    assert_eq!(receiver.len(), 0);
}

#[test]
fn a_thread_that_waits_is_told_when_the_other_side_goes() {
    let (sender, receiver) = bounded(1);
    sender.send(Number::Is(1)).unwrap();
    let blocked = thread::spawn(move || sender.send(Number::Is(2)));
    drop(receiver);
    within_patience("the blocked send", move || {
        assert!(matches!(
            blocked.join().unwrap(),
            Err(SendError::Disconnected(Number::Is(2)))
        ));
    });

    let (sender, receiver) = bounded::<Number>(1);
    let blocked = thread::spawn(move || receiver.recv());
    drop(sender);
    within_patience("the blocked recv", move || {
        assert!(blocked.join().unwrap().is_err())
    });
}

#[derive(Debug, MachineImpl)]
#[expect(clippy::large_enum_variant, reason = "that is the point")]
enum Sizes {
    Large([u8; 50_000]),
    End,
}

/// Large instructions neither overflow a stack of the usual size nor lose their contents.
#[test]
fn instructions_of_extreme_sizes() {
    let runtime = runtime(1);
    let received = Arc::<AtomicUsize>::default();
    let (_, large) = {
        let received = Arc::clone(&received);
        runtime.connect(move |cmd: Sizes| {
            if let Sizes::Large(bytes) = cmd {
                assert!(bytes.iter().all(|byte| *byte == 7));
                support::probe::bump(&received);
            }
        })
    };
    for _ in 0..20 {
        large.send(Sizes::Large([7; 50_000])).unwrap();
    }
    large.send(Sizes::End).unwrap();
    wait_in(&runtime, "all large ones arrive", || read(&received) == 20);

    #[derive(Debug, Clone, Copy, PartialEq, Eq, MachineImpl)]
    enum Nothing {
        AtAll,
    }
    assert_eq!(size_of::<Nothing>(), 0);
    let (sender, receiver) = bounded(3);
    for _ in 0..3 {
        sender.send(Nothing::AtAll).unwrap();
    }
    assert!(matches!(
        sender.try_send(Nothing::AtAll),
        Err(TrySendError::Full(Nothing::AtAll))
    ));
    assert_eq!(receiver.try_iter().count(), 3);
    runtime.shutdown(PATIENCE);
}

/// An Arc that was never connected is as good as a machine that was.
#[test]
fn and_connect_of_a_value_that_was_never_connected() {
    let runtime = runtime(1);
    let tally = Tally::new();
    let machine = Arc::new(Probe(Arc::clone(&tally)));
    let sender = runtime.and_connect::<_, ProbeCmd>(&machine);
    sender.send(ProbeCmd::Add(1)).unwrap();
    drop(sender);
    wait_in(&runtime, "the machine ends", || {
        runtime.machine_count() == 0
    });
    assert_eq!(tally.counts(), (1, 1, 1, 0), "the value is still ours");
    drop(machine);
    assert_eq!(read(&tally.dropped), 1);
    runtime.shutdown(PATIENCE);
}

/// Beyond the hard limit a machine's send hands the instruction back: a machine that multiplies cannot eat all memory.
#[test]
fn the_hard_limit_hands_instructions_back() {
    let runtime = Runtime::builder()
        .workers(1)
        .mailbox_capacity(10)
        .hard_limit(3)
        .build()
        .unwrap();
    let dropped = Arc::<AtomicUsize>::default();
    let (target, reports) = send_100_to_one_that_cannot_run(&runtime, &dropped);
    let (mut taken, mut limited) = (0, 0);
    for _ in 0..100 {
        match reports.recv_timeout(PATIENCE).expect("the source reports") {
            Number::Is(0) => taken += 1,
            Number::Is(_) => limited += 1,
        }
    }
    assert_eq!((taken, limited), (30, 70), "three times the capacity");
    drop(target);
    runtime.shutdown(PATIENCE);
    assert_eq!(
        read(&dropped),
        100,
        "each is dropped once, by the sender or by the mailbox"
    );
}

/// Has a machine send 100 instructions to another one, while it keeps the only worker; it reports for each if it was taken.
fn send_100_to_one_that_cannot_run(
    runtime: &Runtime,
    dropped: &Arc<AtomicUsize>,
) -> (Sender<ProbeCmd>, Receiver<Number>) {
    let (_, target) = runtime.connect(Probe(Tally::new()));
    let (report, reports) = unbounded();
    let (_, source) = {
        let (target, dropped) = (target.clone(), Arc::clone(dropped));
        runtime.connect(move |_: Number| {
            for _ in 0..100 {
                let outcome = match target.send(ProbeCmd::Cargo(Counted::new(&dropped))) {
                    Ok(()) => 0,
                    Err(SendError::Limit(ProbeCmd::Cargo(_))) => 1,
                    Err(error) => panic!("{error}"),
                };
                report.send(Number::Is(outcome)).unwrap();
            }
        })
    };
    source.send(Number::Is(1)).unwrap();
    (target, reports)
}
