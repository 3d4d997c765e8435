//! `stress replay`: how often a failure comes back.

use std::process::ExitCode;

use serde_json::json;

use crate::output::{Output, Table};
use crate::process;

use super::arguments::{Range, ReplayArgs, Seeds};
use super::child::Word;
use super::parent;

/// What became of a replay's runs.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// The process ended in the middle of the swarm.
    crashed: u64,
    first: Option<Vec<String>>,
}

/// Runs one seed again and again, each time in a process of its own.
pub(crate) fn replay(args: &ReplayArgs, output: &Output) -> ExitCode {
    if let Err(problem) = args.manner.check() {
        return output.refuse(problem);
    }
    let range = Range {
        seeds: Seeds {
            from: args.seed,
            to: Some(args.seed.saturating_add(1)),
        },
        time: None,
    };
    let mut tally = Tally::default();
    let mut progress = output.progress("replay", Some(args.times.into()));
    for done in 0..args.times {
        let mut last = None;
        let ended = parent::run_child(range, args.manner, |word| {
            last = Some(word);
        });
        let ended = match ended {
            Ok(ended) => ended,
            Err(problem) => return output.refuse(problem),
        };
        tally.note(last, &ended.status.to_string());
        progress.at_with(u64::from(done) + 1, || format!("{} failed", tally.bad()));
    }
    drop(progress);
    tally.tell(args, output)
}

impl Tally {
    fn bad(&self) -> u64 {
        self.failed + self.crashed
    }

    fn note(&mut self, last: Option<Word>, status: &str) {
        let faults = match last {
            Some(Word::Passed { .. }) => {
                self.passed += 1;
                return;
            }
            Some(Word::Failed { faults, .. }) => {
                self.failed += 1;
                faults
            }
            Some(Word::Begun { .. }) | None => {
                self.crashed += 1;
                vec![format!("the process ended: {status}")]
            }
        };
        self.first.get_or_insert(faults);
    }

    fn tell(&self, args: &ReplayArgs, output: &Output) -> ExitCode {
        let mut table = Table::new(format!("Seed {}", args.seed), &[]);
        table
            .row(["runs".to_owned(), args.times.to_string()])
            .row(["passed".to_owned(), self.passed.to_string()])
            .row(["failed".to_owned(), self.failed.to_string()])
            .row(["crashed".to_owned(), self.crashed.to_string()]);
        output.table(&table);
        let mut problems = Vec::new();
        if let Some(first) = &self.first {
            problems.push(format!(
                "{} of {} runs failed; the first:",
                self.bad(),
                args.times
            ));
            problems.extend(first.iter().map(|fault| format!("  {fault}")));
        }
        let value = json!({
            "mode": "replay",
            "machine": process::machine_json(),
            "seed": args.seed,
            "runs": args.times,
            "passed": self.passed,
            "failed": self.failed,
            "crashed": self.crashed,
            "problems": problems,
        });
        output.end(&value, &problems)
    }
}
