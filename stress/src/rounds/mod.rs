//! `stress rounds`: start, work and shutdown, ten thousand times in one process, and what is left of it.

mod round;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::output::{Output, Table, bytes, count, duration};
use crate::process;
use crate::soak::slope::{self, Sample, Trend};

use round::Done;

/// Rounds that are not looked at: thread-local pools, the allocator's arenas and the resolver of the system fill up.
const WARM_ROUNDS: u64 = 20;
/// What the line through the last half of the rounds may grow, in all. The allocator takes memory from the system in pieces of 132 KiB
/// and more, per arena, and a round's threads may meet arenas in an order that none had before. Over the 5,000 rounds of the last
/// half this is 105 bytes per round: less than one leaked cell.
const GROWTH_BYTES_MAX: f64 = 512.0 * 1024.0;
/// A thread that was joined leaves `/proc` a moment later, a socket that was closed too.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the memory is looked at.
const SAMPLES: u64 = 1_000;
/// Every so many rounds have a listener and a connection.
const CONNECTION_EVERY: u64 = 10;

/// The flags of `rounds`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Workers of each round's runtime
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    workers: u64,
}

/// What `/proc` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    threads: u64,
    descriptors: u64,
}

impl Held {
    fn now() -> Option<Self> {
        Some(Self {
            threads: process::threads()?,
            descriptors: process::descriptors()?,
        })
    }

    /// Waits until this is what is held again; what is held instead comes back.
    fn restored(self, patience: Duration) -> Result<(), Self> {
        let begun = Instant::now();
        loop {
            match Self::now() {
                Some(now) if now != self && begun.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Some(now) if now != self => return Err(now),
                _ => return Ok(()),
            }
        }
    }
}

/// Runs the rounds.
pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    let Some(before) = Held::now() else {
        return output.refuse("this system does not say what a process holds: there is no /proc");
    };
    let begun = Instant::now();
    let mut done = Done::default();
    let mut samples: Vec<Sample> = Vec::new();
    // The samples take memory too: sixteen bytes per round would be most of what is found.
    let stride = (args.count / SAMPLES).max(1);
    let mut problems = Vec::new();
    let mut progress = output.progress("rounds", Some(args.count));
    for number in 0..args.count {
        let connects = number % CONNECTION_EVERY == CONNECTION_EVERY - 1;
        match round::round(args.workers as usize, connects) {
            Ok(round) => done.add(&round),
            Err(problem) => problems.push(format!("round {number}: {problem}")),
        }
        if let Err(now) = before.restored(PATIENCE) {
            problems.push(format!("round {number}: {before:?} before, {now:?} after"));
        }
        if !problems.is_empty() {
            break;
        }
        if number >= WARM_ROUNDS
            && number % stride == 0
            && let Some(rss) = process::rss_bytes()
        {
            samples.push((number as f64, rss as f64));
        }
        let rss = samples.last().map_or(0.0, |(_, bytes)| *bytes);
        progress.at_with(number + 1, || format!("memory {}", bytes(rss as u64)));
    }
    drop(progress);
    let trend = slope::trend(&samples);
    problems.extend(trend.and_then(verdict));
    output.table(&table(&done, before, begun.elapsed()));
    output.say(words(trend));
    let value = json!({
        "mode": "rounds",
        "machine": process::machine_json(),
        "rounds": done.rounds,
        "connections": done.connections,
        "instructions": done.instructions,
        "dropped": done.dropped,
        "parked": done.parked,
        "released_outside": done.released_outside,
        "threads": before.threads,
        "descriptors": before.descriptors,
        "bytes_per_round": trend.map(|trend| trend.slope),
        "bytes_grown_in_last_half": trend.map(|trend| trend.growth()),
        "seconds": begun.elapsed().as_secs_f64(),
        "problems": problems,
    });
    output.end(&value, &problems)
}

fn verdict(trend: Trend) -> Option<String> {
    trend.grows(0.0, GROWTH_BYTES_MAX).then(|| {
        format!(
            "the memory grows: {} in the last half of the rounds, {:.0} bytes per round",
            bytes(trend.growth() as u64),
            trend.slope
        )
    })
}

fn table(done: &Done, held: Held, took: Duration) -> Table {
    let mut table = Table::new("What the rounds did", &[]);
    for (what, number) in [
        ("rounds", done.rounds),
        ("with a listener and a connection", done.connections),
        ("instructions received", done.instructions),
        ("instructions dropped at a shutdown", done.dropped),
        ("machines parked at a shutdown", done.parked),
        ("threads and futures released by it", done.released_outside),
        ("threads before and after", held.threads),
        ("descriptors before and after", held.descriptors),
    ] {
        table.row([what.to_owned(), count(number)]);
    }
    table.row(["time".to_owned(), duration(took)]);
    table
}

fn words(trend: Option<Trend>) -> String {
    match trend {
        Some(trend) => format!(
            "memory in the last half: {:+.1} bytes per round, {:+.1} KiB in all; up to {:.0} KiB is noise",
            trend.slope,
            trend.growth() / 1024.0,
            GROWTH_BYTES_MAX / 1024.0
        ),
        None => "memory: too few rounds to tell".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaked_cell_per_round_is_seen() {
        let rounds = |per_round: f64| -> Vec<Sample> {
            (0..10_000)
                .map(|n| (f64::from(n), 1e7 + f64::from(n) * per_round))
                .collect()
        };
        let verdict = |per_round| verdict(slope::trend(&rounds(per_round)).expect("enough"));
        assert_eq!(verdict(0.0), None);
        assert_eq!(verdict(-50.0), None);
        assert_eq!(verdict(100.0), None);
        assert!(verdict(110.0).is_some());
    }

    #[test]
    fn threads_and_descriptors_that_stay_are_seen() {
        let Some(before) = Held::now() else {
            return;
        };
        // More of both than the other tests of this process have.
        const MANY: usize = 200;
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
        let threads: Vec<_> = (0..MANY)
            .map(|_| {
                let ended = std::sync::Arc::clone(&ended);
                std::thread::spawn(move || drop(ended.lock().map(|ended| ended.recv())))
            })
            .collect();
        let files: Vec<_> = (0..MANY)
            .map(|_| std::fs::File::open("/proc/self/status").expect("it can be opened"))
            .collect();
        let now = before.restored(Duration::ZERO).expect_err("more is held");
        assert!(now.threads > before.threads && now.descriptors > before.descriptors);
        drop((end, files));
        for thread in threads {
            thread.join().expect("it waits and ends");
        }
    }

    #[test]
    fn a_round_leaves_nothing() {
        for connects in [false, true] {
            let done = round::round(2, connects).expect("a round");
            assert_eq!(done.rounds, 1);
            assert_eq!(done.connections, u64::from(connects));
            assert!(done.parked > 0 && done.dropped > 0 && done.released_outside > 0);
        }
    }
}
