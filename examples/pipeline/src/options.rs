//! What the command line says.

use std::ffi::OsString;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
A fast source, a slow stage and a sink, with the length of each mailbox drawn live.

usage: pipeline [options]

  --seconds S       how long the source makes items (default 10); Ctrl-C ends it before
  --capacity N      what the mailboxes of stage and sink hold (default 16)
  --batch N         items that the source sends in one receive (default 8)
  --rate N          items per second; 0, the default: as many as back-pressure lets through
  --work-us N       microseconds that the stage works on an item (default 200)
  --workers N       threads that run the machines (default 2)
  --interval-ms N   time between two looks (default 100)
  --plain           a line per look, as when the output is no terminal
  --json            a JSON object per look, and one at the end
  --help            this text

It ends with 0 if every item arrived in order and no mailbox exceeded its bound, with 1 if not, with 2 if an option is wrong.
";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) duration: Duration,
    pub(crate) capacity: usize,
    pub(crate) batch: usize,
    pub(crate) rate: u64,
    pub(crate) work: Duration,
    pub(crate) workers: usize,
    pub(crate) interval: Duration,
    pub(crate) plain: bool,
    pub(crate) json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(10),
            capacity: 16,
            batch: 8,
            rate: 0,
            work: Duration::from_micros(200),
            workers: 2,
            interval: Duration::from_millis(100),
            plain: false,
            json: false,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    Run(Options),
    Help,
}

/// Longer than this is a typing error, and less than the clock can name.
const SECONDS_MAX: f64 = 1e9;

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Wanted, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let name = argument.to_string_lossy().into_owned();
        let mut value = || {
            let value = arguments.next().ok_or(format!("{name} wants a number"))?;
            Ok::<_, String>(value.to_string_lossy().into_owned())
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Wanted::Help),
            "--plain" => options.plain = true,
            "--json" => options.json = true,
            "--seconds" => options.duration = seconds(&name, &value()?)?,
            "--capacity" => options.capacity = at_least(&name, &value()?, 1)?,
            "--batch" => options.batch = at_least(&name, &value()?, 1)?,
            "--rate" => options.rate = at_least(&name, &value()?, 0)?,
            "--work-us" => options.work = Duration::from_micros(at_least(&name, &value()?, 0)?),
            "--workers" => options.workers = at_least(&name, &value()?, 1)?,
            "--interval-ms" => {
                options.interval = Duration::from_millis(at_least(&name, &value()?, 1)?);
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(Wanted::Run(options))
}

fn at_least<T: FromStr + PartialOrd + Display>(
    name: &str,
    text: &str,
    least: T,
) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(format!(
            "{name} {text}: a number of at least {least} is wanted"
        )),
    }
}

fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..SECONDS_MAX).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!("{name} {text}: a number of seconds is wanted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Wanted, String> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_are_understood() {
        assert_eq!(parse_text(""), Ok(Wanted::Run(Options::default())));
        assert_eq!(parse_text("--json --help"), Ok(Wanted::Help));
        let all = "--seconds 1.5 --capacity 4 --batch 3 --rate 7 --work-us 9 --workers 1 \
                   --interval-ms 20 --plain --json";
        let expected = Options {
            duration: Duration::from_millis(1500),
            capacity: 4,
            batch: 3,
            rate: 7,
            work: Duration::from_micros(9),
            workers: 1,
            interval: Duration::from_millis(20),
            plain: true,
            json: true,
        };
        assert_eq!(parse_text(all), Ok(Wanted::Run(expected)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("--capacity 0", "--capacity 0"),
            ("--capacity many", "many"),
            ("--seconds -1", "--seconds -1"),
            ("--seconds NaN", "NaN"),
            ("--seconds inf", "inf"),
            ("--rate", "--rate"),
            ("--interval-ms 0", "--interval-ms"),
            ("--port 80", "--port"),
        ] {
            let problem = parse_text(text).expect_err(text);
            assert!(problem.contains(named), "{text}: {problem}");
        }
    }
}
