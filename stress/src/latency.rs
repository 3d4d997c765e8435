//! How long instructions take from the send to the `receive`, of a sample.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// No sample takes longer than an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Stamps instructions, and keeps how long they took.
#[derive(Debug)]
pub(crate) struct Latencies {
    begun: Instant,
    taken: Mutex<Histogram<u64>>,
}

/// When an instruction was sent; 0: it is not of the sample.
pub(crate) type Stamp = u64;

impl Latencies {
    /// An empty sample.
    pub(crate) fn new() -> Self {
        // Two digits that count. Bounds that are constants are sound.
        let taken = Histogram::new_with_bounds(1, LONGEST_NS, 2)
            .unwrap_or_else(|error| unreachable!("constant bounds: {error}"));
        Self {
            begun: Instant::now(),
            taken: Mutex::new(taken),
        }
    }

    /// The stamp of an instruction that is sent now.
    pub(crate) fn stamp(&self) -> Stamp {
        self.elapsed().max(1)
    }

    /// An instruction has arrived. Takes a lock where it has a stamp: samples are few.
    pub(crate) fn arrived(&self, stamp: Stamp) {
        if stamp == 0 {
            return;
        }
        let took = self.elapsed().saturating_sub(stamp);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.saturating_record(took.max(1));
    }

    /// What was found.
    pub(crate) fn summary(&self) -> Summary {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Summary {
            samples: taken.len(),
            p50: taken.value_at_quantile(0.5),
            p99: taken.value_at_quantile(0.99),
            max: taken.max(),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The latencies of a sample, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) samples: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Summary {
    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({"samples": self.samples, "p50": self.p50, "p99": self.p99, "max": self.max})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stamped_counts() {
        let latencies = Latencies::new();
        assert_eq!(
            latencies.summary(),
            Summary {
                samples: 0,
                p50: 0,
                p99: 0,
                max: 0
            }
        );
        latencies.arrived(0);
        assert_eq!(latencies.summary().samples, 0);
        latencies.arrived(latencies.stamp());
        let summary = latencies.summary();
        assert_eq!(summary.samples, 1);
        assert!(summary.p50 >= 1 && summary.p50 <= summary.p99 && summary.p99 <= summary.max);
    }
}
