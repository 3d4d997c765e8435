//! Which worker is inside of whose user code, and since when: in one word, written at every `receive` and read when nothing moves.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Ticks of the watchdogs of this process: a clock that costs a load.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// How long a tick is.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A tick is over. (Where tests run several swarms at once, each has a watchdog, and ticks come faster.)
pub(super) fn tick() {
    // Relaxed: a clock.
    TICKS.fetch_add(1, Ordering::Relaxed);
}

thread_local! {
    /// The number of this worker, plus one; 0: not asked yet.
    static WORKER: Cell<u64> = const { Cell::new(0) };
}

/// Threads whose names say no number.
const NOBODY: u64 = 0xFFFF;

/// A worker is inside of user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Its number plus one, or `NOBODY`.
    worker: u64,
    since: u64,
}

impl Visit {
    /// Begun now, by this thread.
    pub(crate) fn now() -> Self {
        let mut worker = WORKER.get();
        if worker == 0 {
            worker = number(std::thread::current().name().unwrap_or_default());
            WORKER.set(worker);
        }
        Self {
            worker,
            since: TICKS.load(Ordering::Relaxed),
        }
    }

    /// Never 0.
    pub(crate) fn word(self) -> u64 {
        self.since << 16 | self.worker
    }

    pub(crate) fn of_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self {
            worker: word & NOBODY,
            since: word >> 16,
        })
    }

    /// Whether it is that worker's.
    pub(crate) fn is_by(self, worker: usize) -> bool {
        self.worker == worker as u64 + 1
    }

    /// How long it has lasted.
    pub(crate) fn lasted(self) -> Duration {
        let ticks = TICKS.load(Ordering::Relaxed).saturating_sub(self.since);
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

/// The number at the end of a worker's name, plus one.
fn number(name: &str) -> u64 {
    let number = name.rsplit('-').next().and_then(|text| text.parse().ok());
    number.map_or(NOBODY, |number: u64| (number + 1).min(NOBODY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_visit() {
        assert_eq!(Visit::of_word(0), None);
        let visit = Visit {
            worker: number("s12-3"),
            since: 7,
        };
        assert_eq!(Visit::of_word(visit.word()), Some(visit));
        assert!(visit.is_by(3) && !visit.is_by(4));
        assert_eq!(number("main"), NOBODY);
        assert_ne!(Visit::now().word(), 0);
    }

    #[test]
    fn a_visit_lasts() {
        let visit = Visit::now();
        tick();
        assert!(visit.lasted() >= TICK);
    }
}
