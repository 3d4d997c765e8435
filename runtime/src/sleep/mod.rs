#![doc = include_str!("README.md")]

mod parker;

#[cfg(all(test, loom))]
mod model;

use std::time::{Duration, Instant};

use crate::protocol::Point;
use crate::sync::{
    AtomicBool, AtomicU64, Condvar, Mutex, Ordering, Thread, current_thread, fence, lock,
};
use parker::Parker;

const SEARCHING: u64 = 1;
const SLEEPING: u64 = 1 << 32;

/// A snapshot of the word.
#[derive(Clone, Copy)]
struct Counts(u64);

impl Counts {
    fn searching(self) -> usize {
        (self.0 & (SLEEPING - 1)) as usize
    }

    fn sleeping(self) -> usize {
        (self.0 >> 32) as usize
    }
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Woken {
    /// Woken, or work was there: the worker is counted as searching.
    Searching,
    /// The watch interval is over: the worker found something in a stuck slot, and is not counted.
    Watched,
}

struct Sleeper {
    worker: usize,
    thread: Thread,
}

#[derive(Default)]
struct Sleepers {
    list: Vec<Sleeper>,
    /// Threads inside `wait_idle`: without them, nobody is to be told that all sleep.
    idle_waiters: usize,
    /// How often a worker has left the list.
    left: u64,
}

/// Who sleeps and who searches, for one pool.
pub(crate) struct Sleep {
    /// Low half: searching; high half: sleeping. Sleeping changes under the lock of `sleepers` only.
    counts: AtomicU64,
    sleepers: Mutex<Sleepers>,
    parkers: Box<[Parker]>,
    /// Signalled when the last worker falls asleep, for `wait_idle`.
    all_asleep: Condvar,
    /// Whether one sleeper wakes every slice to look at next-up slots.
    watched: AtomicBool,
}

impl Sleep {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            counts: AtomicU64::new(0),
            sleepers: Mutex::new(Sleepers {
                list: Vec::with_capacity(workers),
                idle_waiters: 0,
                left: 0,
            }),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            all_asleep: Condvar::new(),
            watched: AtomicBool::new(false),
        }
    }

    fn counts(&self) -> Counts {
        // Relaxed: every reader that acts on it has fenced before, or holds the lock.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    /// Workers that sleep.
    pub(crate) fn sleeping(&self) -> usize {
        self.counts().sleeping()
    }

    /// Workers that search.
    pub(crate) fn searching(&self) -> usize {
        self.counts().searching()
    }

    /// How often a poster has woken this worker.
    pub(crate) fn wakes(&self, worker: usize) -> u64 {
        self.parkers[worker].wakes()
    }

    /// Work was put where a searcher finds it.
    #[inline]
    pub(crate) fn notify(&self) {
        // SeqCst: pairs with the fence in `sleep`; see the README. A weaker one lets the read below pass the store that
        // put the work, and poster and sleeper miss each other.
        fence(Ordering::SeqCst);
        let counts = self.counts();
        if counts.searching() == 0 && counts.sleeping() != 0 {
            self.wake(1);
        }
    }

    /// `count` machines were put where searchers find them.
    pub(crate) fn notify_many(&self, count: usize) {
        // SeqCst: as in `notify`.
        fence(Ordering::SeqCst);
        self.notify_unfenced(count);
    }

    /// A worker has `count` machines in its own deque, which pay others. It is awake and runs them if nobody comes: what a stale look
    /// loses is time, and no wake-up.
    #[inline]
    pub(crate) fn notify_unfenced(&self, count: usize) {
        let counts = self.counts();
        let wanted = count
            .saturating_sub(counts.searching())
            .min(counts.sleeping());
        if wanted > 0 {
            self.wake(wanted);
        }
    }

    /// Wakes a sleeper to take the watch, if the seat is empty.
    #[inline]
    pub(crate) fn ask_for_watch(&self) {
        // Relaxed: a hint; the README names what is lost by a stale one.
        if !self.watched.load(Ordering::Relaxed) {
            let counts = self.counts();
            if counts.searching() == 0 && counts.sleeping() != 0 {
                self.wake(1);
            }
        }
    }

    #[cold]
    fn wake(&self, count: usize) {
        for _ in 0..count {
            let mut sleepers = lock(&self.sleepers);
            let Some(sleeper) = sleepers.list.pop() else {
                return;
            };
            sleepers.left += 1;
            // Relaxed: the lock orders it among sleepers; the fences order it against posters.
            self.counts
                .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::Relaxed);
            drop(sleepers);
            crate::sync::point(Point::Picked);
            self.parkers[sleeper.worker].unpark(&sleeper.thread);
        }
    }

    /// Begins to search, unless half of the workers search already.
    pub(crate) fn try_search(&self) -> bool {
        if self.counts().searching() * 2 >= self.parkers.len().max(2) {
            return false;
        }
        // Relaxed: the count is made good by the fence of whoever leaves it.
        self.counts.fetch_add(SEARCHING, Ordering::Relaxed);
        true
    }

    /// Stops searching, having found work. Who is the last to do so passes the search on, if `look` says that there is more.
    pub(crate) fn found(&self, look: impl FnOnce() -> bool) {
        let before = Counts(self.counts.fetch_sub(SEARCHING, Ordering::Relaxed));
        crate::sync::point(Point::Found);
        if before.searching() != 1 {
            return;
        }
        // SeqCst: pairs with the posters' fence: one that read this worker as searching put its work before the look below.
        fence(Ordering::SeqCst);
        if look() {
            self.notify();
        }
    }

    /// Whether anybody does not sleep, for a worker that counts as asleep itself and leaves what it handed over to the others.
    pub(crate) fn is_anybody_awake(&self) -> bool {
        self.sleeping() < self.parkers.len()
    }

    /// Sleeps until work is posted. `searching`: the worker is counted as a searcher. `look` tells whether any source holds
    /// work; `look_at_slots` is the watch's look, once per interval.
    pub(crate) fn sleep(
        &self,
        worker: usize,
        searching: bool,
        watch_interval: Option<Duration>,
        look: impl Fn() -> bool,
        mut look_at_slots: impl FnMut() -> bool,
    ) -> Woken {
        self.announce(worker, searching);
        crate::sync::point(Point::SleepAnnounced);
        // SeqCst: pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        if look() {
            if self.withdraw(worker) {
                self.counts.fetch_add(SEARCHING, Ordering::Relaxed);
            } else {
                // A poster picked us: its flag is set, or about to be.
                self.parkers[worker].park();
            }
            return Woken::Searching;
        }
        self.signal_if_all_asleep();
        while let Some(interval) = watch_interval.filter(|_| self.take_watch()) {
            let notified = self.parkers[worker].park_timeout(interval);
            if notified {
                self.leave_watch();
                return Woken::Searching;
            }
            if look_at_slots() && self.withdraw(worker) {
                self.leave_watch();
                return Woken::Watched;
            }
            self.leave_watch();
        }
        self.parkers[worker].park();
        Woken::Searching
    }

    fn announce(&self, worker: usize, searching: bool) {
        let mut sleepers = lock(&self.sleepers);
        sleepers.list.push(Sleeper {
            worker,
            thread: current_thread(),
        });
        let change = if searching {
            SLEEPING.wrapping_sub(SEARCHING)
        } else {
            SLEEPING
        };
        self.counts.fetch_add(change, Ordering::Relaxed);
    }

    /// Leaves the list; false: a poster picked this worker before.
    fn withdraw(&self, worker: usize) -> bool {
        let mut sleepers = lock(&self.sleepers);
        let asleep = &mut sleepers.list;
        let Some(at) = asleep.iter().position(|sleeper| sleeper.worker == worker) else {
            return false;
        };
        asleep.swap_remove(at);
        sleepers.left += 1;
        self.counts.fetch_sub(SLEEPING, Ordering::Relaxed);
        true
    }

    /// Takes the watch seat if it is free and somebody runs.
    fn take_watch(&self) -> bool {
        if self.counts().sleeping() == self.parkers.len() {
            return false;
        }
        // Relaxed: the seat guards nothing; two watchers or none cost time only.
        !self.watched.swap(true, Ordering::Relaxed)
    }

    fn leave_watch(&self) {
        self.watched.store(false, Ordering::Relaxed);
    }

    fn signal_if_all_asleep(&self) {
        if self.counts().sleeping() == self.parkers.len() {
            // Under the lock, so that who comes to wait either is counted here or finds that all sleep.
            if lock(&self.sleepers).idle_waiters > 0 {
                self.all_asleep.notify_all();
            }
        }
    }

    /// Waits until all workers sleep, `quiet` (asked under the lock) says that every source is empty, and `certain` (a long look, without the lock) that nothing
    /// is on its way to one; or until `over` says that the workers leave and will never sleep again.
    pub(crate) fn wait_idle(
        &self,
        deadline: Option<Instant>,
        over: impl Fn() -> bool,
        quiet: impl Fn() -> bool,
        certain: impl Fn() -> bool,
    ) -> bool {
        let mut sleepers = lock(&self.sleepers);
        sleepers.idle_waiters += 1;
        let idle = loop {
            if over() {
                break true;
            }
            if sleepers.list.len() == self.parkers.len() && quiet() {
                let left = sleepers.left;
                drop(sleepers);
                let certain = certain();
                sleepers = lock(&self.sleepers);
                // Nobody has run anything meanwhile.
                if certain && sleepers.left == left && quiet() {
                    break true;
                }
            }
            let (guard, in_time) = self.wait_for_sleep(sleepers, deadline);
            sleepers = guard;
            if !in_time {
                break false;
            }
        };
        sleepers.idle_waiters -= 1;
        idle
    }

    /// False: the deadline is over.
    #[cfg(not(loom))]
    fn wait_for_sleep<'a>(
        &self,
        sleepers: crate::sync::MutexGuard<'a, Sleepers>,
        deadline: Option<Instant>,
    ) -> (crate::sync::MutexGuard<'a, Sleepers>, bool) {
        // Not only signalled: what empties the last source may be a worker that was never all asleep in between.
        const LOOK_AGAIN: Duration = Duration::from_millis(50);
        let mut wait = LOOK_AGAIN;
        if let Some(deadline) = deadline {
            let now = Instant::now();
            if now >= deadline {
                return (sleepers, false);
            }
            wait = wait.min(deadline - now);
        }
        let waited = self.all_asleep.wait_timeout(sleepers, wait);
        let guard = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        (guard, true)
    }

    #[cfg(loom)]
    fn wait_for_sleep<'a>(
        &self,
        sleepers: crate::sync::MutexGuard<'a, Sleepers>,
        _deadline: Option<Instant>,
    ) -> (crate::sync::MutexGuard<'a, Sleepers>, bool) {
        let waited = self.all_asleep.wait(sleepers);
        (
            waited.unwrap_or_else(std::sync::PoisonError::into_inner),
            true,
        )
    }

    /// Wakes everybody, for the stop.
    pub(crate) fn wake_all(&self) {
        // SeqCst: as in `notify`; the stop flag is the work.
        fence(Ordering::SeqCst);
        // Until the list is empty, not as many as there were: a worker that announces itself meanwhile would take the place
        // of one that sleeps already.
        self.wake(usize::MAX);
        let _sleepers = lock(&self.sleepers);
        self.all_asleep.notify_all();
    }
}
