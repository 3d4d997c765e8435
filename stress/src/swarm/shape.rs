//! Topologies: who sends to whom.

use super::random::Random;

/// The shape of a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any machine to any other, itself included: so many edges from each.
    Random { degree: usize },
    /// Everyone to the next, the last to the first.
    Ring,
    /// Everyone to the next.
    Chain,
    /// One to all.
    FanOut,
    /// All to one.
    FanIn,
    /// One to all and all to one.
    Star,
    /// Each machine to its two children.
    Tree,
    /// Rings of two.
    Pairs,
    /// Each to itself.
    Selves,
}

impl Shape {
    /// Any of them.
    pub(crate) fn draw(random: &mut Random) -> Self {
        match random.below(12) {
            0..=3 => Self::Random {
                degree: random.between(1..=4),
            },
            4 => Self::Ring,
            5 => Self::Chain,
            6 => Self::FanOut,
            7 => Self::FanIn,
            8 => Self::Star,
            9 => Self::Tree,
            10 => Self::Pairs,
            _ => Self::Selves,
        }
    }

    /// Whether only what the first machine is sent reaches all the others.
    #[must_use]
    pub(crate) fn has_a_root(self) -> bool {
        matches!(self, Self::Chain | Self::FanOut | Self::Star | Self::Tree)
    }
}

/// The edges of a shape over machines `0..count`.
pub(crate) fn edges(shape: Shape, count: usize, random: &mut Random) -> Vec<(usize, usize)> {
    match shape {
        Shape::Random { degree } => (0..count)
            .flat_map(|from| (0..degree).map(move |_| from))
            .map(|from| (from, random.below(count)))
            .collect(),
        Shape::Ring => (0..count).map(|from| (from, (from + 1) % count)).collect(),
        Shape::Chain => (1..count).map(|to| (to - 1, to)).collect(),
        Shape::FanOut => (1..count).map(|to| (0, to)).collect(),
        Shape::FanIn => (1..count).map(|from| (from, 0)).collect(),
        Shape::Star => (1..count)
            .flat_map(|spoke| [(0, spoke), (spoke, 0)])
            .collect(),
        Shape::Tree => (1..count).map(|to| ((to - 1) / 2, to)).collect(),
        Shape::Pairs => (0..count)
            .map(|from| (from, from ^ 1))
            .filter(|&(_, to)| to < count)
            .collect(),
        Shape::Selves => (0..count).map(|machine| (machine, machine)).collect(),
    }
}
