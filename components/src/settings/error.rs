//! Where a setting came from, and what can be wrong with it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A line of a file.
    File {
        /// The path as it was opened.
        path: Arc<PathBuf>,
        /// Counted from 1.
        line: usize,
    },
    /// A line of a text given to [`Settings::parse`](crate::Settings::parse).
    Text {
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its full name.
        variable: Arc<str>,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Text { line } => write!(f, "settings text, line {line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
        }
    }
}

/// What is wrong with the settings. Every message names where, which key, and what was expected.
///
/// ```
/// use d3_components::Settings;
/// let error = Settings::parse("[executor]\nexecutors = 'four'").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "settings text, line 2: executor.executors: expected a whole number, found the text \"four\""
/// );
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SettingsError {
    /// A file could not be read. `config/default.toml` must exist, the other layers may be absent.
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: Arc<io::Error>,
    },
    /// A file is not TOML.
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser said.
        problem: String,
    },
    /// A key that nobody reads, most often a typing mistake.
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The key, with dots.
        key: String,
        /// The keys that would be read in its place.
        expected: Vec<String>,
    },
    /// A value of another type than its key takes.
    WrongType {
        /// Where.
        origin: Origin,
        /// The key, with dots.
        key: String,
        /// In words, such as "a whole number".
        expected: &'static str,
        /// In words, with the value where it is short.
        found: String,
    },
    /// A value of the right type that cannot be used, such as an address that does not parse.
    BadValue {
        /// Where.
        origin: Origin,
        /// The key, with dots.
        key: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A key that its reader cannot do without.
    Missing {
        /// Where the section is that should hold it; `None` if no layer has the section.
        origin: Option<Origin>,
        /// The key, with dots.
        key: String,
    },
    /// An environment variable that cannot be read as text, or a mode that is no file name.
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl SettingsError {
    /// Where the mistake is, if it is at one place.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Syntax { origin, .. }
            | Self::UnknownKey { origin, .. }
            | Self::WrongType { origin, .. }
            | Self::BadValue { origin, .. } => Some(origin),
            Self::Missing { origin, .. } => origin.as_ref(),
            Self::Read { .. } | Self::Environment { .. } => None,
        }
    }

    /// The key that is wrong or missing, with dots.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. }
            | Self::WrongType { key, .. }
            | Self::BadValue { key, .. }
            | Self::Missing { key, .. } => Some(key),
            Self::Read { .. } | Self::Syntax { .. } | Self::Environment { .. } => None,
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, error } => write!(f, "{}: {error}", file.display()),
            Self::Syntax { origin, problem } => write!(f, "{origin}: {problem}"),
            Self::UnknownKey {
                origin,
                key,
                expected,
            } => {
                write!(f, "{origin}: {key}: unknown key, expected ")?;
                match expected.as_slice() {
                    [] => write!(f, "none"),
                    [one] => write!(f, "{one}"),
                    many => write!(f, "one of {}", many.join(", ")),
                }
            }
            Self::WrongType {
                origin,
                key,
                expected,
                found,
            } => {
                write!(f, "{origin}: {key}: expected {expected}, found {found}")
            }
            Self::BadValue {
                origin,
                key,
                problem,
            } => write!(f, "{origin}: {key}: {problem}"),
            Self::Missing {
                origin: Some(origin),
                key,
            } => {
                write!(f, "{origin}: {key}: missing, and there is no default")
            }
            Self::Missing { origin: None, key } => {
                write!(
                    f,
                    "settings: {key}: missing in every layer, and there is no default"
                )
            }
            Self::Environment { variable, problem } => {
                write!(f, "environment variable {variable}: {problem}")
            }
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { error, .. } => Some(&**error),
            _ => None,
        }
    }
}
