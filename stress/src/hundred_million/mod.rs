//! A hundred million machines, all alive at once.

mod adder;
mod report;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use d3::{Runtime, Sender};

use self::adder::{Adder, COLLECTIVE, Number, TALLY, addend, due_sum, first_state};
use self::report::Found;
use crate::memory;
use crate::million::Phase;
use crate::output::{Output, bytes, count};
use crate::process;
use crate::runtime::{self, RuntimeArgs, amount, seconds};
use crate::watch::{Stall, Watch};

/// The flags of this mode.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Machines
    #[arg(long, value_name = "N", default_value = "100_000_000", value_parser = amount)]
    pub(crate) count: u64,
    /// Machines of the trial that tells how much memory one takes
    #[arg(long, value_name = "N", default_value = "200_000", value_parser = amount)]
    pub(crate) trial: u64,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    /// After how many seconds without any movement it is a hang
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) patience: Duration,
    /// Begins even where memory looks too short
    #[arg(long)]
    pub(crate) force: bool,
}

/// After so many operations the collective is waited for, so that what is under way takes next to no memory.
const BATCH: u64 = 100_000;
/// Machines that warm the process up before the trial: threads, pools and the like are no machine's share.
const WARM_UP: u64 = 1_000;
/// What is added to the estimate: tables of the registry that grow by doubling, and what an estimate is.
const MARGIN: f64 = 1.1;
/// What a machine is taken to need where the system does not say what the trial took.
const MACHINE_BYTES_GUESS: f64 = 256.0;

pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    // The estimate is what it is for, but nobody waits for a trial to learn that memory holds no bytes at all.
    let least = args
        .count
        .saturating_mul(size_of::<Sender<Number>>() as u64 + size_of::<Adder>() as u64);
    if let Err(problem) = memory::check("--count", least, args.force) {
        return output.refuse(problem);
    }
    let runtime = match args.runtime.start(None) {
        Ok(runtime) => runtime,
        Err(problem) => return output.refuse(problem),
    };
    // The one mode of this process that fills it.
    let _ = COLLECTIVE.set(runtime.clone());
    let each = match trial(args, output, &runtime) {
        Ok(each) => each,
        Err(stall) => {
            let mut found = Found::new(args, 0.0, 0);
            found.problems.push(format!("the trial failed: {stall}"));
            return output.end(&found.json(), &found.problems);
        }
    };
    let needed = (each * args.count as f64 * MARGIN) as u64;
    output.say(announcement(args, each, needed));
    if let Err(problem) = memory::check("--count", needed, args.force) {
        return output.refuse(problem);
    }
    let mut found = Found::new(args, each, needed);
    if let Err(stall) = collective(args.count, "", args, output, &runtime, &mut found) {
        found.problems.push(stall.to_string());
    }
    let unclean = runtime::end(&runtime, args.patience, &found.problems);
    found.problems.extend(unclean);
    found.tables().iter().for_each(|table| output.table(table));
    output.end(&found.json(), &found.problems)
}

/// What it will need, in words.
fn announcement(args: &Args, each: f64, needed: u64) -> String {
    let free = process::available_bytes().map_or_else(|| "an unknown amount".into(), bytes);
    format!(
        "{} machines of {each:.0} bytes each (measured on {}, with a sender of {} bytes) need about {}, a margin of {:.0} % included; {free} are free",
        count(args.count),
        count(args.trial),
        size_of::<Sender<Number>>(),
        bytes(needed),
        (MARGIN - 1.0) * 100.0,
    )
}

/// Bytes of a machine and its sender, by the growth of the process.
fn trial(args: &Args, output: &Output, runtime: &Runtime) -> Result<f64, Stall> {
    let mut warm_up = Found::new(args, 0.0, 0);
    collective(WARM_UP, "warm-up: ", args, output, runtime, &mut warm_up)?;
    let mut trial = Found::new(args, 0.0, 0);
    collective(args.trial, "trial: ", args, output, runtime, &mut trial)?;
    let most = trial.connected_bytes.max(trial.sent_bytes);
    Ok(most.map_or(MACHINE_BYTES_GUESS, |most| most as f64 / args.trial as f64))
}

/// The life of a collective: connect all, send to all, look at all, end all.
fn collective(
    machines: u64,
    label: &str,
    args: &Args,
    output: &Output,
    runtime: &Runtime,
    found: &mut Found,
) -> Result<(), Stall> {
    let watch = Watch::new(runtime, output, args.patience);
    let still = |what: &str| watch.idle(&format!("{label}{what}"), None, || 0);
    TALLY.reset(machines);
    let before = process::rss_bytes();
    let grown = || Some(process::rss_bytes()?.saturating_sub(before?));

    let begun = Instant::now();
    let mut senders = Vec::with_capacity(usize::try_from(machines).unwrap_or(usize::MAX));
    {
        let mut progress = output.progress(format!("{label}connect"), Some(machines));
        for index in 0..machines {
            senders.push(runtime.connect_mut(Adder(first_state(index))));
            if (index + 1).is_multiple_of(BATCH) {
                still("connected hooks")?;
                progress.at_with(index + 1, resident);
            }
        }
    }
    still("connected hooks")?;
    found
        .phases
        .push(Phase::new("connect", machines, begun.elapsed()));
    found.connected_bytes = grown();

    let begun = Instant::now();
    {
        let mut progress = output.progress(format!("{label}send"), Some(machines));
        for (index, sender) in (0..machines).zip(&senders) {
            watch.send(sender, Number::Add(addend(index)))?;
            if (index + 1).is_multiple_of(BATCH) {
                still("receive")?;
                progress.at_with(index + 1, resident);
            }
        }
    }
    still("receive")?;
    found
        .phases
        .push(Phase::new("send", machines, begun.elapsed()));
    found.sent_bytes = grown();

    let begun = Instant::now();
    end(senders, label, output, runtime, &watch)?;
    found
        .phases
        .push(Phase::new("end", machines, begun.elapsed()));
    found.peak_bytes = process::peak_rss_bytes();
    found.count_up(machines);
    Ok(())
}

/// Drops the senders, the last machine first, a batch at a time.
fn end(
    mut senders: Vec<Sender<Number>>,
    label: &str,
    output: &Output,
    runtime: &Runtime,
    watch: &Watch<'_>,
) -> Result<(), Stall> {
    let machines = senders.len() as u64;
    let mut progress = output.progress(format!("{label}end"), Some(machines));
    while !senders.is_empty() {
        senders.truncate(senders.len().saturating_sub(BATCH as usize));
        watch.machines(&format!("{label}disconnected hooks"), senders.len())?;
        let left = runtime.machine_count() as u64;
        progress.at_with(machines.saturating_sub(left), resident);
    }
    Ok(())
}

fn resident() -> String {
    process::rss_bytes().map_or_else(String::new, |rss| format!("{} resident", bytes(rss)))
}

impl Found {
    /// Holds what the machines counted against what they should have.
    fn count_up(&mut self, machines: u64) {
        let alive = TALLY.alive_at_the_last.load(Ordering::Relaxed);
        self.received = TALLY.received.load(Ordering::Relaxed);
        self.alive = u64::try_from(alive).ok().filter(|_| alive != usize::MAX);
        self.ended = TALLY.ended.load(Ordering::Relaxed);
        self.sum = TALLY.sum.load(Ordering::Relaxed);
        self.due_sum = due_sum(machines);
        let alive = self.alive.unwrap_or(0);
        self.expect("instructions received", self.received, machines);
        self.expect(
            "machines alive when the last instruction was received",
            alive,
            machines,
        );
        self.expect("machines ended", self.ended, machines);
        self.expect(
            "the sum of what machines held at their end",
            self.sum,
            self.due_sum,
        );
    }

    fn expect(&mut self, what: &str, is: u64, due: u64) {
        if is != due {
            self.problems
                .push(format!("{what}: {is}, and should be {due}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_counts_in_the_sum() {
        let without = |missing: u64| {
            (0..100)
                .filter(|&index| index != missing)
                .fold(0_u64, |sum, index| {
                    sum.wrapping_add(first_state(index))
                        .wrapping_add(addend(index))
                })
        };
        assert!((0..100).all(|missing| without(missing) != due_sum(100)));
        assert_ne!(addend(0), 0);
    }
}
