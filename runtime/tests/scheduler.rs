//! Machines that linger, queues behind long receives, and whom the workers wake: what is easily forgotten is still run.

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use d3_runtime::{MachineImpl, MachineMut, Runtime, Sender, WeakSender};

use common::{PATIENCE, runtime, wait_until};

/// None of a test's turns lasts that long.
const NO_SLICE: Duration = Duration::from_secs(3600);
const SHORT_SLICE: Duration = Duration::from_millis(1);

fn runtime_with_short_slices(workers: usize) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .time_slice(SHORT_SLICE)
        .build()
        .expect("a few threads can be had")
}

/// Keeps a worker busy for about so long, on the clock.
fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[derive(MachineImpl)]
enum Ball {
    Partner(WeakSender<Ball>),
    Hit,
}

/// Sends each ball back until it is told to keep it.
struct Player {
    partner: Option<WeakSender<Ball>>,
    hits: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    stroke: Duration,
}

impl MachineMut<Ball> for Player {
    fn receive(&mut self, ball: Ball) {
        match ball {
            Ball::Partner(partner) => self.partner = Some(partner),
            Ball::Hit => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                spin(self.stroke);
                if !self.over.load(Ordering::Relaxed)
                    && let Some(partner) = self.partner.as_ref().and_then(WeakSender::upgrade)
                {
                    let _ = partner.send(Ball::Hit);
                }
            }
        }
    }
}

struct Match {
    players: [Sender<Ball>; 2],
    hits: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Match {
    fn new(runtime: &Runtime, stroke: Duration) -> Self {
        let (hits, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let players = [(); 2].map(|()| {
            runtime.connect_mut(Player {
                partner: None,
                hits: Arc::clone(&hits),
                over: Arc::clone(&over),
                stroke,
            })
        });
        for (me, other) in [(0, 1), (1, 0)] {
            let _ = players[me].send(Ball::Partner(players[other].downgrade()));
        }
        Self {
            players,
            hits,
            over,
        }
    }

    fn serve(&self) {
        let _ = self.players[0].send(Ball::Hit);
    }
}

impl Drop for Match {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[derive(MachineImpl)]
enum Knock {
    Knock,
}

/// A machine that counts who knocks.
fn connect_door(runtime: &Runtime, knocks: &Arc<AtomicUsize>) -> Sender<Knock> {
    let seen = Arc::clone(knocks);
    let (_, door) = runtime.connect(move |Knock::Knock| {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    door
}

/// Two machines that linger and feed each other, while a third one comes from outside: each is run, none is lost on the way.
#[test]
fn a_machine_from_outside_runs_between_machines_that_linger() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let game = Match::new(&runtime, Duration::ZERO);
        game.serve();
        let knocks = Arc::<AtomicUsize>::default();
        let door = connect_door(&runtime, &knocks);
        for round in 1..=500 {
            let hits = game.hits.load(Ordering::Relaxed);
            door.send(Knock::Knock).expect("the machine lives");
            wait_until("the machine from outside is run", || {
                knocks.load(Ordering::Relaxed) == round
            });
            wait_until("the game goes on", || {
                game.hits.load(Ordering::Relaxed) > hits
            });
        }
    }
}

/// A machine that is fed by a stream keeps its distance from the producer; what it has left when the stream ends is received, though nothing more is sent.
#[test]
fn the_last_of_a_stream_is_received() {
    const LONGEST: usize = 600;
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let knocks = Arc::<AtomicUsize>::default();
        let door = connect_door(&runtime, &knocks);
        let mut sent = 0;
        // Long enough together for the worker to learn that instructions are light.
        for round in 1..=2_000 {
            let length = round * 7 % LONGEST;
            for _ in 0..length {
                door.send(Knock::Knock).expect("the machine lives");
            }
            sent += length;
            wait_until("all of it is received", || {
                knocks.load(Ordering::Relaxed) == sent
            });
        }
    }
}

#[derive(MachineImpl)]
enum Step {
    Partner(WeakSender<Step>),
    Down(u32),
    Knock,
}

/// Counts down with its partner; at zero it serves the ball of a match.
struct Countdown {
    partner: Option<WeakSender<Step>>,
    server: Sender<Ball>,
    knocks: Arc<AtomicUsize>,
}

impl MachineMut<Step> for Countdown {
    fn receive(&mut self, step: Step) {
        match step {
            Step::Partner(partner) => self.partner = Some(partner),
            Step::Down(0) => self.server.send(Ball::Hit).expect("the player lives"),
            Step::Down(steps) => {
                spin(Duration::from_micros(10));
                if let Some(partner) = self.partner.as_ref().and_then(WeakSender::upgrade) {
                    partner.send(Step::Down(steps - 1)).expect("it lives");
                }
            }
            Step::Knock => {
                self.knocks.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A machine that lingers on a worker whose next-up slot is never empty again is still run when it is sent to.
#[test]
fn a_machine_lingers_beside_two_that_never_pause() {
    // When the worker finds its turns too long for lingering depends on their number; so each is tried.
    for steps in 40..80 {
        let runtime = runtime(1);
        let game = Match::new(&runtime, Duration::from_micros(10));
        let knocks = Arc::<AtomicUsize>::default();
        let counters = [(); 2].map(|()| {
            runtime.connect_mut(Countdown {
                partner: None,
                server: game.players[0].clone(),
                knocks: Arc::clone(&knocks),
            })
        });
        for (me, other) in [(0, 1), (1, 0)] {
            let partner = counters[other].downgrade();
            counters[me].send(Step::Partner(partner)).expect("it lives");
        }
        runtime.wait_idle(PATIENCE).expect("it comes to rest");
        counters[0].send(Step::Down(steps)).expect("it lives");
        wait_until("the game has begun", || {
            game.hits.load(Ordering::Relaxed) > 200
        });
        for counter in &counters {
            counter.send(Step::Knock).expect("it lives");
        }
        wait_until("the machine that lingered is run", || {
            knocks.load(Ordering::Relaxed) == 2
        });
    }
}

#[derive(MachineImpl)]
enum Wait {
    For(Arc<AtomicBool>),
}

/// A long `receive`, which returns when it is let go.
fn connect_long(runtime: &Runtime) -> Sender<Wait> {
    let (_, long) = runtime.connect(|Wait::For(opened): Wait| {
        wait_until("those behind are run", || opened.load(Ordering::Relaxed));
    });
    long
}

/// What a worker fetched together with a long `receive` is run by another one, though all have found that light work is best left to
/// one, and sleep so soundly that none of them is on the watch. With more of them, who helped needs help itself.
fn a_batch_behind(longs: usize) {
    let workers = longs + 1;
    let runtime = runtime_with_short_slices(workers);
    let knocks = Arc::<AtomicUsize>::default();
    let doors: Vec<_> = (0..8).map(|_| connect_door(&runtime, &knocks)).collect();
    let longs: Vec<_> = (0..longs).map(|_| connect_long(&runtime)).collect();
    for round in 1..=50 {
        for _ in 0..workers {
            let game = Match::new(&runtime, Duration::ZERO);
            game.serve();
            wait_until("the game goes on", || {
                game.hits.load(Ordering::Relaxed) > 1_000
            });
        }
        runtime.wait_idle(PATIENCE).expect("the games are over");
        // Long enough for the watch to find that all sleep, mostly: the test passes without, but then it shows nothing.
        std::thread::sleep(5 * SHORT_SLICE);
        let opened = Arc::<AtomicBool>::default();
        for long in &longs {
            long.send(Wait::For(Arc::clone(&opened))).expect("it lives");
        }
        for door in &doors {
            door.send(Knock::Knock).expect("it lives");
        }
        wait_until("those behind the long ones are run", || {
            knocks.load(Ordering::Relaxed) == round * doors.len()
        });
        opened.store(true, Ordering::Relaxed);
        runtime.wait_idle(PATIENCE).expect("nothing is left");
    }
}

#[test]
fn a_batch_behind_a_long_receive_is_run_by_another_worker() {
    a_batch_behind(1);
}

#[test]
fn a_batch_behind_two_long_receives_is_run_by_a_third_worker() {
    a_batch_behind(2);
}

/// Whoever takes a long `receive` off a worker that is inside another one leaves the watch to a third.
#[test]
fn who_rescues_a_long_one_is_no_watch_any_more() {
    let runtime = runtime_with_short_slices(3);
    let knocks = Arc::<AtomicUsize>::default();
    let doors: Vec<_> = (0..8).map(|_| connect_door(&runtime, &knocks)).collect();
    let second = connect_long(&runtime);
    let count = doors.len();
    let (_, first) = runtime.connect(move |Wait::For(opened): Wait| {
        for door in &doors {
            door.send(Knock::Knock).expect("it lives");
        }
        // Up next, the last one that was woken.
        let wait = Wait::For(Arc::clone(&opened));
        second.send(wait).expect("it lives");
        wait_until("those behind are run", || opened.load(Ordering::Relaxed));
    });
    for round in 1..=50 {
        for _ in 0..3 {
            let game = Match::new(&runtime, Duration::ZERO);
            game.serve();
            wait_until("the game goes on", || {
                game.hits.load(Ordering::Relaxed) > 1_000
            });
        }
        runtime.wait_idle(PATIENCE).expect("the games are over");
        // As above.
        std::thread::sleep(5 * SHORT_SLICE);
        let opened = Arc::<AtomicBool>::default();
        first
            .send(Wait::For(Arc::clone(&opened)))
            .expect("it lives");
        wait_until("those behind the long ones are run", || {
            knocks.load(Ordering::Relaxed) == round * count
        });
        opened.store(true, Ordering::Relaxed);
        runtime.wait_idle(PATIENCE).expect("nothing is left");
    }
}

/// A worker that goes into a long `receive` from a search is counted as a searcher no more: what a thread sends then wakes another. No watch helps: it
/// would come too late.
#[test]
fn what_comes_from_outside_beside_a_long_receive_wakes_another_worker() {
    let runtime = Runtime::builder()
        .workers(2)
        .time_slice(2 * PATIENCE)
        .build()
        .expect("a few threads can be had");
    let knocks = Arc::<AtomicUsize>::default();
    let door = connect_door(&runtime, &knocks);
    let inside = Arc::<AtomicUsize>::default();
    let (_, long) = {
        let inside = Arc::clone(&inside);
        runtime.connect(move |Wait::For(opened): Wait| {
            inside.fetch_add(1, Ordering::Relaxed);
            wait_until("another worker runs", || opened.load(Ordering::Relaxed));
        })
    };
    for round in 1..=100 {
        let opened = Arc::<AtomicBool>::default();
        if round % 2 == 0 {
            // The long one finds a worker asleep; else one that may linger with it.
            wait_until("both sleep", || runtime.stats().sleeping == 2);
        }
        long.send(Wait::For(Arc::clone(&opened))).expect("it lives");
        wait_until("the long one is run", || {
            inside.load(Ordering::Relaxed) == round
        });
        wait_until("the other worker sleeps", || runtime.stats().sleeping == 1);
        door.send(Knock::Knock).expect("it lives");
        wait_until("another worker runs what came from outside", || {
            knocks.load(Ordering::Relaxed) == round
        });
        opened.store(true, Ordering::Relaxed);
    }
}

/// A machine that was up next when something long came first is run by another worker.
#[test]
fn a_machine_that_is_up_next_does_not_wait_for_a_long_one() {
    let runtime = runtime_with_short_slices(2);
    let game = Match::new(&runtime, Duration::ZERO);
    game.serve();
    let rounds = Arc::<AtomicUsize>::default();
    let (hits, seen) = (Arc::clone(&game.hits), Arc::clone(&rounds));
    let (_, long) = runtime.connect(move |Knock::Knock| {
        let before = hits.load(Ordering::Relaxed);
        wait_until("the game goes on beside it", || {
            hits.load(Ordering::Relaxed) > before + 2
        });
        seen.fetch_add(1, Ordering::Relaxed);
    });
    for round in 1..=150 {
        let hits = game.hits.load(Ordering::Relaxed);
        wait_until("the game goes on", || {
            game.hits.load(Ordering::Relaxed) > hits + 1_000
        });
        long.send(Knock::Knock).expect("it lives");
        wait_until("the long receive returns", || {
            rounds.load(Ordering::Relaxed) == round
        });
    }
}

#[derive(MachineImpl)]
enum Work {
    For(Duration),
}

/// A machine whose instructions take as long as they say; it notes how many of its kind each thread ran.
fn connect_heavy(runtime: &Runtime, by: &Arc<Mutex<HashMap<ThreadId, usize>>>) -> Sender<Work> {
    let by = Arc::clone(by);
    let (_, sender) = runtime.connect(move |Work::For(time): Work| {
        spin(time);
        let me = std::thread::current().id();
        *by.lock().expect("nobody panics").entry(me).or_default() += 1;
    });
    sender
}

/// A worker that had only light work, and finds its queue full of heavy work, shares it.
#[test]
fn work_that_turns_out_heavy_is_shared() {
    const MACHINES: usize = 400;
    let runtime = runtime(2);
    let by = Arc::default();
    let heavy: Vec<_> = (0..MACHINES)
        .map(|_| connect_heavy(&runtime, &by))
        .collect();
    let (_, spread) = runtime.connect(move |Knock::Knock| {
        for heavy in &heavy {
            heavy
                .send(Work::For(Duration::from_millis(1)))
                .expect("it lives");
        }
    });
    for _ in 0..2 {
        let game = Match::new(&runtime, Duration::ZERO);
        game.serve();
        wait_until("the game goes on", || {
            game.hits.load(Ordering::Relaxed) > 1_000
        });
    }
    runtime.wait_idle(PATIENCE).expect("the games are over");
    spread.send(Knock::Knock).expect("it lives");
    runtime.wait_idle(PATIENCE).expect("all is done");
    let by = by.lock().expect("nobody panics");
    assert_eq!(by.values().sum::<usize>(), MACHINES);
    assert_eq!(by.len(), 2, "{by:?}");
}

#[derive(MachineImpl)]
enum Fuse {
    Spark,
    Bang,
}

/// A panic in the last instruction before the clock is read leaves the rest unread, however much that is.
#[test]
fn a_panic_at_any_place_of_a_burst_leaves_the_rest_unread() {
    for sparks in 0..70 {
        let runtime = runtime(1);
        let opened = Arc::<AtomicBool>::default();
        let long = connect_long(&runtime);
        let (_, bomb) = runtime.connect(|fuse: Fuse| {
            if let Fuse::Bang = fuse {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        });
        long.send(Wait::For(Arc::clone(&opened))).expect("it lives");
        for _ in 0..sparks {
            bomb.send(Fuse::Spark).expect("it lives");
        }
        bomb.send(Fuse::Bang).expect("it lives");
        for _ in 0..100 {
            bomb.send(Fuse::Spark).expect("it lives");
        }
        opened.store(true, Ordering::Relaxed);
        bomb.handle().wait(PATIENCE).expect("it has ended");
        assert_eq!(runtime.stats().total().dropped, 100, "{sparks} sparks");
    }
}

/// Sends so many back for so many, until it has had them all.
struct Exchange {
    partner: Option<WeakSender<Ball>>,
    wants: usize,
    gives: usize,
    left: usize,
    done: Arc<AtomicBool>,
}

impl MachineMut<Ball> for Exchange {
    fn receive(&mut self, ball: Ball) {
        match ball {
            Ball::Partner(partner) => self.partner = Some(partner),
            Ball::Hit => {
                self.left -= 1;
                if self.left == 0 {
                    self.done.store(true, Ordering::Relaxed);
                } else if self.left.is_multiple_of(self.wants)
                    && let Some(partner) = self.partner.as_ref().and_then(WeakSender::upgrade)
                {
                    (0..self.gives).for_each(|_| partner.send(Ball::Hit).expect("it lives"));
                }
            }
        }
    }
}

/// Two machines, of which one gives a batch for each one that the other gives for a batch; and whether all batches were read. It begins with a hit at the first.
fn exchange(
    runtime: &Runtime,
    batch: usize,
    batches: usize,
) -> ([Sender<Ball>; 2], Arc<AtomicBool>) {
    let done = Arc::<AtomicBool>::default();
    let ends =
        [(1, batch, batches + 1), (batch, 1, batches * batch)].map(|(wants, gives, left)| {
            let machine = runtime.machine(Exchange {
                partner: None,
                wants,
                gives,
                left,
                done: Arc::clone(&done),
            });
            // No bound, or the last stretch of a share would begin where a quarter of it was read.
            machine.unbounded().accepts::<Ball>().connect()
        });
    for (me, other) in [(0, 1), (1, 0)] {
        let _ = ends[me].send(Ball::Partner(ends[other].downgrade()));
    }
    (ends, done)
}

fn runtime_with_a_budget(budget: usize) -> Runtime {
    Runtime::builder()
        .workers(1)
        .budget(budget)
        .time_slice(NO_SLICE)
        .build()
        .expect("a thread can be had")
}

/// A machine that has read everything with its share has nothing to be queued for: behind others it would find that out late, and whoever sends to it meanwhile
/// would fill its mailbox.
#[test]
fn a_share_that_was_just_enough_is_no_reason_to_be_queued_again() {
    const BUDGET: usize = 64;
    const BATCHES: usize = 20;
    for (batch, cut_short) in [
        (BUDGET - 1, 0),
        (BUDGET, 0),
        (BUDGET + 1, 1),
        (3 * BUDGET, 2),
    ] {
        let runtime = runtime_with_a_budget(BUDGET);
        let (ends, done) = exchange(&runtime, batch, BATCHES);
        runtime.wait_idle(PATIENCE).expect("they know each other");
        ends[0].send(Ball::Hit).expect("it lives");
        runtime.wait_idle(PATIENCE).expect("nobody goes on");
        assert!(done.load(Ordering::Relaxed));
        let total = runtime.stats().total();
        assert_eq!(
            total.exhausted,
            (BATCHES * cut_short) as u64,
            "{batch}: {total:?}"
        );
    }
}

/// The same where the worker has others to run, whose turns are long: there a machine does not linger, but rests at once.
#[test]
fn a_share_that_was_just_enough_ends_in_rest_beside_others() {
    const BUDGET: usize = 64;
    let runtime = runtime_with_a_budget(BUDGET);
    let others = Match::new(&runtime, Duration::from_micros(10));
    let (ends, done) = exchange(&runtime, BUDGET, 500);
    others.serve();
    wait_until("they play", || others.hits.load(Ordering::Relaxed) > 200);
    ends[0].send(Ball::Hit).expect("it lives");
    wait_until("all is read", || done.load(Ordering::Relaxed));
    let total = runtime.stats().total();
    assert_eq!(total.exhausted, 0, "{total:?}");
}
