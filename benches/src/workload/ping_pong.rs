//! Two machines that send one token to and fro. Round trips are counted.

use super::{Size, ring};
use crate::collective::{Collective, Setup};
use crate::group::Waves;

/// What targets.md asks for: two machines, here with 200,000 round trips.
pub const SIZE: Size = Size {
    machines: 2,
    instructions: 200_000,
};

/// A ring of two, whose token makes `size.instructions` round trips in each wave.
pub fn waves<C: Collective>(setup: &Setup, size: Size) -> Waves<C, ring::Place<C>> {
    ring::counted(
        setup,
        size.machines,
        2 * size.instructions,
        size.instructions,
    )
}
