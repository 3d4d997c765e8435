//! What is being done, live, on the standard error.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// A line that moves on a terminal, and a line for each run elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    done: usize,
    all: usize,
    begun: Instant,
    step_begun: Instant,
    moves: bool,
}

impl Progress {
    /// So many runs are to come.
    pub(crate) fn new(all: usize) -> Self {
        Self {
            done: 0,
            all,
            begun: Instant::now(),
            step_begun: Instant::now(),
            moves: stderr().is_terminal(),
        }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self, label: &str) {
        self.step_begun = Instant::now();
        if self.moves {
            let left = self
                .left()
                .map_or_else(String::new, |left| format!(", {} to go", minutes(left)));
            self.write(&format!("\r\x1b[K{} {label} …{left}", self.position()));
        }
    }

    /// A run is over.
    pub(crate) fn step(&mut self, label: &str, outcome: &str) {
        self.done += 1;
        let took = self.step_begun.elapsed().as_secs_f64();
        let clear = if self.moves { "\r\x1b[K" } else { "" };
        self.write(&format!(
            "{clear}{} {label}: {outcome} ({took:.1} s)\n",
            self.position()
        ));
        self.step_begun = Instant::now();
    }

    /// All runs are over.
    pub(crate) fn end(&self) {
        self.write(&format!(
            "{} runs in {}\n\n",
            self.done,
            minutes(self.begun.elapsed())
        ));
    }

    fn position(&self) -> String {
        format!("[{:>3}/{}]", self.done, self.all)
    }

    fn left(&self) -> Option<Duration> {
        let per_run = self
            .begun
            .elapsed()
            .checked_div(u32::try_from(self.done).ok()?)?;
        per_run.checked_mul(u32::try_from(self.all - self.done).ok()?)
    }

    fn write(&self, text: &str) {
        // Who closed the standard error does not want to know.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02} min", seconds / 60, seconds % 60)
}
