//! Promise 2: a machine never runs on two workers at once, and an activation sees all that earlier ones wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use d3::Runtime;
use d3::prelude::*;

use crate::support::probe::{bump, read};
use crate::support::{PATIENCE, wait_in};

#[derive(Debug, MachineImpl)]
enum Count {
    Up,
}

/// What is left to look at when the machine is gone.
#[derive(Default)]
struct Seen {
    inside: AtomicBool,
    overlaps: AtomicUsize,
    received: AtomicUsize,
    ended: AtomicUsize,
    total: AtomicU64,
}

impl Seen {
    /// Runs one method of the machine and counts if another one is running.
    fn alone(&self, work: impl FnOnce()) {
        if self.inside.swap(true, Ordering::Relaxed) {
            bump(&self.overlaps);
        }
        work();
        self.inside.store(false, Ordering::Relaxed);
    }
}

/// Counts without any synchronisation of its own: an increment that another worker does not see is lost.
struct Counter {
    total: u64,
    seen: Arc<Seen>,
}

impl MachineMut<Count> for Counter {
    fn receive(&mut self, Count::Up: Count) {
        let total = &mut self.total;
        self.seen.alone(|| {
            *total += 1;
            bump(&self.seen.received);
        });
    }

    fn connected(&mut self, _id: Uuid) {
        self.seen.alone(thread::yield_now);
    }

    fn disconnected(&mut self) {
        self.seen
            .alone(|| self.seen.total.store(self.total, Ordering::SeqCst));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.seen.alone(|| bump(&self.seen.ended));
    }
}

/// More workers than cores, and machines that give way after a few instructions: they move between workers all the time.
fn restless() -> Runtime {
    Runtime::builder()
        .workers(4)
        .budget(3)
        .time_slice(Duration::from_micros(50))
        .build()
        .unwrap()
}

#[test]
fn with_several_threads_sending() {
    const THREADS: usize = 4;
    const EACH: usize = 10_000;
    let runtime = restless();
    let machines: Vec<_> = (0..3)
        .map(|_| {
            let seen = Arc::<Seen>::default();
            (
                Arc::clone(&seen),
                runtime
                    .machine(Counter { total: 0, seen })
                    .capacity(64)
                    .accepts::<Count>()
                    .connect(),
            )
        })
        .collect();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let senders: Vec<Sender<Count>> =
                machines.iter().map(|(_, sender)| sender.clone()).collect();
            thread::spawn(move || {
                for _ in 0..EACH {
                    for sender in &senders {
                        sender.send(Count::Up).unwrap();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    for (seen, sender) in machines {
        drop(sender);
        wait_in(&runtime, "the machine ends", || read(&seen.ended) == 1);
        assert_eq!(read(&seen.overlaps), 0);
        assert_eq!(seen.total.load(Ordering::SeqCst), (THREADS * EACH) as u64);
    }
    runtime.shutdown(PATIENCE);
}

/// Stop comes from outside while the machine runs: its hooks must wait for the `receive` that is under way.
#[test]
fn with_a_stop_from_outside() {
    let runtime = restless();
    for _ in 0..300 {
        let seen = Arc::<Seen>::default();
        let sender = runtime.connect_mut(Counter {
            total: 0,
            seen: Arc::clone(&seen),
        });
        let feeder = {
            let sender = sender.clone();
            thread::spawn(move || while sender.send(Count::Up).is_ok() {})
        };
        wait_in(&runtime, "the machine runs", || read(&seen.received) > 10);
        sender.handle().stop();
        feeder.join().unwrap();
        wait_in(&runtime, "the machine ends", || read(&seen.ended) == 1);
        assert_eq!(read(&seen.overlaps), 0);
        assert_eq!(
            seen.total.load(Ordering::SeqCst),
            read(&seen.received) as u64
        );
    }
    runtime.shutdown(PATIENCE);
}
