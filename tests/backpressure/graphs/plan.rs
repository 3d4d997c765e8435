//! What a seed means: machines, edges, senders from outside, and who is to die.

use std::collections::BTreeSet;
use std::fmt;

use crate::support::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Any edges, self-sends among them.
    Random,
    /// One ring with a few chords.
    Ring,
    /// Several rings through one machine.
    RingsThroughOne,
    /// Edges lead to higher numbers only: no ring at all.
    Layers,
    /// All send to a few.
    FanIn,
    /// A line.
    Chain,
}

const SHAPES: [Shape; 6] = [
    Shape::Random,
    Shape::Ring,
    Shape::RingsThroughOne,
    Shape::Layers,
    Shape::FanIn,
    Shape::Chain,
];

/// How a sender that is no machine sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A thread that waits for room.
    Send,
    /// A thread that tries, then waits for a while, then for ever.
    TryThenWait,
    /// A few futures on one thread, some of which are dropped and tried again.
    Futures,
}

#[derive(Debug)]
pub(super) struct Outside {
    pub(super) manner: Manner,
    /// (mailbox, budget)
    pub(super) sends: Vec<(usize, u32)>,
}

/// One mailbox and its machine.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) capacity: usize,
    /// The most that it sends in one `receive`.
    pub(super) burst: usize,
    /// Mailboxes, and behind them the sinks.
    pub(super) targets: Vec<usize>,
    /// Its value has a second mailbox, the next one, for another instruction set.
    pub(super) first_of_pair: bool,
    pub(super) second_of_pair: bool,
    /// Both mailboxes of the pair are read under one run token.
    pub(super) one_token: bool,
    pub(super) runtime: usize,
}

pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) shape: Shape,
    /// Workers of each runtime; machines of one send to machines of the other.
    pub(super) workers: Vec<usize>,
    pub(super) cells: Vec<Cell>,
    /// The capacities of receivers that a thread or a future reads, once all is quiet.
    pub(super) sinks: Vec<usize>,
    pub(super) outside: Vec<Outside>,
    /// How many parked machines are stopped, or have a partner that panics.
    pub(super) victims: usize,
    /// As many are killed before, while all run.
    pub(super) hunted: usize,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xd3d3_d3d3);
        // Most are small, where schedules differ most for the time they take.
        let size = match rng.below(8) {
            0..=4 => rng.within(2, 16),
            5..=6 => rng.within(17, 80),
            _ => rng.within(81, 200),
        };
        let shape = SHAPES[rng.below(SHAPES.len())];
        let workers = if rng.one_in(4) {
            vec![rng.within(2, 4), rng.within(2, 4)]
        } else {
            vec![rng.within(2, 8)]
        };
        let victims = if rng.one_in(3) { rng.within(1, 4) } else { 0 };
        let sink_count = if victims > 0 || rng.one_in(2) {
            rng.within(1, 2)
        } else {
            0
        };
        let sinks = (0..sink_count).map(|_| rng.within(1, 4)).collect();

        let mut cells = Vec::with_capacity(size);
        for index in 0..size {
            let second_of_pair = cells.last().is_some_and(|last: &Cell| last.first_of_pair);
            let runtime = if second_of_pair {
                cells[index - 1].runtime
            } else {
                rng.below(workers.len())
            };
            // Not drawn, so that a seed means the same edges as ever.
            let one_token = if second_of_pair {
                cells[index - 1].one_token
            } else {
                (seed + index as u64).is_multiple_of(2)
            };
            let capacity = rng.within(1, 4);
            cells.push(Cell {
                capacity: if second_of_pair && one_token {
                    cells[index - 1].capacity
                } else {
                    capacity
                },
                burst: rng.within(1, 4),
                targets: targets(&mut rng, shape, index, size, sink_count),
                first_of_pair: !second_of_pair && index + 1 < size && rng.one_in(3),
                second_of_pair,
                one_token,
                runtime,
            });
        }
        let outside = outside(&mut rng, size);
        let hunted = if rng.one_in(2) { 4 * victims } else { 0 };
        Self {
            seed,
            shape,
            workers,
            cells,
            sinks,
            outside,
            victims,
            hunted,
        }
    }

    /// What the outside puts in, and all that may follow from it.
    pub(super) fn weight(&self) -> u64 {
        let sends = self.outside.iter().flat_map(|outside| &outside.sends);
        sends.map(|(_, budget)| 1 + u64::from(*budget)).sum()
    }

    /// The most that each mailbox and each sink may hold; None: an edge of a cycle leads to it. See the module's head.
    pub(super) fn bounds(&self) -> Vec<Option<usize>> {
        let reachable: Vec<_> = (0..self.cells.len())
            .map(|from| self.reachable(from))
            .collect();
        let capacities = self.cells.iter().map(|cell| cell.capacity);
        let mut bounds: Vec<_> = capacities
            .chain(self.sinks.iter().copied())
            .map(Some)
            .collect();
        for (from, cell) in self.cells.iter().enumerate() {
            for &to in &cell.targets {
                let in_cycle = to < self.cells.len() && reachable[to].contains(&from);
                bounds[to] = bounds[to]
                    .filter(|_| !in_cycle)
                    .map(|bound| bound + cell.burst);
            }
        }
        bounds
    }

    /// The other mailbox of the same machine: a machine that is parked reads neither.
    fn under_same_token(&self, index: usize) -> Option<usize> {
        let cell = &self.cells[index];
        match (cell.one_token, cell.first_of_pair, cell.second_of_pair) {
            (true, true, _) => Some(index + 1),
            (true, _, true) => Some(index - 1),
            _ => None,
        }
    }

    /// The mailboxes that can be reached from this one, itself included.
    fn reachable(&self, from: usize) -> BTreeSet<usize> {
        let (mut found, mut todo) = (BTreeSet::from([from]), vec![from]);
        while let Some(next) = todo.pop() {
            let targets = &self.cells[next].targets;
            let edges = targets.iter().copied().filter(|to| *to < self.cells.len());
            for to in edges.chain(self.under_same_token(next)) {
                if found.insert(to) {
                    todo.push(to);
                }
            }
        }
        found
    }
}

fn targets(rng: &mut Rng, shape: Shape, index: usize, size: usize, sinks: usize) -> Vec<usize> {
    let mut targets = BTreeSet::new();
    match shape {
        Shape::Random => {
            for _ in 0..rng.within(1, 4) {
                targets.insert(rng.below(size));
            }
        }
        Shape::Ring => {
            targets.insert((index + 1) % size);
            if rng.one_in(4) {
                targets.insert(rng.below(size));
            }
        }
        // Machine 0 is in every ring: it sends to the first of each, and the last of each sends to it.
        Shape::RingsThroughOne => {
            let length = 3.min(size);
            if index == 0 {
                let firsts = (1..size).step_by(length).take(6);
                targets.extend(firsts);
            } else if index.is_multiple_of(length) || index + 1 == size {
                targets.insert(0);
            } else {
                targets.insert(index + 1);
            }
            // A ring through another ring.
            if rng.one_in(5) {
                targets.insert(rng.below(size));
            }
        }
        Shape::Layers => {
            if index + 1 < size {
                for _ in 0..rng.within(1, 4) {
                    targets.insert(rng.within(index + 1, (index + 10).min(size - 1)));
                }
            }
        }
        Shape::FanIn => {
            let hubs = size.div_ceil(20);
            if index >= hubs {
                targets.insert(rng.below(hubs));
            } else if rng.one_in(2) {
                targets.insert(rng.below(size));
            }
        }
        Shape::Chain => {
            if index + 1 < size {
                targets.insert(index + 1);
            }
        }
    }
    for sink in 0..sinks {
        let ends_here = targets.is_empty() || (shape == Shape::Chain && index + 1 == size);
        if ends_here || (shape != Shape::Chain && rng.one_in(3)) {
            targets.insert(size + sink);
        }
    }
    targets.into_iter().collect()
}

fn outside(rng: &mut Rng, size: usize) -> Vec<Outside> {
    let senders = rng.within(1, 6);
    let each = rng.within(5, 12);
    let total = rng.within(100, 1_500);
    let budget = (total / (senders * each)) as u32;
    (0..senders)
        .map(|_| Outside {
            manner: match rng.below(3) {
                0 => Manner::Send,
                1 => Manner::TryThenWait,
                _ => Manner::Futures,
            },
            // The first machines, where lines begin, get the most.
            sends: (0..each)
                .map(|_| (rng.below(size).min(rng.below(size)), budget))
                .collect(),
        })
        .collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}, {:?}, {} mailboxes on {:?} workers, {} sinks, {} senders from outside, {} and {} to die, weight {}",
            self.seed,
            self.shape,
            self.cells.len(),
            self.workers,
            self.sinks.len(),
            self.outside.len(),
            self.hunted,
            self.victims,
            self.weight()
        )?;
        for (index, cell) in self
            .cells
            .iter()
            .enumerate()
            .filter(|_| self.cells.len() <= 16)
        {
            write!(f, "\n  {index:>3} → {:?}, {cell:?}", cell.targets)?;
        }
        Ok(())
    }
}
