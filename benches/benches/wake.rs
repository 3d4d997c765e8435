//! A thread outside wakes an idle runtime. The time is from the send to the receive, without the pause before it.
//!
//! Criterion shows the mean; the distribution, p50 and p99, is printed below it.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::wake::Wake;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wake");
    for (name, setup) in &support::SETUPS[2..] {
        let mut wake = Wake::<D3>::new(setup);
        let mut last = None;
        group.bench_function(*name, |bencher| {
            bencher.iter_custom(|iterations| {
                let latencies = wake.measure(iterations as usize);
                let mean = latencies.total() / latencies.count().max(1) as u32;
                last = Some(latencies);
                // Long measurements are cut short; what is wanted is the time of all.
                mean * iterations as u32
            });
        });
        if let Some(latencies) = last {
            println!("{}", support::percentiles(&latencies));
        }
        wake.end().expect("nothing is lost");
    }
    group.finish();
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
