//! What was found, for people and for programs.

use std::time::Duration;

use d3::RuntimeStats;
use serde_json::{Value, json};

use super::Args;
use crate::latency::Summary;
use crate::output::{Table, bytes, count, duration, figure, nanoseconds};
use crate::process;

/// One phase of a run.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) operations: u64,
    pub(crate) took: Duration,
}

impl Phase {
    pub(crate) fn new(name: &'static str, operations: u64, took: Duration) -> Self {
        Self {
            name,
            operations,
            took,
        }
    }

    /// Operations in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.took.as_secs_f64().max(1e-9)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "operations": self.operations,
            "seconds": self.took.as_secs_f64(),
            "per_second": self.rate(),
        })
    }
}

/// Resident memory of the process, less what it had before the machines; `None` where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) at_rest: Option<u64>,
    pub(crate) after_sending: Option<u64>,
    pub(crate) after_the_end: Option<u64>,
}

impl Memory {
    pub(super) fn at_rest(&mut self, before: Option<u64>, now: Option<u64>) {
        self.at_rest = grown(before, now);
    }

    pub(super) fn after_sending(&mut self, before: Option<u64>, now: Option<u64>) {
        self.after_sending = grown(before, now);
    }

    pub(super) fn after_the_end(&mut self, now: Option<u64>) {
        self.after_the_end = now;
    }
}

fn grown(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    Some(now?.saturating_sub(before?))
}

/// Everything that a run found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) args: Args,
    pub(crate) phases: Vec<Phase>,
    pub(crate) memory: Memory,
    pub(crate) latency: Option<Summary>,
    pub(crate) stats: RuntimeStats,
    pub(crate) expected: u64,
    pub(crate) received: u64,
    pub(crate) alive: u64,
    pub(crate) ended: u64,
    pub(crate) problems: Vec<String>,
    instruction_bytes: usize,
    state_bytes: usize,
}

impl Found {
    pub(super) fn new(args: &Args, instruction_bytes: usize, state_bytes: usize) -> Self {
        Self {
            args: args.clone(),
            phases: Vec::new(),
            memory: Memory::default(),
            latency: None,
            stats: RuntimeStats::default(),
            expected: 0,
            received: 0,
            alive: 0,
            ended: 0,
            problems: Vec::new(),
            instruction_bytes,
            state_bytes,
        }
    }

    /// For people.
    pub(super) fn tables(&self) -> Vec<Table> {
        vec![self.phases(), self.memory(), self.work()]
    }

    fn phases(&self) -> Table {
        let title = format!(
            "{} machines, pattern {}, payload {} bytes, {} workers on {}",
            count(self.args.count),
            self.args.pattern.name(),
            self.args.payload,
            self.args.runtime.workers(),
            process::machine_line()
        );
        let mut table = Table::new(
            title,
            &["phase", "operations", "time", "per second", "each"],
        );
        for phase in &self.phases {
            let each = phase.took.as_nanos() as f64 / phase.operations.max(1) as f64;
            table.row([
                phase.name.to_owned(),
                count(phase.operations),
                duration(phase.took),
                figure(phase.rate()),
                nanoseconds(each),
            ]);
        }
        let all: Duration = self.phases.iter().map(|phase| phase.took).sum();
        table.row(["in all".to_owned(), String::new(), duration(all)]);
        table
    }

    fn memory(&self) -> Table {
        let title = format!(
            "Memory, as the system counts it (resident): cells, {} bytes of state and {} of a sender each, registry, pools",
            self.state_bytes,
            size_of::<usize>(),
        );
        let mut table = Table::new(title, &["when", "in all", "per machine"]);
        let rows = [
            ("connected, at rest", self.memory.at_rest),
            ("after sending, at rest", self.memory.after_sending),
        ];
        for (when, memory) in rows {
            let each = memory.map_or_else(unknown, |memory| {
                format!("{:.0} bytes", memory as f64 / self.args.count as f64)
            });
            table.row([when.to_owned(), memory.map_or_else(unknown, bytes), each]);
        }
        let left = self.memory.after_the_end.map_or_else(unknown, bytes);
        table.row(["the whole process after the end".to_owned(), left]);
        table
    }

    fn work(&self) -> Table {
        let total = self.stats.total();
        let mut table = Table::new("The work", &[]);
        let latency = self.latency.filter(|latency| latency.samples > 0);
        let latency = latency.map_or_else(unknown, |latency| {
            format!(
                "p50 {}, p99 {}, longest {}, of {} samples",
                nanoseconds(latency.p50 as f64),
                nanoseconds(latency.p99 as f64),
                nanoseconds(latency.max as f64),
                count(latency.samples)
            )
        });
        table
            .row([
                "instructions received".to_owned(),
                format!("{} of {}", count(self.received), count(self.expected)),
            ])
            .row([
                "size of an instruction".to_owned(),
                format!("{} bytes", self.instruction_bytes),
            ])
            .row(["from send to receive".to_owned(), latency])
            .row(["activations".to_owned(), count(total.activations)])
            .row(["steals".to_owned(), count(total.steals)])
            .row(["parks on a full mailbox".to_owned(), count(total.parks)])
            .row(["wakes of a worker".to_owned(), count(total.wakes)])
            .row(["verdict".to_owned(), self.verdict().to_owned()]);
        table
    }

    fn verdict(&self) -> &'static str {
        if self.problems.is_empty() {
            "nothing is missing"
        } else {
            "FAILED, see below"
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let total = self.stats.total();
        json!({
            "mode": "million",
            "machine": process::machine_json(),
            "parameters": {
                "count": self.args.count,
                "workers": self.args.runtime.workers(),
                "pinned": self.args.runtime.pin,
                "capacity": self.args.capacity,
                "payload_bytes": self.args.payload.parse::<u64>().ok(),
                "instruction_bytes": self.instruction_bytes,
                "state_bytes": self.state_bytes,
                "rounds": self.args.rounds,
                "pattern": self.args.pattern.name(),
                "in_flight": self.args.in_flight,
                "seed": self.args.seed,
            },
            "phases": self.phases.iter().map(Phase::json).collect::<Vec<_>>(),
            "memory": {
                "at_rest_bytes": self.memory.at_rest,
                "after_sending_bytes": self.memory.after_sending,
                "process_after_the_end_bytes": self.memory.after_the_end,
            },
            "latency_ns": self.latency.map(|latency| latency.json()),
            "runtime": {
                "activations": total.activations,
                "instructions": total.instructions,
                "steals": total.steals,
                "parks": total.parks,
                "ring_breaks": total.ring_breaks,
                "wakes": total.wakes,
                "slept_seconds": total.slept.as_secs_f64(),
            },
            "expected": self.expected,
            "received": self.received,
            "ended": self.ended,
            "problems": self.problems,
            "ok": self.problems.is_empty(),
        })
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}
