//! What is being done, live, on the standard error.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Output, count, duration};

/// How often the line of a terminal moves.
const MOVE_EVERY: Duration = Duration::from_millis(100);
/// How often a line is printed elsewhere: a log wants to know that something still moves, not more.
const PRINT_EVERY: Duration = Duration::from_secs(10);

/// One thing that is being done. The line is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    output: &'a Output,
    what: String,
    total: Option<u64>,
    begun: Instant,
    next: Instant,
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output, what: String, total: Option<u64>) -> Self {
        let begun = Instant::now();
        let next = begun
            + if output.terminal {
                MOVE_EVERY
            } else {
                PRINT_EVERY
            };
        Self {
            output,
            what,
            total,
            begun,
            next,
        }
    }

    /// So much is done. Cheap enough to be called often, if not for every single instruction: it reads the clock.
    pub(crate) fn at(&mut self, done: u64) {
        self.at_with(done, String::new);
    }

    /// So much is done, with something more to say, made only when it is shown.
    pub(crate) fn at_with(&mut self, done: u64, more: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.next || self.output.quiet {
            return;
        }
        let text = line(&self.what, done, self.total, now - self.begun, &more());
        let mut shown = self.output.wiped();
        let mut err = io::stderr().lock();
        if self.output.terminal {
            self.next = now + MOVE_EVERY;
            *shown = true;
            let _ = err.write_all(text.as_bytes());
            let _ = err.flush();
        } else {
            self.next = now + PRINT_EVERY;
            let _ = writeln!(err, "{text}");
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        drop(self.output.wiped());
    }
}

/// A line such as `connect: 420,000 of 1,000,000 (42 %), 0.8 s, 1.1 s to go`.
pub(super) fn line(
    what: &str,
    done: u64,
    total: Option<u64>,
    took: Duration,
    more: &str,
) -> String {
    let mut text = format!("{what}: {}", count(done));
    if let Some(total) = total {
        let part = done as f64 / total.max(1) as f64;
        text.push_str(&format!(" of {} ({:.0} %)", count(total), part * 100.0));
    }
    text.push_str(&format!(", {}", duration(took)));
    if let Some(total) = total.filter(|total| done > 0 && done < *total) {
        let left = took.as_secs_f64() * (total - done) as f64 / done as f64;
        text.push_str(&format!(
            ", {} to go",
            duration(Duration::from_secs_f64(left))
        ));
    }
    if !more.is_empty() {
        text.push_str(", ");
        text.push_str(more);
    }
    text
}
