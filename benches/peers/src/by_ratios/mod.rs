//! The musts as ratios: is d3 as many times better than its peers as targets.md asks for, on whatever machine this is?
//!
//! A must of 80 where tokio had 23 asks for 3.48 × tokio. What was measured beside tokio, divided by that, is 1 where the must
//! is reached on this machine; the median over the peers is the row's. So a machine on which everybody is half as fast misses
//! nothing by that alone.

#[cfg(test)]
mod tests;

use crate::plan::{Contender, Metric};
use crate::results::{Results, Row, median};
use crate::yardstick::{Figures, figures};

/// A must of one of ours, by ratios.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ByRatios {
    /// The must as targets.md has it.
    pub(crate) must: f64,
    /// What ours reached in this sitting.
    pub(crate) found: f64,
    /// How many peers have a figure in targets.md.
    pub(crate) known: usize,
    /// Those of them that have one in this sitting, too.
    pub(crate) peers: Vec<Beside>,
    metric: &'static Metric,
}

/// Ours beside one peer, there (in targets.md) and here (in this sitting).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Beside {
    /// The peer.
    pub(crate) peer: Contender,
    /// Its figure in targets.md.
    pub(crate) there: f64,
    /// Its figure here, the median of the rounds.
    pub(crate) here: f64,
    /// How many times better than its figure in targets.md the must is.
    pub(crate) needed: f64,
    /// How many times better ours is here, the median of the rounds' ratios.
    pub(crate) measured: f64,
}

/// A median, and what it is the median of, from end to end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The greatest.
    pub(crate) most: f64,
}

impl Beside {
    /// How much of what is needed was measured: 1 and more reach the must.
    pub(crate) fn share(&self) -> f64 {
        self.measured / self.needed
    }
}

impl ByRatios {
    /// The must of `ours` in this row. `None`: it has none, or no figure, or targets.md has no peers for it.
    pub(crate) fn of(results: &Results, row: Row, ours: Contender) -> Option<Self> {
        Self::beside(
            results,
            row,
            ours,
            figures(row.workload, row.index),
            row.workload.target(row.index, ours)?.must,
        )
    }

    fn beside(
        results: &Results,
        row: Row,
        ours: Contender,
        figures: Figures,
        must: f64,
    ) -> Option<Self> {
        if figures.is_empty() {
            return None;
        }
        let found = results.cell(row, ours)?.median;
        let peers = figures.iter().filter_map(|(peer, there)| {
            Some(Beside {
                peer: *peer,
                there: *there,
                here: results.cell(row, *peer)?.median,
                needed: row.metric.ratio(must, *there),
                measured: results.ratio(row, ours, *peer)?,
            })
        });
        Some(Self {
            must,
            found,
            known: figures.len(),
            peers: peers.collect(),
            metric: row.metric,
        })
    }

    /// How many times better the peers are here than in targets.md, the median over them: how fast this machine was for this
    /// row. Below 1 it was slower, also where less is better. `None` without peers.
    pub(crate) fn machine(&self) -> Option<f64> {
        let peers = self.peers.iter();
        let speeds: Vec<f64> = peers
            .map(|beside| self.metric.ratio(beside.here, beside.there))
            .collect();
        median(&speeds)
    }

    /// The must on a machine that is as fast as this one. `None` without peers.
    pub(crate) fn scaled_must(&self) -> Option<f64> {
        let machine = self.machine()?;
        Some(if self.metric.more_is_better {
            self.must * machine
        } else {
            self.must / machine
        })
    }

    /// Measured by needed, over the peers. `None` without peers.
    pub(crate) fn share(&self) -> Option<Spread> {
        let mut shares: Vec<f64> = self.peers.iter().map(Beside::share).collect();
        shares.sort_by(f64::total_cmp);
        Some(Spread {
            median: median(&shares)?,
            least: *shares.first()?,
            most: *shares.last()?,
        })
    }

    /// Whether the must is reached, as ratios on this machine. `None` without peers.
    pub(crate) fn reached(&self) -> Option<bool> {
        Some(self.share()?.median >= 1.0)
    }
}
