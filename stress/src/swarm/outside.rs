//! Who is no machine: threads that send, stop machines and look at them. Those that receive: see `reader.rs`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use d3::{MachineHandle, Runtime, this_machine};

use super::books::Books;
use super::jitter::Jitter;
use super::load::Order;
use super::panics;
use super::plan::{OutsiderPlan, Sending as How, StopPlan};
use super::random::Random;
use super::target::{Sending, Sent, Target};

/// What a thread outside is at, for the watchdog.
#[derive(Debug)]
pub(crate) struct Doing {
    name: String,
    /// The number of the place that it sends to or receives from; one of the others.
    at: AtomicUsize,
}

const BETWEEN: usize = usize::MAX;
pub(super) const DONE: usize = usize::MAX - 1;

impl Doing {
    pub(crate) fn new(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            at: AtomicUsize::new(BETWEEN),
        })
    }

    pub(super) fn set(&self, at: usize) {
        self.at.store(at, Ordering::Relaxed);
    }

    /// In words. `label` names a place.
    pub(crate) fn describe(&self, label: impl Fn(usize) -> String) -> Option<String> {
        match self.at.load(Ordering::Relaxed) {
            DONE => None,
            BETWEEN => Some(format!("{}: between two calls", self.name)),
            place => Some(format!("{}: at {}", self.name, label(place))),
        }
    }
}

// ---- an executor of a few lines ----

/// Wakes a thread, and may panic after that: wakers are user code.
struct Waking {
    thread: Thread,
    panics: bool,
    woken: AtomicBool,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        // Release: pairs with the Acquire of `sleep`.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
        // Only where the runtime catches it: in a machine.
        if self.panics && !thread::panicking() && this_machine::id().is_some() {
            panics::planned();
        }
    }
}

/// Polls futures on this thread.
pub(super) struct Executor {
    waking: Arc<Waking>,
    waker: Waker,
}

impl Executor {
    pub(super) fn new(wakers_panic: bool) -> Self {
        let waking = Arc::new(Waking {
            thread: thread::current(),
            panics: wakers_panic,
            woken: AtomicBool::new(false),
        });
        Self {
            waker: Waker::from(Arc::clone(&waking)),
            waking,
        }
    }

    pub(super) fn poll<F: Future + Unpin + ?Sized>(&self, future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(&self.waker))
    }

    /// Until somebody wakes.
    pub(super) fn sleep(&self) {
        // Acquire: pairs with the Release of `wake`.
        while !self.waking.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    pub(super) fn block_on<F: Future + Unpin + ?Sized>(&self, future: &mut F) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
            self.sleep();
        }
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future + Unpin + ?Sized>(future: &mut F) -> F::Output {
    Executor::new(false).block_on(future)
}

// ---- who sends ----

/// A thread that sends as planned, until it is done or nobody is left to send to.
pub(crate) struct Outsider {
    pub(crate) plan: OutsiderPlan,
    /// The numbers of the places, and the places.
    pub(crate) targets: Vec<(usize, Target)>,
    pub(crate) books: Arc<Books>,
    pub(crate) jitter: Jitter,
    pub(crate) random: Random,
    pub(crate) doing: Arc<Doing>,
}

impl Outsider {
    pub(crate) fn run(mut self) {
        let stream = self.books.open_stream(self.doing.name.clone());
        let executor = Executor::new(self.plan.wakers_panic);
        let mut sequence = 0;
        let mut left = self.plan.count;
        while left > 0 && !self.targets.is_empty() {
            let chosen = self.random.below(self.targets.len());
            let (place, target) = self.targets[chosen].clone();
            self.doing.set(place);
            let mut next = || {
                sequence += 1;
                Order {
                    stream,
                    sequence,
                    fuel: self.plan.fuel,
                    explosive: false,
                }
            };
            let sent = match self.plan.sending {
                How::Send => target.send(&next()),
                How::TrySend => persist(|| target.try_send(&next())),
                How::SendTimeout(patience) => persist(|| target.send_timeout(&next(), patience)),
                How::Async { dropped_percent } => {
                    let gives_up = self.random.chance(dropped_percent);
                    let ask = self.random.chance(50);
                    await_one(&executor, target.send_async(&next()), gives_up, ask)
                }
                How::Joined(width) => {
                    let width = width.min(left);
                    let futures = (0..width).map(|_| target.send_async(&next())).collect();
                    left -= width - 1;
                    await_all(&executor, futures)
                }
            };
            self.doing.set(BETWEEN);
            left -= 1;
            if sent == Sent::Gone {
                self.targets.swap_remove(chosen);
            }
            self.jitter.at(&mut self.random);
        }
        // Senders go before the word that this thread is done.
        self.targets.clear();
        self.doing.set(DONE);
        self.books.done.add_one();
    }
}

/// A few attempts, so that work comes in at all where room is rare.
fn persist(mut attempt: impl FnMut() -> Sent) -> Sent {
    for _ in 0..64 {
        let sent = attempt();
        if sent != Sent::Full {
            return sent;
        }
        thread::yield_now();
    }
    Sent::Full
}

fn await_one(executor: &Executor, mut future: Box<dyn Sending>, gives_up: bool, ask: bool) -> Sent {
    if !gives_up {
        return executor.block_on(&mut *future);
    }
    match executor.poll(&mut *future) {
        Poll::Ready(sent) => sent,
        Poll::Pending => {
            thread::yield_now();
            future.give_up(ask)
        }
    }
}

/// All at once, polled in their order.
fn await_all(executor: &Executor, mut futures: Vec<Box<dyn Sending>>) -> Sent {
    let mut worst = Sent::Accepted;
    loop {
        futures.retain_mut(|future| match executor.poll(&mut **future) {
            Poll::Ready(Sent::Accepted) => false,
            Poll::Ready(other) => {
                worst = other;
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            return worst;
        }
        executor.sleep();
    }
}

// ---- who meddles ----

/// How long those who meddle look away.
const PAUSE: Duration = Duration::from_micros(200);

/// Stops machines when so much was received, until the swarm is over.
pub(crate) fn stop_machines(
    mut stops: Vec<(StopPlan, MachineHandle)>,
    books: &Books,
    over: &AtomicBool,
) {
    stops.sort_by_key(|(stop, _)| std::cmp::Reverse(stop.at));
    while let Some((next, _)) = stops.last()
        && !over.load(Ordering::Relaxed)
    {
        if books.received() < next.at {
            thread::sleep(PAUSE);
            continue;
        }
        if let Some((_, machine)) = stops.pop() {
            machine.stop();
            books.stops.add_one();
        }
    }
}

/// Looks at everything that can be looked at while it moves.
pub(crate) fn inspect(runtime: &Runtime, books: &Books, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        // Every machine answers for itself, through its control lane.
        if let Err(error) = runtime.machine_reports(Duration::from_millis(20)) {
            books.fault(format!("no reports of machines: {error}"));
        }
        let (seen, workers) = (runtime.stats(), runtime.workers());
        if seen.workers.len() != workers || seen.sleeping > workers {
            books.fault(format!(
                "{workers} workers, but the statistics say {seen:?}"
            ));
        }
        thread::sleep(PAUSE);
    }
}
