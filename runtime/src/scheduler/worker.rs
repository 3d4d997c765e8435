//! One worker: find a machine, run it.

use crossbeam_deque::Steal;

use super::environment::Random;
use super::local::Local;
use crate::cell::{After, Scheduled, Turn};
use crate::sleep::{LastSearcher, Woken};
use crate::stats::Counters;
use crate::tuning::{INJECTOR_INTERVAL_TURNS, NEXT_UP_RUN_MAX, SEARCH_ROUNDS, WATCH_INTERVAL_MIN};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    /// One machine was run.
    Ran,
    /// No machine was found: search is over, sleep is due.
    Dry,
}

pub(super) struct Worker {
    local: Local,
    random: Random,
    turn: u32,
    next_up_run: u32,
    /// Look at the injector first: it is what most wakes are for.
    injector_first: bool,
    /// Counted in the pool's `searching`.
    searching: bool,
    /// What the watch saw of the others' turn counters at its last look.
    seen_turns: Vec<u64>,
    /// A worker whose next-up slot is stuck behind a long `receive`.
    stuck: Option<usize>,
}

impl Worker {
    pub(super) fn new(local: Local) -> Self {
        let random = Random::new(local.pool.environment.seed(local.index));
        let seen_turns = vec![u64::MAX; local.pool.workers()];
        Self {
            local,
            random,
            turn: 0,
            next_up_run: 0,
            injector_first: true,
            searching: false,
            seen_turns,
            stuck: None,
        }
    }

    pub(super) fn local(&self) -> &Local {
        &self.local
    }

    fn counters(&self) -> &Counters {
        &self.local.pool.counters[self.local.index]
    }

    /// Finds one machine and runs it.
    pub(super) fn step(&mut self) -> Verdict {
        self.turn = self.turn.wrapping_add(1);
        let Some(machine) = self.find_own().or_else(|| self.search()) else {
            return Verdict::Dry;
        };
        self.stop_searching();
        self.run(machine);
        Verdict::Ran
    }

    fn run(&mut self, machine: Scheduled) {
        let pool = &*self.local.pool;
        let counters = self.counters();
        counters.activations.add(1);
        let turns = &self.local.remote().turns;
        // Relaxed, and no read-modify-write: this worker is the only writer, the watch compares numbers only.
        turns.store(u64::from(self.turn), std::sync::atomic::Ordering::Relaxed);
        // SAFETY of the callee's contract: `machine` is a token, and consumed by this call.
        let run = machine.header().vtable.run;
        let mut turn = Turn::new(pool, counters);
        // SAFETY: the table belongs to the cell, and the token is handed over.
        match unsafe { run(machine, &mut turn) } {
            After::Gone => {}
            After::Again(machine) => {
                self.local.push_back(machine);
                let alone = self.local.deque().len() == 1;
                if !alone && pool.workers() > 1 {
                    self.local.pool.sleep.notify();
                } else if alone && turn.waits_for_others {
                    // Nothing else to run here: the producer that was preempted needs the core more than we do.
                    std::thread::yield_now();
                }
            }
        }
    }

    fn find_own(&mut self) -> Option<Scheduled> {
        if (std::mem::take(&mut self.injector_first)
            || self.turn.is_multiple_of(INJECTOR_INTERVAL_TURNS))
            && let Some(machine) = self.local.pool.steal_injected(&self.local)
        {
            return Some(machine);
        }
        if (self.next_up_run < NEXT_UP_RUN_MAX || !self.local.has_queued())
            && let Some(machine) = self.local.remote().take_next_up()
        {
            self.next_up_run = self.next_up_run.saturating_add(1);
            return Some(machine);
        }
        self.next_up_run = 0;
        if let Some(machine) = self.local.deque().pop() {
            return Some(machine);
        }
        // The deque is empty, so the slot may be used as often as it likes.
        self.local
            .remote()
            .take_next_up()
            .or_else(|| self.local.pool.steal_injected(&self.local))
    }

    fn search(&mut self) -> Option<Scheduled> {
        if !self.searching {
            if !self.local.pool.sleep.try_search() {
                return None;
            }
            self.searching = true;
        }
        for _ in 0..SEARCH_ROUNDS {
            if let Some(machine) = self
                .local
                .pool
                .steal_injected(&self.local)
                .or_else(|| self.steal_round())
            {
                return Some(machine);
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Half of somebody's deque, beginning with a random one. Never one's own: there is nothing in it.
    fn steal_round(&mut self) -> Option<Scheduled> {
        let remotes = &self.local.pool.remotes;
        let first = self.random.below(remotes.len());
        for i in 0..remotes.len() {
            let victim = (first + i) % remotes.len();
            if victim == self.local.index {
                continue;
            }
            loop {
                match remotes[victim]
                    .stealer
                    .steal_batch_and_pop(self.local.deque())
                {
                    Steal::Success(machine) => {
                        self.counters().steals.add(1);
                        return Some(machine);
                    }
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    fn stop_searching(&mut self) {
        if !self.searching {
            return;
        }
        self.searching = false;
        if self.local.pool.sleep.found() == LastSearcher::Yes && self.local.pool.has_work() {
            self.local.pool.sleep.notify();
        }
    }

    /// Sleeps until there is something to look for.
    pub(super) fn sleep(&mut self) {
        let pool = std::sync::Arc::clone(&self.local.pool);
        let was_searching = std::mem::replace(&mut self.searching, false);
        let watch = (pool.workers() > 1).then(|| pool.config.time_slice.max(WATCH_INTERVAL_MIN));
        for (seen, remote) in self.seen_turns.iter_mut().zip(&pool.remotes) {
            *seen = remote.turns.load(std::sync::atomic::Ordering::Relaxed);
        }
        let begun_ns = pool.now_ns();
        let woken = pool.sleep.sleep(
            self.local.index,
            was_searching,
            watch,
            || pool.has_work(),
            || self.sees_stuck_slot(),
        );
        self.searching = woken == Woken::Searching;
        if woken == Woken::Watched {
            self.rescue();
        }
        self.counters().sleeps.add(1);
        self.counters().slept_ns.add(pool.now_ns() - begun_ns);
        self.injector_first = true;
    }

    /// The watch's look: whether a worker has begun nothing since the last look, and keeps a machine in its slot.
    fn sees_stuck_slot(&mut self) -> bool {
        let remotes = &self.local.pool.remotes;
        for (victim, (seen, remote)) in self.seen_turns.iter_mut().zip(remotes).enumerate() {
            let turns = remote.turns.load(std::sync::atomic::Ordering::Relaxed);
            if victim != self.local.index && *seen == turns && remote.has_next_up() {
                self.stuck = Some(victim);
                return true;
            }
            *seen = turns;
        }
        false
    }

    /// Takes the machine out of the stuck slot; by now this worker counts as awake, so that no moment shows the machine nowhere.
    fn rescue(&mut self) {
        let Some(victim) = self.stuck.take() else {
            return;
        };
        if let Some(machine) = self.local.pool.remotes[victim].take_next_up() {
            self.counters().rescues.add(1);
            self.local.push_back(machine);
        }
    }
}
