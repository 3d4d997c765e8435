//! What the criterion benches share: short runs, waves as samples, the setups that are compared.

// Every bench compiles this module and uses its own part of it.
#![allow(dead_code, unreachable_pub)]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use d3_benches::group::Waves;
use d3_benches::latency::Latencies;
use d3_benches::{Collective, Node, Setup};

/// Short by default, so that all benches together end within minutes; the command line can ask for more.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
}

/// One worker and two, with a mailbox that fills and with one that never does: the two comparisons that have a limit in
/// the table of targets.
pub const SETUPS: [(&str, Setup); 4] = [
    (
        "1 worker, 256",
        Setup {
            workers: 1,
            capacity: Some(256),
        },
    ),
    (
        "1 worker, unbounded",
        Setup {
            workers: 1,
            capacity: None,
        },
    ),
    (
        "2 workers, 256",
        Setup {
            workers: 2,
            capacity: Some(256),
        },
    ),
    (
        "2 workers, unbounded",
        Setup {
            workers: 2,
            capacity: None,
        },
    ),
];

/// Measures a workload wave by wave, and checks its counts at the end.
pub fn bench_waves<C: Collective, N: Node<C>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut waves: Waves<C, N>,
) {
    group.throughput(Throughput::Elements(waves.operations()));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| waves.wave().elapsed).sum());
    });
    waves.end().expect("nothing is lost");
}

/// Measures one workload in all [`SETUPS`].
pub fn bench_setups<C: Collective, N: Node<C>>(
    criterion: &mut Criterion,
    workload: &str,
    waves: impl Fn(&Setup) -> Waves<C, N>,
) {
    let mut group = criterion.benchmark_group(workload);
    for (name, setup) in &SETUPS {
        bench_waves(&mut group, name, waves(setup));
    }
    group.finish();
}

/// p50, p99 and the highest, as a line.
pub fn percentiles(latencies: &Latencies) -> String {
    format!(
        "{:24}p50 {:.1} µs, p99 {:.1} µs, highest {:.1} µs of {} in the last sample",
        "",
        latencies.percentile_us(50.0),
        latencies.percentile_us(99.0),
        latencies.percentile_us(100.0),
        latencies.count(),
    )
}
