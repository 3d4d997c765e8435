//! A million machines: connect them, send through them, end them, and count.

mod machines;
mod report;
mod wiring;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use d3::Runtime;

use self::machines::{Counts, Tally};
pub(crate) use self::report::{Found, Phase};
use self::wiring::Wiring;
pub(crate) use self::wiring::per_round;
use crate::latency::Latencies;
use crate::memory;
use crate::output::Output;
use crate::process;
use crate::runtime::{RuntimeArgs, amount, end, seconds};
use crate::watch::Watch;

/// The flags of this mode.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Machines
    #[arg(long, value_name = "N", default_value = "1_000_000", value_parser = amount)]
    pub(crate) count: u64,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    /// Instructions that a mailbox holds before its senders have to wait [default: the runtime's, 250]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(crate) capacity: Option<u64>,
    /// Bytes that an instruction carries, beside 16 of our own
    #[arg(long, value_name = "BYTES", default_value = "8", value_parser = PAYLOADS)]
    pub(crate) payload: String,
    /// Rounds of sending; each begins when the last has arrived
    #[arg(long, value_name = "N", default_value = "1", value_parser = amount)]
    pub(crate) rounds: u64,
    /// Who sends to whom
    #[arg(long, value_enum, default_value_t = Pattern::Each)]
    pub(crate) pattern: Pattern,
    /// Instructions that are under way at once in `daisy` and `random`
    #[arg(long, value_name = "N", default_value = "20", value_parser = amount)]
    pub(crate) in_flight: u64,
    /// Chooses the ways of `random`
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// After how many seconds without any movement it is a hang
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) patience: Duration,
    /// Begins even where memory looks too short
    #[arg(long)]
    pub(crate) force: bool,
    /// Visits of all tokens of `random` together in a round; as many as there are machines if nobody says otherwise.
    #[arg(skip)]
    pub(crate) visits: Option<u64>,
    /// Whether a round begins before the last has arrived.
    #[arg(skip)]
    pub(crate) at_once: bool,
}

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pattern {
    /// A thread outside sends one instruction to each machine
    Each,
    /// The machines are a chain; --in-flight instructions run through all of it
    Daisy,
    /// --in-flight instructions hop to machines drawn by lot, with as many hops together as there are machines
    Random,
}

impl Pattern {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Daisy => "daisy",
            Self::Random => "random",
        }
    }
}

/// The sizes that instructions are compiled for.
pub(crate) const PAYLOADS: [&str; 8] = ["0", "8", "32", "64", "128", "256", "1024", "4096"];

/// More than a machine takes by far: cell, state, sender, registry, and one block for what waits in its mailbox.
const MACHINE_BYTES_MAX: u64 = 1_024;
/// Slots of a block; each takes an instruction.
const SLOTS_MAX: u64 = 4;
/// The capacity of a mailbox that asks for none.
const CAPACITY_DEFAULT: u64 = 250;
/// So many instructions are stamped, or twice as many.
const SAMPLES: u64 = 20_000;

pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    if let Err(problem) = check(args) {
        return output.refuse(problem);
    }
    match measure(args, output) {
        Ok(found) => {
            found.tables().iter().for_each(|table| output.table(table));
            output.end(&found.json(), &found.problems)
        }
        Err(problem) => output.refuse(problem),
    }
}

/// Whether what is asked for makes sense here.
pub(crate) fn check(args: &Args) -> Result<(), String> {
    let too_many = |what: &str| Err(format!("{what}: more than this program can count"));
    if wiring::per_round(args).checked_mul(args.rounds).is_none() {
        return too_many("--count × --rounds × --in-flight");
    }
    if args.pattern == Pattern::Daisy
        && u32::try_from(args.rounds.saturating_mul(args.in_flight)).is_err()
    {
        return too_many("--rounds × --in-flight");
    }
    let instruction = args.payload.parse::<u64>().unwrap_or(0) + 64;
    let slots = if args.at_once {
        SLOTS_MAX.max(args.rounds.min(args.capacity.unwrap_or(CAPACITY_DEFAULT)))
    } else {
        SLOTS_MAX
    };
    let needed = args
        .count
        .saturating_mul(MACHINE_BYTES_MAX + slots * instruction);
    memory::check("--count", needed, args.force)
}

/// Runs all phases, with the payload as a type. The error is about the start; what goes wrong later is a finding.
pub(crate) fn measure(args: &Args, output: &Output) -> Result<Found, String> {
    match args.payload.as_str() {
        "0" => with_payload::<0>(args, output),
        "8" => with_payload::<8>(args, output),
        "32" => with_payload::<32>(args, output),
        "64" => with_payload::<64>(args, output),
        "128" => with_payload::<128>(args, output),
        "256" => with_payload::<256>(args, output),
        "1024" => with_payload::<1024>(args, output),
        "4096" => with_payload::<4096>(args, output),
        other => Err(format!(
            "--payload {other}: not one of {}",
            PAYLOADS.join(", ")
        )),
    }
}

fn with_payload<const N: usize>(args: &Args, output: &Output) -> Result<Found, String> {
    let capacity = args
        .capacity
        .map(usize::try_from)
        .transpose()
        .map_err(|_| "--capacity: too large for this machine")?;
    let runtime = args.runtime.start(capacity)?;
    let expected = wiring::per_round(args) * args.rounds;
    let tally = Arc::new(Tally {
        latencies: Latencies::new(),
        stride: (expected / SAMPLES).max(1),
        counts: Counts::default(),
    });
    let mut found = Found::new(
        args,
        Wiring::<N>::instruction_bytes(args.pattern),
        Wiring::<N>::state_bytes(args.pattern),
    );
    found.expected = expected;
    phases::<N>(args, output, &runtime, &tally, &mut found);
    found.latency = Some(tally.latencies.summary());
    found.stats = runtime.stats();
    let unclean = end(&runtime, args.patience, &found.problems);
    found.problems.extend(unclean);
    found.count_up(&tally.counts);
    Ok(found)
}

/// Connect, send, end. Stops at the first phase that hangs.
fn phases<const N: usize>(
    args: &Args,
    output: &Output,
    runtime: &Runtime,
    tally: &Arc<Tally>,
    found: &mut Found,
) {
    let watch = Watch::new(runtime, output, args.patience);
    let handled = || runtime.stats().total().instructions;
    let before = process::rss_bytes();

    let begun = Instant::now();
    let wiring = {
        let mut progress = output.progress("connect", Some(args.count));
        Wiring::<N>::connect(args, runtime, tally, &mut progress)
    };
    if let Err(stall) = watch.idle("connected hooks", None, || 0) {
        return found.problems.push(stall.to_string());
    }
    found
        .phases
        .push(Phase::new("connect", args.count, begun.elapsed()));
    found.memory.at_rest(before, process::rss_bytes());
    found.alive = runtime.machine_count() as u64;

    let begun = Instant::now();
    for round in 0..args.rounds {
        let sent = {
            let mut progress = output.progress("send", Some(found.expected));
            wiring.send(args, round, tally, &watch, &mut progress)
        };
        let wait = !args.at_once || round + 1 == args.rounds;
        let arrived = sent.and_then(|()| {
            if wait {
                watch.idle("send", Some(found.expected), handled)
            } else {
                Ok(())
            }
        });
        if let Err(stall) = arrived {
            return found.problems.push(stall.to_string());
        }
    }
    found
        .phases
        .push(Phase::new("send", found.expected, begun.elapsed()));
    found.memory.after_sending(before, process::rss_bytes());

    let begun = Instant::now();
    drop(wiring);
    if let Err(stall) = watch.machines("end", 0) {
        return found.problems.push(stall.to_string());
    }
    found
        .phases
        .push(Phase::new("end", args.count, begun.elapsed()));
    found.memory.after_the_end(process::rss_bytes());
}

impl Found {
    /// Holds what machines counted against what they should have.
    fn count_up(&mut self, counts: &Counts) {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        self.received = read(&counts.received);
        self.ended = read(&counts.ended);
        let tokens = match self.args.pattern {
            Pattern::Random => wiring::tokens(&self.args) * self.args.rounds,
            Pattern::Each | Pattern::Daisy => 0,
        };
        let count = self.args.count;
        self.expect("machines alive before the send", self.alive, count);
        self.expect("instructions received", self.received, self.expected);
        self.expect("machines ended", self.ended, count);
        self.expect(
            "tokens that made all their visits",
            read(&counts.home),
            tokens,
        );
        self.expect(
            "instructions lost, doubled or overtaken",
            read(&counts.out_of_order),
            0,
        );
        self.expect(
            "instructions with a broken payload",
            read(&counts.broken),
            0,
        );
        self.expect(
            "instructions that could not be passed on",
            read(&counts.not_passed_on),
            0,
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
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::parse_from(std::iter::once("million").chain(line.split_whitespace())).args
    }

    /// What a run of ten machines finds whose machines counted like this.
    fn problems(count: impl FnOnce(&Counts)) -> Vec<String> {
        let mut found = Found::new(&args("--count 10"), 0, 0);
        (found.expected, found.alive) = (10, 10);
        let counts = Counts::default();
        counts.received.store(10, Ordering::Relaxed);
        counts.ended.store(10, Ordering::Relaxed);
        count(&counts);
        found.count_up(&counts);
        found.problems
    }

    #[test]
    fn one_that_is_missing_is_a_problem() {
        assert_eq!(problems(|_| ()), Vec::<String>::new());
        assert_eq!(
            problems(|counts| counts.received.store(9, Ordering::Relaxed)),
            ["instructions received: 9, and should be 10"]
        );
        for wrong in [
            problems(|counts| counts.ended.store(9, Ordering::Relaxed)),
            problems(|counts| counts.out_of_order.store(1, Ordering::Relaxed)),
            problems(|counts| counts.broken.store(1, Ordering::Relaxed)),
            problems(|counts| counts.not_passed_on.store(1, Ordering::Relaxed)),
            problems(|counts| counts.home.store(1, Ordering::Relaxed)),
        ] {
            assert_eq!(wrong.len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert_eq!(check(&args("--count 10")), Ok(()));
        let most = u64::MAX.to_string();
        assert!(check(&args(&format!("--count 2 --rounds {most}"))).is_err());
        assert!(
            check(&args(&format!(
                "--pattern daisy --in-flight {}",
                1_u64 << 33
            )))
            .is_err()
        );
    }
}
