//! A sitting that was written by `--json`, read again.
//!
//! What the rounds came to is read; medians, ratios and verdicts are worked out anew, so that older files, too, are judged by
//! the targets of today and have every table.

mod error;
mod place;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;

pub(crate) use self::error::ReadError;
use self::error::Reason;
use self::place::Place;
use crate::drive::{Fate, Run};
use crate::machine::Machine;
use crate::plan::{Contender, Workload};
use crate::results::Results;

/// A sitting, and what it was taken on.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// All its runs; each has one sample, which is its round's median.
    pub(crate) results: Results,
    /// What it was taken on.
    pub(crate) machine: Machine,
    /// Whether it had small sizes.
    pub(crate) quick: bool,
    /// What the file lacks though a file of today has it.
    pub(crate) remarks: Vec<String>,
}

/// The rounds of one pair, for each metric of the workload.
type Rounds = BTreeMap<usize, Vec<Option<f64>>>;

/// Reads a sitting from a file.
///
/// # Errors
/// When the file cannot be read, when it is no JSON, and when something is missing or is not what it should be: with its place.
pub(crate) fn read(file: &Path) -> Result<Stored, ReadError> {
    let error = |reason| ReadError {
        file: file.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(file).map_err(|source| error(Reason::Unreadable(source)))?;
    parse(&text).map_err(error)
}

fn parse(text: &str) -> Result<Stored, Reason> {
    let value: Value = serde_json::from_str(text).map_err(Reason::NoJson)?;
    let top = Place::top(&value);
    let mut pairs: BTreeMap<(Workload, Contender), Rounds> = BTreeMap::new();
    let mut notes = BTreeMap::new();
    let mut lacks = Lacks::default();
    for row in top.get("rows")?.items()? {
        let (workload, index) = row_of(&row)?;
        lacks.look_at_row(&row);
        for (name, cell) in row.get("contenders")?.entries()? {
            let contender: Contender = cell.known("contender", name)?;
            lacks.look_at_cell(&cell);
            let rounds = pairs.entry((workload, contender)).or_default();
            if rounds.insert(index, rounds_of(&cell)?).is_some() {
                return Err(cell.is_not("the only one of its workload and metric"));
            }
            if let Some(note) = cell.find("note") {
                notes.insert((workload, contender), note.text()?.to_owned());
            }
        }
    }
    let workers = top.get("workers")?.count()?;
    let mut results = Results::new(pairs.keys().copied().collect(), workers);
    for ((workload, contender), rounds) in &pairs {
        for run in runs(*workload, rounds) {
            results.add(*workload, *contender, run);
        }
    }
    for ((workload, contender), note) in notes {
        results.add_note(workload, contender, note);
    }
    lacks.look_at_all(&top, &pairs);
    Ok(Stored {
        machine: machine(&top)?,
        quick: top.get("quick")?.flag()?,
        remarks: lacks.remarks(),
        results,
    })
}

/// The workload of a row, and which of its metrics the row is.
fn row_of(row: &Place<'_>) -> Result<(Workload, usize), Reason> {
    let workload = row.get("workload")?;
    let workload: Workload = workload.known("workload", workload.text()?)?;
    let what = row.get("what")?;
    let title = what.text()?;
    let index = workload
        .metrics()
        .iter()
        .position(|metric| metric.title == title)
        .ok_or_else(|| what.unknown("metric", title))?;
    Ok((workload, index))
}

/// Each round's figure; none of a pair that was never measured.
fn rounds_of(cell: &Place<'_>) -> Result<Vec<Option<f64>>, Reason> {
    let rounds = cell.get("rounds")?;
    if rounds.is_null() {
        return Ok(Vec::new());
    }
    rounds
        .items()?
        .map(|round| (!round.is_null()).then(|| round.number()).transpose())
        .collect()
}

/// The runs that these rounds came from, as far as they are known.
fn runs(workload: Workload, rounds: &Rounds) -> Vec<Run> {
    let count = rounds.values().map(Vec::len).max().unwrap_or(0);
    let sample = |index: usize, round: usize| {
        let value = rounds.get(&index)?.get(round)?;
        *value
    };
    let run = |round| Run {
        samples: (0..workload.metrics().len())
            .map(|index| sample(index, round).into_iter().collect())
            .collect(),
        fate: Fate::Clean,
    };
    (0..count).map(run).collect()
}

fn machine(top: &Place<'_>) -> Result<Machine, Reason> {
    let machine = top.get("machine")?;
    let text = |key| Ok::<_, Reason>(machine.get(key)?.text()?.to_owned());
    let versions = top
        .find("versions")
        .map(|versions| {
            versions
                .entries()?
                .map(|(package, version)| Ok((package.to_owned(), version.text()?.to_owned())))
                .collect::<Result<Vec<_>, Reason>>()
        })
        .transpose()?;
    Ok(Machine {
        date: text("date")?,
        processor: text("processor")?,
        cores: machine.get("cores")?.count()?,
        memory: machine.get("memory_bytes")?.number()? as u64,
        kernel: text("kernel")?,
        load: machine.get("load_at_start")?.number()?,
        versions: versions.unwrap_or_default(),
    })
}

/// What a file of today has, and this one has not.
#[derive(Debug, Default)]
struct Lacks {
    versions: bool,
    by_ratios: bool,
    beside_peers: bool,
    metrics: Vec<String>,
    workloads: Vec<String>,
}

impl Lacks {
    fn look_at_row(&mut self, row: &Place<'_>) {
        self.by_ratios |= row.find("by_ratios").is_none();
    }

    fn look_at_cell(&mut self, cell: &Place<'_>) {
        self.beside_peers |= cell.find("beside_peers").is_none();
    }

    fn look_at_all(&mut self, top: &Place<'_>, pairs: &BTreeMap<(Workload, Contender), Rounds>) {
        self.versions = top.find("versions").is_none();
        for workload in Workload::value_variants() {
            let of_it = || pairs.iter().filter(|((other, _), _)| other == workload);
            if of_it().next().is_none() {
                self.workloads.push(workload.to_string());
                continue;
            }
            for (index, metric) in workload.metrics().iter().enumerate() {
                if !of_it().any(|(_, rounds)| rounds.contains_key(&index)) {
                    self.metrics.push(format!("“{}”", metric.title));
                }
            }
        }
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.versions {
            remarks.push("no `versions`: nobody's version is known".to_owned());
        }
        for (lacks, key) in [
            (self.beside_peers, "beside_peers"),
            (self.by_ratios, "by_ratios"),
        ] {
            if lacks {
                remarks.push(format!("no `{key}`: worked out from its rounds"));
            }
        }
        if !self.metrics.is_empty() {
            remarks.push(format!("no rows {}", self.metrics.join(", ")));
        }
        if !self.workloads.is_empty() {
            remarks.push(format!("no workloads {}", self.workloads.join(", ")));
        }
        remarks
    }
}
