//! `stress`: what people run to trust d3 on their own machine, and what finds its bugs before they do.
//!
//! Every mode checks what it did by counting: it ends with 0 if all is right, with 1 if anything is missing or wrong, and with 2
//! if it was asked for what makes no sense or what the machine has no memory for. `stress/README.md` is the guide.

#![forbid(unsafe_code)]

mod classic;
mod hundred_million;
mod latency;
mod memory;
mod million;
mod output;
mod process;
mod rounds;
mod runtime;
mod scale;
mod soak;
mod swarm;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::{Output, Target};

/// Puts d3 under stress and counts whether everything arrived.
#[derive(Debug, Parser)]
#[command(version)]
struct Command {
    /// Writes what was found as JSON into this file, or to the standard output for "-"
    #[arg(long, global = true, value_name = "FILE|-")]
    json: Option<Target>,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Connects a million machines, sends through them, ends them
    Million(million::Args),
    /// A hundred million machines alive at once, each with a state of its own
    HundredMillion(hundred_million::Args),
    /// The drivers of d3 0.1.3: daisy-chain, fan-out/fan-in, chaos-monkey
    Classic(classic::Args),
    /// Random programs of machines on real threads, each from one seed
    Swarm(swarm::Args),
    /// Runs the seed of a failure again and again, and tells how often it fails
    Replay(swarm::ReplayArgs),
    /// Runs for hours and watches the memory
    Soak(soak::Args),
    /// Ten thousand rounds of start, work and shutdown in one process
    Rounds(rounds::Args),
    /// Workers × machines × payload, as CSV and as a drawing
    Scale(scale::Args),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let output = Output::new(command.json);
    match &command.mode {
        Mode::Million(args) => million::run(args, &output),
        Mode::HundredMillion(args) => hundred_million::run(args, &output),
        Mode::Classic(args) => classic::run(args, &output),
        Mode::Swarm(args) => swarm::run(args, &output),
        Mode::Replay(args) => swarm::replay(args, &output),
        Mode::Soak(args) => soak::run(args, &output),
        Mode::Rounds(args) => rounds::run(args, &output),
        Mode::Scale(args) => scale::run(args, &output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        Command::command().debug_assert();
    }
}
