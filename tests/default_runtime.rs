//! The process-wide runtime behind d3's functions: `d3::core::executor`. It is the only one of its kind in a process, so
//! all cases run one after another in a single test.

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use d3::TryRecvError;
use d3::core::executor::stats::{
    self, CoreStatsMessage, CoreStatsSender, ExecutorStats, SchedStats,
};
use d3::core::executor::{self, *};
use d3::core::machine_impl::{self, *};
use d3::core::send_cmd;
use d3::d3_derive::MachineImpl;
use d3::prelude::{Runtime, Uuid};

use support::probe::{Number, Probe, ProbeCmd, Tally, read};
use support::{PATIENCE, wait_until_or};

fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_or(what, condition, || {
        format!(
            "with {} machines, {} in the run queue, {} of {} executors asleep",
            get_machine_count(),
            get_run_queue_len(),
            get_executors_snoozing(),
            get_executor_count()
        )
    });
}

#[test]
fn the_executor_face() {
    starts_by_itself();
    settings();
    start_and_stop_repeat();
    start_and_stop_nest();
    stopped_means_disconnected();
    every_way_to_connect();
    counts_are_exact();
    channels();
    stopping_drains();
    stopping_inside_a_machine_blocks_nobody();
    the_runtime_behind_it();
    defect_16_statistics_late_by_seconds();
    defect_02_remove_core_stats_sender_adds();
    statistics_reach_machines();
}

/// The first example of the documentation: nobody called `start_server`.
fn starts_by_itself() {
    let tally = Tally::new();
    let (alice, sender) = executor::connect(Probe(Arc::clone(&tally)));
    sender.send(ProbeCmd::Add(1)).expect("send failed");
    drop((alice, sender));
    executor::stop_server();
    assert_eq!(tally.counts(), (1, 1, 1, 1), "stop_server drains");
}

#[allow(deprecated)]
fn settings() {
    set_machine_count_estimate(1_000);
    assert_eq!(get_machine_count_estimate(), 1_000);
    set_selector_maintenance_duration(Duration::from_millis(20));
    assert_eq!(
        get_selector_maintenance_duration(),
        Duration::from_millis(20)
    );

    assert_eq!(get_time_slice(), Duration::from_millis(20), "the default");
    set_time_slice(Duration::from_millis(10));
    assert_eq!(get_time_slice(), Duration::from_millis(10));

    assert_eq!(get_default_channel_capacity(), 250, "the default");
    set_default_channel_capacity(7);
    assert_eq!(get_default_channel_capacity(), 7);

    set_executor_count(0);
    start_server();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(
        get_executor_count(),
        cores,
        "0 means all cores, and a running server tells how many that are"
    );
    let (_, sender) = connect(Probe(Tally::new()));
    assert_eq!(sender.capacity(), Some(7));
    // The capacity may be changed at any time: it is read by each connect.
    set_default_channel_capacity(250);
    assert_eq!(connect(Probe(Tally::new())).1.capacity(), Some(250));
    stop_server();
    set_executor_count(2);
    assert_eq!(get_executor_count(), 2);
}

fn start_and_stop_repeat() {
    for _ in 0..20 {
        start_server();
        assert_eq!(get_executor_count(), 2);
        assert_eq!(get_machine_count(), 0);
        let tally = Tally::new();
        let (_, sender) = connect(Probe(Arc::clone(&tally)));
        send_cmd(&sender, ProbeCmd::Add(1));
        stop_server();
        assert_eq!(tally.counts(), (1, 1, 1, 1));
        // A stop too many does nothing.
        stop_server();
    }
}

fn start_and_stop_nest() {
    start_server();
    start_server();
    let (_, sender) = connect(Probe(Tally::new()));
    stop_server();
    sender
        .send(ProbeCmd::Add(1))
        .expect("the first start is still in force");
    stop_server();
    assert!(sender.is_disconnected());
    executor::try_start().expect("starts as start_server does");
    connect(Probe(Tally::new()))
        .1
        .send(ProbeCmd::Add(1))
        .unwrap();
    stop_server();
}

fn stopped_means_disconnected() {
    let tally = Tally::new();
    let (machine, sender) = connect(Probe(Arc::clone(&tally)));
    assert!(sender.is_disconnected() && sender.send(ProbeCmd::Add(1)).is_err());
    send_cmd(&sender, ProbeCmd::Add(1));
    drop(machine);
    assert_eq!(tally.counts(), (0, 0, 0, 1), "no hook is called");
    assert_eq!((get_machine_count(), get_run_queue_len()), (0, 0));
    assert!(executor::runtime().is_err());
    // Asked of nobody, these do nothing.
    stats::request_stats_now();
    stats::request_machine_info();
}

#[derive(Debug, MachineImpl)]
enum StateTable {
    Start,
}

/// Two instruction sets.
struct Alice(Arc<Tally>);

impl Machine<ProbeCmd> for Alice {
    fn receive(&self, _cmd: ProbeCmd) {
        support::probe::bump(&self.0.received);
    }

    fn connected(&self, uuid: Uuid) {
        assert!(!uuid.is_nil());
        support::probe::bump(&self.0.connected);
    }

    fn disconnected(&self) {
        support::probe::bump(&self.0.disconnected);
    }
}

impl Machine<StateTable> for Alice {
    fn receive(&self, StateTable::Start: StateTable) {
        support::probe::bump(&self.0.received);
    }
}

fn every_way_to_connect() {
    start_server();
    let tally = Tally::new();
    let (alice, sender): (Arc<Alice>, machine_impl::Sender<ProbeCmd>) =
        executor::connect::<_, ProbeCmd>(Alice(Arc::clone(&tally)));
    let (_bob, bounded) = connect_with_capacity::<_, ProbeCmd>(Alice(Arc::clone(&tally)), 3);
    let (_carol, unbounded) = connect_unbounded::<_, ProbeCmd>(Alice(Arc::clone(&tally)));
    let states = and_connect::<_, StateTable>(&alice);
    let states_bounded = and_connect_with_capacity::<_, StateTable>(&alice, 4);
    let states_unbounded = and_connect_unbounded::<_, StateTable>(&alice);
    assert_eq!((bounded.capacity(), unbounded.capacity()), (Some(3), None));
    assert_eq!(
        (states_bounded.capacity(), states_unbounded.capacity()),
        (Some(4), None)
    );
    for sender in [&sender, &bounded, &unbounded] {
        sender.send(ProbeCmd::Add(1)).unwrap();
    }
    for states in [&states, &states_bounded, &states_unbounded] {
        states.send(StateTable::Start).unwrap();
    }
    wait_until("all six arrive", || tally.received() == 6);
    assert_eq!(get_machine_count(), 6, "(machine, instruction set) pairs");
    let by_value: d3::Sender<Number> = executor::connect_mut(Last(0));
    by_value.send(Number::Is(1)).unwrap();
    stop_server();
    assert_eq!(read(&tally.disconnected), 3);
}

struct Last(u64);

impl d3::MachineMut<Number> for Last {
    fn receive(&mut self, Number::Is(number): Number) {
        self.0 = number;
    }
}

fn counts_are_exact() {
    start_server();
    let senders: Vec<_> = (1..=100)
        .map(|count| {
            let (_, sender) = connect(Probe(Tally::new()));
            assert_eq!(get_machine_count(), count, "counted when connect returns");
            sender
        })
        .collect();
    drop(senders);
    wait_until("all machines end", || get_machine_count() == 0);
    wait_until("all executors go to sleep", || {
        get_executors_snoozing() == get_executor_count()
    });
    assert_eq!(get_run_queue_len(), 0);
    stop_server();
}

fn channels() {
    let (sender, receiver): (Sender<Number>, Receiver<Number>) = channel();
    assert_eq!(sender.capacity(), None);
    send_cmd(&sender, Number::Is(1));
    assert_eq!(receiver.recv(), Ok(Number::Is(1)));
    let (sender, receiver) = channel_with_capacity::<Number>(1);
    sender.try_send(Number::Is(1)).unwrap();
    assert!(sender.is_full() && receiver.is_full());
    assert!(matches!(
        sender.try_send(Number::Is(2)),
        Err(TrySendError::Full(Number::Is(2)))
    ));
    assert!(
        sender
            .send_timeout(Number::Is(2), Duration::from_millis(1))
            .is_err()
    );
    assert_eq!(
        (sender.len(), receiver.len(), receiver.capacity()),
        (1, 1, Some(1))
    );
    assert_eq!(receiver.try_iter().count(), 1);
    assert!(sender.is_empty() && receiver.is_empty() && receiver.try_recv().is_err());
    assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
}

fn stopping_drains() {
    start_server();
    let tallies: Vec<_> = (0..100).map(|_| Tally::new()).collect();
    let senders: Vec<_> = tallies
        .iter()
        .map(|tally| connect(Probe(Arc::clone(tally))).1)
        .collect();
    for sender in &senders {
        (0..50).for_each(|_| sender.send(ProbeCmd::Add(1)).unwrap());
    }
    stop_server();
    assert!(tallies.iter().all(|tally| tally.counts() == (1, 50, 1, 1)));
}

fn stopping_inside_a_machine_blocks_nobody() {
    start_server();
    let (answer, answers) = channel();
    let (_, sender) = connect(move |_: ProbeCmd| {
        let start = Instant::now();
        stop_server();
        answer.send(Number::Is(start.elapsed().as_secs())).unwrap();
    });
    sender.send(ProbeCmd::Add(1)).unwrap();
    let Number::Is(seconds) = answers
        .recv_timeout(PATIENCE)
        .expect("stop_server returns inside a machine");
    assert!(seconds < 5, "{seconds} s");
    stop_server();
    wait_until("the server is stopped", || sender.is_disconnected());
}

fn the_runtime_behind_it() {
    start_server();
    let runtime: Runtime = executor::runtime().unwrap();
    let tally = Tally::new();
    let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    sender.send(ProbeCmd::Add(1)).unwrap();
    runtime.wait_idle(PATIENCE).unwrap();
    assert_eq!(
        (
            tally.received(),
            get_machine_count(),
            runtime.machine_count()
        ),
        (1, 1, 1)
    );
    stop_server();
    assert!(sender.is_disconnected());
}

/// Collects what one request brings: one message of each executor and one of the scheduler.
fn one_answer(receiver: &Receiver<CoreStatsMessage>) -> (Vec<ExecutorStats>, SchedStats) {
    let mut executors = Vec::new();
    let mut sched = None;
    while executors.len() < get_executor_count() || sched.is_none() {
        match receiver
            .recv_timeout(PATIENCE)
            .expect("statistics come when they are asked for")
        {
            CoreStatsMessage::ExecutorStats(stats) => executors.push(stats),
            CoreStatsMessage::SchedStats(stats) => sched = Some(stats),
        }
    }
    (executors, sched.expect("the loop ends with both"))
}

fn defect_16_statistics_late_by_seconds() {
    start_server();
    let (sender, receiver) = channel();
    stats::add_core_stats_sender(sender);
    let tally = Tally::new();
    let (_, probe) = connect(Probe(Arc::clone(&tally)));
    for round in 1..=10 {
        for _ in 0..100 {
            probe.send(ProbeCmd::Add(1)).unwrap();
        }
        executor::runtime().unwrap().wait_idle(PATIENCE).unwrap();
        let start = Instant::now();
        stats::request_stats_now();
        let (executors, sched) = one_answer(&receiver);
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "round {round}: {:?}",
            start.elapsed()
        );
        let ids: HashSet<usize> = executors.iter().map(|stats| stats.id).collect();
        assert_eq!(
            ids.len(),
            get_executor_count(),
            "each executor tells of itself: {executors:?}"
        );
        let received: u128 = executors.iter().map(|stats| stats.instructs_sent).sum();
        assert!(received >= 100 * round, "round {round}: {executors:?}");
        assert!(executors.iter().any(|stats| stats.tasks_executed > 0));
        assert!(sched.total_time > Duration::ZERO, "{sched:?}");
    }
    stop_server();
}

fn defect_02_remove_core_stats_sender_adds() {
    start_server();
    let (sender, receiver) = channel();
    let (other_sender, other_receiver) = channel();
    let copy: CoreStatsSender = sender.clone();
    stats::add_core_stats_sender(copy);
    stats::add_core_stats_sender(sender.clone());
    stats::add_core_stats_sender(other_sender);
    stats::request_stats_now();
    one_answer(&receiver);
    one_answer(&other_receiver);
    assert!(receiver.try_recv().is_err(), "added twice, told once");

    stats::remove_core_stats_sender(sender);
    // Ours is gone, and so is the one the server had: nobody is left to send.
    wait_until("the server lets go of it", || {
        matches!(receiver.try_recv(), Err(TryRecvError::Disconnected))
    });
    stats::request_stats_now();
    one_answer(&other_receiver);
    drop(other_receiver);
    // A reader that has gone disturbs nobody.
    stats::request_stats_now();
    stats::request_machine_info();
    stop_server();
}

/// A machine that reads statistics, as d3's monitor does.
struct Monitor(Arc<Tally>);

impl Machine<CoreStatsMessage> for Monitor {
    fn receive(&self, cmd: CoreStatsMessage) {
        match cmd {
            CoreStatsMessage::ExecutorStats(stats) => assert!(stats != ExecutorStats::default()),
            CoreStatsMessage::SchedStats(stats) => assert!(!format!("{stats:#?}").is_empty()),
        }
        support::probe::bump(&self.0.received);
    }
}

fn statistics_reach_machines() {
    start_server();
    let tally = Tally::new();
    let (_, sender) = connect(Monitor(Arc::clone(&tally)));
    stats::add_core_stats_sender(sender.clone());
    stats::request_stats_now();
    wait_until("the monitor is told", || {
        tally.received() == get_executor_count() + 1
    });
    stats::remove_core_stats_sender(sender);
    wait_until("the monitor ends with its last sender", || {
        get_machine_count() == 0
    });
    stop_server();
}
