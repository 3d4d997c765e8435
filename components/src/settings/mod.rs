//! Settings: layers of TOML files, then the environment.
//!
//! Later layers win over earlier ones:
//!
//! 1. `config/default.toml`, which must exist,
//! 2. `config/$RUN_MODE.toml`, where `RUN_MODE` is `development` if it is not set,
//! 3. `config/local.toml`, for what should not be checked in,
//! 4. environment variables: `APP__EXECUTOR__EXECUTORS=4` says `executor.executors`,
//!    `APP__SERVICES=EchoService,ChatService` says `services`, and
//!    `APP__COORDINATOR__ECHOCOORDINATOR__TCP_ADDRESS=127.0.0.1:0` reaches into a section by its
//!    name. Case does not count.
//!
//! Single values and lists replace what is below. Sections (`[[coordinator]]`, `[[component]]`,
//! `[[additional]]`) merge by name and key by key, `kv` tables included: a `local.toml` that moves one
//! service to another port has three lines.
//!
//! Nothing is ignored: an unknown key, a wrong type, an address that does not parse is a
//! [`SettingsError`] that names the file and line, or the variable, the key, and what was expected.
//! Only `kv` tables are free; their service checks them, with the getters of [`Kv`].
//!
//! | key | type | meaning |
//! | --- | --- | --- |
//! | `dev_mode` | flag | for programs to read |
//! | `log_level` | text | `Off`, `Error`, `Warn`, `Info` (default), `Debug` or `Trace` |
//! | `test_server_duration` | seconds | how long to run; 0 or absent: until a signal |
//! | `services` | list of texts | the services to run |
//! | `features` | list of texts | for programs to read |
//! | `executor.executors` | number | workers; 0 or absent: one per core |
//! | `executor.queue_size` | number | capacity of a mailbox that asks for none |
//! | `executor.time_slice` | milliseconds | longest run of a machine before it gives way |
//! | `coordinator.X.enabled`, `component.X.enabled` | flag | `true` if absent |
//! | `coordinator.X.tcp_address`, `.udp_address` | address | where to listen; port 0: any free one |
//! | `coordinator.X.kv`, `component.X.kv` | table | the service's own |
//! | `additional.Forwarder` | section | see [`Forwarder`] |

mod decode;
mod environment;
mod error;
mod forwarder;
mod kv;
mod layer;
mod load;
mod node;
mod section;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use error::{Origin, SettingsError};
pub use forwarder::{Forwarder, ForwarderFields, ForwarderTest};
pub use kv::Kv;
pub use section::{Component, Coordinator};

use crate::{ComponentError, ServiceName};
use layer::Layer;

/// d3's name of a service's name.
pub type Service = ServiceName;
/// d3's name of a feature's name.
pub type Feature = String;

/// The settings of a server, merged from all layers.
///
/// ```
/// use d3_components::Settings;
/// let settings = Settings::parse(r#"
///     services = ["EchoService"]
///     [executor]
///     executors = 2
///     [[coordinator]]
///     name = "EchoCoordinator"
///     tcp_address = "127.0.0.1:9000"
/// "#).unwrap();
/// assert!(settings.has_service("EchoService"));
/// assert_eq!(settings.executor().executors, Some(2));
/// let echo = settings.coordinator("EchoCoordinator").unwrap();
/// assert_eq!(echo.tcp_address().unwrap().port(), 9000);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Settings {
    merged: Layer,
    sources: Vec<Source>,
}

/// The `[executor]` section; `None` leaves the choice to the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Executor {
    /// How many workers; 0 means one per core.
    pub executors: Option<usize>,
    /// The capacity of a mailbox that asks for none.
    pub queue_size: Option<usize>,
    /// The longest run of one machine before it gives way.
    pub time_slice: Option<Duration>,
}

/// A layer that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file that was read.
    File(PathBuf),
    /// A file that need not be there, and is not.
    Absent(PathBuf),
    /// A text given to [`Settings::parse`].
    Text,
    /// The environment, with at least one variable of ours.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Absent(path) => write!(f, "{} (absent)", path.display()),
            Self::Text => f.write_str("a text"),
            Self::Environment => f.write_str("the environment"),
        }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong for good.
    Error,
    /// What went wrong and was dealt with.
    Warn,
    /// What an operator wants to see.
    #[default]
    Info,
    /// What a developer wants to see.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    pub(crate) const ALL: [Self; 6] = [
        Self::Off,
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// The name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Error => "Error",
            Self::Warn => "Warn",
            Self::Info => "Info",
            Self::Debug => "Debug",
            Self::Trace => "Trace",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(name))
    }
}

impl From<LogLevel> for tracing::level_filters::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Settings {
    /// Whether the server runs for its developer.
    pub fn dev_mode(&self) -> bool {
        self.merged.dev_mode.unwrap_or(false)
    }

    /// How much is logged.
    pub fn log_level(&self) -> LogLevel {
        self.merged.log_level.unwrap_or_default()
    }

    /// How long [`services::run`](crate::services::run) runs; `None`: until a signal.
    pub fn test_server_duration(&self) -> Option<Duration> {
        self.merged
            .test_server_duration
            .filter(|duration| !duration.is_zero())
    }

    /// The services to run, in the order written.
    pub fn services(&self) -> &[ServiceName] {
        self.merged.services.as_deref().unwrap_or_default()
    }

    /// Whether a service is among [`services`](Self::services).
    pub fn has_service(&self, name: &str) -> bool {
        self.services().iter().any(|service| *service == name)
    }

    /// The features that are switched on; what they mean is the program's affair.
    pub fn features(&self) -> &[Feature] {
        self.merged.features.as_deref().unwrap_or_default()
    }

    /// Whether a feature is among [`features`](Self::features).
    pub fn has_feature(&self, name: &str) -> bool {
        self.features().iter().any(|feature| feature == name)
    }

    /// The runtime's settings.
    pub fn executor(&self) -> &Executor {
        &self.merged.executor
    }

    /// All `[[coordinator]]` sections, enabled or not.
    pub fn coordinators(&self) -> &[Coordinator] {
        &self.merged.coordinators
    }

    /// The `[[coordinator]]` section of that name.
    pub fn coordinator(&self, name: &str) -> Option<&Coordinator> {
        self.coordinators()
            .iter()
            .find(|section| section.name() == name)
    }

    /// The `[[coordinator]]` section of that name, for a service that cannot do without.
    ///
    /// # Errors
    /// [`ComponentError::BadConfig`] says that no layer has it.
    pub fn require_coordinator(&self, name: &str) -> Result<&Coordinator, ComponentError> {
        self.coordinator(name).ok_or_else(|| {
            SettingsError::Missing {
                origin: None,
                key: format!("coordinator.{name}"),
            }
            .into()
        })
    }

    /// All `[[component]]` sections, enabled or not.
    pub fn components(&self) -> &[Component] {
        &self.merged.components
    }

    /// The `[[component]]` section of that name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components()
            .iter()
            .find(|section| section.name() == name)
    }

    /// The `Forwarder` section, if there is one.
    pub fn forwarder(&self) -> Option<&Forwarder> {
        self.merged.forwarder.as_ref()
    }

    /// The layers that were looked for, lowest first.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

#[cfg(test)]
mod tests;
