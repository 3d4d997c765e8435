//! `test-server [--config DIR]`: see the library of this package.

#![forbid(unsafe_code)]

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use d3::components::{Settings, services};
use test_server::{CONFIG_VARIABLE, check_features, config_dir, drivers};

const USAGE: &str = "\
Runs the example services of d3 that its settings name, until Ctrl-C or SIGTERM.

usage: test-server [--config DIR]

  --config DIR   the directory with default.toml; also by the variable TEST_SERVER_CONFIG

Single settings can be given in the environment, for instance
  APP__SERVICES=EchoService APP__COORDINATOR__ECHOCOORDINATOR__TCP_ADDRESS=127.0.0.1:9999 test-server
";

fn main() -> ExitCode {
    let outcome = match arguments(std::env::args_os().skip(1)) {
        Ok(Wanted::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Wanted::Server { config }) => run(config),
        Err(problem) => {
            eprint!("test-server: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("test-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Server { config: Option<PathBuf> },
    Help,
}

fn arguments(mut arguments: impl Iterator<Item = OsString>) -> Result<Wanted, String> {
    let mut config = None;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Wanted::Help),
            Some("--config") => {
                config = Some(PathBuf::from(
                    arguments.next().ok_or("--config wants a directory")?,
                ));
            }
            _ => return Err(format!("unknown argument {}", argument.display())),
        }
    }
    Ok(Wanted::Server { config })
}

/// Until it is told to end. Who asks for what a server cannot do is told so before anything starts.
fn run(config: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let settings = Settings::load_dir(config_dir(config, std::env::var_os(CONFIG_VARIABLE)))?;
    check_features(&settings)?;
    let plans = drivers::plans(&settings)?;
    let services = test_server::services();
    let stopped = if plans.is_empty() {
        services::run(settings, services)?
    } else {
        let work = move |runtime| drivers::drive(&runtime, &plans);
        services::run_with(settings, services, drivers::FORWARDER, work)?
    };
    // A client that would not let go is no failure of the server; what was cut off has been printed.
    if stopped.failed.is_empty() {
        Ok(())
    } else {
        Err("a service failed before the end".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood() {
        let parse = |text: &str| arguments(text.split_whitespace().map(OsString::from));
        assert_eq!(parse(""), Ok(Wanted::Server { config: None }));
        assert_eq!(
            parse("--config a/b"),
            Ok(Wanted::Server {
                config: Some("a/b".into())
            })
        );
        assert_eq!(parse("-h"), Ok(Wanted::Help));
        assert!(parse("--config").is_err());
        assert!(parse("--port 3").is_err());
    }
}
