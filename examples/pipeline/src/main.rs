//! A fast source, a slow stage and a sink: back-pressure to look at.
//!
//! The source makes items as fast as it can. The stage works on each of them for a while. Without back-pressure the mailbox between them
//! would grow until memory ends; here the source is parked, and the line that shows the memory stays flat.

#![forbid(unsafe_code)]

mod draw;
mod machines;
mod options;
mod run;

use std::process::ExitCode;

use options::{Options, USAGE, Wanted};

fn main() -> ExitCode {
    let options: Options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Wanted::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Wanted::Run(options)) => options,
        Err(problem) => {
            eprint!("pipeline: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipeline: {error}");
            ExitCode::FAILURE
        }
    }
}
