//! Promise 8: nobody keeps other machines waiting beyond a stated number of activations; what waits behind a long `receive`
//! is run by another worker.
//!
//! Nothing here is measured by a clock. The machines that never rest count their instructions, for each worker apart, and a
//! machine that was sent to compares: how many did the worker that queued it run meanwhile? docs/promises.md derives the bounds.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use d3::Runtime;
use d3::prelude::*;

use crate::support::probe::{Gate, bump, read};
use crate::support::{PATIENCE, rounds, runtime, wait_in};

const ROUNDS: &str = "D3_FAIRNESS_ROUNDS";

// As in `runtime/src/tuning.rs`: who changes them there changes a promise.
const BUDGET: u64 = 256;
const NEXT_UP_RUN_MAX: u64 = 3;
const INJECTOR_INTERVAL_TURNS: u64 = 61;
/// What a worker takes from the injector at once: half of it, at most so many, and never across a border of its blocks.
const BATCH_MAX: u64 = 33;
const INJECTOR_BLOCK: u64 = 63;

/// Activations that a worker may run before a machine that was queued on it, while `others` are runnable: each of them once,
/// and the next-up slot after each; then the turns that go to the injector.
fn turns(others: u64) -> u64 {
    let own = (others + 1) * (1 + NEXT_UP_RUN_MAX);
    (own * INJECTOR_INTERVAL_TURNS).div_ceil(INJECTOR_INTERVAL_TURNS - 1)
}

/// The same for a burst of machines that a thread outside made runnable: first the injector must be looked at often enough.
fn turns_from_outside(burst: u64, others: u64) -> u64 {
    let (mut left, mut looks) = (burst, (burst - 1).div_ceil(INJECTOR_BLOCK));
    while left > 0 {
        left -= left.div_ceil(2).min(BATCH_MAX);
        looks += 1;
    }
    looks * INJECTOR_INTERVAL_TURNS + turns(burst - 1 + others)
}

/// The same where there are several workers: one of them may hand its queue over to the others, by way of the injector.
fn turns_with(workers: usize, others: u64) -> u64 {
    let handed_over = if workers > 1 {
        turns_from_outside(others + 1, 0)
    } else {
        0
    };
    turns(others) + handed_over
}

const WORKERS_MAX: usize = 2;

thread_local! {
    /// Which worker this thread is: given out at the first instruction. No worker serves two tests.
    static WORKER: OnceCell<usize> = const { OnceCell::new() };
}

/// Instructions of the machines that never rest, for each worker apart.
#[derive(Debug, Default)]
struct Ticks {
    workers: AtomicUsize,
    of: [AtomicU64; WORKERS_MAX],
}

/// A reading of all [`Ticks`].
type Reading = [u64; WORKERS_MAX];

impl Ticks {
    /// The worker that this thread is.
    fn worker(&self) -> usize {
        WORKER.with(|worker| *worker.get_or_init(|| self.workers.fetch_add(1, SeqCst)))
    }

    fn tick(&self) {
        self.of[self.worker()].fetch_add(1, SeqCst);
    }

    fn read(&self) -> Reading {
        std::array::from_fn(|worker| self.of[worker].load(SeqCst))
    }
}

/// What the machines of one test share.
#[derive(Debug, Default)]
struct Court {
    ticks: Ticks,
    over: AtomicBool,
    /// Turns of a busy wait for each instruction of those that never rest.
    effort: u32,
}

/// An effort that is worth a second worker: more than half a microsecond. What is lighter one worker does alone, for as long as it likes.
const WORTH_A_WORKER: u32 = 100;

/// Says that the game is over, also when the test fails: machines without end would keep their runtime from ending.
struct OverAtLast(Arc<Court>);

impl Drop for OverAtLast {
    fn drop(&mut self) {
        self.0.over.store(true, SeqCst);
    }
}

#[derive(Debug, MachineImpl)]
enum BusyCmd {
    Partner(Sender<BusyCmd>),
    Go,
}

/// Never rests: sends to its partner, which may be itself, for each instruction that it gets. Now and then it sends to its
/// victim, too: once the victim has got the last one.
struct Busy {
    court: Arc<Court>,
    partner: Option<Sender<BusyCmd>>,
    victim: Option<(Sender<Stamp>, Arc<Waits>)>,
}

/// Sent to a victim: by which worker, and what the counts were.
#[derive(Debug, MachineImpl)]
enum Stamp {
    Sent { worker: usize, at: Reading },
}

/// How long a victim waited, in instructions of the others.
#[derive(Debug, Default)]
struct Waits {
    is_due: AtomicBool,
    sent: AtomicUsize,
    received: AtomicUsize,
    longest: AtomicU64,
}

impl Busy {
    fn send_to_victim(&self) {
        if let Some((victim, waits)) = &self.victim
            && !waits.is_due.swap(true, SeqCst)
        {
            bump(&waits.sent);
            let stamp = Stamp::Sent {
                worker: self.court.ticks.worker(),
                at: self.court.ticks.read(),
            };
            victim.send(stamp).unwrap();
        }
    }
}

impl MachineMut<BusyCmd> for Busy {
    fn receive(&mut self, cmd: BusyCmd) {
        match (cmd, &self.partner) {
            (BusyCmd::Partner(partner), _) => self.partner = Some(partner),
            (BusyCmd::Go, _) if self.court.over.load(SeqCst) => self.partner = None,
            (BusyCmd::Go, None) => panic!("the first Go comes behind the partner"),
            (BusyCmd::Go, Some(partner)) => {
                self.court.ticks.tick();
                (0..self.court.effort).for_each(|_| std::hint::spin_loop());
                // Who is sent to last has the next-up slot: take turns.
                let victim_first = self
                    .victim
                    .as_ref()
                    .is_some_and(|(_, waits)| read(&waits.sent).is_multiple_of(2));
                if victim_first {
                    self.send_to_victim();
                }
                partner.send(BusyCmd::Go).unwrap();
                if !victim_first {
                    self.send_to_victim();
                }
            }
        }
    }
}

fn victim(runtime: &Runtime, court: &Arc<Court>) -> (Sender<Stamp>, Arc<Waits>) {
    let waits = Arc::<Waits>::default();
    let (court, mine) = (Arc::clone(court), Arc::clone(&waits));
    let (_, sender) = runtime.connect(move |Stamp::Sent { worker, at }: Stamp| {
        let now = court.ticks.read();
        let on = |worker: usize| now[worker] - at[worker];
        // Another worker may have taken the machine over and have been suspended by the system on the way; then the one that
        // queued it ran on without it, and only the other's count is to blame for. A machine that nobody runs waits on both.
        let waited = on(worker).min(on(court.ticks.worker()));
        mine.longest.fetch_max(waited, SeqCst);
        bump(&mine.received);
        mine.is_due.store(false, SeqCst);
    });
    (sender, waits)
}

/// Two busy machines that are each other's partner, or (`alone`) one that is its own; one of them with a victim.
fn connect_busy(runtime: &Runtime, court: &Arc<Court>, alone: bool) -> Arc<Waits> {
    let (sender, waits) = victim(runtime, court);
    let busy = |victim| {
        runtime.connect_mut(Busy {
            court: Arc::clone(court),
            partner: None,
            victim,
        })
    };
    let first = busy(Some((sender, Arc::clone(&waits))));
    let second = if alone { first.clone() } else { busy(None) };
    second.send(BusyCmd::Partner(first.clone())).unwrap();
    first.send(BusyCmd::Partner(second)).unwrap();
    first.send(BusyCmd::Go).unwrap();
    waits
}

/// Lets `alone` self-senders and `pairs` run until each of their victims was served often enough; returns the longest wait.
fn longest_wait(workers: usize, alone: usize, pairs: usize) -> u64 {
    let runtime = runtime(workers);
    let court = Arc::<Court>::default();
    let over = OverAtLast(Arc::clone(&court));
    let all: Vec<_> = (0..alone + pairs)
        .map(|index| connect_busy(&runtime, &court, index < alone))
        .collect();
    let rounds = rounds(ROUNDS, 300);
    wait_in(&runtime, "every victim is served", || {
        all.iter().all(|waits| read(&waits.received) >= rounds)
    });
    drop(over);
    wait_in(&runtime, "all machines end", || {
        runtime.machine_count() == 0
    });
    runtime.shutdown(PATIENCE);
    let longest = all.iter().map(|waits| waits.longest.load(SeqCst)).max();
    longest.expect("there is a victim")
}

/// All machines of `longest_wait` but the victim that waits.
fn others(alone: usize, pairs: usize) -> u64 {
    (2 * alone + 3 * pairs - 1) as u64
}

#[test]
fn a_self_sender_gives_way() {
    for workers in [1, 2] {
        let alone = workers;
        let longest = longest_wait(workers, alone, 0);
        let bound = turns_with(workers, others(alone, 0)) * BUDGET;
        assert!(longest <= bound, "{longest} > {bound}, {workers} workers");
        assert!(
            workers > 1 || longest > 0,
            "a lone worker finishes the activation first: something must have been counted"
        );
    }
}

/// On one worker an activation of a pair with one token is one instruction, so that here activations are counted one by one.
#[test]
fn a_pair_that_plays_ping_pong_gives_way() {
    let longest = longest_wait(1, 0, 1);
    let bound = turns(others(0, 1));
    assert!(longest <= bound, "{longest} > {bound} activations");

    let longest = longest_wait(2, 0, 2);
    let bound = turns_with(2, others(0, 2)) * BUDGET;
    assert!(longest <= bound, "{longest} > {bound}, two workers");
}

#[test]
fn a_crowd_of_both_gives_way() {
    for workers in [1, 2] {
        let longest = longest_wait(workers, 3, 3);
        let bound = turns_with(workers, others(3, 3)) * BUDGET;
        assert!(longest <= bound, "{longest} > {bound}, {workers} workers");
    }
}

#[derive(Debug, MachineImpl)]
enum Knock {
    Knock,
}

/// A machine that a thread outside sends to: it notes by which worker it was served, and what that one's count was.
#[derive(Debug, Default)]
struct Served {
    times: AtomicUsize,
    worker: AtomicUsize,
    at: AtomicU64,
}

fn a_burst_from_outside(workers: usize, burst: usize) {
    const SELF_SENDERS: usize = 4;
    let runtime = runtime(workers);
    let court = Arc::new(Court {
        effort: WORTH_A_WORKER,
        ..Court::default()
    });
    let over = OverAtLast(Arc::clone(&court));
    for _ in 0..SELF_SENDERS {
        connect_busy(&runtime, &court, true);
    }
    let victims: Vec<_> = (0..burst)
        .map(|_| {
            let served = Arc::<Served>::default();
            let (court, mine) = (Arc::clone(&court), Arc::clone(&served));
            let (_, sender) = runtime.connect(move |Knock::Knock| {
                let worker = court.ticks.worker();
                mine.worker.store(worker, SeqCst);
                mine.at.store(court.ticks.read()[worker], SeqCst);
                bump(&mine.times);
            });
            (sender, served)
        })
        .collect();
    wait_in(&runtime, "every worker is busy", || {
        court.ticks.read()[..workers].iter().all(|ticks| *ticks > 0)
    });
    // The victims of the self-senders are machines, too.
    let bound = turns_from_outside(burst as u64, 2 * SELF_SENDERS as u64) * BUDGET;
    for round in 1..=rounds(ROUNDS, 300) / 20 {
        // Read behind each send: read before, it would count what was run while this thread was suspended on the way.
        let sent: Vec<Reading> = victims
            .iter()
            .map(|(sender, _)| {
                sender.send(Knock::Knock).unwrap();
                court.ticks.read()
            })
            .collect();
        wait_in(&runtime, "the burst is served", || {
            victims
                .iter()
                .all(|(_, served)| read(&served.times) == round)
        });
        for ((_, served), sent) in victims.iter().zip(&sent) {
            let worker = read(&served.worker);
            let waited = served.at.load(SeqCst).saturating_sub(sent[worker]);
            assert!(
                waited <= bound,
                "{waited} > {bound}, {workers} workers, {burst} machines"
            );
        }
    }
    drop(over);
    runtime.shutdown(PATIENCE);
}

#[test]
fn a_machine_that_a_thread_wakes_is_seen_by_busy_workers() {
    a_burst_from_outside(1, 1);
    a_burst_from_outside(2, 1);
}

#[test]
fn a_burst_is_seen_by_busy_workers() {
    a_burst_from_outside(1, 100);
    a_burst_from_outside(2, 100);
}

#[derive(Debug, MachineImpl)]
enum Release {
    Open(Arc<Gate>),
}

#[derive(Debug, MachineImpl)]
enum Wait {
    ForAllOfThem,
}

/// A machine whose `receive` sends to `helpers` and does not return before each of them has run: the last one lies in the
/// next-up slot of a worker that is not coming back for it. Returns how often that was.
fn behind_a_long_receive(runtime: &Runtime, helpers: usize) -> usize {
    let helpers: Vec<_> = (0..helpers)
        .map(|_| runtime.connect(|Release::Open(gate)| gate.open()).1)
        .collect();
    let returned = Arc::<AtomicUsize>::default();
    let (_, long) = {
        let returned = Arc::clone(&returned);
        runtime.connect(move |Wait::ForAllOfThem| {
            let gates: Vec<_> = helpers.iter().map(|_| Gate::new()).collect();
            for (helper, gate) in helpers.iter().zip(&gates) {
                helper.send(Release::Open(Arc::clone(gate))).unwrap();
            }
            gates.iter().for_each(|gate| gate.pass());
            bump(&returned);
        })
    };
    let rounds = rounds(ROUNDS, 300) / 3;
    for round in 1..=rounds {
        long.send(Wait::ForAllOfThem).unwrap();
        wait_in(runtime, "the long receive returns", || {
            read(&returned) == round
        });
    }
    rounds
}

fn runtime_with_short_slices() -> Runtime {
    Runtime::builder()
        .workers(2)
        .time_slice(Duration::from_millis(1))
        .build()
        .expect("the system gives us two threads")
}

#[test]
fn what_waits_behind_a_long_receive_is_run_by_another_worker() {
    for helpers in [1, 4] {
        let runtime = runtime_with_short_slices();
        let rounds = behind_a_long_receive(&runtime, helpers);
        runtime.wait_idle(PATIENCE).unwrap();
        // Each is run once for what it was sent, when it is connected and when it ends: nothing else was begun while somebody waited.
        let activations = runtime.stats().total().activations;
        assert!(
            activations <= ((rounds + 2) * (helpers + 1)) as u64,
            "{activations} activations in {rounds} rounds with {helpers} helpers"
        );
        runtime.shutdown(PATIENCE);
    }
}

/// The same while the other worker is never idle: it must look at what a worker that does not move keeps.
#[test]
fn what_waits_behind_a_long_receive_is_run_by_a_busy_worker() {
    for helpers in [1, 4] {
        let runtime = runtime_with_short_slices();
        let court = Arc::<Court>::default();
        let over = OverAtLast(Arc::clone(&court));
        for _ in 0..2 {
            connect_busy(&runtime, &court, true);
        }
        behind_a_long_receive(&runtime, helpers);
        drop(over);
        runtime.shutdown(PATIENCE);
    }
}

#[derive(Debug, MachineImpl)]
enum Feed {
    Short,
    Long,
}

/// Its turn is long, and when that ends the next one lies in the injector: a thread outside has sent to it meanwhile.
struct Feeder {
    turn: u64,
    next: Option<Sender<Feed>>,
    /// For a machine of its worker.
    own: Option<Sender<Stamped>>,
    turns: Arc<AtomicU64>,
}

/// How many turns of feeders there had been.
#[derive(Debug, MachineImpl)]
enum Stamped {
    At(u64),
}

impl MachineMut<Feed> for Feeder {
    fn receive(&mut self, instruction: Feed) {
        // The clock is looked at after two instructions and after three.
        if matches!(instruction, Feed::Short) {
            return;
        }
        self.turns.store(self.turn, SeqCst);
        if let Some(own) = self.own.take() {
            own.send(Stamped::At(self.turn)).unwrap();
        }
        let Some(next) = self.next.take() else { return };
        let outside = std::thread::spawn(move || {
            for instruction in [Feed::Short, Feed::Short, Feed::Long] {
                next.send(instruction).unwrap();
            }
        });
        outside.join().unwrap();
    }
}

/// Where turns are long the injector is looked at more often, yet never before each of them.
#[test]
fn what_comes_from_outside_leaves_turns_to_the_others() {
    let runtime = Runtime::builder()
        .workers(1)
        .time_slice(Duration::from_micros(1))
        .build()
        .expect("the system gives us a thread");
    let turns = Arc::<AtomicU64>::default();
    let (waited, known) = std::sync::mpsc::channel();
    let own = {
        let turns = Arc::clone(&turns);
        runtime.connect(move |Stamped::At(turn)| {
            waited.send(turns.load(SeqCst) - turn).unwrap();
        })
    };
    let mut next = None;
    for turn in (0..200).rev() {
        next = Some(runtime.connect_mut(Feeder {
            turn,
            next,
            own: (turn == 20).then(|| own.1.clone()),
            turns: Arc::clone(&turns),
        }));
    }
    next.expect("the first one").send(Feed::Long).unwrap();
    let waited = known.recv_timeout(PATIENCE).expect("its turn comes");
    runtime.shutdown(PATIENCE);
    assert!(waited <= 4, "it waited for {waited} turns");
}
