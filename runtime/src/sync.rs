//! The one door to atomics, cells, locks and threads: std normally, loom under `--cfg loom`.
//!
//! Protocol code (mailbox, sleep, hold and resume, waiters) takes every shared word from here, so that a model
//! checks the very code that runs. Process-wide statics and thread-locals use std directly: no model reaches them.

#[cfg(not(loom))]
mod imp {
    pub(crate) use std::alloc::{alloc, dealloc};
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::thread::{
        Thread, current as current_thread, park, park_timeout, yield_now,
    };

    /// `std::cell::UnsafeCell` with loom's closure interface, so that a model sees each access.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// Calls `f` with a pointer for reading; the caller answers for what it does with it.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer for writing; the caller answers for what it does with it.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::alloc::{alloc, dealloc};
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        fence,
    };
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread::yield_now;

    /// A thread that can be unparked. Not loom's own: that one (0.7.3) loses the token of a thread whose last lock is
    /// released by another thread meanwhile, and then reports a deadlock that is none.
    #[derive(Clone)]
    pub(crate) struct Thread(std::sync::Arc<loom::sync::Notify>);

    impl Thread {
        pub(crate) fn unpark(&self) {
            self.0.notify();
        }
    }

    loom::thread_local! {
        static CURRENT: Thread = Thread(std::sync::Arc::new(loom::sync::Notify::new()));
    }

    pub(crate) fn current_thread() -> Thread {
        CURRENT.with(Thread::clone)
    }

    pub(crate) fn park() {
        // Out of the closure first: loom switches threads in the wait.
        let current = current_thread();
        current.0.wait();
    }

    /// loom knows no time: a park with a timeout is a park that may return at once.
    pub(crate) fn park_timeout(_limit: std::time::Duration) {
        yield_now();
    }
}

pub(crate) use imp::*;

/// Marks a place in a protocol: see [`protocol`](crate::protocol). No code at all but in test builds.
#[cfg(any(not(feature = "protocol-points"), loom))]
#[inline(always)]
pub(crate) fn point(_: crate::protocol::Point) {}
#[cfg(all(feature = "protocol-points", not(loom)))]
pub(crate) use crate::protocol::reached as point;

/// Locks `mutex`; a panic of another holder is no reason to stop, since no user code ever runs under one of our locks
/// and a panic of the runtime itself aborts the process.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// Waits for another thread that is a few instructions away from done: spins a little, then gives up its slice.
///
/// Under loom every wait must yield, or the model explores the spinning for ever.
pub(crate) struct Backoff {
    turns: u32,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { turns: 0 }
    }

    pub(crate) fn wait(&mut self) {
        if cfg!(loom) || self.turns >= crate::tuning::SPINS_BEFORE_YIELD {
            yield_now();
        } else {
            self.turns += 1;
            spin_loop();
        }
    }
}

/// Runs `body` under every schedule that loom finds with at most `preemptions` preemptions; None: under every schedule.
#[cfg(all(test, loom))]
pub(crate) fn model(
    name: &str,
    preemptions: Option<usize>,
    body: impl Fn() + Sync + Send + 'static,
) {
    let schedules = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&schedules);
    let begun = std::time::Instant::now();
    let mut builder = ::loom::model::Builder::new();
    // The environment variable of loom wins, for who wants to look further.
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        body();
    });
    let schedules = schedules.load(std::sync::atomic::Ordering::Relaxed);
    println!(
        "model {name}: {schedules} schedules in {:.1} s",
        begun.elapsed().as_secs_f32()
    );
}
