//! That the plans are what they say, and that every oracle finds what it is there to find.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use d3::{MachineMut, Runtime, ShutdownReport, WorkerStats};
use d3_runtime::protocol::Point;

use super::arguments::{Args, Seeds};
use super::books::{Books, Order as OrderOracle, Sums};
use super::child::Word;
use super::jitter::Jitter;
use super::load::{Load, Order, Small, withdraw};
use super::machine::Node;
use super::plan::{Finish, Kind, Mood, Plan};
use super::random::Random;
use super::run;
use super::sabotage;
use super::sets::{self, Several};
use super::shape::{self, Shape};
use super::state::Stage;
use super::target::{Routed, Sent};
use super::totals::Totals;
use super::verdict::{self, End};
use super::watchdog::Watchdog;

const PATIENCE: Duration = Duration::from_secs(120);

// ---- plans ----

#[test]
fn a_seed_is_a_swarm() {
    for seed in 0..50 {
        assert_eq!(
            format!("{:?}", Plan::of(seed, true)),
            format!("{:?}", Plan::of(seed, true))
        );
    }
    let (one, other) = (Plan::of(1, true), Plan::of(2, true));
    assert_ne!(format!("{one:?}"), format!("{other:?}"));
}

/// The name of a variant, without its fields.
fn name(value: impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '(', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_seeds_reach_everything() {
    let mut seen = HashSet::new();
    for plan in (0..600).map(|seed| Plan::of(seed, true)) {
        for delay in &plan.delays {
            seen.insert(name(delay.point));
            seen.insert(name(delay.how));
        }
        seen.insert(format!("{:?}", plan.mood));
        seen.insert(name(plan.shape));
        seen.insert(name(plan.finish));
        seen.insert(format!("{} workers", plan.workers));
        for outsider in &plan.outsiders {
            seen.insert(name(outsider.sending));
            seen.insert(format!("wakers panic: {}", outsider.wakers_panic));
        }
        for reader in &plan.readers {
            seen.insert(name(reader.reading));
            seen.insert(format!("gives up: {}", reader.gives_up_after.is_some()));
        }
        for machine in &plan.machines {
            seen.insert(name(machine.forward));
            seen.insert(format!("{} mailboxes", machine.mailboxes.len()));
            seen.insert(format!("births: {}", machine.births > 0));
            seen.insert(format!("shared: {}", machine.shared));
            if !machine.shared {
                seen.insert(format!("{} sets", machine.mailboxes.len()));
            }
            for mailbox in &machine.mailboxes {
                seen.insert(name(mailbox.kind));
                seen.insert(format!("bounded: {}", mailbox.capacity.is_some()));
            }
            let faults = format!("{:?}", machine.faults);
            let faults = faults.replace("FaultPlan { ", "").replace(", ", "\n");
            let faults = faults.lines().filter(|fault| !fault.contains("None"));
            let faults = faults.filter(|fault| !fault.contains("false"));
            let fields = faults.filter_map(|fault| fault.split(' ').next());
            seen.extend(fields.map(str::to_owned));
        }
    }
    let wanted = "Calm Rough Wild Random Ring Chain FanOut FanIn Star Tree Pairs Selves Settled Graceful Deadline Dropped Abandoned \
        Send TrySend SendTimeout Async Joined Recv TryRecv RecvTimeout Iter Empty Small Medium Large Boxed One Split Burst \
        panic_in_connected: panic_in_disconnected: panic_in_drop: panic_at: stop_at: fail_at: stop_other_at: explosive_one_in: Spin Yield Sleep";
    for point in Point::ALL {
        assert!(seen.contains(&name(point)), "no seed delays {point:?}");
    }
    for word in wanted.split_whitespace() {
        assert!(seen.contains(word), "no seed has {word}");
    }
    for phrase in [
        "shared: true",
        "shared: false",
        "births: true",
        "bounded: false",
    ]
    .into_iter()
    .chain([
        "gives up: true",
        "wakers panic: true",
        "3 mailboxes",
        "1 sets",
        "2 sets",
        "3 sets",
        "4 sets",
        "1 workers",
        "8 workers",
    ]) {
        assert!(seen.contains(phrase), "no seed has {phrase}");
    }
}

#[test]
fn plans_stay_within_their_bounds() {
    let mut sizes = HashSet::new();
    for plan in (0..300).map(|seed| Plan::of(seed, true)) {
        assert!((2..=300).contains(&plan.machines.len()));
        sizes.insert(plan.machines.len().ilog2());
        let places = plan.mailboxes() + plan.readers.len();
        let outsiders = plan.outsiders.iter().flat_map(|outsider| &outsider.targets);
        let machines = plan.machines.iter().flat_map(|machine| &machine.out);
        assert!(outsiders.chain(machines).all(|place| *place < places));
        assert!(plan.stops.iter().all(|stop| stop.place < plan.mailboxes()));
        let mailboxes = plan.machines.iter().flat_map(|machine| &machine.mailboxes);
        for capacity in mailboxes.filter_map(|mailbox| mailbox.capacity) {
            assert!((1..=256).contains(&capacity));
        }
        if plan.mood == Mood::Calm {
            assert!(plan.stops.is_empty());
            let quiet = |machine: &super::plan::MachinePlan| machine.faults.panic_at.is_none();
            assert!(plan.machines.iter().all(quiet));
        }
    }
    assert!(sizes.len() >= 7, "sizes of all magnitudes: {sizes:?}");
}

#[test]
fn shapes_are_what_they_are_called() {
    let edges = |shape| shape::edges(shape, 4, &mut Random::new(1));
    assert_eq!(edges(Shape::Ring), [(0, 1), (1, 2), (2, 3), (3, 0)]);
    assert_eq!(edges(Shape::Chain), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(edges(Shape::FanOut), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(edges(Shape::FanIn), [(1, 0), (2, 0), (3, 0)]);
    assert_eq!(edges(Shape::Tree), [(0, 1), (0, 2), (1, 3)]);
    assert_eq!(edges(Shape::Pairs), [(0, 1), (1, 0), (2, 3), (3, 2)]);
    assert_eq!(edges(Shape::Selves), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    assert_eq!(edges(Shape::Star).len(), 6);
    assert_eq!(edges(Shape::Random { degree: 3 }).len(), 12);
}

#[test]
fn sized_numbers_stay_in_range() {
    let mut random = Random::new(9);
    for (least, most) in [(1, 1), (1, 256), (2, 300), (64, 64), (3, 5), (100, 20_000)] {
        for _ in 0..1_000 {
            assert!((least..=most).contains(&random.sized(least..=most)));
        }
    }
    assert!((0..1_000).any(|_| random.sized(1..=256) == 256));
    assert!((0..100).any(|_| random.sized(1..=256) == 1));
}

// ---- the ledger ----

#[test]
fn sums_that_do_not_add_up() {
    let good = Sums {
        made: 10,
        accepted: 8,
        received: 6,
        returned: 2,
        dead: 2,
    };
    assert_eq!(good.imbalance("x"), None);
    let lost = Sums {
        received: 5,
        ..good
    };
    assert!(
        lost.imbalance("x")
            .is_some_and(|text| text.contains("not conserved"))
    );
    let twice = Sums {
        received: 7,
        ..good
    };
    assert!(twice.imbalance("x").is_some());
    let leaked = Sums { made: 11, ..good };
    assert!(
        leaked
            .imbalance("x")
            .is_some_and(|text| text.contains("a leak"))
    );
}

fn order(sequence: u64) -> Order {
    Order {
        stream: 1,
        sequence,
        fuel: 0,
        explosive: false,
    }
}

#[test]
fn the_ledger_follows_each_instruction() {
    let books = Arc::<Books>::default();
    let account = books.open_account("mailbox".into(), Kind::Small, false, false);
    // Received, dropped unread, handed back, and withdrawn with its future.
    let received = Small::load(&account, &order(1));
    account.accepted.add_one();
    account.received.add_one();
    assert!(received.open().intact);
    account.accepted.add_one();
    drop(Small::load(&account, &order(2)));
    Small::load(&account, &order(3)).take_back(&account);
    let withdrawn = Small::load(&account, &order(4));
    assert!(withdraw(|| drop(withdrawn)));
    account.returned.add_one();
    assert!(!withdraw(|| ()), "nothing was in it");
    assert_eq!(books.imbalances(0), Vec::<String>::new());
    assert_eq!((account.made.get(), account.dead.get()), (4, 1));
    // One that vanishes.
    sabotage::lose(&books);
    let found = books.imbalances(0);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("the lost one: not conserved"),
        "{found:?}"
    );
    assert!(!books.balanced(0));
}

#[test]
fn instructions_without_bytes_are_counted_in_all() {
    let books = Books::default();
    let account = books.open_account("mailbox".into(), Kind::Empty, false, false);
    account.made.add_one();
    account.accepted.add_one();
    assert!(books.balanced(1));
    assert!(!books.balanced(0));
    account.received.add_one();
    assert!(books.balanced(0));
    assert!(!books.balanced(1));
}

#[test]
fn order_is_checked_per_sender() {
    let mut order = OrderOracle::default();
    let mut note = |stream, sequence| order.note(stream, sequence);
    assert_eq!(note(1, 1), None);
    assert_eq!(note(2, 1), None);
    assert_eq!(note(1, 5), None, "a gap is a send that was refused");
    assert!(note(1, 4).is_some_and(|text| text.contains("number 4 came after number 5")));
    assert_eq!(note(2, 2), None);
    assert!(note(2, 2).is_some(), "twice");
}

#[test]
fn hooks_are_checked() {
    let books = Books::default();
    let account = |label: &str, connected, disconnected, is_child| {
        let account = books.open_account(label.into(), Kind::Small, true, is_child);
        (0..connected).for_each(|_| {
            account.connected.add_one();
        });
        (0..disconnected).for_each(|_| {
            account.disconnected.add_one();
        });
    };
    account("good", 1, 1, false);
    account("refused child", 0, 0, true);
    assert_eq!(books.hook_faults(), Vec::<String>::new());
    account("never connected", 0, 0, false);
    account("never disconnected", 1, 0, false);
    account("disconnected twice", 1, 2, true);
    let value = books.open_value("value".into());
    let faults = books.hook_faults();
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[3].contains("value: its value was dropped 0 times"));
    value.dropped.add_one();
    assert_eq!(books.hook_faults().len(), 3);
    value.dropped.add_one();
    assert_eq!(books.hook_faults().len(), 4);
}

#[test]
fn two_at_a_time_are_seen() {
    let books = Books::default();
    let account = books.open_account("mailbox".into(), Kind::Small, true, false);
    let first = account.enter();
    assert!(first.is_some());
    assert!(account.enter().is_none());
    drop(first);
    assert!(account.enter().is_some());
}

#[test]
fn faults_do_not_fill_the_memory() {
    let books = Books::default();
    (0..1_000).for_each(|number| books.fault(format!("fault {number}")));
    let faults = books.faults();
    assert_eq!(faults.len(), 21);
    assert_eq!(faults[20], "and 980 more");
}

// ---- the verdict ----

fn plan_that_finishes(finish: impl Fn(Finish) -> bool) -> Plan {
    (0..)
        .map(|seed| Plan::of(seed, true))
        .find(|plan| finish(plan.finish) && plan.mood == Mood::Calm && plan.readers.is_empty())
        .expect("there are enough seeds")
}

#[test]
fn an_end_that_is_not_clean_is_found() {
    let plan = plan_that_finishes(|finish| finish == Finish::Settled);
    let books = Books::default();
    let judge = |change: fn(&mut ShutdownReport)| {
        let mut report = ShutdownReport::default();
        report.quiet = true;
        change(&mut report);
        let end = End {
            report: Some(report),
            ..End::default()
        };
        verdict::faults(&plan, &books, &end, 0)
    };
    assert_eq!(judge(|_| ()), Vec::<String>::new());
    assert_eq!(judge(|report| report.left = 1).len(), 1);
    assert_eq!(judge(|report| report.quiet = false).len(), 1);
    assert_eq!(judge(|report| report.dropped = 1).len(), 1);
    // Who was left behind has ended by itself since, or nothing would be judged: see `wait_for_workers`.
    let late = judge(|report| {
        report.detached = vec!["w".into()];
        report.left = 1;
    });
    assert_eq!(late, Vec::<String>::new());
}

#[test]
fn cells_that_nobody_holds_are_found() {
    let plan = Plan::of(0, true);
    let books = Books::default();
    let judge = |cells| {
        let end = End {
            cells,
            ..End::default()
        };
        verdict::faults(&plan, &books, &end, 0)
    };
    assert_eq!(judge(None), Vec::<String>::new());
    assert_eq!(judge(Some(0)), Vec::<String>::new());
    assert!(judge(Some(2))[0].contains("2 cells of machines are in memory, and handles for 0"));
    // The handle of a machine keeps its cell, however many mailboxes it has.
    let runtime = Runtime::builder().workers(1).build().expect("one thread");
    let accounts: Vec<_> = ["first", "second"].map(String::from).into_iter().fold(
        Vec::new(),
        |mut accounts, label| {
            let account = match accounts.first() {
                Some(first) => books.open_further(label, Kind::Empty, first),
                None => books.open_account(label, Kind::Small, true, false),
            };
            accounts.push(account);
            accounts
        },
    );
    accounts[0].connected.add_one();
    accounts[0].disconnected.add_one();
    let mailboxes = Vec::new();
    let node = Node::new(
        &plan.machines[0],
        "a machine".into(),
        &Arc::default(),
        &Arc::default(),
        Jitter(plan.jitter),
        None,
    );
    let builder = runtime.machine(Several { mailboxes, node });
    let targets = sets::connect(builder, &[Kind::Small, Kind::Empty], accounts);
    assert_eq!(targets.as_ref().map(Vec::len), Some(2));
    assert_eq!(judge(Some(1)), Vec::<String>::new());
    assert_eq!(judge(Some(2)).len(), 1);
    drop(targets);
    assert!(runtime.shutdown(PATIENCE).is_clean());
    assert_eq!(runtime.stats().cells, 1);
}

#[test]
fn the_mailboxes_of_one_token_run_one_at_a_time() {
    let books = Books::default();
    let first = books.open_account("first".into(), Kind::Small, true, false);
    let second = books.open_further("second".into(), Kind::Empty, &first);
    let inside = first.enter();
    assert!(inside.is_some());
    assert!(second.enter().is_none());
    drop(inside);
    assert!(second.enter().is_some());
    // The hooks are one machine's.
    first.connected.add_one();
    first.disconnected.add_one();
    assert_eq!(books.hook_faults(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_accepted_together_is_not_connected() {
    let runtime = Runtime::builder().workers(1).build().expect("one thread");
    let node = Node::new(
        &Plan::of(0, true).machines[0],
        "a machine".into(),
        &Arc::default(),
        &Arc::default(),
        Jitter(Plan::of(0, true).jitter),
        None,
    );
    let mailboxes = Vec::new();
    let builder = runtime.machine(Several { mailboxes, node });
    assert!(sets::connect(builder, &[Kind::Large, Kind::Large], Vec::new()).is_none());
    assert_eq!(runtime.machine_count(), 0);
}

#[test]
fn statistics_that_are_wrong_are_found() {
    let plan = plan_that_finishes(|finish| finish == Finish::Settled);
    let books = Books::default();
    let judge = |change: fn(&mut WorkerStats)| {
        let mut total = WorkerStats::default();
        change(&mut total);
        let end = End {
            total: Some(total),
            ..End::default()
        };
        verdict::faults(&plan, &books, &end, 0)
    };
    assert_eq!(judge(|_| ()), Vec::<String>::new());
    assert!(judge(|total| total.instructions = 1)[0].contains("1 instructions, it was 0"));
    assert_eq!(judge(|total| total.dropped = 1).len(), 1);
    assert_eq!(judge(|total| total.ended = 1).len(), 1);
    assert_eq!(judge(|total| total.panics = 1).len(), 1);
}

#[test]
fn machines_that_are_left_are_found() {
    let plan = Plan::of(0, true);
    let end = End {
        left: 2,
        ..End::default()
    };
    let faults = verdict::faults(&plan, &Books::default(), &end, 0);
    assert!(faults[0].contains("2 machines are left"), "{faults:?}");
}

// ---- the watchdog ----

#[test]
fn the_watchdog_barks_when_nothing_moves() {
    let (tell, told) = mpsc::channel();
    let _watchdog = Watchdog::start(
        Duration::from_millis(300),
        || 7,
        move || tell.send(()).expect("the test waits"),
    )
    .expect("a thread");
    told.recv_timeout(PATIENCE).expect("it barks");
}

#[test]
fn the_watchdog_is_quiet_while_something_moves() {
    let (figure, looks) = (AtomicU64::new(0), Arc::<AtomicU64>::default());
    let (tell, told) = mpsc::channel();
    let counted = Arc::clone(&looks);
    let watchdog = Watchdog::start(
        Duration::from_millis(200),
        move || {
            counted.fetch_add(1, Ordering::Relaxed);
            figure.fetch_add(1, Ordering::Relaxed)
        },
        move || tell.send(()).expect("the test waits"),
    )
    .expect("a thread");
    // More looks than it takes to lose patience.
    while looks.load(Ordering::Relaxed) < 10 {
        assert!(told.try_recv().is_err());
        std::thread::yield_now();
    }
    drop(watchdog);
    assert!(told.recv().is_err(), "it never barked");
}

/// Blocks its worker until the test lets it go.
struct Blocked(Mutex<mpsc::Receiver<()>>);

impl MachineMut<Small> for Blocked {
    fn receive(&mut self, instruction: Small) {
        instruction.open();
        // The test has let go, by a word or by its end.
        let _ = self.0.lock().expect("one at a time").recv();
    }
}

/// Sends two for one, so that it is parked.
struct Doubler(super::target::Target);

impl MachineMut<Small> for Doubler {
    fn receive(&mut self, instruction: Small) {
        instruction.open();
        for sequence in 1..=2 {
            assert_eq!(self.0.send(&order(sequence)), Sent::Accepted);
        }
    }
}

#[test]
fn a_hang_is_described() {
    let stage = Arc::<Stage>::default();
    let runtime = Runtime::builder().workers(2).build().expect("two threads");
    stage.show_runtime(Some(runtime.clone()));
    let (release, released) = mpsc::channel();
    let open = |label: &str| {
        stage
            .books
            .open_account(label.into(), Kind::Small, true, false)
    };
    let blocked = runtime.machine(Blocked(Mutex::new(released))).capacity(1);
    let blocked = Small::target(open("the blocked one"), blocked.accepts().connect());
    let doubler = runtime.machine(Doubler(blocked.clone())).capacity(1);
    let doubler = Small::target(open("the doubler"), doubler.accepts().connect());
    assert_eq!(blocked.send(&order(1)), Sent::Accepted);
    assert_eq!(doubler.send(&order(1)), Sent::Accepted);
    let is_parked = || runtime.machines().iter().any(|machine| machine.parked);
    let begun = std::time::Instant::now();
    while !is_parked() {
        assert!(begun.elapsed() < PATIENCE, "nobody is parked");
        std::thread::yield_now();
    }
    let doing = stage.enter("sender 0".into());
    let (tell, told) = mpsc::channel();
    let (watched, described) = (Arc::clone(&stage), Arc::clone(&stage));
    let _watchdog = Watchdog::start(
        Duration::from_millis(200),
        move || watched.books.moved(),
        move || tell.send(described.describe(0)).expect("the test waits"),
    )
    .expect("a thread");
    let text = told.recv_timeout(PATIENCE).expect("it barks");
    for part in [
        "worker 0:",
        "worker 1:",
        "the doubler: ",
        " parked on ",
        " → the blocked one",
        "thread sender 0: between two calls",
        "the blocked one: not conserved",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    drop((doing, release));
    drop((blocked, doubler));
    stage.show_runtime(None);
    assert!(runtime.shutdown(PATIENCE).quiet);
}

// ---- between the processes ----

#[test]
fn words_of_a_child_survive_the_pipe() {
    let totals = Totals {
        seeds: 1,
        received: u64::MAX,
        ..Totals::default()
    };
    let words = [
        Word::Begun { seed: u64::MAX },
        Word::Passed {
            seed: 3,
            totals,
            rss_bytes: Some(5),
        },
        Word::Passed {
            seed: 3,
            totals,
            rss_bytes: None,
        },
        Word::Failed {
            seed: 4,
            faults: vec!["a".into(), "b\nc".into()],
        },
    ];
    for word in words {
        assert_eq!(Word::parse(&word.json().to_string()), Some(word));
    }
    for line in [
        "",
        "{}",
        "thread panicked",
        "{\"passed\":1}",
        "{\"failed\":1}",
        "[1]",
    ] {
        assert_eq!(Word::parse(line), None, "{line}");
    }
}

#[test]
fn seeds_are_read() {
    let seeds = |from, to| Ok(Seeds { from, to });
    assert_eq!("7".parse(), seeds(7, Some(8)));
    assert_eq!("7..9".parse(), seeds(7, Some(9)));
    assert_eq!("7..".parse(), seeds(7, None));
    for bad in ["", "x", "..", "..3", "5..5", "9..7", "-1..3", "1..x"] {
        assert!(bad.parse::<Seeds>().is_err(), "{bad}");
    }
}

#[test]
fn times_are_checked() {
    use clap::Parser;
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }
    let range = |flags: &[&str]| {
        let flags = std::iter::once(&"swarm").chain(flags);
        let command = Command::try_parse_from(flags).map_err(|error| error.to_string())?;
        command.args.range(|| 42)
    };
    let minute = Duration::from_secs(60);
    let fresh = range(&[]).expect("fresh seeds for a minute");
    assert_eq!(
        (fresh.seeds.from, fresh.seeds.to, fresh.time),
        (42, None, Some(minute))
    );
    let one = range(&["--seed", "7"]).expect("one seed");
    assert_eq!((one.seeds.from, one.seeds.to, one.time), (7, Some(8), None));
    let some = range(&["--seeds", "1..5", "--minutes", "2"]).expect("some seeds");
    assert_eq!((some.seeds.to, some.time), (Some(5), Some(2 * minute)));
    for bad in [
        ["--minutes", "0"],
        ["--minutes", "-1"],
        ["--minutes", "NaN"],
        ["--seeds", "3..1"],
    ] {
        assert!(range(&bad).is_err(), "{bad:?}");
    }
    assert!(range(&["--seed", "1", "--minutes", "1"]).is_err());
}

// ---- whole swarms ----

/// Runs a small swarm; it must pass.
fn pass(seed: u64, change: impl FnOnce(&mut Plan)) -> Totals {
    let mut plan = Plan::of(seed, true);
    plan.machines
        .iter_mut()
        .for_each(|machine| machine.births = machine.births.min(1));
    plan.outsiders
        .iter_mut()
        .for_each(|outsider| outsider.count = outsider.count.min(50));
    change(&mut plan);
    // A panic would end the watchdog's thread only.
    let stuck = move |state: String| {
        eprintln!("seed {seed} is stuck:\n{state}");
        std::process::exit(101);
    };
    let totals = run::run(&plan, PATIENCE, None, Box::new(stuck));
    totals.unwrap_or_else(|faults| panic!("seed {seed}: {faults:#?}"))
}

#[test]
fn small_swarms_pass() {
    for seed in 0..8 {
        let totals = pass(seed, |_| ());
        assert_eq!(totals.seeds, 1);
        assert!(totals.received + totals.dead + totals.returned > 0);
    }
}

#[test]
fn swarms_of_machines_with_several_sets_pass() {
    let has_sets = |plan: &Plan| {
        let machines = plan.machines.iter().filter(|machine| !machine.shared);
        machines
            .filter(|machine| machine.mailboxes.len() > 1)
            .count()
            > 5
    };
    let seeds = (100..).filter(|&seed| has_sets(&Plan::of(seed, true)));
    for seed in seeds.take(8) {
        assert_eq!(pass(seed, |_| ()).seeds, 1);
    }
}

#[cfg(feature = "delays")]
#[test]
fn threads_dawdle_at_every_point() {
    use super::delays::{Dawdle, DelayPlan, delayed_at};
    let everywhere = |how| {
        let points = Point::ALL.into_iter();
        let delay = move |point| DelayPlan {
            point,
            one_in: 2,
            how,
        };
        points.map(delay).collect::<Vec<_>>()
    };
    let missed = || {
        Point::ALL
            .into_iter()
            .filter(|&point| delayed_at(point) == 0)
    };
    for seed in 0..500 {
        let how = [Dawdle::Spin(100), Dawdle::Yield, Dawdle::Sleep(50)][seed as usize % 3];
        pass(seed, |plan| {
            plan.delays = everywhere(how);
            plan.outsiders
                .iter_mut()
                .for_each(|outsider| outsider.fuel = outsider.fuel.min(8));
        });
        if missed().next().is_none() {
            return;
        }
    }
    panic!("nobody dawdles at {:?}", missed().collect::<Vec<_>>());
}
