//! How far a machine's life has come: a byte that only the holder of the run token touches.

use crate::sync::{AtomicU8, Ordering};

/// What an activation begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Stage {
    /// It reads instructions: what nearly every activation finds.
    Alive = 0,
    /// `connected` was not called yet.
    Fresh = 1,
    /// It gave its token away to be parked, and comes back; full receivers may be left that it is still to be parked on.
    Parked = 2,
    /// The value is gone; claims in flight are still to be waited for.
    Leaving = 3,
}

/// The stage as a byte in the header. Atomic only because the header is shared: the token orders its accesses.
pub(crate) struct StageByte(AtomicU8);

impl StageByte {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(Stage::Fresh as u8))
    }

    #[inline]
    pub(super) fn get(&self) -> Stage {
        // Relaxed, as in `set`: the token came with Acquire, and leaves with Release.
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Alive,
            1 => Stage::Fresh,
            2 => Stage::Parked,
            _ => Stage::Leaving,
        }
    }

    pub(super) fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }
}
