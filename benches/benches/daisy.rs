//! A chain of 4,000 machines, 200 instructions through it. One element is one hop.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::daisy;

fn bench(criterion: &mut Criterion) {
    support::bench_setups(criterion, "daisy", |setup| {
        daisy::waves::<D3>(setup, daisy::SIZE)
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
