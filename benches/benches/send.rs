//! The price of a send: the mailbox alone on one thread, a thread outside that sends to a machine, and one that waits for answers.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_utils::{Backoff, CachePadded};
use d3_benches::D3;
use d3_benches::workload::{Size, outside};
use d3_runtime::{MachineImpl, MachineMut, Receiver, Runtime, Sender, bounded, unbounded};

/// What a mailbox holds in these benches.
const CAPACITY: usize = 256;

/// Both ends of a mailbox.
type Mailbox = (Sender<u64>, Receiver<u64>);

/// The mailbox alone: no machine, no second thread, nothing in the way.
fn mailbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox, one thread");
    let mailboxes: [(&str, Mailbox); 2] =
        [("bounded", bounded(CAPACITY)), ("unbounded", unbounded())];
    for (name, (sender, receiver)) in mailboxes {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("send and receive/{name}"), |bencher| {
            bencher.iter(|| {
                sender.send(1).expect("the receiver lives");
                receiver.try_recv().expect("one was sent")
            });
        });
        group.throughput(Throughput::Elements(CAPACITY as u64));
        group.bench_function(format!("fill and drain/{name}"), |bencher| {
            bencher.iter(|| {
                for number in 0..CAPACITY as u64 {
                    sender.send(number).expect("the receiver lives");
                }
                receiver.try_iter().sum::<u64>()
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    let (sender, _receiver) = bounded::<u64>(1);
    group.bench_function("clone and drop a sender", |bencher| {
        bencher.iter(|| sender.clone());
    });
    group.bench_function("first send of a new mailbox", |bencher| {
        bencher.iter_batched(
            || bounded::<u64>(CAPACITY),
            |(sender, receiver)| {
                sender.send(1).expect("the receiver lives");
                (sender, receiver)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// A fifth of what the comparison with the peers sends.
fn from_outside(criterion: &mut Criterion) {
    let size = Size {
        instructions: outside::SIZE.instructions / 5,
        ..outside::SIZE
    };
    support::bench_setups(criterion, "send from outside", |setup| {
        outside::waves::<D3>(setup, size)
    });
}

/// So many questions are on their way at most.
const WINDOWS: [u64; 6] = [1, 4, 16, 38, 100, 200];

/// Questions of one iteration.
const QUESTIONS: u64 = 100_000;

#[derive(MachineImpl)]
enum Question {
    Ask,
}

/// Answers by counting.
struct Oracle {
    count: u64,
    answered: Arc<CachePadded<AtomicU64>>,
}

impl MachineMut<Question> for Oracle {
    fn receive(&mut self, Question::Ask: Question) {
        self.count += 1;
        self.answered.store(self.count, Ordering::Release);
    }
}

/// A thread that asks one machine, and has no more than a window of questions on their way: what a runtime that lets a stream come must not mistake for one.
fn window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask from outside, so many at once");
    group.throughput(Throughput::Elements(QUESTIONS));
    let runtime = Runtime::builder()
        .workers(2)
        .mailbox_capacity(CAPACITY)
        .build()
        .expect("a few threads can be had");
    for window in WINDOWS {
        let answered = Arc::<CachePadded<AtomicU64>>::default();
        let oracle = runtime.connect_mut(Oracle {
            count: 0,
            answered: Arc::clone(&answered),
        });
        let mut asked = 0_u64;
        let wait_for = |answers| {
            let backoff = Backoff::new();
            while answered.load(Ordering::Acquire) < answers {
                backoff.snooze();
            }
        };
        group.bench_function(window.to_string(), |bencher| {
            bencher.iter(|| {
                for _ in 0..QUESTIONS {
                    asked += 1;
                    wait_for(asked.saturating_sub(window));
                    oracle.send(Question::Ask).expect("the machine lives");
                }
                wait_for(asked);
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = support::criterion(); targets = mailbox, from_outside, window }
criterion_main!(benches);
