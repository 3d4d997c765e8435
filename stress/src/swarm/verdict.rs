//! The oracles of a swarm that has ended.

use d3::{ShutdownReport, WorkerStats};

use super::books::{Account, Books, Count};
use super::plan::{Finish, Kind, Mood, Plan};

/// What is left of a runtime to be judged. Nothing, where its last handle was dropped.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) report: Option<ShutdownReport>,
    pub(crate) total: Option<WorkerStats>,
    /// Machines that are still there.
    pub(crate) left: usize,
    pub(crate) queued: usize,
    /// Cells of machines in memory; None: nobody is there to ask.
    pub(crate) cells: Option<usize>,
}

/// All that is wrong with a swarm that has ended.
pub(crate) fn faults(plan: &Plan, books: &Books, end: &End, empty_dead: u64) -> Vec<String> {
    let mut faults = books.faults();
    faults.extend(books.imbalances(empty_dead));
    faults.extend(books.hook_faults());
    faults.extend(books.lost_at_a_quiet_end());
    if end.left > 0 || end.queued > 0 {
        faults.push(format!(
            "after the end: {} machines are left, {} queued",
            end.left, end.queued
        ));
    }
    let kept = books.cells_kept();
    if let Some(cells) = end.cells.filter(|cells| *cells != kept) {
        faults.push(format!(
            "after the end: {cells} cells of machines are in memory, and handles for {kept} of them"
        ));
    }
    if let Some(report) = &end.report {
        faults.extend(of_report(plan, report));
    }
    if let Some(total) = &end.total {
        faults.extend(of_statistics(plan, books, total, empty_dead));
    }
    faults
}

fn of_report(plan: &Plan, report: &ShutdownReport) -> Vec<String> {
    let mut faults = Vec::new();
    // Workers that it left behind have ended since, else we would not be here.
    let left = report.left > 0 && report.detached.is_empty();
    if report.refused.is_some() || left {
        faults.push(format!("not a clean end: {report:?}"));
    }
    let must_be_quiet = matches!(plan.finish, Finish::Settled | Finish::Graceful { .. });
    if must_be_quiet && !report.quiet {
        faults.push(format!(
            "the shutdown did not wait until all was quiet: {report:?}"
        ));
    }
    let nobody_may_lose = plan.mood == Mood::Calm && plan.readers.is_empty();
    if must_be_quiet && nobody_may_lose && report.dropped > 0 {
        faults.push(format!(
            "nobody stopped, and a quiet shutdown dropped instructions: {report:?}"
        ));
    }
    faults
}

/// The statistics of the runtime against our own.
fn of_statistics(plan: &Plan, books: &Books, total: &WorkerStats, empty_dead: u64) -> Vec<String> {
    let accounts = books.accounts();
    let sum = |figure: fn(&Account) -> &Count| -> u64 {
        let machines = accounts.iter().filter(|account| account.is_machine);
        machines.map(|account| figure(account).get()).sum()
    };
    let mut pairs = vec![
        ("instructions", total.instructions, sum(|a| &a.received)),
        ("ended machines", total.ended, sum(|a| &a.connected)),
        (
            "panics",
            total.panics,
            books.panics.get() + sum(|a| &a.exploded),
        ),
    ];
    // Those without bytes do not say where they died.
    if !plan.readers.iter().any(|reader| reader.kind == Kind::Empty) {
        pairs.push((
            "dropped instructions",
            total.dropped,
            sum(|a| &a.dead) + empty_dead,
        ));
    }
    pairs
        .into_iter()
        .filter(|(_, says, is)| says != is)
        .map(|(what, says, is)| format!("the statistics say {says} {what}, it was {is}"))
        .collect()
}
