//! What can keep a service, or the whole server, from starting.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::settings::{Origin, SettingsError};
use crate::{ServiceName, WrongInstructionSet};

/// Why a `configure` function did not bring its component or coordinator into being.
///
/// ```
/// use d3_components::{ComponentError, Settings};
/// let settings = Settings::parse("[[coordinator]]\nname = 'Echo'").unwrap();
/// let error: ComponentError =
///     settings.coordinator("Echo").unwrap().require_tcp_address().unwrap_err();
/// assert!(matches!(error, ComponentError::BadConfig { .. }));
/// assert!(error.to_string().contains("coordinator.Echo.tcp_address"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ComponentError {
    /// It is not wanted today, for the reason given. Not a mistake: the server starts without it.
    NotEnabled(String),
    /// It is wanted, but its settings will not do.
    #[non_exhaustive]
    BadConfig {
        /// What is wrong.
        problem: String,
        /// Where it was written, if it is at one place.
        origin: Option<Origin>,
        /// The key, if it is one.
        key: Option<String>,
    },
    /// It is wanted and set up well, but something else went wrong.
    Failed(Arc<dyn Error + Send + Sync>),
}

impl ComponentError {
    /// A [`NotEnabled`](Self::NotEnabled).
    pub fn not_enabled(reason: impl Into<String>) -> Self {
        Self::NotEnabled(reason.into())
    }

    /// A [`BadConfig`](Self::BadConfig) without a place. Errors of [`Kv`](crate::settings::Kv)
    /// and of the sections convert with their place.
    pub fn bad_config(problem: impl Into<String>) -> Self {
        Self::BadConfig {
            problem: problem.into(),
            origin: None,
            key: None,
        }
    }

    /// A [`Failed`](Self::Failed).
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(error.into()))
    }
}

impl From<SettingsError> for ComponentError {
    fn from(error: SettingsError) -> Self {
        Self::BadConfig {
            problem: error.to_string(),
            origin: error.origin().cloned(),
            key: error.key().map(str::to_owned),
        }
    }
}

impl From<WrongInstructionSet> for ComponentError {
    fn from(error: WrongInstructionSet) -> Self {
        Self::failed(error)
    }
}

impl fmt::Display for ComponentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnabled(reason) => write!(f, "not enabled: {reason}"),
            // The problem of a SettingsError names place and key itself.
            Self::BadConfig { problem, .. } => write!(f, "bad settings: {problem}"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl Error for ComponentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}

/// Why a server did not start, or did not go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServicesError {
    /// The settings ask for a service that no coordinator was registered for.
    UnknownService {
        /// The service.
        service: ServiceName,
        /// Those that coordinators were registered for.
        registered: Vec<ServiceName>,
    },
    /// The settings have a section for a coordinator or component that was not registered.
    UnknownSection {
        /// `coordinator` or `component`.
        role: &'static str,
        /// The name in the settings.
        name: String,
        /// Where it was written.
        origin: Origin,
        /// The names that were registered in that role.
        registered: Vec<String>,
    },
    /// Two coordinators were registered for one service, or two components under one name.
    RegisteredTwice {
        /// The service, or the component.
        name: String,
    },
    /// A `configure` function failed.
    Component {
        /// The component or coordinator.
        name: String,
        /// Its own words.
        error: ComponentError,
    },
    /// A listener could not be bound: most often, another program has the port.
    Bind {
        /// The service.
        service: ServiceName,
        /// The address that it asked for.
        address: SocketAddr,
        /// What the system said.
        problem: String,
    },
    /// A coordinator reported that it cannot do its work.
    Failed {
        /// The service.
        service: ServiceName,
        /// Its own words.
        problem: String,
    },
    /// Services that were not ready in time.
    NotReady {
        /// Their names.
        services: Vec<ServiceName>,
    },
    /// The call would wait, and was made inside a machine, a hook or a machine's destructor.
    InsideMachine,
    /// The runtime did not start.
    Runtime(Arc<dyn Error + Send + Sync>),
    /// The net did not start.
    Network(Arc<dyn Error + Send + Sync>),
    /// The handlers of signals could not be installed.
    Signals(Arc<std::io::Error>),
}

impl fmt::Display for ServicesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownService {
                service,
                registered,
            } => {
                write!(
                    f,
                    "services: {service} is not registered ({})",
                    known(registered)
                )
            }
            Self::UnknownSection {
                role,
                name,
                origin,
                registered,
            } => {
                write!(
                    f,
                    "{origin}: {role} {name} is not registered ({})",
                    known(registered)
                )
            }
            Self::RegisteredTwice { name } => write!(f, "{name} is registered twice"),
            Self::Component { name, error } => write!(f, "{name}: {error}"),
            Self::Bind {
                service,
                address,
                problem,
            } => {
                write!(f, "{service}: cannot listen on {address}: {problem}")
            }
            Self::Failed { service, problem } => write!(f, "{service}: {problem}"),
            Self::NotReady { services } => {
                let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
                write!(f, "not ready in time: {}", names.join(", "))
            }
            Self::InsideMachine => f.write_str("a machine may not wait for a server"),
            Self::Runtime(error) => write!(f, "the runtime did not start: {error}"),
            Self::Network(error) => write!(f, "the net did not start: {error}"),
            Self::Signals(error) => write!(f, "cannot wait for signals: {error}"),
        }
    }
}

fn known<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "nothing is".to_owned(),
        names => {
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            format!("registered: {}", names.join(", "))
        }
    }
}

impl Error for ServicesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Component { error, .. } => Some(error),
            Self::Runtime(error) | Self::Network(error) => Some(&**error),
            Self::Signals(error) => Some(&**error),
            _ => None,
        }
    }
}
