//! One worker: find a machine, run it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_deque::Steal;
use crossbeam_utils::CachePadded;

use super::environment::Random;
use super::local::{Local, Remote};
use super::pace::Stopwatch;
use super::patience::Patience;
use super::stream::Stream;
use crate::cell::{After, Scheduled, Turn};
use crate::protocol::Point;
use crate::sleep::Woken;
use crate::stats::Counters;
use crate::tuning::{
    INJECTOR_INTERVAL_NS, INJECTOR_INTERVAL_TURNS, INJECTOR_INTERVAL_TURNS_MIN, LINGER_IN_VAIN_MAX,
    LINGER_SPINS, LINGER_YIELDS, NEXT_UP_RUN_MAX, ONE_IS_ENOUGH_NS, SEARCH_ROUNDS,
    WATCH_INTERVAL_MIN,
};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    /// A machine was run, perhaps several.
    Ran,
    /// No machine was found: search is over, sleep is due.
    Dry,
    /// The machines were handed over, since fewer workers are enough for what there is: sleep is due, without a search.
    Retired,
}

pub(super) struct Worker {
    local: Local,
    random: Random,
    /// Turns until the injector, and the clock, are looked at. The injector comes first after a wake: it is what most wakes are for.
    until_look: u32,
    /// What `until_look` began with.
    look_interval: u32,
    next_up_run: u32,
    stopwatch: Stopwatch,
    patience: Patience,
    /// What was run since the worker woke, and up to its last look, was short.
    light: bool,
    stream: Stream,
    /// How often in a row a machine lingered in vain.
    in_vain: u32,
    /// Turns since a machine began to linger.
    linger_age: u32,
    /// A machine that lingered and was sent to: it is run next, before anything that could take long.
    ready: Option<Scheduled>,
    /// It has handed its machines over.
    retires: bool,
    /// Counted in the pool's `searching`.
    searching: bool,
    /// What the watch saw of the others' activations at its last look.
    seen_turns: Vec<u64>,
    /// A worker that keeps machines waiting behind a long `receive`.
    stuck: Option<usize>,
    /// When this worker last looked for such workers: on the watch, or busy.
    looked_ns: u64,
}

impl Worker {
    pub(super) fn new(local: Local) -> Self {
        let random = Random::new(local.pool.environment.seed(local.index));
        let seen_turns = vec![u64::MAX; local.pool.workers()];
        Self {
            local,
            random,
            until_look: 1,
            look_interval: INJECTOR_INTERVAL_TURNS,
            next_up_run: 0,
            stopwatch: Stopwatch::default(),
            patience: Patience::new(),
            light: false,
            stream: Stream::new(),
            in_vain: 0,
            linger_age: 0,
            ready: None,
            retires: false,
            searching: false,
            seen_turns,
            stuck: None,
            looked_ns: 0,
        }
    }

    pub(super) fn local(&self) -> &Local {
        &self.local
    }

    #[inline]
    fn counters(&self) -> &Counters {
        &self.local.remote().counters
    }

    /// Finds one machine and runs it, and perhaps those after it. `turn` belongs to this worker.
    #[inline]
    pub(super) fn step(&mut self, turn: &mut Turn<'_>) -> Verdict {
        let Some(machine) = self.find_own().or_else(|| self.search()) else {
            return if std::mem::take(&mut self.retires) {
                Verdict::Retired
            } else {
                Verdict::Dry
            };
        };
        if self.searching {
            self.stop_searching();
        }
        self.run(machine, turn);
        Verdict::Ran
    }

    /// Runs a machine, and while nobody else waits the one that lingered beside it and was sent to: a pair that plays ping-pong stays in here.
    #[inline]
    fn run(&mut self, mut machine: Scheduled, turn: &mut Turn<'_>) {
        loop {
            self.counters().activations.add(1);
            let may_linger = self.may_linger();
            turn.begin(self.light, may_linger);
            if self.stream.flows() && may_linger && self.may_follow() {
                turn.follow();
            }
            let run = machine.header().vtable.run;
            let cell = machine.into_cell();
            // SAFETY: the table belongs to the cell, and the token is handed over.
            let after = unsafe { run(Scheduled::new(cell), turn) };
            if turn.is_long() {
                self.note_long_turn();
            }
            match after {
                After::Gone => {
                    self.stream.forget();
                    return;
                }
                After::Lingers => {
                    // SAFETY: so it says: the token is ours again.
                    let lingers = unsafe { Scheduled::new(cell) };
                    let next = if turn.left_at() != 0 && !self.is_idle() {
                        // Others wait by now: no moment's wait for what it has left. It is up next, and reads everything.
                        self.stream.forget();
                        Some(lingers)
                    } else {
                        self.let_linger(lingers, turn)
                    };
                    let Some(next) = next else {
                        return;
                    };
                    if self.until_look == 1 || self.ready.is_some() || self.has_own() {
                        if let Some(passed_over) = self.ready.replace(next) {
                            // The injector's turn came in between.
                            self.local.push_back_quietly(passed_over);
                        }
                        return;
                    }
                    // As `find_own` would find it, and count.
                    self.until_look -= 1;
                    self.linger_age = 1;
                    machine = next;
                }
                After::Again => {
                    self.stream.is_behind();
                    // SAFETY: as above.
                    self.local
                        .push_back_quietly(unsafe { Scheduled::new(cell) });
                    if self.local.deque().len() > 1 {
                        self.local.offer(1);
                    } else if turn.waits_for_others {
                        // Nothing else to run here: the producer that was preempted needs the core more than we do.
                        std::thread::yield_now();
                    }
                    return;
                }
            }
        }
    }

    /// Whether the machine that is run now may linger: beside others only where turns are short, since it is looked at after some of theirs.
    #[inline]
    fn may_linger(&self) -> bool {
        self.in_vain < LINGER_IN_VAIN_MAX && (self.local.remote().pace.is_brisk() || self.is_idle())
    }

    /// Whether a machine that is fed by a stream keeps its distance: nothing else is to be run or looked after here, so that who feeds it is on another core, and what it leaves is not
    /// left for long.
    #[cold]
    fn may_follow(&self) -> bool {
        self.light
            && self.stream.outruns()
            && !self.local.remote().has_lingering()
            && self.is_idle()
    }

    /// What was measured is over; and whoever waits in the injector has waited. Not the very next turn: that one is for those who wait here.
    #[cold]
    fn note_long_turn(&mut self) {
        self.light = false;
        if self.until_look > INJECTOR_INTERVAL_TURNS_MIN {
            self.look_interval -= self.until_look - INJECTOR_INTERVAL_TURNS_MIN;
            self.until_look = INJECTOR_INTERVAL_TURNS_MIN;
        }
    }

    /// A machine begins to linger. The one that did may be up next.
    #[inline]
    fn let_linger(&mut self, machine: Scheduled, turn: &Turn<'_>) -> Option<Scheduled> {
        self.linger_age = 0;
        if self.stream.notes(turn.received()) {
            let capacity = machine.header().queue().capacity();
            self.stream.note(turn.received(), turn.left_at(), capacity);
        }
        let before = self.local.remote().swap_lingering(Some(machine))?;
        self.end_lingering(before)
    }

    /// A machine that lingered was sent to, and is up next; or nobody did, and it rests.
    #[inline]
    fn end_lingering(&mut self, machine: Scheduled) -> Option<Scheduled> {
        let queue = machine.header().queue();
        if queue.needs_turn()
            || (self.is_idle()
                && !self.patience.is_none()
                && self.waits_until(|| queue.needs_turn()))
        {
            self.in_vain = 0;
            return Some(machine);
        }
        self.in_vain += 1;
        self.stream.forget();
        crate::sync::point(Point::LingeredInVain);
        let rest = machine.header().vtable.rest;
        // SAFETY: the table belongs to the cell, and the token is handed over.
        unsafe { rest(machine) }
    }

    /// Nothing to run here or in the injector.
    fn is_idle(&self) -> bool {
        !self.has_own() && self.local.pool.injector.is_empty()
    }

    /// Something is queued here.
    #[inline]
    fn has_own(&self) -> bool {
        self.local.has_queued() || self.local.remote().has_next_up()
    }

    /// A short wait for whoever feeds the machine that lingers: cheaper than to sleep and be woken. It ends early where something else
    /// is to be run.
    #[cold]
    fn waits_until(&self, fed: impl Fn() -> bool) -> bool {
        for turn in 0..LINGER_SPINS + LINGER_YIELDS {
            if turn < LINGER_SPINS {
                std::hint::spin_loop();
            } else {
                // Who feeds it may need this very core: woken by each instruction, it would be preempted by each.
                std::thread::yield_now();
            }
            if fed() {
                return true;
            }
            if !self.local.pool.injector.is_empty() {
                return false;
            }
        }
        false
    }

    #[inline]
    fn find_own(&mut self) -> Option<Scheduled> {
        self.until_look -= 1;
        if self.until_look == 0 {
            let first = self.look_around();
            if first.is_some() || self.retires {
                if let Some(machine) = self.ready.take() {
                    // Where a watch sees it: what comes first may take long.
                    self.local.push_back_quietly(machine);
                }
                return first;
            }
        }
        self.linger_age += 1;
        let is_before_others = self.next_up_run < NEXT_UP_RUN_MAX || !self.others_wait();
        if self.linger_age > NEXT_UP_RUN_MAX
            && is_before_others
            && let Some(machine) = self.look_after_lingering()
        {
            // One of those turns that come before the others'.
            self.next_up_run = self.next_up_run.saturating_add(1);
            return Some(machine);
        }
        if is_before_others {
            if let Some(machine) = self.ready.take().or_else(|| self.take_local()) {
                self.next_up_run = self.next_up_run.saturating_add(1);
                return Some(machine);
            }
        } else if let Some(machine) = self.ready.take() {
            // The one in the slot came first, and would never be looked at while there is one that is ready.
            if let Some(slot) = self.local.remote().take_next_up() {
                self.local.push_back_quietly(slot);
            }
            self.local.push_back_quietly(machine);
        }
        self.next_up_run = 0;
        if let Some(machine) = self.local.deque().pop() {
            return Some(machine);
        }
        // The deque is empty, so the slot may be used as often as it likes.
        self.take_local()
            .or_else(|| self.local.pool.steal_injected(&self.local))
    }

    /// Whether somebody else is queued than the one whose turn it would be.
    #[inline]
    fn others_wait(&self) -> bool {
        self.local.has_queued() || (self.ready.is_some() && self.local.remote().has_next_up())
    }

    /// A machine that has lingered for some turns of others: it may have been sent to, and nobody else tells.
    fn look_after_lingering(&mut self) -> Option<Scheduled> {
        self.linger_age = 0;
        if !self.local.remote().has_lingering() {
            return None;
        }
        let machine = self.local.remote().swap_lingering(None)?;
        self.end_lingering(machine)
    }

    /// The machine in the slot, or the one that lingers.
    #[inline]
    fn take_local(&mut self) -> Option<Scheduled> {
        if let Some(machine) = self.local.remote().take_next_up() {
            return Some(machine);
        }
        if !self.local.remote().has_lingering() {
            return None;
        }
        let machine = self.local.remote().swap_lingering(None)?;
        if self.stream.flows() && self.is_idle() {
            let queue = machine.header().queue();
            self.stream
                .let_come(queue.capacity(), || queue.tail().index());
        }
        self.end_lingering(machine)
    }

    /// What is done every so many turns: the injector first, and a look at the clock.
    #[cold]
    fn look_around(&mut self) -> Option<Scheduled> {
        self.in_vain = 0;
        let now_ns = self.local.pool.now_ns();
        let remote = self.local.remote();
        let instructions = remote.counters.instructions.get();
        if self.stopwatch.is_running() {
            let turns = u64::from(self.look_interval);
            let turn_ns = self
                .stopwatch
                .read(now_ns, turns, instructions, &remote.pace);
            self.light = remote.pace.is_light();
            // Who waits in the injector waits for about as long, or for one turn that is longer.
            self.look_interval = u32::try_from(INJECTOR_INTERVAL_NS / turn_ns)
                .unwrap_or(u32::MAX)
                .clamp(INJECTOR_INTERVAL_TURNS_MIN, INJECTOR_INTERVAL_TURNS);
            if self.local.has_queued() {
                // What did not pay others when it was queued may do so now.
                self.local.offer(1);
            }
        } else {
            self.stopwatch.restart(now_ns, instructions);
        }
        self.until_look = self.look_interval;
        if let Some(machine) = self.help_the_stuck(now_ns) {
            return Some(machine);
        }
        if self.one_is_enough() {
            self.hand_over();
            return None;
        }
        self.local.pool.steal_injected(&self.local)
    }

    /// Once in a time slice: what a worker that has begun nothing since the last look keeps waiting. Who never runs dry neither searches
    /// nor sleeps with the watch, and where all others are busy nobody else would come.
    fn help_the_stuck(&mut self, now_ns: u64) -> Option<Scheduled> {
        let slice_ns = self.local.pool.config.time_slice_ns();
        if self.local.pool.workers() == 1 || now_ns.saturating_sub(self.looked_ns) < slice_ns {
            return None;
        }
        let pool = Arc::clone(&self.local.pool);
        self.looked_ns = now_ns;
        for (victim, remote) in pool.remotes.iter().enumerate() {
            let turns = remote.counters.activations.get();
            let seen = std::mem::replace(&mut self.seen_turns[victim], turns);
            if victim == self.local.index || seen != turns || !remote.keeps_waiting() {
                continue;
            }
            self.stuck = Some(victim);
            self.rescue();
            if let Steal::Success(machine) = remote.stealer.steal_batch_and_pop(self.local.deque())
            {
                self.counters().steals.add(1);
                return Some(machine);
            }
        }
        None
    }

    /// Whether another worker, which is awake, can do the light work of all: two would spend their time on moving it to and fro.
    fn one_is_enough(&self) -> bool {
        if self.local.pool.is_to_exit() {
            // Who is awake now may be gone before it looks again.
            return false;
        }
        let remotes = &self.local.pool.remotes;
        // Always to one with a lower number, so that two do not hand over to each other.
        let awake = |remote: &&Arc<CachePadded<Remote>>| !remote.asleep.load(Ordering::Relaxed);
        if !remotes[..self.local.index]
            .iter()
            .any(|remote| awake(&remote))
        {
            return false;
        }
        let mut backlog_ns = 0u64;
        for remote in remotes.iter().filter(awake) {
            match remote.pace.light_backlog_ns(remote.stealer.len()) {
                Some(ns) => backlog_ns = backlog_ns.saturating_add(ns),
                None => return false,
            }
        }
        backlog_ns < ONE_IS_ENOUGH_NS
    }

    /// Puts all machines where the others find them. What comes next is sleep, whose last look sees whether somebody is left to find them.
    fn hand_over(&mut self) {
        let pool = &self.local.pool;
        while let Some(machine) = self.local.deque().pop() {
            pool.injector.push(machine);
        }
        let remote = self.local.remote();
        let rest = [
            self.ready.take(),
            remote.take_next_up(),
            remote.swap_lingering(None),
        ];
        for machine in rest.into_iter().flatten() {
            pool.injector.push(machine);
        }
        self.retires = true;
    }

    fn search(&mut self) -> Option<Scheduled> {
        if self.retires {
            return None;
        }
        if !self.searching {
            if !self.local.pool.sleep.try_search() {
                return None;
            }
            self.searching = true;
        }
        // After a long sleep, once: who works a moment for each that comes had better be asleep again when the next one does, and the core idle.
        let rounds = if self.patience.is_none() {
            1
        } else {
            SEARCH_ROUNDS
        };
        for _ in 0..rounds {
            if let Some(machine) = self.look_everywhere() {
                return Some(machine);
            }
            std::hint::spin_loop();
        }
        self.look_on()
    }

    fn look_everywhere(&mut self) -> Option<Scheduled> {
        self.local
            .pool
            .steal_injected(&self.local)
            .or_else(|| self.steal_round())
    }

    /// The searcher's last look, drawn out as long as its patience lasts.
    #[cold]
    fn look_on(&mut self) -> Option<Scheduled> {
        if self.patience.is_none() {
            return None;
        }
        let until_ns = self.local.pool.now_ns() + self.patience.ns();
        loop {
            // Not a busy wait: who is about to post something may need this very core.
            std::thread::yield_now();
            if self.local.pool.has_work_for_another()
                && let Some(machine) = self.look_everywhere()
            {
                return Some(machine);
            }
            if self.local.pool.is_to_exit() || self.local.pool.now_ns() >= until_ns {
                return None;
            }
        }
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
                if !remotes[victim].pays() {
                    break;
                }
                match remotes[victim]
                    .stealer
                    .steal_batch_and_pop(self.local.deque())
                {
                    Steal::Success(machine) => {
                        crate::sync::point(Point::Stolen);
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

    #[cold]
    fn stop_searching(&mut self) {
        self.searching = false;
        let pool = &self.local.pool;
        pool.sleep.found(|| pool.has_work_for_another());
        if pool.remotes.iter().any(|remote| remote.keeps_waiting()) {
            // This worker may have been the watch, or have fetched more than it can run soon; and what it runs now may take long.
            pool.sleep.ask_for_watch();
        }
    }

    /// Sleeps until there is something to look for. One that has retired leaves that to the others as long as one of them is awake.
    pub(super) fn sleep(&mut self, retired: bool) {
        crate::sync::point(Point::Dry);
        let pool = std::sync::Arc::clone(&self.local.pool);
        let was_searching = std::mem::replace(&mut self.searching, false);
        let watch = (pool.workers() > 1).then(|| pool.config.time_slice.max(WATCH_INTERVAL_MIN));
        for (seen, remote) in self.seen_turns.iter_mut().zip(&pool.remotes) {
            *seen = remote.counters.activations.get();
        }
        let begun_ns = pool.now_ns();
        self.looked_ns = begun_ns;
        self.local.remote().asleep.store(true, Ordering::Relaxed);
        let woken = pool.sleep.sleep(
            self.local.index,
            was_searching,
            watch,
            || pool.has_work_for_another() && !(retired && pool.is_left_to_others()),
            || self.sees_stuck_worker(),
        );
        self.local.remote().asleep.store(false, Ordering::Relaxed);
        self.searching = woken == Woken::Searching;
        if woken == Woken::Watched {
            self.rescue();
        }
        self.counters().sleeps.add(1);
        let slept_ns = pool.now_ns() - begun_ns;
        self.patience.slept(slept_ns);
        self.counters().slept_ns.add(slept_ns);
        self.until_look = 1;
        self.light = false;
        self.stopwatch.stop();
    }

    /// The watch's look: whether a worker has begun nothing since the last look, and keeps machines waiting.
    fn sees_stuck_worker(&mut self) -> bool {
        self.looked_ns = self.local.pool.now_ns();
        let remotes = &self.local.pool.remotes;
        // What was handed over waits for those who are awake.
        let injected = !self.local.pool.injector.is_empty();
        for (victim, (seen, remote)) in self.seen_turns.iter_mut().zip(remotes).enumerate() {
            let turns = remote.counters.activations.get();
            let lets_wait =
                remote.keeps_waiting() || (injected && !remote.asleep.load(Ordering::Relaxed));
            if victim != self.local.index && *seen == turns && lets_wait {
                self.stuck = Some(victim);
                return true;
            }
            *seen = turns;
        }
        false
    }

    /// Takes the machine out of the stuck worker's slot, and declares its queue free; by now this worker counts as awake, so that no
    /// moment shows the machine nowhere.
    fn rescue(&mut self) {
        let Some(victim) = self.stuck.take() else {
            return;
        };
        let remote = &self.local.pool.remotes[victim];
        remote.pace.is_stuck();
        for machine in [remote.take_next_up(), remote.swap_lingering(None)]
            .into_iter()
            .flatten()
        {
            self.counters().rescues.add(1);
            self.local.push_back_quietly(machine);
        }
        // What was rescued may take as long as what it waited for.
        self.local.pool.sleep.ask_for_watch();
    }
}
