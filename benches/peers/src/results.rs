//! What all runs of a sitting came to: medians, ranges, ratios.

use std::collections::BTreeMap;

use crate::drive::{Fate, Run};
use crate::plan::{Contender, Metric, Workload};

/// All runs so far.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    pairs: Vec<(Workload, Contender)>,
    workers: usize,
    runs: BTreeMap<(Workload, Contender), Vec<Run>>,
    /// Notes of a sitting that was read: its runs' fates are in them and nowhere else.
    notes: BTreeMap<(Workload, Contender), String>,
}

/// One metric of one contender over all rounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    /// The median over the rounds of the round's median.
    pub(crate) median: f64,
    /// The least round's median.
    pub(crate) least: f64,
    /// The greatest round's median.
    pub(crate) most: f64,
    /// Each round's median; `None`: it has none.
    pub(crate) rounds: Vec<Option<f64>>,
}

/// A row of the tables: one metric of one workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The workload.
    pub(crate) workload: Workload,
    /// Which of its metrics.
    pub(crate) index: usize,
    /// That metric.
    pub(crate) metric: &'static Metric,
}

impl Results {
    /// Nothing yet.
    pub(crate) fn new(pairs: Vec<(Workload, Contender)>, workers: usize) -> Self {
        Self {
            pairs,
            workers,
            runs: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Who runs what.
    pub(crate) fn pairs(&self) -> &[(Workload, Contender)] {
        &self.pairs
    }

    /// Threads of each runtime, but for those that have one by nature.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Adds the run of one round.
    pub(crate) fn add(&mut self, workload: Workload, contender: Contender, run: Run) {
        self.runs
            .entry((workload, contender))
            .or_default()
            .push(run);
    }

    /// Adds the note that a sitting had, which says that not all runs of the pair were clean.
    pub(crate) fn add_note(&mut self, workload: Workload, contender: Contender, note: String) {
        self.notes.insert((workload, contender), note);
    }

    /// Whether a run hung: then it would again.
    pub(crate) fn hung(&self, workload: Workload, contender: Contender) -> bool {
        self.runs(workload, contender)
            .iter()
            .any(|run| matches!(run.fate, Fate::Hung(_)))
    }

    /// Whether every run of d3 ended with the right counts.
    pub(crate) fn ours_are_clean(&self) -> bool {
        let noted = self.notes.keys().any(|(_, contender)| contender.is_ours());
        let clean = self
            .runs
            .iter()
            .filter(|((_, contender), _)| contender.is_ours())
            .flat_map(|(_, runs)| runs)
            .all(|run| run.fate == Fate::Clean);
        clean && !noted
    }

    /// The rows of the tables, in order.
    pub(crate) fn rows(&self) -> Vec<Row> {
        Workload::all()
            .filter(|workload| self.pairs.iter().any(|pair| pair.0 == *workload))
            .flat_map(|workload| {
                let metrics = workload.metrics().iter().enumerate();
                metrics.map(move |(index, metric)| Row {
                    workload,
                    index,
                    metric,
                })
            })
            .collect()
    }

    /// The columns of the tables, in order.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        Contender::all()
            .filter(|contender| self.pairs.iter().any(|pair| pair.1 == *contender))
            .collect()
    }

    /// One metric of one contender; `None` if nothing was measured.
    pub(crate) fn cell(&self, row: Row, contender: Contender) -> Option<Cell> {
        let rounds: Vec<_> = self
            .runs(row.workload, contender)
            .iter()
            .map(|run| median(run.samples.get(row.index)?))
            .collect();
        let mut found: Vec<f64> = rounds.iter().flatten().copied().collect();
        found.sort_by(f64::total_cmp);
        Some(Cell {
            median: median(&found)?,
            least: *found.first()?,
            most: *found.last()?,
            rounds,
        })
    }

    /// How many times `ours` is better than `theirs`: the median of the ratios within each round, so that a machine that is
    /// slower for one round is slower for both.
    pub(crate) fn ratio(&self, row: Row, ours: Contender, theirs: Contender) -> Option<f64> {
        if !row.metric.has_ratio {
            return None;
        }
        let (ours, theirs) = (self.cell(row, ours)?, self.cell(row, theirs)?);
        let ratios: Vec<f64> = ours
            .rounds
            .iter()
            .zip(&theirs.rounds)
            .filter_map(|(ours, theirs)| Some(row.metric.ratio((*ours)?, (*theirs)?)))
            .filter(|ratio| ratio.is_finite())
            .collect();
        median(&ratios)
    }

    /// The peer with the best median.
    pub(crate) fn best_peer(&self, row: Row) -> Option<Contender> {
        let mut best: Option<(Contender, f64)> = None;
        for contender in self.contenders().into_iter().filter(|it| !it.is_ours()) {
            if let Some(cell) = self.cell(row, contender)
                && best.is_none_or(|(_, value)| !row.metric.reaches(value, cell.median))
            {
                best = Some((contender, cell.median));
            }
        }
        best.map(|(contender, _)| contender)
    }

    /// What is to be said of a pair beside its figures.
    pub(crate) fn note(&self, workload: Workload, contender: Contender) -> Option<String> {
        if let Some(note) = self.notes.get(&(workload, contender)) {
            return Some(note.clone());
        }
        let runs = self.runs(workload, contender);
        let (round, fate) = runs
            .iter()
            .map(|run| &run.fate)
            .enumerate()
            .find(|(_, fate)| **fate != Fate::Clean)?;
        let round = round + 1;
        Some(match fate {
            Fate::Clean => return None,
            Fate::Failed(reason) => format!("failed in round {round}: {reason}"),
            Fate::Hung(complaint) => {
                let how = if self.measured(workload, contender) {
                    "measured, but did not end in time"
                } else {
                    "not done in time"
                };
                let note =
                    format!("{how} in round {round}; killed, and not tried again. {complaint}");
                note.trim_end().to_owned()
            }
        })
    }

    fn measured(&self, workload: Workload, contender: Contender) -> bool {
        self.runs(workload, contender)
            .iter()
            .any(|run| run.samples.iter().any(|samples| !samples.is_empty()))
    }

    fn runs(&self, workload: Workload, contender: Contender) -> &[Run] {
        self.runs
            .get(&(workload, contender))
            .map_or(&[], Vec::as_slice)
    }
}

/// The median; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values.get(middle).copied()
    } else {
        Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0)
    }
}

/// A value with three digits that mean something.
pub(crate) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(values: &[f64], fate: Fate) -> Run {
        Run {
            samples: vec![values.to_vec()],
            fate,
        }
    }

    fn results() -> Results {
        let contenders = [Contender::D3, Contender::Tokio, Contender::Kameo];
        let pairs = contenders.map(|contender| (Workload::Daisy, contender));
        Results::new(pairs.to_vec(), 2)
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut results = results();
        // The machine was ten times slower in the second round.
        for (ours, theirs) in [(40.0, 10.0), (4.0, 1.0), (60.0, 20.0)] {
            results.add(Workload::Daisy, Contender::D3, run(&[ours], Fate::Clean));
            results.add(
                Workload::Daisy,
                Contender::Tokio,
                run(&[theirs], Fate::Clean),
            );
        }
        let row = results.rows()[0];
        assert_eq!(
            results.ratio(row, Contender::D3, Contender::Tokio),
            Some(4.0)
        );
        assert_eq!(results.best_peer(row), Some(Contender::Tokio));
        assert_eq!(
            results.cell(row, Contender::D3).map(|cell| cell.median),
            Some(40.0)
        );
        assert!(results.ours_are_clean());
    }

    #[test]
    fn who_hangs_is_told_and_not_tried_again() {
        let mut results = results();
        results.add(
            Workload::Daisy,
            Contender::Kameo,
            run(&[], Fate::Hung(String::new())),
        );
        assert!(results.hung(Workload::Daisy, Contender::Kameo));
        let note = results.note(Workload::Daisy, Contender::Kameo);
        assert!(note.is_some_and(|note| note.starts_with("not done in time in round 1")));
        assert_eq!(results.note(Workload::Daisy, Contender::Tokio), None);
    }

    #[test]
    fn less_is_better_where_it_costs() {
        let metric = &Workload::Spawn.metrics()[0];
        assert_eq!(metric.ratio(1.0, 4.0), 4.0);
        assert!(metric.reaches(0.8, 0.9));
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(
            [1234.5, 99.99, 9.876, 0.1234].map(figure),
            ["1234", "100.0", "9.88", "0.123"]
        );
    }
}
