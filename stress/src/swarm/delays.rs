//! Delays inside of the runtime's own protocols: at which of their marked points a swarm's threads dawdle, how often and how.
//!
//! The points are compiled in with the feature `delays` only. What the seed decides is the same with and without it.

use d3_runtime::protocol::Point;

use super::random::Random;

/// Whether this build can delay anything.
pub(super) const BUILT_IN: bool = cfg!(feature = "delays");

/// The stream of numbers that the delays of a swarm are drawn from.
const STREAM: u64 = 3_000_000;

/// How a thread dawdles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dawdle {
    /// So many turns of a loop that does nothing.
    Spin(u32),
    /// It gives up its time slice.
    Yield,
    /// It sleeps for so many microseconds.
    Sleep(u32),
}

/// One point at which threads dawdle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DelayPlan {
    pub(crate) point: Point,
    /// They do so one in so many times that they pass.
    pub(crate) one_in: u32,
    pub(crate) how: Dawdle,
}

/// The delays of a seed: at no point, at one, or at up to a third of them.
pub(super) fn draw(seed: u64) -> Vec<DelayPlan> {
    let mut random = Random::of_party(seed, STREAM);
    let count = random.pick(&[0, 1, 1, 2, 3, 6, 12]);
    let mut points = Point::ALL;
    (0..count)
        .map(|drawn| {
            let chosen = random.between(drawn..=points.len() - 1);
            points.swap(drawn, chosen);
            delay(points[drawn], &mut random)
        })
        .collect()
}

/// The rarer the longer, so that no point takes more than ten times what a swarm takes anyway.
fn delay(point: Point, random: &mut Random) -> DelayPlan {
    let (how, one_in) = match random.below(3) {
        0 => {
            let loops = random.sized(100..=10_000);
            (
                Dawdle::Spin(loops as u32),
                random.sized(loops / 100..=1_024),
            )
        }
        1 => (Dawdle::Yield, random.sized(1..=256)),
        _ => {
            let us = random.between(50..=500) as u32;
            (Dawdle::Sleep(us), random.sized(64..=4_096))
        }
    };
    DelayPlan {
        point,
        one_in: one_in as u32,
        how,
    }
}

#[cfg(all(test, feature = "delays"))]
pub(super) use armed::delayed_at;
#[cfg(feature = "delays")]
pub(super) use armed::{arm, delayed};

/// Without the feature nobody asks for any: see `arguments.rs`.
#[cfg(not(feature = "delays"))]
pub(super) fn arm(_: u64, _: &[DelayPlan]) {}

/// None, ever.
#[cfg(not(feature = "delays"))]
pub(super) fn delayed() -> u64 {
    0
}

#[cfg(feature = "delays")]
mod armed {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use d3_runtime::protocol::{self, Point};

    use super::super::random::Random;
    use super::{Dawdle, DelayPlan};

    /// What is planned at each point, as a word; 0: nothing. Words of the process, as the hook is: where tests run several swarms at
    /// once they share their delays. All accesses are relaxed, so that nothing is in order here that would not be without.
    static PLANNED: [AtomicU64; Point::ALL.len()] = [const { AtomicU64::new(0) }; Point::ALL.len()];
    /// How often a thread has dawdled at each point.
    static DELAYED: [AtomicU64; Point::ALL.len()] = [const { AtomicU64::new(0) }; Point::ALL.len()];
    /// What the threads' dice begin with.
    static SEED: AtomicU64 = AtomicU64::new(0);
    /// Threads that have thrown dice.
    static THREADS: AtomicU64 = AtomicU64::new(0);

    thread_local! {
        /// The state of this thread's dice; 0 before the first throw.
        static DICE: Cell<u64> = const { Cell::new(0) };
    }

    const KIND_AT: u32 = 30;

    impl DelayPlan {
        fn word(self) -> u64 {
            let (kind, amount) = match self.how {
                Dawdle::Spin(loops) => (1, loops),
                Dawdle::Yield => (2, 0),
                Dawdle::Sleep(us) => (3, us),
            };
            u64::from(self.one_in) << 32 | kind << KIND_AT | u64::from(amount)
        }
    }

    /// Has the threads of this process dawdle as planned, instead of what was planned before.
    pub(in super::super) fn arm(seed: u64, delays: &[DelayPlan]) {
        // An error says that it is installed already.
        let _ = protocol::install(at);
        SEED.store(seed, Ordering::Relaxed);
        for point in Point::ALL {
            let planned = delays.iter().find(|delay| delay.point == point);
            let word = planned.map_or(0, |delay| delay.word());
            PLANNED[point.index()].store(word, Ordering::Relaxed);
        }
    }

    /// How often threads have dawdled in this process.
    pub(in super::super) fn delayed() -> u64 {
        Point::ALL.into_iter().map(delayed_at).sum()
    }

    pub(in super::super) fn delayed_at(point: Point) -> u64 {
        DELAYED[point.index()].load(Ordering::Relaxed)
    }

    fn throw() -> u64 {
        // No destructor: a thread that ends passes points too.
        DICE.with(|dice| {
            let mut random = match dice.get() {
                0 => Random::of_party(
                    SEED.load(Ordering::Relaxed),
                    THREADS.fetch_add(1, Ordering::Relaxed),
                ),
                state => Random::new(state),
            };
            let thrown = random.next();
            dice.set(random.state() | 1);
            thrown
        })
    }

    /// The hook: this thread is at `point`.
    fn at(point: Point) {
        let word = PLANNED[point.index()].load(Ordering::Relaxed);
        let one_in = word >> 32;
        if one_in == 0 || !throw().is_multiple_of(one_in) {
            return;
        }
        let amount = word & ((1 << KIND_AT) - 1);
        match word >> KIND_AT & 3 {
            1 => (0..amount).for_each(|_| std::hint::spin_loop()),
            2 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_micros(amount)),
        }
        DELAYED[point.index()].fetch_add(1, Ordering::Relaxed);
    }
}
