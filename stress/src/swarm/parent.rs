//! `stress swarm`: the process that watches the one that runs the seeds, so that even a crash has a seed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::output::{Output, bytes, count};
use crate::process;

use super::arguments::{Args, Range, fresh_seed};
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
    if let Some(seed) = args.seed.filter(|_| args.plan) {
        output.say(format!("{:#?}", Plan::of(seed)));
        return ExitCode::SUCCESS;
    }
    let range = match args.range(fresh_seed) {
        Ok(range) => range,
        Err(problem) => return output.refuse(problem),
    };
    let patience = args.patience.duration();
    if args.child {
        return child::run(range, patience);
    }
    let mut seen = Seen::default();
    let mut progress = output.progress("swarm", None);
    let ended = run_child(range, patience, |word| {
        seen.note(word);
        progress.at_with(seen.totals.seeds, || seen.line());
    });
    drop(progress);
    let problems = match ended {
        Ok(ended) => seen.problems(&ended, patience),
        Err(problem) => vec![problem],
    };
    output.table(&seen.totals.table("What the swarms did"));
    output.say(seen.memory());
    output.end(&seen.json(range, &problems), &problems)
}

/// How a child ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
}

/// Runs a child, and hands on what it says. It ends before this returns.
pub(crate) fn run_child(
    range: Range,
    patience: Duration,
    mut heard: impl FnMut(Word),
) -> Result<Ended, String> {
    let mut child = start(range, patience).map_err(|error| format!("no process: {error}"))?;
    if let Some(out) = child.stdout.take() {
        let lines = BufReader::new(out).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(word) = Word::parse(&line) {
                heard(word);
            }
        }
    }
    let status = child.wait().map_err(|error| format!("a process was lost: {error}"))?;
    Ok(Ended { status })
}

fn start(range: Range, patience: Duration) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    let to = range.seeds.to.map_or_else(String::new, |to| to.to_string());
    command
        .args(["swarm", "--child", "--seeds"])
        .arg(format!("{}..{to}", range.seeds.from))
        .args(["--patience", &patience.as_secs().to_string()]);
    if let Some(time) = range.time {
        command.args(["--minutes", &(time.as_secs_f64() / 60.0).to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// The command that runs a failure again.
pub(crate) fn replay_command(seed: u64) -> String {
    format!("cargo run --release -p stress -- replay --seed {seed} --times 100")
}

/// What was heard of a child.
#[derive(Debug, Default)]
struct Seen {
    totals: Totals,
    /// The seed that runs.
    running: Option<u64>,
    failed: Option<(u64, Vec<String>)>,
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

    fn line(&self) -> String {
        let Totals {
            received,
            parks,
            ring_breaks,
            stops,
            panics,
            ..
        } = self.totals;
        let running = self.running.map_or_else(String::new, |seed| format!("seed {seed}, "));
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

    fn problems(&self, ended: &Ended, patience: Duration) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some((seed, faults)) = &self.failed {
            problems.push(format!("seed {seed} has failed:"));
            problems.extend(faults.iter().map(|fault| format!("  {fault}")));
            problems.push(again(*seed, patience));
        } else if let Some(seed) = self.running {
            problems.push(format!("seed {seed} ended its process: {}", ended.status));
            problems.push(again(seed, patience));
        } else if !ended.status.success() {
            problems.push(format!("the process of the swarm has ended: {}", ended.status));
        } else if self.totals.seeds == 0 {
            problems.push("no swarm has run".into());
        }
        if let Some((warm, last)) = self.growth()
            && last > warm + GROWTH_BYTES_MAX
        {
            problems.push(format!("the memory has grown: {}", self.memory()));
        }
        problems
    }

    fn json(&self, range: Range, problems: &[String]) -> Value {
        json!({
            "mode": "swarm",
            "machine": process::machine_json(),
            "first_seed": range.seeds.from,
            "totals": self.totals.json(),
            "warm_rss_bytes": self.warm_rss,
            "last_rss_bytes": self.last_rss,
            "failed_seed": self.failed.as_ref().map(|(seed, _)| *seed).or(self.running),
            "problems": problems,
        })
    }
}

fn again(seed: u64, patience: Duration) -> String {
    format!(
        "again: cargo run --release -p stress -- swarm --seed {seed} --patience {}\nhow often: {}",
        patience.as_secs(),
        replay_command(seed)
    )
}
