//! Every path and signature of the public API that the first whole d3 has, used once. What a signature says is checked
//! by giving the function a type; what it does is checked in the tests beside this one.

#![expect(clippy::type_complexity, reason = "a signature is as long as it is")]

mod support;

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use d3::{
    BuildError, EndReason, Machine, MachineHandle, MachineId, MachineImpl, MachineInfo, MachineMut,
    NotHere, Receiver, RecvError, RecvTimeoutError, Runtime, RuntimeStats, SendError, SendFuture,
    SendTimeoutError, Sender, ShutdownReport, TryRecvError, TrySendError, WaitError, WeakSender,
    bounded, this_machine, unbounded,
};

use support::futures::{CountingWaker, block_on};
use support::probe::{Number, Probe, ProbeCmd, Tally};
use support::{PATIENCE, runtime, wait_in};

/// An instruction that is neither Debug nor anything else: nothing may ask for more.
#[derive(MachineImpl)]
enum Bare {
    One(u32),
    Two { _why: String },
    Three,
}

#[test]
fn the_prelude_has_what_a_program_needs() {
    use d3::prelude::*;
    let runtime: Runtime = Runtime::builder().workers(1).build().unwrap();
    #[derive(MachineImpl)]
    enum Local {
        Only,
    }
    struct Shared;
    impl Machine<Local> for Shared {
        fn receive(&self, Local::Only: Local) {}
        fn connected(&self, _id: Uuid) {}
        fn disconnected(&self) {}
    }
    struct Owned;
    impl MachineMut<Local> for Owned {
        fn receive(&mut self, Local::Only: Local) {}
        fn connected(&mut self, _id: Uuid) {}
        fn disconnected(&mut self) {}
    }
    let (_, sender): (Arc<Shared>, Sender<Local>) = runtime.connect(Shared);
    send_cmd(&sender, Local::Only);
    send_cmd(&runtime.connect_mut(Owned), Local::Only);
    assert!(this_machine::id().is_none());
    let _: fn() = executor::start_server;
    #[cfg(feature = "net")]
    let _ = Bytes::from_static(b"re-exported, because signatures name it");
    runtime.shutdown(PATIENCE);
}

#[test]
fn both_names_of_the_derive() {
    #[derive(d3::InstructionSet)]
    enum Fresh {
        Only,
    }
    #[derive(d3::d3_derive::MachineImpl)]
    enum Old {
        Only,
    }
    fn name<P: d3::core::machine_impl::MachineImpl>() -> &'static str {
        P::NAME
    }
    assert_eq!((name::<Fresh>(), name::<Old>()), ("Fresh", "Old"));
    assert_eq!((Fresh::Only.variant(), Old::Only.variant()), (0, 0));
    assert_eq!(Bare::VARIANTS, ["One", "Two", "Three"]);
    assert_eq!(
        Bare::Two {
            _why: String::new()
        }
        .variant(),
        1
    );
    assert_eq!(Bare::Three.variant(), 2);
}

#[test]
fn senders() {
    let _: fn(&Sender<Bare>, Bare) -> Result<(), SendError<Bare>> = Sender::send;
    let _: fn(&Sender<Bare>, Bare) -> Result<(), TrySendError<Bare>> = Sender::try_send;
    let _: fn(&Sender<Bare>, Bare, Duration) -> Result<(), SendTimeoutError<Bare>> =
        Sender::send_timeout;
    let _: fn(&Sender<Bare>, Bare) -> SendFuture<Bare> = Sender::send_async;
    let _: fn(&Sender<Bare>) -> usize = Sender::len;
    let _: fn(&Sender<Bare>) -> Option<usize> = Sender::capacity;
    let _: fn(&Sender<Bare>) -> WeakSender<Bare> = Sender::downgrade;
    let _: fn(&Sender<Bare>) -> MachineHandle = Sender::handle;
    let _: fn(&Sender<Bare>) -> MachineId = Sender::id;
    let _: fn(&WeakSender<Bare>) -> Option<Sender<Bare>> = WeakSender::upgrade;
    let _: fn(&Sender<Bare>, Bare) = d3::send_cmd;
    let _: fn(&Sender<Bare>, Bare) = d3::core::send_cmd;

    fn a_sender<S: Clone + Debug + Eq + Hash + Send + Sync + Unpin + 'static>() {}
    a_sender::<Sender<Bare>>();
    fn a_future<F: Future<Output = Result<(), SendError<Bare>>> + Unpin + Send + 'static>() {}
    a_future::<SendFuture<Bare>>();
    assert_eq!(size_of::<Sender<Bare>>(), size_of::<usize>(), "one pointer");
    assert_eq!(size_of::<Option<Sender<Bare>>>(), size_of::<usize>());
    // No bound on the struct: it may be named where nothing is known of P.
    struct Holder<P>(Option<Sender<P>>, Option<WeakSender<P>>);
    let holder: Holder<*const u8> = Holder(None, None);
    assert!(holder.0.is_none() && holder.1.is_none());

    let (sender, receiver) = bounded::<Bare>(2);
    let twin = sender.clone();
    let (stranger, _stranger_receiver) = bounded::<Bare>(2);
    assert!(
        sender == twin
            && sender != stranger
            && sender.id() == twin.id()
            && sender.id() != stranger.id()
    );
    assert_eq!(HashSet::from([sender.clone(), twin, stranger]).len(), 2);
    assert!(sender.is_empty() && !sender.is_full() && !sender.is_disconnected());
    sender.send(Bare::One(1)).unwrap();
    sender.try_send(Bare::One(2)).unwrap();
    assert!(sender.is_full() && sender.len() == 2 && sender.capacity() == Some(2));
    let weak = sender.downgrade();
    let _ = weak.clone();
    assert!(weak.upgrade().is_some_and(|same| same == sender));
    assert!(matches!(receiver.recv(), Ok(Bare::One(1))));
    drop(sender);
    assert!(weak.upgrade().is_none());
}

#[test]
#[allow(deprecated)]
fn the_id_of_a_sender_under_its_old_name() {
    let (sender, _receiver) = unbounded::<Bare>();
    let id: MachineId = sender.get_id();
    assert_eq!(id, sender.id());
    assert!(!id.to_string().is_empty());
    fn an_id<I: Copy + Debug + Display + Eq + Hash + Send + Sync + 'static>(_: I) {}
    an_id(id);
}

#[test]
fn errors_hand_the_instruction_back() {
    fn an_error<E: std::error::Error + Send + 'static>(error: &E) {
        assert!(!error.to_string().is_empty() && !format!("{error:?}").is_empty());
    }
    let (sender, receiver) = bounded::<Bare>(1);
    sender.send(Bare::One(0)).unwrap();

    let error = sender.try_send(Bare::One(1)).unwrap_err();
    an_error(&error);
    assert!(matches!(error, TrySendError::Full(Bare::One(1))));
    assert!(matches!(error.into_inner(), Bare::One(1)));
    let error = sender
        .send_timeout(Bare::One(2), Duration::ZERO)
        .unwrap_err();
    an_error(&error);
    assert!(matches!(error, SendTimeoutError::Timeout(_)));
    assert!(matches!(error.into_inner(), Bare::One(2)));
    drop(receiver);
    let error = sender.send(Bare::One(3)).unwrap_err();
    an_error(&error);
    assert!(matches!(error, SendError::Disconnected(_)));
    assert!(matches!(error.into_inner(), Bare::One(3)));
    assert!(matches!(
        sender.try_send(Bare::Three),
        Err(TrySendError::Disconnected(Bare::Three))
    ));
    let disconnected = sender.send_timeout(Bare::Three, PATIENCE);
    assert!(matches!(
        disconnected,
        Err(SendTimeoutError::Disconnected(Bare::Three))
    ));
    // The third kind needs a machine over the hard limit: bad_input.rs has one.
    an_error(&SendError::Limit(Bare::Three));
    an_error(&TrySendError::Limit(Bare::Three));
    an_error(&SendTimeoutError::Limit(Bare::Three));

    let (sender, receiver) = unbounded::<Bare>();
    an_error(&receiver.try_recv().err().unwrap());
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    assert!(matches!(
        receiver.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    ));
    drop(sender);
    let error: RecvError = receiver.recv().err().unwrap();
    an_error(&error);
    an_error(&receiver.recv_timeout(PATIENCE).err().unwrap());
    assert!(matches!(
        receiver.try_recv(),
        Err(TryRecvError::Disconnected)
    ));
    an_error(&this_machine::stop().unwrap_err());
}

#[test]
fn receivers() {
    let _: fn(&Receiver<Bare>) -> Result<Bare, RecvError> = Receiver::recv;
    let _: fn(&Receiver<Bare>) -> Result<Bare, TryRecvError> = Receiver::try_recv;
    let _: fn(&Receiver<Bare>, Duration) -> Result<Bare, RecvTimeoutError> = Receiver::recv_timeout;
    let _: fn(&Receiver<Bare>) -> Option<usize> = Receiver::capacity;
    let _: fn(usize) -> (Sender<Bare>, Receiver<Bare>) = bounded;
    let _: fn() -> (Sender<Bare>, Receiver<Bare>) = unbounded;
    let _: fn(usize) -> (Sender<Bare>, Receiver<Bare>) =
        d3::core::machine_impl::channel_with_capacity;
    let _: fn() -> (Sender<Bare>, Receiver<Bare>) = d3::core::machine_impl::channel;
    fn a_receiver<R: Send + Debug + 'static>() {}
    a_receiver::<Receiver<Bare>>();

    let (sender, mut receiver) = bounded(4);
    assert_eq!(
        (receiver.len(), receiver.capacity(), receiver.is_empty()),
        (0, Some(4), true)
    );
    for number in 0..4 {
        sender.send(Number::Is(number)).unwrap();
    }
    assert_eq!(receiver.iter().next(), Some(Number::Is(0)));
    assert_eq!(
        receiver.try_iter().collect::<Vec<_>>(),
        [Number::Is(1), Number::Is(2), Number::Is(3)]
    );

    let (wakes, waker) = CountingWaker::new();
    let mut context = Context::from_waker(&waker);
    assert!(receiver.poll_recv(&mut context).is_pending());
    assert_eq!(wakes.wakes(), 0);
    for number in 4..7 {
        sender.send(Number::Is(number)).unwrap();
    }
    assert_eq!(wakes.wakes(), 1, "one wake for a burst");
    assert_eq!(
        receiver.poll_recv(&mut context),
        Poll::Ready(Some(Number::Is(4)))
    );
    assert_eq!(block_on(receiver.recv_async()), Some(Number::Is(5)));
    let next = std::future::poll_fn(|context| {
        futures_core::Stream::poll_next(Pin::new(&mut receiver), context)
    });
    assert_eq!(block_on(next), Some(Number::Is(6)));
    drop(sender);
    assert_eq!(block_on(receiver.recv_async()), None);
}

#[test]
fn a_future_that_waits_is_woken() {
    let (sender, mut receiver) = bounded(1);
    let reader = std::thread::spawn(move || {
        let mut numbers = Vec::new();
        while let Some(number) = block_on(receiver.recv_async()) {
            numbers.push(number);
        }
        numbers
    });
    for number in 0..1_000 {
        block_on(sender.send_async(Number::Is(number))).unwrap();
    }
    drop(sender);
    assert!(
        reader
            .join()
            .unwrap()
            .into_iter()
            .eq((0..1_000).map(Number::Is))
    );
}

struct Owned(Arc<Tally>);

impl MachineMut<ProbeCmd> for Owned {
    fn receive(&mut self, _cmd: ProbeCmd) {
        support::probe::bump(&self.0.received);
    }
}

#[test]
fn every_kind_of_machine_and_every_way_to_connect() {
    let runtime = runtime(2);
    let tally = Tally::new();
    let probe = || Probe(Arc::clone(&tally));
    let owned = || Owned(Arc::clone(&tally));
    let closure = || {
        let tally = Arc::clone(&tally);
        move |_: ProbeCmd| support::probe::bump(&tally.received)
    };
    let shared: Arc<dyn Machine<ProbeCmd>> = Arc::new(probe());
    let (machine, first): (Arc<Probe>, Sender<ProbeCmd>) = runtime.connect(probe());
    let senders: Vec<Sender<ProbeCmd>> = vec![
        first,
        runtime.connect_with_capacity(probe(), 3).1,
        runtime.connect_unbounded(probe()).1,
        runtime.and_connect::<_, ProbeCmd>(&machine),
        runtime.and_connect_with_capacity::<_, ProbeCmd>(&machine, 4),
        runtime.and_connect_unbounded::<_, ProbeCmd>(&machine),
        runtime.connect(closure()).1,
        runtime.connect(Arc::clone(&shared)).1,
        runtime.connect(Mutex::new(owned())).1,
        runtime.connect_mut(owned()),
        runtime.machine(owned()).accepts::<ProbeCmd>().connect(),
        runtime
            .machine(owned())
            .capacity(5)
            .name("five")
            .accepts::<ProbeCmd>()
            .connect(),
        runtime
            .machine(owned())
            .unbounded()
            .accepts::<ProbeCmd>()
            .connect(),
        runtime
            .machine(owned())
            .accepts::<ProbeCmd>()
            .try_connect()
            .unwrap(),
    ];
    let capacities: Vec<_> = senders.iter().map(Sender::capacity).collect();
    let usual = Some(250);
    let due = [
        usual,
        Some(3),
        None,
        usual,
        Some(4),
        None,
        usual,
        usual,
        usual,
        usual,
        usual,
        Some(5),
        None,
        usual,
    ];
    assert_eq!(capacities, due);
    assert_eq!(runtime.machine_count(), senders.len());
    for sender in &senders {
        sender.send(ProbeCmd::Add(1)).unwrap();
    }
    wait_in(&runtime, "each receives", || {
        tally.received() == senders.len()
    });
    assert_eq!(senders[11].handle().name().as_deref(), Some("five"));

    let infos: Vec<MachineInfo> = runtime.machines();
    assert_eq!(infos.len(), senders.len());
    assert!(format!("{infos:?}").contains("five"));
    drop(senders);
    wait_in(&runtime, "each ends", || runtime.machine_count() == 0);
    runtime.shutdown(PATIENCE);
}

#[test]
fn the_builder_and_what_a_runtime_can_do() {
    let runtime: Runtime = Runtime::builder()
        .workers(2)
        .pin_workers(false)
        .thread_name("api")
        .thread_name(String::from("api"))
        .stack_size(1 << 20)
        .time_slice(Duration::from_millis(5))
        .budget(100)
        .mailbox_capacity(11)
        .hard_limit(1_000)
        .build()
        .unwrap();
    let _: fn(&Runtime, Duration) -> Result<(), WaitError> = Runtime::wait_idle;
    let _: fn(&Runtime, Duration) -> ShutdownReport = Runtime::shutdown;
    let _: fn(&Runtime) -> RuntimeStats = Runtime::stats;
    let _: fn(&Runtime) -> Vec<MachineInfo> = Runtime::machines;
    let _: fn(&Runtime) -> usize = Runtime::machine_count;
    fn a_handle<R: Clone + Debug + Send + Sync + 'static>() {}
    a_handle::<Runtime>();
    fn an_error<E: std::error::Error + Send + Sync + 'static>() {}
    an_error::<BuildError>();
    an_error::<WaitError>();
    an_error::<NotHere>();

    let twin = runtime.clone();
    let (_, sender) = twin.connect(Probe(Tally::new()));
    assert_eq!((sender.capacity(), runtime.machine_count()), (Some(11), 1));
    runtime.wait_idle(PATIENCE).unwrap();
    assert!(!format!("{:?}", runtime.stats()).is_empty());
    let report: ShutdownReport = runtime.shutdown(PATIENCE);
    assert!(!report.to_string().is_empty());
}

#[test]
fn handles() {
    fn a_handle<H: Clone + Debug + Display + Eq + Hash + Send + Sync + 'static>() {}
    a_handle::<MachineHandle>();
    let _: fn(&MachineHandle) = MachineHandle::stop;
    let _: fn(&MachineHandle) -> bool = MachineHandle::is_alive;
    let _: fn(&MachineHandle) -> Option<String> = MachineHandle::name;
    let _: fn(&MachineHandle) -> MachineId = MachineHandle::id;
    let _: fn(&MachineHandle, Duration) -> Result<EndReason, WaitError> = MachineHandle::wait;

    let runtime = runtime(1);
    let sender = runtime
        .machine(Owned(Tally::new()))
        .name("handled")
        .accepts::<ProbeCmd>()
        .connect();
    let handle = sender.handle();
    assert!(handle.is_alive() && handle.id() == sender.id() && handle == sender.clone().handle());
    assert!(handle.to_string().contains("handled"), "{handle}");
    assert!(
        handle.wait(Duration::from_millis(1)).is_err(),
        "a handle is weak, but the sender is not"
    );
    drop(sender);
    assert!(matches!(handle.wait(PATIENCE), Ok(EndReason::NoSenders)));
    assert!(!handle.is_alive());
    runtime.shutdown(PATIENCE);
}

/// What a machine can ask for while it runs.
struct Curious {
    seen: Arc<Mutex<Vec<String>>>,
}

impl MachineMut<Number> for Curious {
    fn receive(&mut self, Number::Is(number): Number) {
        let see = |what: &str, seen: bool| {
            if !seen {
                self.seen.lock().unwrap().push(what.to_owned());
            }
        };
        see("id", this_machine::id().is_some());
        see("name", this_machine::name().as_deref() == Some("curious"));
        let own: Result<WeakSender<Number>, NotHere> = this_machine::sender();
        see(
            "sender",
            own.is_ok_and(|own| {
                own.upgrade()
                    .is_some_and(|own| Some(own.id()) == this_machine::id())
            }),
        );
        let runtime: Result<Runtime, NotHere> = this_machine::runtime();
        see(
            "runtime",
            runtime.is_ok_and(|runtime| runtime.machine_count() == 1),
        );
        see("end_reason", this_machine::end_reason().is_none());
        match number {
            0 => {}
            1 => see("stop", this_machine::stop().is_ok()),
            _ => see(
                "fail",
                this_machine::fail(std::io::Error::other("out of order")).is_ok(),
            ),
        }
    }

    fn disconnected(&mut self) {
        let reason: Option<EndReason> = this_machine::end_reason();
        self.seen.lock().unwrap().push(format!("{reason:?}"));
    }
}

fn curious(last: u64) -> (EndReason, Vec<String>) {
    let runtime = runtime(1);
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let sender = runtime
        .machine(Curious {
            seen: Arc::clone(&seen),
        })
        .name("curious")
        .accepts::<Number>()
        .connect();
    sender.send(Number::Is(0)).unwrap();
    sender.send(Number::Is(last)).unwrap();
    let reason = sender.handle().wait(PATIENCE).unwrap();
    runtime.shutdown(PATIENCE);
    let seen = seen.lock().unwrap().clone();
    (reason, seen)
}

#[test]
fn this_machine_can_stop() {
    let (reason, seen) = curious(1);
    assert!(matches!(reason, EndReason::Stopped), "{reason:?}");
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[test]
fn this_machine_can_fail() {
    let (reason, seen) = curious(2);
    assert!(matches!(reason, EndReason::Failed(..)), "{reason:?}");
    assert!(format!("{reason:?}").contains("out of order"), "{reason:?}");
    assert_eq!(seen.len(), 1, "{seen:?}");
}

/// The paths that a d3 program imports; the functions behind them are used in `default_runtime.rs`.
#[test]
#[allow(unused_imports, deprecated)]
fn the_old_paths() {
    #[cfg(feature = "components")]
    use d3::components::{network, settings};
    use d3::core::executor::stats::{
        CoreStatsMessage, CoreStatsSender, ExecutorStats, SchedStats, add_core_stats_sender,
        remove_core_stats_sender, request_machine_info, request_stats_now,
    };
    use d3::core::executor::{
        and_connect, and_connect_unbounded, and_connect_with_capacity, connect, connect_unbounded,
        connect_with_capacity, get_default_channel_capacity, get_executor_count,
        get_executors_snoozing, get_machine_count, get_machine_count_estimate, get_run_queue_len,
        get_selector_maintenance_duration, get_time_slice, set_default_channel_capacity,
        set_executor_count, set_machine_count_estimate, set_selector_maintenance_duration,
        set_time_slice, start_server, stop_server, try_start,
    };
    use d3::core::machine_impl::{
        Machine, MachineImpl, Receiver, Sender, TrySendError, channel, channel_with_capacity,
    };
    use d3::core::send_cmd;
    use d3::d3_derive::MachineImpl;
}
