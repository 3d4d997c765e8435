//! `stress swarm`: the process that watches the one that runs the seeds, so that even a crash has a seed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::output::{Output, bytes, count};
use crate::process;

use super::arguments::{Args, Manner, Range, Seeds, fresh_seed};
use super::child::{self, Word};
use super::plan::Plan;
use super::totals::Totals;

/// Seeds after which the memory is looked at: by then thread-local pools and the allocator have seen most sizes.
const WARM_SEEDS: u64 = 100;
/// What the memory of a child may grow beyond what it was when warm. The largest swarms take some tens of megabytes, and the
/// allocator keeps what eight workers have freed; a leak of all cells and instructions of a swarm shows within a minute.
const GROWTH_BYTES_MAX: u64 = 256 << 20;

/// Runs swarms.
pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    let manner = args.manner;
    if let Err(problem) = manner.check() {
        return output.refuse(problem);
    }
    if let Some(seed) = args.seed.filter(|_| args.plan) {
        output.say(format!("{:#?}", Plan::of(seed, manner.delays)));
        return ExitCode::SUCCESS;
    }
    let range = match args.range(fresh_seed) {
        Ok(range) => range,
        Err(problem) => return output.refuse(problem),
    };
    if args.child {
        return child::run(range, manner);
    }
    let mut seen = Seen::default();
    let mut problems = Vec::new();
    let mut progress = output.progress("swarm", None);
    let mut rest = Some(range);
    let begun = Instant::now();
    while let Some(part) = rest.take() {
        let ended = run_child(part, manner, |word| {
            seen.note(word);
            progress.at_with(seen.totals.seeds, || seen.line());
        });
        match ended {
            Ok(ended) => problems.extend(seen.problems(&ended, manner)),
            Err(problem) => problems.push(problem),
        }
        if args.keep_going {
            rest = seen
                .take_failed()
                .and_then(|seed| after(range, seed, begun.elapsed()));
        }
    }
    drop(progress);
    if seen.totals.seeds == 0 && problems.is_empty() {
        problems.push("no swarm has run".into());
    }
    output.table(&seen.totals.table("What the swarms did"));
    output.say(seen.memory());
    output.end(&seen.json(range, manner, &problems), &problems)
}

/// What is left of a range behind a seed that failed.
fn after(range: Range, failed: u64, elapsed: Duration) -> Option<Range> {
    let from = failed.checked_add(1)?;
    let time = match range.time {
        Some(time) => Some(time.checked_sub(elapsed)?),
        None => None,
    };
    let left = range.seeds.to.is_none_or(|to| from < to);
    let seeds = Seeds {
        from,
        to: range.seeds.to,
    };
    left.then_some(Range { seeds, time })
}

/// How a child ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
}

/// Runs a child, and hands on what it says. It ends before this returns.
pub(crate) fn run_child(
    range: Range,
    manner: Manner,
    mut heard: impl FnMut(Word),
) -> Result<Ended, String> {
    let mut child = start(range, manner).map_err(|error| format!("no process: {error}"))?;
    if let Some(out) = child.stdout.take() {
        let lines = BufReader::new(out).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(word) = Word::parse(&line) {
                heard(word);
            }
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("a process was lost: {error}"))?;
    Ok(Ended { status })
}

fn start(range: Range, manner: Manner) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    let to = range.seeds.to.map_or_else(String::new, |to| to.to_string());
    command
        .args(["swarm", "--child", "--seeds"])
        .arg(format!("{}..{to}", range.seeds.from))
        .args(["--patience", &manner.patience.seconds.to_string()])
        .arg(format!("--delays={}", manner.delays));
    if let Some(time) = range.time {
        command.args(["--minutes", &(time.as_secs_f64() / 60.0).to_string()]);
    }
    let sabotage = manner.sabotage.how;
    if let Some(how) = sabotage.and_then(|how| how.to_possible_value()) {
        command.args(["--break", how.get_name()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// The command that runs a failure again.
fn replay_command(seed: u64, manner: Manner) -> String {
    format!("{} replay --seed {seed} --times 100", command(manner))
}

fn command(manner: Manner) -> &'static str {
    if manner.delays {
        "cargo run --release -p stress --features delays --"
    } else {
        "cargo run --release -p stress --"
    }
}

/// What was heard of a child.
#[derive(Debug, Default)]
struct Seen {
    totals: Totals,
    /// The seed that runs.
    running: Option<u64>,
    failed: Option<(u64, Vec<String>)>,
    /// Those that failed before, where the swarm goes on.
    failed_seeds: Vec<u64>,
    warm_rss: Option<u64>,
    last_rss: Option<u64>,
}

impl Seen {
    fn note(&mut self, word: Word) {
        match word {
            Word::Begun { seed } => self.running = Some(seed),
            Word::Passed {
                totals, rss_bytes, ..
            } => {
                self.running = None;
                self.totals.add(&totals);
                self.last_rss = rss_bytes;
                if self.totals.seeds == WARM_SEEDS {
                    self.warm_rss = rss_bytes;
                }
            }
            Word::Failed { seed, faults } => {
                self.running = None;
                self.failed = Some((seed, faults));
            }
        }
    }

    /// The seed that failed last, for one who goes on behind it.
    fn take_failed(&mut self) -> Option<u64> {
        let failed = self
            .failed
            .take()
            .map(|(seed, _)| seed)
            .or(self.running.take())?;
        self.failed_seeds.push(failed);
        Some(failed)
    }

    fn line(&self) -> String {
        let Totals {
            received,
            parks,
            ring_breaks,
            stops,
            panics,
            ..
        } = self.totals;
        let running = self
            .running
            .map_or_else(String::new, |seed| format!("seed {seed}, "));
        format!(
            "{running}{} instructions, {} parks, {} rings broken, {} stops, {} panics",
            count(received),
            count(parks),
            count(ring_breaks),
            count(stops),
            count(panics)
        )
    }

    fn growth(&self) -> Option<(u64, u64)> {
        self.warm_rss.zip(self.last_rss)
    }

    fn memory(&self) -> String {
        match self.growth() {
            Some((warm, last)) => format!(
                "memory after {WARM_SEEDS} swarms: {}, after {}: {}",
                bytes(warm),
                count(self.totals.seeds),
                bytes(last)
            ),
            None => format!("memory: too few swarms to tell, {WARM_SEEDS} are needed"),
        }
    }

    fn problems(&self, ended: &Ended, manner: Manner) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some((seed, faults)) = &self.failed {
            problems.push(format!("seed {seed} has failed:"));
            problems.extend(faults.iter().map(|fault| format!("  {fault}")));
            problems.push(again(*seed, manner));
        } else if let Some(seed) = self.running {
            problems.push(format!("seed {seed} ended its process: {}", ended.status));
            problems.push(again(seed, manner));
        } else if !ended.status.success() {
            problems.push(format!(
                "the process of the swarm has ended: {}",
                ended.status
            ));
        }
        if let Some((warm, last)) = self.growth()
            && last > warm + GROWTH_BYTES_MAX
        {
            problems.push(format!("the memory has grown: {}", self.memory()));
        }
        problems
    }

    fn json(&self, range: Range, manner: Manner, problems: &[String]) -> Value {
        let last = self.failed.as_ref().map(|(seed, _)| *seed).or(self.running);
        let failed: Vec<u64> = self.failed_seeds.iter().copied().chain(last).collect();
        json!({
            "mode": "swarm",
            "machine": process::machine_json(),
            "first_seed": range.seeds.from,
            "delays": manner.delays,
            "totals": self.totals.json(),
            "warm_rss_bytes": self.warm_rss,
            "last_rss_bytes": self.last_rss,
            "failed_seeds": failed,
            "problems": problems,
        })
    }
}

fn again(seed: u64, manner: Manner) -> String {
    format!(
        "again: {} swarm --seed {seed} --patience {}\nhow often: {}",
        command(manner),
        manner.patience.seconds,
        replay_command(seed, manner)
    )
}
