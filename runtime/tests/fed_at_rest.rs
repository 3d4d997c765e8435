//! A machine that is fed whenever it is about to rest: its turn ends all the same.
//!
//! A hook at the marked point holds the worker until a thread has sent, so that each step of rest fails: on real threads that happens once in a while, and never
//! some hundred times in a row. Needs the feature `protocol-points`; `.ci/features` runs it.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use d3_runtime::protocol::{self, Point};
use d3_runtime::{MachineImpl, MachineMut, Runtime, WeakSender};

use common::{PATIENCE, wait_until};

const BUDGET: u64 = 16;

/// Enough for the worker to learn that turns are long here, and that a machine which has read everything rests at once.
const FEEDS: u64 = 4_000;

/// The worker is about to lay a machine to rest, and has asked so often to be fed.
static ASKED: AtomicU64 = AtomicU64::new(0);
static FED: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicBool = AtomicBool::new(false);

fn feed_who_is_about_to_rest(point: Point) {
    if point != Point::BeforeRest || OVER.load(Ordering::Acquire) {
        return;
    }
    let asked = ASKED.fetch_add(1, Ordering::AcqRel) + 1;
    let begun = Instant::now();
    while FED.load(Ordering::Acquire) < asked
        && !OVER.load(Ordering::Acquire)
        // A hook must not panic: the test sees what is missing.
        && begun.elapsed() < PATIENCE
    {
        std::thread::yield_now();
    }
}

/// Ends it, also where the test fails.
struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        OVER.store(true, Ordering::Release);
    }
}

#[derive(MachineImpl)]
enum Work {
    Start(WeakSender<Work>),
    Go,
}

/// Always has something to do, and takes its time.
struct Busy {
    me: Option<WeakSender<Work>>,
    received: Arc<AtomicU64>,
}

impl MachineMut<Work> for Busy {
    fn receive(&mut self, work: Work) {
        if let Work::Start(me) = work {
            self.me = Some(me);
        }
        self.received.fetch_add(1, Ordering::Relaxed);
        for _ in 0..500 {
            std::hint::spin_loop();
        }
        if !OVER.load(Ordering::Acquire)
            && let Some(me) = self.me.as_ref().and_then(WeakSender::upgrade)
        {
            let _ = me.send(Work::Go);
        }
    }
}

/// Counts what it receives in a row, with nothing of the other in between.
struct Fed {
    others: Arc<AtomicU64>,
    seen: u64,
    in_a_row: u64,
    most: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl MachineMut<Work> for Fed {
    fn receive(&mut self, _: Work) {
        let others = self.others.load(Ordering::Relaxed);
        self.in_a_row = if others == self.seen {
            self.in_a_row + 1
        } else {
            1
        };
        self.seen = others;
        self.most.fetch_max(self.in_a_row, Ordering::Relaxed);
        self.received.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_machine_that_is_fed_at_each_rest_gives_way() {
    protocol::install(feed_who_is_about_to_rest).expect("the only hook of this process");
    let runtime = Runtime::builder()
        .workers(1)
        .budget(BUDGET as usize)
        .build()
        .expect("a thread can be had");
    let [others, most, received] = [(); 3].map(|()| Arc::<AtomicU64>::default());
    let busy = runtime.connect_mut(Busy {
        me: None,
        received: Arc::clone(&others),
    });
    busy.send(Work::Start(busy.downgrade())).unwrap();
    let fed = runtime.connect_mut(Fed {
        others,
        seen: 0,
        in_a_row: 0,
        most: Arc::clone(&most),
        received: Arc::clone(&received),
    });

    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !OVER.load(Ordering::Acquire) {
                let asked = ASKED.load(Ordering::Acquire);
                if FED.load(Ordering::Acquire) < asked {
                    // Several at a time are the other way to the end of a share: the last of them may be the last of it, too.
                    let together = if asked < FEEDS / 2 { 0 } else { asked % 3 };
                    for _ in 0..=together {
                        fed.send(Work::Go).unwrap();
                    }
                    FED.store(asked, Ordering::Release);
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let _over = Over;
        wait_until("it is fed", || received.load(Ordering::Relaxed) >= FEEDS);
    });

    let most = most.load(Ordering::Relaxed);
    assert!(
        most > 1,
        "no step of rest has failed in the middle of a turn"
    );
    assert!(
        most <= BUDGET,
        "{most} instructions in a row, though another machine waits and a turn has {BUDGET}"
    );
}
