//! The machine of a sitting, and the versions of who took part.

use std::time::{SystemTime, UNIX_EPOCH};

use d3_benches::probe;

/// What the figures were taken on.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// When, in UTC.
    pub(crate) date: String,
    /// The processor's name.
    pub(crate) processor: String,
    /// Cores that the process may use.
    pub(crate) cores: usize,
    /// Memory, in bytes.
    pub(crate) memory: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The load before the first run.
    pub(crate) load: f64,
    /// Packages of who took part, each with its version.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            date: date(SystemTime::now()),
            processor: probe::processor().unwrap_or_else(unknown),
            cores: cores(),
            memory: probe::memory_bytes().unwrap_or(0),
            kernel: probe::kernel().unwrap_or_else(unknown),
            load: probe::load().unwrap_or(0.0),
            versions: versions(),
        }
    }

    /// Figures of a machine that does something else as well are none.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.load > 0.3 * self.cores as f64).then(|| {
            format!(
                "warning: the load of this machine was {} in the last minute; wait until it is idle",
                self.load
            )
        })
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}, {} cores, {} GiB, Linux {}, load {} at the start, {}",
            self.processor,
            self.cores,
            self.memory >> 30,
            self.kernel,
            self.load,
            self.date
        )
    }
}

/// Cores that the process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The lock file that this binary was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// Packages whose versions are told.
const PACKAGES: [&str; 12] = [
    "d3-runtime",
    "mio",
    "tokio",
    "kameo",
    "ractor",
    "actix",
    "xtra",
    "async-executor",
    "flume",
    "d3-core",
    "crossbeam-channel",
    "hdrhistogram",
];

/// The versions of who takes part.
fn versions() -> Vec<(String, String)> {
    PACKAGES
        .iter()
        .filter_map(|package| Some(((*package).to_owned(), version_of(package)?)))
        .collect()
}

fn version_of(package: &str) -> Option<String> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(entry.as_str())?;
    Some(rest.split('"').next()?.to_owned())
}

/// A time in UTC, to the second, as RFC 3339 has it.
fn date(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day since 1970: Howard Hinnant's `civil_from_days`, for days that are not negative.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months that begin with March.
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(at(1_798_761_599), "2026-12-31T23:59:59Z");
    }

    #[test]
    fn all_versions_are_known() {
        assert_eq!(versions().len(), PACKAGES.len());
    }
}
