//! Times from a send outside to the receive inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::tally::wait_for;

/// How long one instruction may be on its way. Who lets it wait longer lets it wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one measurement may take: a slow runtime gives fewer samples.
const MEASURE_TIME_MAX: Duration = Duration::from_secs(5);

/// Longest time that is told apart.
const HIGHEST_NS: u64 = 60_000_000_000;

/// Where a node notes how long an instruction was on its way. One instruction at a time.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    epoch: Instant,
    // 0: not there yet.
    took_ns: Arc<AtomicU64>,
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            took_ns: Arc::default(),
        }
    }
}

impl Stopwatch {
    fn now_ns(&self) -> u64 {
        // 584 years fit.
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Called by the node, with the number that came with its token.
    pub fn stop(&self, sent_ns: u64) {
        let took = self.now_ns().saturating_sub(sent_ns).max(1);
        self.took_ns.store(took, Ordering::Release);
    }

    /// Sends up to `count` instructions through `send`, each `gap` after the one before, and returns how long each took. After
    /// some seconds it is content with fewer.
    ///
    /// The thread outside sleeps meanwhile: it neither spins on a core that the runtime could use nor keeps it warm.
    ///
    /// # Panics
    /// If an instruction does not arrive within ten seconds.
    pub fn measure(&self, count: usize, gap: Duration, mut send: impl FnMut(u64)) -> Latencies {
        let mut latencies = Latencies::default();
        let begun = Instant::now();
        for _ in 0..count {
            if begun.elapsed() > MEASURE_TIME_MAX {
                break;
            }
            std::thread::sleep(gap);
            self.took_ns.store(0, Ordering::Relaxed);
            send(self.now_ns());
            let mut took = 0;
            let arrived = wait_for(PATIENCE, || {
                took = self.took_ns.load(Ordering::Acquire);
                took != 0
            });
            assert!(
                arrived,
                "an instruction was not received within {PATIENCE:?}"
            );
            latencies.record(took);
        }
        latencies
    }
}

/// A distribution of times.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        // Bounds and digits are constants that the histogram takes.
        Self(Histogram::new_with_bounds(1, HIGHEST_NS, 3).expect("these bounds are valid"))
    }
}

impl Latencies {
    /// Adds one time, in nanoseconds.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// How many times were measured.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that `percent` of all stayed within, in µs.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1_000.0
    }

    /// The sum of all times.
    pub fn total(&self) -> Duration {
        Duration::from_nanos((self.0.mean() * self.0.len() as f64) as u64)
    }
}
