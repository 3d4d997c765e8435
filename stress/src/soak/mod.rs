//! `stress soak`: a mixed load for hours, and the line of the memory under it.
//!
//! The verdict is about the last half: what a process takes while it warms up it may keep. See the chapter in
//! `stress/README.md`.

mod drawing;
pub(crate) mod echo;
mod load;
mod parts;
pub(crate) mod slope;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::output::{self, Output, Table, bytes, count, duration};
use crate::process;
use crate::runtime::RuntimeArgs;

use load::Load;
use slope::{Sample, Trend};

const MIB: f64 = 1_048_576.0;
/// What the memory may grow: a server that runs for a month then takes less than a gigabyte.
const GROWTH_PER_HOUR_MAX: f64 = MIB;
/// Growth in all that is not told from noise: the allocator takes memory from the system in pieces of 132 KiB and more, and each
/// of a few threads may take one late. It counts for soaks of less than an hour only: an hour's limit is more than this.
const RESOLUTION_BYTES: f64 = 512.0 * 1024.0;

/// The flags of `soak`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Hours to run
    #[arg(long, value_name = "H", conflicts_with = "minutes")]
    hours: Option<f64>,
    /// Minutes to run; 10 if no time is given
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Draws the memory into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

impl Args {
    fn time(&self) -> Result<Duration, String> {
        let minutes = match (self.hours, self.minutes) {
            (Some(hours), _) => hours * 60.0,
            (None, minutes) => minutes.unwrap_or(10.0),
        };
        if minutes.is_finite() && minutes > 0.0 && minutes < 1e7 {
            Ok(Duration::from_secs_f64(minutes * 60.0))
        } else {
            Err(format!("{minutes} minutes: a time above 0 is expected"))
        }
    }
}

/// How often the memory is looked at: a thousand times and more, but not all the time.
fn interval(time: Duration) -> Duration {
    (time / 2_000).clamp(Duration::from_millis(20), Duration::from_secs(10))
}

/// Runs the load, and judges.
pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    let time = match args.time() {
        Ok(time) => time,
        Err(problem) => return output.refuse(problem),
    };
    if process::rss_bytes().is_none() {
        return output.refuse("this system does not say how much memory a process has");
    }
    let load = match Load::start(&args.runtime) {
        Ok(load) => load,
        Err(problem) => return output.refuse(problem),
    };
    let (samples, mut problems) = watch(&load, time, output);
    let work = load.stop();
    problems.extend(work.problem.clone());
    let trend = slope::trend(&samples);
    problems.extend(verdict(trend));
    let title = title(&samples, trend);
    output.table(&work.table());
    output.say(&title);
    if let Some(file) = &args.svg {
        match output::write_file(file, &drawing::svg(&title, &samples)) {
            Ok(()) => output.say(format!("drawn: {}", file.display())),
            Err(error) => problems.push(format!("not drawn: {error}")),
        }
    }
    let value = json!({
        "mode": "soak",
        "machine": process::machine_json(),
        "seconds": time.as_secs_f64(),
        "work": work.json(),
        "bytes_per_hour": trend.map(|trend| trend.slope * 3_600.0),
        "bytes_grown_in_last_half": trend.map(|trend| trend.growth()),
        "samples": samples.len(),
        "first_rss_bytes": samples.first().map(|(_, bytes)| *bytes),
        "last_rss_bytes": samples.last().map(|(_, bytes)| *bytes),
        "problems": problems,
    });
    output.end(&value, &problems)
}

/// Looks at the memory until the time is over, or something is wrong.
fn watch(load: &Load, time: Duration, output: &Output) -> (Vec<Sample>, Vec<String>) {
    let begun = Instant::now();
    let mut samples = Vec::new();
    let mut progress = output.progress("soak, seconds", Some(time.as_secs()));
    while begun.elapsed() < time && !load.has_failed() {
        let Some(rss) = process::rss_bytes() else {
            return (
                samples,
                vec!["the system says no more how much memory there is".into()],
            );
        };
        let at = begun.elapsed();
        samples.push((at.as_secs_f64(), rss as f64));
        progress.at_with(at.as_secs(), || {
            format!(
                "{}, {}",
                words(&samples, slope::trend(&samples)),
                load.line()
            )
        });
        load.wait(interval(time).min(time.saturating_sub(at)));
    }
    (samples, Vec::new())
}

fn verdict(trend: Option<Trend>) -> Option<String> {
    let Some(trend) = trend else {
        return Some("too short to tell whether the memory grows".into());
    };
    let grows = trend.grows(GROWTH_PER_HOUR_MAX / 3_600.0, RESOLUTION_BYTES);
    grows.then(|| {
        format!(
            "the memory grows: {} in the last half, {} per hour",
            signed(trend.growth()),
            signed(trend.slope * 3_600.0)
        )
    })
}

fn title(samples: &[Sample], trend: Option<Trend>) -> String {
    let seconds = samples.last().map_or(0.0, |(at, _)| *at);
    format!(
        "{} of soak: {}",
        duration(Duration::from_secs_f64(seconds)),
        words(samples, trend)
    )
}

fn words(samples: &[Sample], trend: Option<Trend>) -> String {
    let now = samples.last().map_or(0.0, |(_, bytes)| *bytes);
    let slope = trend.map_or_else(
        || "slope not known yet".into(),
        |trend| format!("{} per hour", signed(trend.slope * 3_600.0)),
    );
    format!("memory {}, {slope}", bytes(now as u64))
}

fn signed(amount: f64) -> String {
    let sign = if amount < 0.0 { "-" } else { "+" };
    format!("{sign}{}", bytes(amount.abs() as u64))
}

/// What a soak did.
#[derive(Clone, Debug, Default)]
struct Work {
    parts: Vec<(&'static str, u64)>,
    instructions: u64,
    parks: u64,
    panics: u64,
    machines: u64,
    problem: Option<String>,
}

impl Work {
    fn table(&self) -> Table {
        let mut table = Table::new("What the soak did", &[]);
        for (name, times) in &self.parts {
            table.row([(*name).to_owned(), count(*times)]);
        }
        table
            .row(["instructions".to_owned(), count(self.instructions)])
            .row(["machines ended".to_owned(), count(self.machines)])
            .row(["machines parked".to_owned(), count(self.parks)])
            .row(["panics by plan".to_owned(), count(self.panics)]);
        table
    }

    fn json(&self) -> serde_json::Value {
        let parts: serde_json::Map<_, _> = self
            .parts
            .iter()
            .map(|(name, times)| ((*name).to_owned(), json!(times)))
            .collect();
        json!({
            "parts": parts,
            "instructions": self.instructions,
            "machines_ended": self.machines,
            "parks": self.parks,
            "panics": self.panics,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_a_mebibyte_per_hour_fails() {
        let hour = |per_hour: f64| Trend {
            slope: per_hour / 3_600.0,
            span: 1_800.0,
        };
        assert_eq!(verdict(Some(hour(0.99 * MIB))), None);
        let problem = verdict(Some(hour(1.01 * MIB))).expect("it grows");
        assert!(problem.contains("+1.01 MiB per hour"), "{problem}");
        assert!(verdict(None).is_some(), "what cannot be told is not told");
    }

    #[test]
    fn a_short_soak_is_not_judged_by_a_page() {
        let minute = Trend {
            slope: 4_096.0 / 30.0,
            span: 30.0,
        };
        assert_eq!(verdict(Some(minute)), None);
        let leak = Trend {
            slope: MIB / 30.0,
            span: 30.0,
        };
        assert!(verdict(Some(leak)).is_some());
    }
}
