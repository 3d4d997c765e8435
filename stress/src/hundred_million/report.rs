//! What was found, for people and for programs.

use serde_json::{Value, json};

use super::Args;
use crate::million::Phase;
use crate::output::{Table, bytes, count, duration, figure, nanoseconds};
use crate::process;

/// Everything that a collective showed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    args: Args,
    /// Bytes of a machine, by the trial.
    estimated_each: f64,
    estimated: u64,
    pub(super) phases: Vec<Phase>,
    pub(super) connected_bytes: Option<u64>,
    pub(super) sent_bytes: Option<u64>,
    pub(super) peak_bytes: Option<u64>,
    pub(super) received: u64,
    pub(super) alive: Option<u64>,
    pub(super) ended: u64,
    pub(super) sum: u64,
    pub(super) due_sum: u64,
    pub(super) problems: Vec<String>,
}

impl Found {
    pub(super) fn new(args: &Args, estimated_each: f64, estimated: u64) -> Self {
        Self {
            args: args.clone(),
            estimated_each,
            estimated,
            phases: Vec::new(),
            connected_bytes: None,
            sent_bytes: None,
            peak_bytes: None,
            received: 0,
            alive: None,
            ended: 0,
            sum: 0,
            due_sum: 0,
            problems: Vec::new(),
        }
    }

    /// For people.
    pub(super) fn tables(&self) -> [Table; 2] {
        let title = format!(
            "{} machines at once, 8 bytes of state each, {} workers on {}",
            count(self.args.count),
            self.args.runtime.workers(),
            process::machine_line()
        );
        let mut phases = Table::new(title, &["phase", "machines", "time", "per second", "each"]);
        for phase in &self.phases {
            phases.row([
                phase.name.to_owned(),
                count(phase.operations),
                duration(phase.took),
                figure(phase.rate()),
                nanoseconds(phase.took.as_nanos() as f64 / phase.operations.max(1) as f64),
            ]);
        }
        let unknown = || "unknown".to_owned();
        let each = |memory: Option<u64>| {
            memory.map_or_else(unknown, |memory| {
                let each = memory as f64 / self.args.count as f64;
                format!("{}, {each:.0} bytes each", bytes(memory))
            })
        };
        let mut rest = Table::new("", &[]);
        rest.row([
            "memory with all connected, senders included".to_owned(),
            each(self.connected_bytes),
        ])
        .row([
            "memory when each had received".to_owned(),
            each(self.sent_bytes),
        ])
        .row([
            "estimated, margin included".to_owned(),
            bytes(self.estimated),
        ])
        .row([
            "most that the process ever had".to_owned(),
            self.peak_bytes.map_or_else(unknown, bytes),
        ])
        .row(["instructions received".to_owned(), count(self.received)])
        .row([
            "alive when the last one was received".to_owned(),
            self.alive.map_or_else(unknown, count),
        ])
        .row(["ended".to_owned(), count(self.ended)])
        .row([
            "sum of their states".to_owned(),
            format!("{:016x} of {:016x}", self.sum, self.due_sum),
        ])
        .row([
            "verdict".to_owned(),
            if self.problems.is_empty() {
                "nothing is missing"
            } else {
                "FAILED, see below"
            }
            .to_owned(),
        ]);
        [phases, rest]
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "mode": "hundred-million",
            "machine": process::machine_json(),
            "parameters": {
                "count": self.args.count,
                "workers": self.args.runtime.workers(),
                "pinned": self.args.runtime.pin,
                "trial": self.args.trial,
                "state_bytes": 8,
            },
            "phases": self.phases.iter().map(Phase::json).collect::<Vec<_>>(),
            "memory": {
                "estimated_each_bytes": self.estimated_each,
                "estimated_bytes": self.estimated,
                "connected_bytes": self.connected_bytes,
                "sent_bytes": self.sent_bytes,
                "process_peak_bytes": self.peak_bytes,
            },
            "received": self.received,
            "alive_at_the_last_instruction": self.alive,
            "ended": self.ended,
            "sum": format!("{:016x}", self.sum),
            "due_sum": format!("{:016x}", self.due_sum),
            "problems": self.problems,
            "ok": self.problems.is_empty(),
        })
    }
}
