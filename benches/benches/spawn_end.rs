//! 100,000 machines: connect, one instruction each, end all. One element is one machine.

mod support;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use d3_benches::workload::spawn_end::{self, Phases};
use d3_benches::{Collective, D3};

/// A tenth of what the comparison with the peers runs, so that ten samples end soon.
const MACHINES: usize = spawn_end::MACHINES / 10;

/// A phase: its name, and where its time is.
type Phase = (&'static str, fn(Phases) -> Duration);

const PHASES: [Phase; 4] = [
    ("connect", |phases| phases.connect),
    ("deliver", |phases| phases.deliver),
    ("end", |phases| phases.end),
    ("all", |phases| phases.total()),
];

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn and end");
    group.throughput(Throughput::Elements(MACHINES as u64));
    for (name, setup) in &support::SETUPS {
        let collective = D3::start(setup);
        for (phase, time) in PHASES {
            group.bench_function(format!("{phase}/{name}"), |bencher| {
                bencher.iter_custom(|iterations| {
                    let run = |_| spawn_end::run_on(&collective, MACHINES);
                    (0..iterations)
                        .map(|iteration| time(run(iteration).expect("nothing is lost")))
                        .sum()
                });
            });
        }
        collective.stop();
    }
    group.finish();
}

criterion_group! { name = benches; config = support::criterion(); targets = bench }
criterion_main!(benches);
