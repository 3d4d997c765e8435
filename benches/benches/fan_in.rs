//! Eight machines send to one. One element is one instruction.
//!
//! A wave is an eighth of what the comparison with the peers runs: as good for a rate, and a sample takes less time.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::{Size, fan_in};

fn bench(criterion: &mut Criterion) {
    let size = Size {
        instructions: fan_in::SIZE.instructions / 8,
        ..fan_in::SIZE
    };
    support::bench_setups(criterion, "fan-in", |setup| {
        fan_in::waves::<D3>(setup, size)
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
