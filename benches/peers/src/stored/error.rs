//! Why a stored sitting cannot be read.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A file that is no sitting, or cannot be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// Which file.
    pub(crate) file: PathBuf,
    /// What about it.
    pub(crate) reason: Reason,
}

/// What is wrong with the file.
#[derive(Debug)]
pub(crate) enum Reason {
    /// The system does not give us its text.
    Unreadable(io::Error),
    /// Its text is no JSON.
    NoJson(serde_json::Error),
    /// There is nothing at this place of it.
    Missing {
        /// The place, as `rows[3].what`.
        place: String,
    },
    /// There is something else at this place.
    Not {
        /// The place.
        place: String,
        /// What should be there.
        expected: &'static str,
    },
    /// It names something that this program does not know.
    Unknown {
        /// The place.
        place: String,
        /// What kind of name it is.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source) => write!(f, "cannot be read: {source}"),
            Self::NoJson(source) => write!(f, "is no JSON: {source}"),
            Self::Missing { place } => write!(f, "is no sitting: {place} is missing"),
            Self::Not { place, expected } => write!(f, "is no sitting: {place} is not {expected}"),
            Self::Unknown { place, kind, name } => {
                write!(
                    f,
                    "{place} names the {kind} “{name}”, which is not known here"
                )
            }
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Unreadable(source) => Some(source),
            Reason::NoJson(source) => Some(source),
            Reason::Missing { .. } | Reason::Not { .. } | Reason::Unknown { .. } => None,
        }
    }
}
