//! The end of a wave, as the thread outside learns of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a wave may take before it counts as lost. The driver of the peers kills a run long before.
pub const WAVE_PATIENCE: Duration = Duration::from_secs(600);

/// A latch that is armed for each wave.
///
/// ```
/// let finish = d3_benches::finish::Finish::default();
/// finish.arm(2);
/// std::thread::scope(|scope| {
///     scope.spawn(|| { finish.arrive(); finish.arrive(); });
///     finish.wait();
/// });
/// ```
#[derive(Debug, Default)]
pub struct Finish {
    left: AtomicU64,
    done: Mutex<bool>,
    bell: Condvar,
}

impl Finish {
    /// Expects so many arrivals.
    pub fn arm(&self, arrivals: u64) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.left.store(arrivals, Ordering::Release);
    }

    /// One of those expected; the last one wakes who waits.
    pub fn arrive(&self) {
        // AcqRel: the last to arrive has seen what the others did before, and who waits learns it through the lock.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.bell.notify_one();
        }
    }

    /// Waits until all have arrived.
    ///
    /// # Panics
    /// After [`WAVE_PATIENCE`]: something was lost.
    pub fn wait(&self) {
        let deadline = Instant::now() + WAVE_PATIENCE;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*done {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "a wave did not end: {} arrivals are missing",
                self.left.load(Ordering::Relaxed)
            );
            done = self
                .bell
                .wait_timeout(done, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
