//! Counts: what was received, who has ended, and whether that is what was asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

/// How long machines that nobody can reach any more may take to end.
pub const END_PATIENCE: Duration = Duration::from_secs(60);

/// Looks this often whether all have arrived: short against what is timed with it, long enough to leave the cores alone.
const LOOK_INTERVAL: Duration = Duration::from_micros(100);

/// What the nodes of a workload add up to. Each node counts for itself and adds its count when it is dropped, so that
/// counting costs no shared line, and an ended node is one whose memory was given back.
#[derive(Debug, Default)]
pub struct Tally {
    received: AtomicU64,
    ended: AtomicU64,
}

/// One node's part of a [`Tally`].
#[derive(Debug)]
pub struct Account {
    received: u64,
    tally: Arc<Tally>,
}

impl Account {
    /// Opens an account.
    pub fn new(tally: &Arc<Tally>) -> Self {
        Self {
            received: 0,
            tally: Arc::clone(tally),
        }
    }

    /// Counts one token.
    #[inline]
    pub fn count(&mut self) {
        self.received += 1;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.tally
            .received
            .fetch_add(self.received, Ordering::Relaxed);
        // Release: who reads `ended` with Acquire sees what all those nodes received.
        self.tally.ended.fetch_add(1, Ordering::Release);
    }
}

impl Tally {
    /// Waits until `machines` nodes have ended and compares the counts.
    ///
    /// # Errors
    /// [`CountError`] if they do not match, or not within [`END_PATIENCE`].
    pub fn settle(&self, machines: u64, received: u64) -> Result<(), CountError> {
        wait_for(END_PATIENCE, || {
            self.ended.load(Ordering::Acquire) >= machines
        });
        let found = CountError {
            expected: received,
            received: self.received.load(Ordering::Relaxed),
            machines,
            ended: self.ended.load(Ordering::Acquire),
        };
        found.into_result()
    }
}

/// A runtime lost or doubled something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountError {
    /// Tokens that were sent.
    pub expected: u64,
    /// Tokens that were received.
    pub received: u64,
    /// Machines that were connected.
    pub machines: u64,
    /// Machines that have ended.
    pub ended: u64,
}

impl CountError {
    /// `Ok` if the counts are right.
    ///
    /// # Errors
    /// Itself, if they are not.
    pub fn into_result(self) -> Result<(), Self> {
        if self.received == self.expected && self.ended == self.machines {
            Ok(())
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for CountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received {} of {} instructions, ended {} of {} machines",
            self.received, self.expected, self.ended, self.machines
        )
    }
}

impl std::error::Error for CountError {}

/// Looks until `condition` holds or `patience` is over; says whether it holds.
pub fn wait_for(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    true
}

/// Threads beyond this many share stripes.
const STRIPES: usize = 32;

/// Counters for workloads whose nodes are too small and too many for accounts: each thread adds on a line of its own.
#[derive(Debug, Default)]
pub struct Stripes([CachePadded<Stripe>; STRIPES]);

#[derive(Debug, Default)]
struct Stripe {
    received: AtomicU64,
    ended: AtomicU64,
}

impl Stripes {
    /// Stripes that live as long as the process: nodes refer to them with one word and no count of references.
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Counts one token.
    #[inline]
    pub fn count_received(&self) {
        self.0[stripe()].received.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one ended node.
    #[inline]
    pub fn count_ended(&self) {
        self.0[stripe()].ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Tokens received so far.
    pub fn received(&self) -> u64 {
        self.0
            .iter()
            .map(|stripe| stripe.received.load(Ordering::Relaxed))
            .sum()
    }

    /// Nodes ended so far.
    pub fn ended(&self) -> u64 {
        self.0
            .iter()
            .map(|stripe| stripe.ended.load(Ordering::Relaxed))
            .sum()
    }
}

/// The stripe of this thread.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    // A node may be dropped by a thread that has lost its thread-locals already.
    STRIPE.try_with(|stripe| *stripe).unwrap_or(0)
}
