//! One machine to many to one. One element is one instruction that arrives at the last.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::fan_out;

fn bench(criterion: &mut Criterion) {
    support::bench_setups(criterion, "fan-out, 20 x 1,000 -> 1", |setup| {
        fan_out::waves::<D3>(setup, fan_out::SIZE)
    });
    support::bench_setups(criterion, "fan-out, 1,000 x 20 -> 1", |setup| {
        fan_out::waves::<D3>(setup, fan_out::WIDE)
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
