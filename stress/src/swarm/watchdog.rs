//! Notices when nothing moves any more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::visit::{self, TICK};

/// A tick that took longer than this means that the whole process was stopped or starved: what is bound to time proves nothing then.
const DISTURBANCE: Duration = Duration::from_secs(1);

/// A thread that looks at a figure, and calls out when it has not changed for so many looks.
///
/// Looks are counted, not seconds: a process that is stopped and goes on later was not stuck.
#[derive(Debug)]
pub(crate) struct Watchdog {
    over: Arc<(Mutex<bool>, Condvar)>,
    longest_tick_ms: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches `moved`; calls `on_stuck` once if it stays the same for `patience`.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn start(
        patience: Duration,
        moved: impl Fn() -> u64 + Send + 'static,
        on_stuck: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let longest_tick_ms = Arc::<AtomicU64>::default();
        let watch = Watch {
            over: Arc::clone(&over),
            longest_tick_ms: Arc::clone(&longest_tick_ms),
            looks_max: patience.as_millis().div_ceil(TICK.as_millis()).max(1) as u64,
        };
        let thread = std::thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watch.run(moved, on_stuck))?;
        Ok(Self {
            over,
            longest_tick_ms,
            thread: Some(thread),
        })
    }

    /// Whether the process stood still as a whole since the watchdog was started.
    pub(crate) fn was_disturbed(&self) -> bool {
        u128::from(self.longest_tick_ms.load(Ordering::Relaxed)) > DISTURBANCE.as_millis()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics only if what it watches does, which has been printed.
            let _ = thread.join();
        }
    }
}

struct Watch {
    over: Arc<(Mutex<bool>, Condvar)>,
    longest_tick_ms: Arc<AtomicU64>,
    looks_max: u64,
}

impl Watch {
    fn run(&self, moved: impl Fn() -> u64, on_stuck: impl FnOnce()) {
        let (mut last, mut looks) = (moved(), 0);
        while !self.tick() {
            let now = moved();
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
            if looks >= self.looks_max {
                return on_stuck();
            }
        }
    }

    /// Waits for a tick. True: the watch is over.
    fn tick(&self) -> bool {
        let begun = Instant::now();
        let over = self.over.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.1.wait_timeout_while(over, TICK, |over| !*over);
        let (over, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let took = begun.elapsed().as_millis() as u64;
        self.longest_tick_ms.fetch_max(took, Ordering::Relaxed);
        visit::tick();
        *over
    }
}
