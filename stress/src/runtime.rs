//! The flags that modes with one runtime share, and the runtime that they ask for.

use std::time::Duration;

use clap::Args;
use d3::Runtime;

use crate::process;

/// How the runtime of a mode is built.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RuntimeArgs {
    /// Workers; 0: one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) workers: usize,
    /// Pins each worker to a core of its own
    #[arg(long)]
    pub(crate) pin: bool,
}

impl RuntimeArgs {
    /// The workers that there will be.
    pub(crate) fn workers(&self) -> usize {
        if self.workers == 0 {
            process::cores()
        } else {
            self.workers
        }
    }

    /// Starts a runtime. `capacity`: of mailboxes that ask for none.
    ///
    /// # Errors
    /// What the builder found wrong, in words.
    pub(crate) fn start(&self, capacity: Option<usize>) -> Result<Runtime, String> {
        // Named here: the builder would let D3_WORKERS decide where nothing is said, and the report would not know.
        let mut builder = Runtime::builder()
            .workers(self.workers())
            .pin_workers(self.pin);
        if let Some(capacity) = capacity {
            builder = builder.mailbox_capacity(capacity);
        }
        builder
            .build()
            .map_err(|error| format!("the runtime cannot start: {error}"))
    }
}

/// How long a runtime may take to end in which something already went wrong: what hangs will not drain.
const END_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Ends a runtime, and says what was not clean about it. It gets less time if there are `problems` already.
pub(crate) fn end(runtime: &Runtime, patience: Duration, problems: &[String]) -> Option<String> {
    let timeout = if problems.is_empty() {
        patience
    } else {
        patience.min(END_AFTER_FAILURE)
    };
    let report = runtime.shutdown(timeout);
    (!report.is_clean()).then(|| format!("the end was not clean: {report}"))
}

/// Text of a command line as a time in seconds above zero.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is no number of seconds"))?;
    match Duration::try_from_secs_f64(number) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(format!("{text} is no number of seconds above zero")),
    }
}

/// Text of a command line as a number above zero, with `_` or `,` between its digits where the writer likes.
pub(crate) fn amount(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    match digits.parse() {
        Ok(0) => Err("0 will not do: at least 1 is expected".into()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("{text:?} is no whole number that fits 64 bits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1_500)));
        for bad in ["0", "-1", "inf", "1e300", "soon", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts() {
        assert_eq!(amount("1"), Ok(1));
        assert_eq!(amount("100_000_000"), Ok(100_000_000));
        assert_eq!(amount("1,000"), Ok(1_000));
        for bad in ["0", "-1", "1.5", "many", "", "99999999999999999999"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }
}
