//! Delays in the user code of a swarm: in `receive`, hooks, destructors, wakers, and between the sends of a thread.
//!
//! What they hit is when threads of the runtime are elsewhere in their protocols. Delays inside of the protocols: see `delays.rs`.

use std::time::Duration;

use super::plan::JitterPlan;
use super::random::Random;

/// Dawdles as planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter(pub(crate) JitterPlan);

impl Jitter {
    /// Nothing most of the time; else a spin, a yield or a short sleep.
    pub(crate) fn at(self, random: &mut Random) {
        if !random.chance(self.0.percent) {
            return;
        }
        match random.below(8) {
            0 => std::thread::sleep(Duration::from_micros(
                random.sized(1..=self.0.sleep_us_max as usize) as u64,
            )),
            1..=3 => std::thread::yield_now(),
            _ => (0..random.sized(1..=1_024)).for_each(|_| std::hint::spin_loop()),
        }
    }
}
