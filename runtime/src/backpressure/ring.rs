//! The walk along the wait edges that finds a ring of parked machines.

use std::fmt::Write as _;

use crate::cell::{Header, MemRef};

/// What the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Walk {
    /// The edges lead back to the walker.
    Ring,
    /// They end at a machine that is not parked, or run into a ring that does not contain the walker.
    NoRing,
}

/// Follows the edges from `me`, which is parked.
///
/// Cycle detection without the walker in the cycle: R. P. Brent, "An improved Monte Carlo factorization algorithm", 1980.
pub(super) fn walk(me: &Header) -> Walk {
    let Some(mut current) = me.waits_for() else {
        return Walk::NoRing;
    };
    let mut landmark = current.clone();
    let (mut steps, mut steps_to_next_landmark) = (0u64, 1u64);
    loop {
        if std::ptr::eq::<Header>(&*current, me) {
            return Walk::Ring;
        }
        let Some(next) = next_parked(&current) else {
            return Walk::NoRing;
        };
        current = next;
        if current == landmark {
            return Walk::NoRing;
        }
        steps += 1;
        if steps == steps_to_next_landmark {
            landmark = current.clone();
            steps_to_next_landmark *= 2;
            steps = 0;
        }
    }
}

fn next_parked(cell: &Header) -> Option<MemRef> {
    if cell.vtable.is_machine && cell.held.is_parked() {
        cell.waits_for()
    } else {
        None
    }
}

/// The members of the ring that `walk` found, for people; cut where others have moved on meanwhile.
pub(super) fn names(me: &Header) -> String {
    const SHOWN_MAX: usize = 16;
    let mut text = display(me);
    let mut next = me.waits_for();
    let mut shown = 1;
    while let Some(cell) = next {
        if std::ptr::eq::<Header>(&*cell, me) {
            break;
        }
        if shown == SHOWN_MAX {
            text.push_str(" → …");
            break;
        }
        // Writing to a String cannot fail.
        let _ = write!(text, " → {}", display(&cell));
        shown += 1;
        next = next_parked(&cell);
    }
    text
}

fn display(cell: &Header) -> String {
    match cell.side_if_any().and_then(|side| side.name()) {
        Some(name) => format!("{name} ({})", cell.id),
        None => format!("{} ({})", (cell.vtable.machine_type)(), cell.id),
    }
}
