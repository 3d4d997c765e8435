//! How long a machine waits for its turn among a hundred that never rest, on one worker and on two.
//!
//! Criterion shows the mean; the distribution, p50 and p99, is printed below it.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::fairness::{BUSY, Fairness};

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fairness");
    for (name, setup) in [&support::SETUPS[0], &support::SETUPS[2]] {
        let mut fairness = Fairness::<D3>::new(setup, BUSY);
        let mut last = None;
        group.bench_function(*name, |bencher| {
            bencher.iter_custom(|iterations| {
                let latencies = fairness.measure(iterations as usize);
                let mean = latencies.total() / latencies.count().max(1) as u32;
                last = Some(latencies);
                // Long measurements are cut short; what is wanted is the time of all.
                mean * iterations as u32
            });
        });
        if let Some(latencies) = last {
            println!("{}", support::percentiles(&latencies));
        }
        fairness.end().expect("nothing is lost");
    }
    group.finish();
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
