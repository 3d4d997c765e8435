//! The behaviours of d3's benchmarks on d3 and on its peers, in one sitting, in turn.
//!
//! Each run is a process of its own, so that nobody inherits another's heap, threads or globals, and so that a runtime that
//! hangs can be killed and reported. A round runs every contender once on every workload; rounds are repeated, each beginning
//! with another contender, and what is compared is compared within a round.

mod by_ratios;
mod child;
mod drive;
mod echo;
mod machine;
mod peers;
mod plan;
mod progress;
mod report;
mod results;
mod stored;
mod yardstick;

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use d3_benches::counting::Counting;

use crate::child::Job;
use crate::machine::Machine;
use crate::plan::{Contender, Workload};
use crate::progress::Progress;
use crate::results::Results;
use crate::stored::Stored;

/// Counts in the runs that measure memory, and only there.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs the behaviours of d3's benchmarks on d3 and on its peers, in one sitting, in turn, and prints medians and ratios.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(flatten)]
    sitting: Sitting,
    #[command(subcommand)]
    internal: Option<Internal>,
}

#[derive(Clone, Debug, Args)]
struct Sitting {
    /// Only these workloads
    #[arg(long, value_name = "WORKLOAD,..", value_delimiter = ',', value_enum)]
    only: Vec<Workload>,
    /// Only these contenders; d3 itself is always among them
    #[arg(long, value_name = "CONTENDER,..", value_delimiter = ',', value_enum)]
    peers: Vec<Contender>,
    /// How often every contender runs every workload [default: 5, quick: 1]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Threads that run machines, actors and tasks [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// For how long waves are repeated in one run [default: 0.5, quick: 0.05]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// After how long a run is killed and reported: it hangs, or is that slow
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// Small sizes and one round: to see that everything runs; no figures
    #[arg(long)]
    quick: bool,
    /// Writes the results to this file, after every round
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the medians into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Runs nothing: reports a sitting that `--json` wrote, judged by the targets of today
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["only", "peers", "rounds", "workers", "seconds", "timeout", "quick"]
    )]
    read: Option<PathBuf>,
    /// Tells what there is to choose from
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Internal {
    /// One run, in a process of its own: what a sitting starts.
    #[command(hide = true)]
    Run(Job),
}

fn main() -> ExitCode {
    let command = Command::parse();
    match command.internal {
        Some(Internal::Run(job)) => child::run(&job),
        None if command.sitting.list => {
            print!("{}", plan::list());
            ExitCode::SUCCESS
        }
        None => match command.sitting.report() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("peers: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

impl Sitting {
    /// Runs a sitting, or reads one, and reports. `false`: somebody lost an instruction, crashed or hung, and d3 is among them.
    fn report(&self) -> Result<bool, Box<dyn Error>> {
        let stored = match &self.read {
            Some(file) => self.read(file)?,
            None => self.run()?,
        };
        let Stored {
            results,
            machine,
            quick,
            ..
        } = &stored;
        print!("{}", report::table::render(results, machine, *quick));
        if let Some(file) = &self.svg {
            write(file, &report::svg::render(results, machine, *quick))?;
        }
        io::stdout().flush()?;
        Ok(results.ours_are_clean())
    }

    /// Reads a sitting, and writes it again if that is asked for.
    fn read(&self, file: &Path) -> Result<Stored, Box<dyn Error>> {
        let stored = stored::read(file)?;
        for remark in &stored.remarks {
            eprintln!("{}: {remark}", file.display());
        }
        self.write_json(&stored.results, &stored.machine, stored.quick)?;
        Ok(stored)
    }

    /// Runs all rounds.
    fn run(&self) -> io::Result<Stored> {
        let machine = Machine::look();
        if let Some(warning) = machine.warning() {
            eprintln!("{warning}");
        }
        let mut results = Results::new(self.pairs(), self.workers());
        let rounds = self.rounds.unwrap_or(if self.quick { 1 } else { 5 });
        let mut progress = Progress::new(rounds * results.pairs().len());
        for round in 0..rounds {
            self.run_round(round, &mut results, &mut progress)?;
            self.write_json(&results, &machine, self.quick)?;
        }
        progress.end();
        Ok(Stored {
            results,
            machine,
            quick: self.quick,
            remarks: Vec::new(),
        })
    }

    fn write_json(&self, results: &Results, machine: &Machine, quick: bool) -> io::Result<()> {
        match &self.json {
            Some(file) => write(file, &report::json::render(results, machine, quick)),
            None => Ok(()),
        }
    }

    /// Every contender once on every workload, workload by workload.
    fn run_round(
        &self,
        round: usize,
        results: &mut Results,
        progress: &mut Progress,
    ) -> io::Result<()> {
        let mut pairs = results.pairs().to_vec();
        // Whoever comes first finds the machine as another workload left it: let it be another one each time.
        for group in pairs.chunk_by_mut(|a, b| a.0 == b.0) {
            let begin = round % group.len();
            group.rotate_left(begin);
        }
        for (workload, contender) in pairs {
            let label = format!("round {} {workload} {contender}", round + 1);
            if results.hung(workload, contender) {
                progress.step(&label, "not tried again");
                continue;
            }
            progress.begin(&label);
            let job = Job {
                workload,
                contender,
                workers: self.workers(),
                quick: self.quick,
                seconds: self.seconds.unwrap_or(if self.quick { 0.05 } else { 0.5 }),
            };
            let run = drive::run(&job, Duration::from_secs(self.timeout))?;
            progress.step(&label, &run.summary(workload));
            results.add(workload, contender, run);
        }
        Ok(())
    }

    fn workers(&self) -> usize {
        self.workers
            .filter(|workers| *workers > 0)
            .unwrap_or_else(machine::cores)
    }

    /// Who runs what, workload by workload.
    fn pairs(&self) -> Vec<(Workload, Contender)> {
        let wanted = |contender: &Contender| {
            self.peers.is_empty() || *contender == Contender::D3 || self.peers.contains(contender)
        };
        Workload::all()
            .filter(|workload| self.only.is_empty() || self.only.contains(workload))
            .flat_map(|workload| {
                Contender::all()
                    .filter(move |contender| workload.takes(*contender))
                    .map(move |contender| (workload, contender))
            })
            .filter(|(_, contender)| wanted(contender))
            .collect()
    }
}

/// Writes a file, and names it if that fails.
fn write(file: &Path, text: &str) -> io::Result<()> {
    std::fs::write(file, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}
