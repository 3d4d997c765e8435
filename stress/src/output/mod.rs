//! What people and programs read.
//!
//! Tables and sentences go to the standard output; where that one carries the JSON (`--json -`), they go to the standard error.
//! What is being done goes to the standard error, as a line that moves on a terminal and as a line now and then elsewhere.

mod amount;
mod progress;
mod table;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub(crate) use amount::{bytes, count, duration, figure, nanoseconds};
pub(crate) use progress::Progress;
pub(crate) use table::Table;

/// The exit code of a run in which something was missing or wrong.
pub(crate) const FAILED: u8 = 1;
/// The exit code of a run that was asked for what makes no sense, or what the machine is too small for; as clap's.
pub(crate) const REFUSED: u8 = 2;

/// Where the JSON goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `-`
    StandardOutput,
    /// Anything else.
    File(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("a file name, or - for the standard output, is expected".into()),
            "-" => Ok(Self::StandardOutput),
            name => Ok(Self::File(name.into())),
        }
    }
}

/// The way out for everything that a mode has to say. Shared by all threads of a mode.
#[derive(Debug)]
pub(crate) struct Output {
    json: Option<Target>,
    terminal: bool,
    /// Whether a moving line stands on the terminal, to be wiped away before anything else is written.
    line: Mutex<bool>,
    /// Whether progress is not shown.
    quiet: bool,
}

impl Output {
    /// An output whose JSON, if wanted, goes to `json`.
    pub(crate) fn new(json: Option<Target>) -> Self {
        Self {
            json,
            terminal: io::stderr().is_terminal(),
            line: Mutex::new(false),
            quiet: false,
        }
    }

    /// An output that shows no progress, for a part of something whose progress is shown as a whole.
    pub(crate) fn quiet() -> Self {
        Self {
            json: None,
            terminal: false,
            line: Mutex::new(false),
            quiet: true,
        }
    }

    /// A sentence for people, on a line of its own.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        let line = self.wiped();
        let text = format!("{}\n", text.as_ref().trim_end_matches('\n'));
        // Who closed the other end does not want to know.
        let _ = if self.json == Some(Target::StandardOutput) {
            io::stderr().lock().write_all(text.as_bytes())
        } else {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
        drop(line);
    }

    /// A table for people, with an empty line before it.
    pub(crate) fn table(&self, table: &Table) {
        self.say(format!("\n{table}"));
    }

    /// Something went wrong: a line on the standard error.
    pub(crate) fn complain(&self, text: impl AsRef<str>) {
        let line = self.wiped();
        let _ = writeln!(io::stderr().lock(), "stress: {}", text.as_ref());
        drop(line);
    }

    /// Progress towards `total`, live.
    pub(crate) fn progress(&self, what: impl Into<String>, total: Option<u64>) -> Progress<'_> {
        Progress::new(self, what.into(), total)
    }

    /// Writes the JSON, if it is wanted: to the file whole, as if it had not been written before, or as one more line to the
    /// standard output.
    pub(crate) fn json(&self, value: &Value) -> io::Result<()> {
        match &self.json {
            None => Ok(()),
            Some(Target::StandardOutput) => {
                let line = self.wiped();
                let mut out = io::stdout().lock();
                let written = writeln!(out, "{value}").and_then(|()| out.flush());
                drop(line);
                written
            }
            Some(Target::File(file)) => write_file(file, &format!("{value:#}\n")),
        }
    }

    /// The end of a mode: writes the JSON and chooses the exit code. `problems` are told, each on a line.
    pub(crate) fn end(&self, value: &Value, problems: &[String]) -> ExitCode {
        for problem in problems {
            self.complain(problem);
        }
        if let Err(error) = self.json(value) {
            self.complain(format!("the JSON could not be written: {error}"));
            return ExitCode::from(REFUSED);
        }
        if problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }

    /// The end of a mode that did not begin: says what is wrong with what was asked for.
    pub(crate) fn refuse(&self, problem: impl AsRef<str>) -> ExitCode {
        self.complain(problem);
        ExitCode::from(REFUSED)
    }

    fn wiped(&self) -> MutexGuard<'_, bool> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *line) {
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
        line
    }
}

/// Writes a file, and names it if that fails.
pub(crate) fn write_file(file: &std::path::Path, text: &str) -> io::Result<()> {
    std::fs::write(file, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests;
