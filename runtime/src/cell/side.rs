//! The side box: what most machines never need, allocated when one does.

use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::{ControlMessage, Edge, MemRef};
use crate::backpressure::Promise;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, lock};
use crate::unwind;

/// Name, control lane, end and waiting statistics of one cell.
pub(crate) struct Side {
    pub(crate) name: Mutex<Option<Arc<str>>>,
    pub(crate) control: Mutex<Vec<ControlMessage>>,
    pub(crate) end: Mutex<End>,
    /// Whose room this machine waits for while it is parked.
    pub(crate) edge: Edge,
    /// The key of this machine's node in the waiter list that `edge` names. Written before PARKED, read after the resume.
    pub(crate) wait_key: AtomicU32,
    /// The mailbox whose room this machine was resumed for, until it has had its turn. Written before it is queued, for the holder of
    /// the token.
    pub(crate) promised_by: Mutex<Option<Promise>>,
    /// The multiple of the capacity that is the hard limit of this mailbox; 0: that of its runtime. Written before anybody else sees it.
    pub(crate) hard_limit: AtomicUsize,
    /// Full receivers on which the machine is still to be parked: the rest of a `receive` that met several. For the holder of the
    /// token only; a lock because the box is shared.
    pub(crate) still_full: Mutex<Vec<MemRef>>,
    /// Instructions that machines sent here beyond the capacity.
    pub(crate) overflows: AtomicU64,
    /// Whether the hard limit was met since the length was last below the capacity, so that it is told once.
    pub(crate) at_limit: AtomicBool,
    /// How often this machine was parked on a full mailbox.
    pub(crate) parks: AtomicU64,
    /// Nanoseconds that it was parked, in all.
    pub(crate) parked_ns: AtomicU64,
    /// When it was parked last, on the pool's clock.
    pub(crate) parked_since_ns: AtomicU64,
}

/// How the machine ended, and who waits to hear it.
#[derive(Default)]
pub(crate) struct End {
    /// The text of a failure or panic, known before the end.
    pub(crate) message: Option<Arc<str>>,
    pub(crate) watchers: Slab<Waker>,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            name: Mutex::new(None),
            control: Mutex::new(Vec::new()),
            end: Mutex::new(End::default()),
            edge: Edge::new(),
            wait_key: AtomicU32::new(0),
            promised_by: Mutex::new(None),
            hard_limit: AtomicUsize::new(0),
            still_full: Mutex::new(Vec::new()),
            overflows: AtomicU64::new(0),
            at_limit: AtomicBool::new(false),
            parks: AtomicU64::new(0),
            parked_ns: AtomicU64::new(0),
            parked_since_ns: AtomicU64::new(0),
        }
    }
}

impl Side {
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        lock(&self.name).clone()
    }

    /// Wakes everybody who waits for the end. The end is known before.
    pub(crate) fn wake_watchers(&self) {
        let watchers = std::mem::take(&mut lock(&self.end).watchers);
        for (_, watcher) in watchers {
            if let Err(message) = unwind::user_code(move || watcher.wake()) {
                tracing::error!(%message, "a waker panicked; the runtime goes on");
            }
        }
    }
}
