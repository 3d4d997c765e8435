//! The process that runs the seeds, and what it tells the one that watches it: a line of JSON per event.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use crate::output::FAILED;
use crate::process;

use super::arguments::{Manner, Range};
use super::plan::Plan;
use super::run as swarm;
use super::totals::Totals;

/// What a child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A seed begins.
    Begun { seed: u64 },
    /// It has passed.
    Passed {
        seed: u64,
        totals: Totals,
        rss_bytes: Option<u64>,
    },
    /// It has failed.
    Failed { seed: u64, faults: Vec<String> },
}

impl Word {
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Begun { seed } => json!({ "begun": seed }),
            Self::Passed {
                seed,
                totals,
                rss_bytes,
            } => json!({ "passed": seed, "totals": totals.json(), "rss_bytes": rss_bytes }),
            Self::Failed { seed, faults } => json!({ "failed": seed, "faults": faults }),
        }
    }

    /// What a line says; None if it is not a word of a child.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let seed = |key: &str| value.get(key).and_then(Value::as_u64);
        if let Some(seed) = seed("begun") {
            return Some(Self::Begun { seed });
        }
        if let Some(seed) = seed("passed") {
            return Some(Self::Passed {
                seed,
                totals: Totals::from_json(value.get("totals")?)?,
                rss_bytes: value.get("rss_bytes").and_then(Value::as_u64),
            });
        }
        let faults = value.get("faults")?.as_array()?.iter();
        Some(Self::Failed {
            seed: seed("failed")?,
            faults: faults
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }

    fn tell(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.json())?;
        out.flush()
    }
}

/// Runs seeds until the last one, the time or a failure.
pub(crate) fn run(range: Range, manner: Manner) -> ExitCode {
    let begun = Instant::now();
    let mut seed = range.seeds.from;
    while range.seeds.to.is_none_or(|to| seed < to)
        && range.time.is_none_or(|time| begun.elapsed() < time)
    {
        let told = Word::Begun { seed }.tell();
        let (word, good) = match run_one(seed, manner) {
            Ok(totals) => (
                Word::Passed {
                    seed,
                    totals,
                    rss_bytes: process::rss_bytes(),
                },
                true,
            ),
            Err(faults) => (Word::Failed { seed, faults }, false),
        };
        // Nobody listens any more: there is nothing left to do.
        if told.and_then(|()| word.tell()).is_err() || !good {
            return ExitCode::from(FAILED);
        }
        seed = seed.wrapping_add(1);
    }
    ExitCode::SUCCESS
}

fn run_one(seed: u64, manner: Manner) -> Result<Totals, Vec<String>> {
    let patience = manner.patience.duration();
    let stuck = move |state: String| {
        let faults = vec![
            format!("nothing has moved for {} s", patience.as_secs()),
            state,
        ];
        let told = Word::Failed { seed, faults }.tell();
        // What hangs cannot be ended in any other way.
        std::process::exit(i32::from(if told.is_ok() { FAILED } else { FAILED + 1 }));
    };
    let plan = Plan::of(seed, manner.delays);
    swarm::run(&plan, patience, manner.sabotage.how, Box::new(stuck))
}
