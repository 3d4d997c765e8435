//! What every socket needs from the I/O thread.

use std::sync::Arc;
use std::time::Instant;

use crate::id::NetConnId;
use crate::options::Options;
use crate::stats::Counters;
use crate::timers::{Armed, Due, Timers};
use crate::wake::PollWaker;

/// The I/O thread's belongings, apart from the sockets themselves.
pub(crate) struct Io {
    pub(crate) options: Options,
    pub(crate) counters: Arc<Counters>,
    pub(crate) wake: Arc<PollWaker>,
    pub(crate) registry: mio::Registry,
    pub(crate) timers: Timers,
    /// The time at the start of this turn of the loop.
    pub(crate) now: Instant,
    /// Where sockets read into. All read one after another, so one buffer serves all.
    pub(crate) buffer: Vec<u8>,
}

impl Io {
    pub(crate) fn arm(&mut self, id: NetConnId, armed: &mut Armed, due: Due, at: Instant) {
        self.timers.arm(id, armed, due, at);
    }
}

/// What a socket wants after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// Nothing until something happens.
    Rest,
    /// Another turn, after the others had theirs.
    Again,
    /// To be removed: it is closed and its machine knows.
    Remove,
}

/// The last instruction about an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The socket is open.
    None,
    /// The machine must still be told, once the socket is done.
    Owed(crate::CloseReason),
    /// The machine was told, or there is none to tell.
    Told,
}
