//! The seam between the scheduler and the world: time and randomness.

use std::time::Instant;

/// What the scheduler asks of the world. One per pool, chosen when it is built.
pub(crate) trait Environment: Send + Sync + 'static {
    /// Nanoseconds on a monotone clock.
    fn now_ns(&self) -> u64;
    /// A number from which a worker derives its order of stealing.
    fn seed(&self, worker: usize) -> u64;
}

/// The real clock, and the randomness that std draws for its hash maps.
pub(crate) struct System {
    start: Instant,
}

impl System {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Environment for System {
    fn now_ns(&self) -> u64 {
        // Wraps after 584 years of uptime.
        self.start.elapsed().as_nanos() as u64
    }

    fn seed(&self, worker: usize) -> u64 {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_usize(worker);
        hasher.finish()
    }
}

/// Marsaglia's xorshift64* (2003, with Vigna's multiplier): enough to spread thieves.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * bound as u128;
        (wide >> 64) as usize
    }
}
