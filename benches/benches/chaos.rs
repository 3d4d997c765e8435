//! 3,000 machines, 200 instructions in flight, the next machine at random. One element is one hop.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::chaos;

fn bench(criterion: &mut Criterion) {
    support::bench_setups(criterion, "chaos", |setup| {
        chaos::waves::<D3>(setup, chaos::SIZE, chaos::HOPS)
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
