//! The machine: eight bytes of its own, and nothing else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use d3::prelude::*;

/// The instruction.
#[derive(Debug, MachineImpl)]
pub(super) enum Number {
    Add(u64),
}

/// A machine whose whole state is a number.
#[derive(Debug)]
pub(super) struct Adder(pub(super) u64);

const _: () = assert!(size_of::<Adder>() == 8);

/// What the machines of a collective count together. A static, so that a machine needs no pointer to it: eight bytes are eight bytes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    /// Instructions received.
    pub(super) received: AtomicU64,
    /// Whose receipt is the last one.
    due: AtomicU64,
    /// Machines alive at that moment; `usize::MAX` until then.
    pub(super) alive_at_the_last: AtomicUsize,
    pub(super) ended: AtomicU64,
    /// What all machines held at their end, summed.
    pub(super) sum: AtomicU64,
}

/// The one tally of this process.
pub(super) static TALLY: Tally = Tally {
    received: AtomicU64::new(0),
    due: AtomicU64::new(0),
    alive_at_the_last: AtomicUsize::new(usize::MAX),
    ended: AtomicU64::new(0),
    sum: AtomicU64::new(0),
};

/// Asked for the number of machines by the one that receives the last instruction.
pub(super) static COLLECTIVE: OnceLock<Runtime> = OnceLock::new();

impl Tally {
    /// Begins to count anew, for a collective that gets `due` instructions. Nothing of the last one may be left.
    pub(super) fn reset(&self, due: u64) {
        // Relaxed throughout: machines that are connected after this are given to workers with the ordering that it takes.
        self.received.store(0, Ordering::Relaxed);
        self.due.store(due, Ordering::Relaxed);
        self.alive_at_the_last.store(usize::MAX, Ordering::Relaxed);
        self.ended.store(0, Ordering::Relaxed);
        self.sum.store(0, Ordering::Relaxed);
    }
}

impl MachineMut<Number> for Adder {
    fn receive(&mut self, Number::Add(number): Number) {
        self.0 = self.0.wrapping_add(number);
        // Relaxed: only one machine reads the number `due`, and it publishes nothing of the others.
        let before = TALLY.received.fetch_add(1, Ordering::Relaxed);
        if before + 1 == TALLY.due.load(Ordering::Relaxed) {
            let alive = COLLECTIVE.get().map_or(0, Runtime::machine_count);
            TALLY.alive_at_the_last.store(alive, Ordering::Relaxed);
        }
    }

    fn disconnected(&mut self) {
        TALLY.sum.fetch_add(self.0, Ordering::Relaxed);
        TALLY.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a machine begins with, by its number: all bits of it count in the sum.
pub(super) fn first_state(index: u64) -> u64 {
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut mixed = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What it is told to add.
pub(super) fn addend(index: u64) -> u64 {
    index.rotate_left(17) ^ 0x5555
}

/// What all of them hold in the end.
pub(super) fn due_sum(count: u64) -> u64 {
    (0..count).fold(0, |sum: u64, index| {
        sum.wrapping_add(first_state(index))
            .wrapping_add(addend(index))
    })
}
