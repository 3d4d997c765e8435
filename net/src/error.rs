//! What can go wrong, as values that travel in instructions.

use std::fmt;
use std::io;

/// Why a request to the net failed.
///
/// It is small, cheap to clone and comparable, because it travels in instructions ([`NetCmd::BindFailed`],
/// [`NetCmd::AcceptFailed`]) as well as in results.
///
/// [`NetCmd::BindFailed`]: crate::NetCmd::BindFailed
/// [`NetCmd::AcceptFailed`]: crate::NetCmd::AcceptFailed
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetError {
    /// The operating system refused.
    Io {
        /// What the net was doing, as a verb phrase: "binding".
        doing: &'static str,
        /// The kind of the error, as `std::io` sorts it.
        kind: io::ErrorKind,
        /// The number of the error, where the operating system gave one.
        code: Option<i32>,
    },
    /// The network is stopping or has stopped.
    Stopped,
    /// The network already has as many sockets as it was told to have at most.
    TooManySockets,
    /// The call would have to wait, and was made inside a machine, which must not wait.
    InsideMachine,
    /// The default runtime could not be started; the text says why.
    NoRuntime(String),
    /// An option of the builder does not make sense; the text says which and why.
    BadOption(&'static str),
}

impl NetError {
    pub(crate) fn io(doing: &'static str, error: &io::Error) -> Self {
        Self::Io {
            doing,
            kind: error.kind(),
            code: error.raw_os_error(),
        }
    }

    /// The kind of the I/O error, if it was one.
    ///
    /// ```
    /// assert_eq!(d3_net::NetError::Stopped.kind(), None);
    /// ```
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { kind, .. } => Some(*kind),
            _ => None,
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                doing,
                code: Some(code),
                ..
            } => {
                write!(f, "{doing} failed: {}", io::Error::from_raw_os_error(*code))
            }
            Self::Io {
                doing,
                kind,
                code: None,
            } => write!(f, "{doing} failed: {kind}"),
            Self::Stopped => f.write_str("the network has stopped"),
            Self::TooManySockets => f.write_str("the network has all the sockets it may have"),
            Self::InsideMachine => f.write_str("a machine must not wait for the network"),
            Self::NoRuntime(why) => write!(f, "there is no default runtime: {why}"),
            Self::BadOption(why) => write!(f, "a network option is wrong: {why}"),
        }
    }
}

impl std::error::Error for NetError {}
