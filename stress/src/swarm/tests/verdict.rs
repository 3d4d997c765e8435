//! That an end which is not as it must be is found.

use std::sync::Arc;

use d3::{Runtime, ShutdownReport, WorkerStats};

use super::PATIENCE;
use crate::swarm::books::Books;
use crate::swarm::jitter::Jitter;
use crate::swarm::machine::Node;
use crate::swarm::plan::{Finish, Kind, Mood, Plan};
use crate::swarm::sets::{self, Several};
use crate::swarm::verdict::{self, End};

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
