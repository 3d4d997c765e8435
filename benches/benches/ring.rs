//! A ring of 503 machines with one token. One element is one hop.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::ring;

fn bench(criterion: &mut Criterion) {
    support::bench_setups(criterion, "ring", |setup| {
        ring::waves::<D3>(setup, ring::SIZE)
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
