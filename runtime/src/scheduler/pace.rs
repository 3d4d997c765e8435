//! When a second worker pays.
//!
//! A wake costs its waker microseconds and takes ten more until the other runs; after that, every cache line that moves between
//! the two cores costs 90 to 300 ns. Where instructions take a few nanoseconds, that eats what the second core could bring: eight machines
//! that send to one do thirty million instructions a second on two cores, and ninety on one. So a worker measures how
//! long its turns and its instructions take, and others are woken for its queue, and steal from it, from a length on at which it pays.
//!
//! Nothing depends on the answer but speed: whoever queues a machine in its own deque is awake and runs it, and the watch (see
//! `sleep/`) looks after queues behind a worker whose turn does not end.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::tuning::{
    BUSY_LONG_NS, HEAVY_INSTRUCTION_NS, LINGER_TURN_NS, PAYS_BACKLOG_HEAVY_NS,
    PAYS_BACKLOG_LIGHT_NS,
};

/// From which length on a worker's queue pays a second worker. Written by that worker, and by a watch that found it stuck.
#[derive(Debug)]
pub(super) struct Pace {
    pays_from: AtomicUsize,
    /// How long a turn takes; 0: unknown, or instructions are heavy.
    light_turn_ns: AtomicU64,
    /// Turns are short: a machine may linger between them.
    brisk: AtomicBool,
}

impl Pace {
    /// Nothing is known: any machine may be a long one.
    pub(super) fn new() -> Self {
        Self {
            pays_from: AtomicUsize::new(1),
            light_turn_ns: AtomicU64::new(0),
            brisk: AtomicBool::new(true),
        }
    }

    #[inline]
    pub(super) fn is_brisk(&self) -> bool {
        // Relaxed: advice.
        self.brisk.load(Ordering::Relaxed)
    }

    /// Whether instructions are known to be short.
    #[inline]
    pub(super) fn is_light(&self) -> bool {
        // Relaxed: advice.
        self.light_turn_ns.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(super) fn pays(&self, queued: usize) -> bool {
        // Relaxed: advice.
        queued >= self.pays_from.load(Ordering::Relaxed)
    }

    /// The worker is inside a turn that does not end: what it measured before says nothing about what waits behind that.
    pub(super) fn is_stuck(&self) {
        self.pays_from.store(1, Ordering::Relaxed);
        self.light_turn_ns.store(0, Ordering::Relaxed);
        self.brisk.store(false, Ordering::Relaxed);
    }

    /// How long its queue will take, if its instructions are known to be light.
    pub(super) fn light_backlog_ns(&self, queued: usize) -> Option<u64> {
        let turn_ns = self.light_turn_ns.load(Ordering::Relaxed);
        (turn_ns != 0).then(|| turn_ns.saturating_mul(queued as u64))
    }

    fn set(&self, measured: &Measured) {
        self.pays_from
            .store(measured.pays_from(), Ordering::Relaxed);
        let light_turn_ns = if measured.is_heavy() {
            0
        } else {
            measured.turn_ns()
        };
        self.light_turn_ns.store(light_turn_ns, Ordering::Relaxed);
        self.brisk
            .store(measured.turn_ns() < LINGER_TURN_NS, Ordering::Relaxed);
    }
}

/// What one stretch of turns came to.
#[derive(Clone, Copy, Debug)]
struct Measured {
    elapsed_ns: u64,
    turns: u64,
    instructions: u64,
    /// Since the worker woke.
    busy_ns: u64,
}

impl Measured {
    fn pays_from(&self) -> usize {
        let heavy = self.is_heavy();
        if heavy && self.busy_ns >= BUSY_LONG_NS {
            // A load that lasts: whatever waits, waits for no reason.
            return 1;
        }
        let backlog_ns = if heavy {
            PAYS_BACKLOG_HEAVY_NS
        } else {
            PAYS_BACKLOG_LIGHT_NS
        };
        (backlog_ns.div_ceil(self.turn_ns()) as usize).max(1)
    }

    fn is_heavy(&self) -> bool {
        self.elapsed_ns >= HEAVY_INSTRUCTION_NS * self.instructions
    }

    fn turn_ns(&self) -> u64 {
        (self.elapsed_ns / self.turns.max(1)).max(1)
    }
}

/// The worker's own notes between two readings of the clock.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    last_ns: u64,
    woke_ns: u64,
    instructions: u64,
}

impl Stopwatch {
    /// The worker goes to sleep: what is elapsed meanwhile is not its turns'.
    pub(super) fn stop(&mut self) {
        self.last_ns = 0;
    }

    pub(super) fn is_running(&self) -> bool {
        self.last_ns != 0
    }

    /// The worker is awake again.
    pub(super) fn restart(&mut self, now_ns: u64, instructions: u64) {
        *self = Self {
            last_ns: now_ns,
            woke_ns: now_ns,
            instructions,
        };
    }

    /// Reads off after `turns` turns: how long one took. `instructions` counts from the worker's start.
    pub(super) fn read(&mut self, now_ns: u64, turns: u64, instructions: u64, pace: &Pace) -> u64 {
        let measured = Measured {
            elapsed_ns: now_ns.saturating_sub(self.last_ns),
            turns,
            instructions: instructions.wrapping_sub(self.instructions),
            busy_ns: now_ns.saturating_sub(self.woke_ns),
        };
        (self.last_ns, self.instructions) = (now_ns, instructions);
        pace.set(&measured);
        measured.turn_ns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pays_from(elapsed_ns: u64, turns: u64, instructions: u64, busy_ns: u64) -> usize {
        let measured = Measured {
            elapsed_ns,
            turns,
            instructions,
            busy_ns,
        };
        measured.pays_from()
    }

    #[test]
    fn long_turns_pay_at_once() {
        assert_eq!(pays_from(61 * 1_000_000, 61, 61, 61_000_000), 1);
        assert_eq!(pays_from(61 * PAYS_BACKLOG_HEAVY_NS, 61, 61, 0), 1);
    }

    #[test]
    fn short_turns_of_long_instructions_pay_in_numbers_or_in_time() {
        let turn_ns = PAYS_BACKLOG_HEAVY_NS / 10;
        assert_eq!(pays_from(61 * turn_ns, 61, 61, 0), 10);
        assert_eq!(pays_from(61 * turn_ns, 61, 61, BUSY_LONG_NS), 1);
    }

    #[test]
    fn short_instructions_pay_when_many_machines_wait() {
        let turn_ns = HEAVY_INSTRUCTION_NS / 2;
        let expected = PAYS_BACKLOG_LIGHT_NS.div_ceil(turn_ns) as usize;
        assert_eq!(pays_from(61 * turn_ns, 61, 61, 0), expected);
        assert_eq!(pays_from(61 * turn_ns, 61, 61, BUSY_LONG_NS), expected);
    }

    #[test]
    fn a_clock_that_stands_still_is_no_division_by_zero() {
        assert_eq!(pays_from(0, 0, 0, 0), PAYS_BACKLOG_HEAVY_NS as usize);
        assert_eq!(pays_from(0, 61, 61, 0), PAYS_BACKLOG_LIGHT_NS as usize);
    }

    #[test]
    fn a_stuck_worker_is_helped_whatever_it_measured() {
        let pace = Pace::new();
        assert!(pace.pays(1) && !pace.pays(0));
        let mut stopwatch = Stopwatch::default();
        stopwatch.restart(1_000, 0);
        stopwatch.read(1_000 + 61 * 30, 61, 61, &pace);
        assert!(!pace.pays(61) && pace.is_brisk());
        pace.is_stuck();
        assert!(pace.pays(1) && !pace.is_brisk());
    }
}
