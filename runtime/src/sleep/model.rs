//! loom models of this folder's protocol.
//!
//! The work is a counter that is read and written Relaxed where the protocol allows it, so that nothing but the fences of
//! `notify`, `sleep` and `found` orders it. A worker that is never woken shows as a deadlock.

use std::sync::Arc;

use ::loom::thread;

use super::{Sleep, Woken};
use crate::sync::{AtomicBool, AtomicUsize, Ordering, model};

/// What posters put and searchers take.
struct Pool {
    sleep: Sleep,
    work: AtomicUsize,
}

impl Pool {
    fn new(workers: usize, work: usize) -> Arc<Self> {
        Arc::new(Self {
            sleep: Sleep::new(workers),
            work: AtomicUsize::new(work),
        })
    }

    fn post(&self) {
        self.work.fetch_add(1, Ordering::Relaxed);
        self.sleep.notify();
    }

    fn has_work(&self) -> bool {
        self.work.load(Ordering::Relaxed) != 0
    }

    fn take(&self) -> bool {
        let mut work = self.work.load(Ordering::Relaxed);
        while work != 0 {
            match self
                .work
                .compare_exchange(work, work - 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => work = now,
            }
        }
        false
    }

    /// One turn of a worker's outermost loop after another, until it has taken one piece of work; then it runs for ever.
    fn work_once(&self, worker: usize, mut searching: bool) {
        while !self.take() {
            let woken = self
                .sleep
                .sleep(worker, searching, None, || self.has_work(), || false);
            assert_eq!(woken, Woken::Searching);
            searching = true;
        }
        if searching {
            self.sleep.found(|| self.has_work());
        }
    }

    fn assert_nobody_counted(&self) {
        let counts = self.sleep.counts();
        assert_eq!((counts.searching(), counts.sleeping()), (0, 0));
        assert!(crate::sync::lock(&self.sleep.sleepers).list.is_empty());
        assert!(!self.has_work());
    }
}

/// One poster, one worker that goes to sleep without being counted as a searcher.
#[test]
fn model_poster_and_sleeper() {
    model("sleep/poster_and_sleeper", None, || {
        let pool = Pool::new(1, 0);
        let poster = Arc::clone(&pool);
        let poster = thread::spawn(move || poster.post());
        pool.work_once(0, false);
        poster.join().unwrap();
        pool.assert_nobody_counted();
    });
}

/// One poster, one searcher that finds nothing and goes to sleep: the poster that read it as searching wakes nobody.
#[test]
fn model_poster_and_searcher() {
    model("sleep/poster_and_searcher", None, || {
        let pool = Pool::new(1, 0);
        assert!(pool.sleep.try_search());
        let poster = Arc::clone(&pool);
        let poster = thread::spawn(move || poster.post());
        // What the searcher found before it gives up: nothing, or the work.
        pool.work_once(0, true);
        poster.join().unwrap();
        pool.assert_nobody_counted();
    });
}

/// A searcher that finds other work stops searching while a poster relied on it: the last searcher passes the search on.
#[test]
fn model_last_searcher_passes_on() {
    model("sleep/last_searcher_passes_on", Some(3), || {
        let pool = Pool::new(2, 1);
        assert!(pool.sleep.try_search());
        let poster = Arc::clone(&pool);
        let poster = thread::spawn(move || poster.post());
        let sleeper = Arc::clone(&pool);
        let sleeper = thread::spawn(move || sleeper.work_once(1, false));
        pool.work_once(0, true);
        poster.join().unwrap();
        sleeper.join().unwrap();
        pool.assert_nobody_counted();
    });
}

/// The same beside one that sleeps already, so that two threads are enough, and every schedule: whichever of poster and searcher comes second wakes it.
#[test]
fn model_found_beside_one_asleep() {
    model("sleep/found_beside_one_asleep", None, || {
        let pool = Pool::new(2, 1);
        pool.sleep.announce(1, false);
        assert!(pool.sleep.try_search());
        let poster = Arc::clone(&pool);
        let poster = thread::spawn(move || poster.post());
        pool.work_once(0, true);
        poster.join().unwrap();
        // Two pieces of work, and one was taken: the sleeper was picked, or its flag is never set.
        assert_eq!(pool.sleep.parkers[1].wakes(), 1);
        pool.sleep.parkers[1].park();
        assert!(pool.take());
        pool.sleep.found(|| pool.has_work());
        pool.assert_nobody_counted();
    });
}

/// Two posters and two sleepers: withdrawing races being picked, and each flag ends one sleep.
#[test]
fn model_withdraw_races_wake() {
    model("sleep/withdraw_races_wake", Some(2), || {
        let pool = Pool::new(2, 0);
        let poster = Arc::clone(&pool);
        let poster = thread::spawn(move || {
            poster.post();
            poster.post();
        });
        let sleeper = Arc::clone(&pool);
        let sleeper = thread::spawn(move || sleeper.work_once(1, false));
        pool.work_once(0, false);
        poster.join().unwrap();
        sleeper.join().unwrap();
        pool.assert_nobody_counted();
    });
}

/// A batch of two wakes both sleepers, or finds them awake.
#[test]
fn model_batch() {
    model("sleep/batch", Some(2), || {
        let pool = Pool::new(2, 0);
        let sleeper = Arc::clone(&pool);
        let sleeper = thread::spawn(move || sleeper.work_once(1, false));
        let other = Arc::clone(&pool);
        let other = thread::spawn(move || other.work_once(0, false));
        pool.work.fetch_add(2, Ordering::Relaxed);
        pool.sleep.notify_many(2);
        sleeper.join().unwrap();
        other.join().unwrap();
        pool.assert_nobody_counted();
    });
}

/// The stop: everybody who sleeps, or is about to, wakes and sees the flag.
#[test]
fn model_wake_all() {
    model("sleep/wake_all", Some(3), || {
        let sleep = Arc::new(Sleep::new(2));
        let exit = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (sleep, exit) = (Arc::clone(&sleep), Arc::clone(&exit));
                thread::spawn(move || {
                    while !exit.load(Ordering::Relaxed) {
                        let _ = sleep.sleep(
                            worker,
                            false,
                            None,
                            || exit.load(Ordering::Relaxed),
                            || false,
                        );
                    }
                })
            })
            .collect();
        exit.store(true, Ordering::Relaxed);
        sleep.wake_all();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// Work that two workers share until all of it is done; then the last piece ends both.
struct Shared {
    pool: Arc<Pool>,
    left: AtomicUsize,
    exit: AtomicBool,
}

impl Shared {
    fn has_work(&self) -> bool {
        self.pool.has_work() || self.exit.load(Ordering::Relaxed)
    }

    fn sleep(&self, worker: usize, searching: bool, retired: bool) -> bool {
        let woken = self.pool.sleep.sleep(
            worker,
            searching,
            None,
            || {
                // As in `Pool::is_left_to_others`: nobody relies on others who may be leaving.
                let left_to_others =
                    !self.exit.load(Ordering::Relaxed) && self.pool.sleep.is_anybody_awake();
                self.has_work() && !(retired && left_to_others)
            },
            || false,
        );
        woken == Woken::Searching
    }

    /// A worker's outermost loop until everything is done.
    fn work(&self, worker: usize, mut searching: bool) {
        while !self.exit.load(Ordering::Relaxed) {
            if !self.pool.take() {
                searching = self.sleep(worker, searching, false);
                continue;
            }
            if std::mem::take(&mut searching) {
                self.pool.sleep.found(|| self.has_work());
            }
            if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.exit.store(true, Ordering::Relaxed);
                self.pool.sleep.wake_all();
            }
        }
    }
}

/// One worker hands a machine over, wakes nobody and goes to sleep without looking for more, while the other goes to sleep and `posted`
/// machines are posted: somebody is awake until all of it is done.
fn retire(posted: usize) {
    let shared = Arc::new(Shared {
        pool: Pool::new(2, 0),
        left: AtomicUsize::new(1 + posted),
        exit: AtomicBool::new(false),
    });
    let other = Arc::clone(&shared);
    let other = thread::spawn(move || other.work(0, false));
    let posters: Vec<_> = (0..posted)
        .map(|_| {
            let poster = Arc::clone(&shared);
            thread::spawn(move || poster.pool.post())
        })
        .collect();
    // As in `Worker::hand_over`.
    shared.pool.work.fetch_add(1, Ordering::Relaxed);
    let searching = shared.sleep(1, false, true);
    shared.work(1, searching);
    other.join().unwrap();
    for poster in posters {
        poster.join().unwrap();
    }
    assert_eq!(shared.left.load(Ordering::Relaxed), 0);
}

/// The other worker, which is relied on, goes to sleep.
#[test]
fn model_retire() {
    model("sleep/retire", Some(3), || retire(0));
}

/// And somebody posts meanwhile.
#[test]
fn model_retire_and_post() {
    model("sleep/retire_and_post", Some(1), || retire(1));
}
