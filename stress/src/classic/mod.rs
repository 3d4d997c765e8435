//! d3's classic drivers, by flags or by the settings of a server.

mod plans;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use d3::components::settings::ForwarderTest;
use forwarder::{Failure, Plan, Report};
use serde_json::{Value, json};

use crate::output::{Output, Table, count, duration, figure, nanoseconds};
use crate::process;
use crate::runtime::{RuntimeArgs, amount, end, seconds};

/// The flags of this mode. What they leave open the settings say; what these leave open, the drivers of d3 0.1.3.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Which to run [default: those that the settings name, or all]
    #[arg(value_name = "DRIVER", value_enum)]
    pub(crate) drivers: Vec<Driver>,
    /// A directory with default.toml, as the test server has it, or one file: its `[[additional]]` section Forwarder
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// Machines, those at both ends of the fan included [default: 2000, fan: 500]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) machines: Option<u64>,
    /// Instructions that are sent per iteration; tokens of the chaos-monkey [default: 100, fan: 15]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) messages: Option<u64>,
    /// How often to repeat [default: 1]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) iterations: Option<u64>,
    /// Into how many instructions a link of the daisy-chain turns one [default: 1]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) multiplier: Option<u64>,
    /// Where the counter of a chaos-monkey's token turns: it makes 2 × N + 2 visits [default: 29]
    #[arg(long, value_name = "N")]
    pub(crate) inflection: Option<u64>,
    /// The capacity of the machine where everything comes together [default: as all]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) fanin_capacity: Option<u64>,
    /// How long each step may take [default: 10, fan: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Mailboxes without a bound
    #[arg(long)]
    pub(crate) unbound: bool,
    /// Chooses the ways of the chaos-monkey
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    /// Instructions that a mailbox holds before its senders have to wait [default: the settings', or 250]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) capacity: Option<u64>,
}

/// The drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// A pulse through a chain of machines
    DaisyChain,
    /// One to many to one
    FanoutFanin,
    /// Tokens that hop at random
    ChaosMonkey,
}

impl From<Driver> for ForwarderTest {
    fn from(driver: Driver) -> Self {
        match driver {
            Driver::DaisyChain => Self::DaisyChain,
            Driver::FanoutFanin => Self::FanoutFanin,
            Driver::ChaosMonkey => Self::ChaosMonkey,
        }
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    let asked = match plans::of(args) {
        Ok(asked) => asked,
        Err(problem) => return output.refuse(problem),
    };
    let mut ran = Vec::new();
    for plan in &asked.plans {
        // A runtime each, so that what one leaves behind is not the next one's problem.
        let runtime = match asked.runtime() {
            Ok(runtime) => runtime,
            Err(problem) => return output.refuse(problem),
        };
        let name = plan.test.as_str();
        let outcome = {
            // Instructions were counted when the plan was checked.
            let due = plan.instructions().unwrap_or(0);
            let mut progress = output.progress(name, Some(due));
            forwarder::run(&runtime, plan, &mut |moment| {
                progress.at(moment.instructions)
            })
        };
        let stats = runtime.stats().total();
        let mut problems = Vec::new();
        if let Err(failure) = &outcome {
            problems.push(format!("{name}: {failure}"));
        }
        let unclean = end(&runtime, plan.timeout, &problems);
        problems.extend(unclean.map(|problem| format!("{name}: {problem}")));
        ran.push(Ran {
            plan: *plan,
            outcome,
            stats,
            problems,
        });
    }
    output.table(&table(&ran, asked.workers));
    let problems: Vec<String> = ran.iter().flat_map(|ran| ran.problems.clone()).collect();
    let value = json!({
        "mode": "classic",
        "machine": process::machine_json(),
        "workers": asked.workers,
        "capacity": asked.capacity,
        "drivers": ran.iter().map(Ran::json).collect::<Vec<_>>(),
        "problems": problems,
        "ok": problems.is_empty(),
    });
    output.end(&value, &problems)
}

/// A driver that was run.
struct Ran {
    plan: Plan,
    outcome: Result<Report, Failure>,
    stats: d3::WorkerStats,
    problems: Vec<String>,
}

impl Ran {
    fn json(&self) -> Value {
        let report = self.outcome.as_ref().ok();
        json!({
            "driver": self.plan.test.as_str(),
            "parameters": {
                "machines": self.plan.machines,
                "messages": self.plan.messages,
                "iterations": self.plan.iterations,
                "forwarding_multiplier": self.plan.forwarding_multiplier,
                "inflection_value": self.plan.inflection_value,
                "fanin_capacity": self.plan.fanin_capacity,
                "timeout_seconds": self.plan.timeout.as_secs_f64(),
                "unbound_queue": self.plan.unbound_queue,
                "seed": self.plan.seed,
            },
            "expected": self.plan.instructions().ok(),
            "received": report.map(|report| report.instructions),
            "setup_seconds": report.map(|report| report.setup.as_secs_f64()),
            "seconds": report.map(|report| report.run.as_secs_f64()),
            "teardown_seconds": report.map(|report| report.teardown.as_secs_f64()),
            "per_second": report.map(Report::rate),
            "runtime": {
                "steals": self.stats.steals,
                "parks": self.stats.parks,
                "ring_breaks": self.stats.ring_breaks,
                "wakes": self.stats.wakes,
            },
            "ok": self.problems.is_empty(),
        })
    }
}

fn table(ran: &[Ran], workers: usize) -> Table {
    let title = format!(
        "d3's drivers, {workers} workers on {}",
        process::machine_line()
    );
    let headings = [
        "driver",
        "machines",
        "received",
        "time",
        "per second",
        "each",
        "steals",
        "parks",
        "wakes",
        "verdict",
    ];
    let mut table = Table::new(title, &headings);
    for ran in ran {
        let unknown = || "–".to_owned();
        let report = ran.outcome.as_ref().ok();
        let each = |report: &Report| {
            nanoseconds(report.run.as_nanos() as f64 / report.instructions.max(1) as f64)
        };
        table.row([
            ran.plan.test.as_str().to_owned(),
            count(ran.plan.machines as u64),
            report.map_or_else(unknown, |report| count(report.instructions)),
            report.map_or_else(unknown, |report| duration(report.run)),
            report.map_or_else(unknown, |report| figure(report.rate())),
            report.map_or_else(unknown, each),
            count(ran.stats.steals),
            count(ran.stats.parks),
            count(ran.stats.wakes),
            if ran.problems.is_empty() {
                "all received"
            } else {
                "FAILED"
            }
            .to_owned(),
        ]);
    }
    table
}
