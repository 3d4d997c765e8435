//! The one door for machines that may not run: hold, and a resume that exactly one party wins.

use crate::protocol::Point;
use crate::sync::{AtomicU8, Ordering};

const FREE: u8 = 0;
const PARKED: u8 = 1;
const ENDING: u8 = 2;
const ENDED: u8 = 3;

/// Whether the caller won the resume, and with it the duty to queue the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Resumed {
    /// The caller has the run token now.
    Won,
    /// The machine was not held, or another party was faster.
    Lost,
}

/// The state of a machine's hold.
pub(crate) struct Held(AtomicU8);

impl Held {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    /// Gives the token to whoever wins the resume. The caller touches the machine no more.
    pub(crate) fn park(&self) {
        // Release: pairs with the Acquire in `resume`: the winner, and the worker that it queues the machine for, see
        // all that the activation wrote.
        self.0.store(PARKED, Ordering::Release);
    }

    /// Takes the token of a parked machine.
    pub(crate) fn resume(&self) -> Resumed {
        crate::sync::point(Point::BeforeResume);
        // Acquire: pairs with the Release in `park`. Relaxed on failure: the loser touches nothing.
        match self
            .0
            .compare_exchange(PARKED, FREE, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Resumed::Won,
            Err(_) => Resumed::Lost,
        }
    }

    /// The machine reads no more: `disconnected`, destructors and the unread are left.
    pub(crate) fn begin_end(&self) {
        // Relaxed: asked by the machine's own hooks, on the thread that stores it.
        self.0.store(ENDING, Ordering::Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        // Relaxed: see `begin_end`.
        self.0.load(Ordering::Relaxed) >= ENDING
    }

    /// The machine has ended: its token is void.
    pub(crate) fn end(&self) {
        // Release: pairs with the Acquire in `has_ended`: who sees the end sees what the machine did.
        self.0.store(ENDED, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        // Acquire: see `end`.
        self.0.load(Ordering::Acquire) == ENDED
    }

    pub(crate) fn is_parked(&self) -> bool {
        // Acquire: pairs with the Release in `park`: who sees PARKED sees the edge stored before it.
        self.0.load(Ordering::Acquire) == PARKED
    }
}
