//! The price of a send: the mailbox alone on one thread, and a thread outside that sends to a machine.

mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::{Size, outside};
use d3_runtime::{Receiver, Sender, bounded, unbounded};

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

criterion_group! { name = benches; config = support::criterion(); targets = mailbox, from_outside }
criterion_main!(benches);
