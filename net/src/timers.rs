//! Deadlines of the I/O thread: a binary heap, cleaned lazily.
//!
//! Nothing is ever removed early. A deadline that has passed is handed to its socket, which knows whether it still
//! means anything and arms again if it was moved. A socket has at most one deadline of each kind in the heap (it
//! keeps an [`Armed`] set), and those of sockets that have gone are swept out when the heap has doubled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::id::NetConnId;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Due {
    /// No machine was bound to the connection.
    Unbound,
    /// Nothing moved on the connection.
    Idle,
    /// The peer has ended its half and the machine sent nothing since.
    EndGrace,
    /// The connection could not be flushed.
    Flush,
    /// The peer did not close after we did.
    Linger,
    /// Accepting, or receiving datagrams, may be tried again after a failure.
    Retry,
}

/// The kinds of deadline that a socket has in the heap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Armed(u8);

impl Armed {
    pub(crate) fn fired(&mut self, due: Due) {
        self.0 &= !(1 << due as u8);
    }

    /// True if it was not armed before.
    fn arm(&mut self, due: Due) -> bool {
        let bit = 1 << due as u8;
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new
    }
}

#[derive(Debug)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, NetConnId, Due)>>,
    sweep_at: usize,
}

/// The heap is not swept below this length.
const SWEEP_MIN: usize = 1024;

impl Timers {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sweep_at: SWEEP_MIN,
        }
    }

    /// Arms a deadline, unless one of this kind is armed: then that one fires first and its socket arms again. So a
    /// deadline may only ever be moved to a later time.
    pub(crate) fn arm(&mut self, id: NetConnId, armed: &mut Armed, due: Due, at: Instant) {
        if armed.arm(due) {
            self.heap.push(Reverse((at, id, due)));
        }
    }

    /// The next deadline that has passed.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(NetConnId, Due)> {
        let Reverse((at, id, due)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        Some((id, due))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Drops the deadlines of sockets that have gone, if the heap has grown enough to be worth the walk.
    pub(crate) fn sweep(&mut self, lives: impl Fn(NetConnId) -> bool) {
        if self.heap.len() >= self.sweep_at {
            self.heap.retain(|Reverse((_, id, _))| lives(*id));
            self.sweep_at = SWEEP_MIN.max(2 * self.heap.len());
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
#[path = "timers_tests.rs"]
mod tests;
