//! Two machines and one token. One element is one round trip.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use d3_benches::D3;
use d3_benches::workload::ping_pong;

fn bench(criterion: &mut Criterion) {
    support::bench_setups(criterion, "ping-pong", |setup| {
        ping_pong::waves::<D3>(setup, ping_pong::SIZE)
    });
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
