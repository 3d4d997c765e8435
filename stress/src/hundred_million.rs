//! Not there yet.

use std::process::ExitCode;

use crate::output::Output;

/// The flags of this mode.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, output: &Output) -> ExitCode {
    output.refuse("this mode is not there yet")
}
