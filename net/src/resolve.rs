//! From text to socket addresses.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// It has no port, or a port that is no number from 0 to 65535.
    BadPort(String),
    /// The name is unknown, or the name service failed; the second text is its message.
    NotFound(String, String),
    /// A name would have to be looked up, which waits, and a machine must not wait.
    InsideMachine(String),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPort(text) => write!(f, "'{text}' has no usable port: expected host:port"),
            Self::NotFound(text, why) => write!(f, "'{text}' cannot be resolved: {why}"),
            Self::InsideMachine(text) => write!(
                f,
                "'{text}' must be looked up, and a machine must not wait for that"
            ),
        }
    }
}

impl std::error::Error for ResolveError {}

/// The first address that `text` (`host:port`) stands for.
///
/// Numeric addresses are only parsed. Names are looked up by the operating system, which may take long: do it before
/// the server starts, not inside a machine.
///
/// # Errors
/// No port, an unknown name, or a name to look up inside a machine.
///
/// ```
/// use d3_net::{ResolveError, resolve};
///
/// assert_eq!(resolve("127.0.0.1:9000")?.port(), 9000);
/// assert!(resolve("[::1]:9000")?.is_ipv6());
/// assert!(matches!(resolve("127.0.0.1"), Err(ResolveError::BadPort(_))));
/// # Ok::<(), ResolveError>(())
/// ```
pub fn resolve(text: &str) -> Result<SocketAddr, ResolveError> {
    let all = resolve_all(text)?;
    // `resolve_all` never returns an empty list.
    all.into_iter()
        .next()
        .ok_or_else(|| ResolveError::NotFound(text.to_owned(), "no address".to_owned()))
}

/// All addresses that `text` (`host:port`) stands for, at least one, in the order of the name service.
///
/// # Errors
/// As for [`resolve`].
///
/// ```
/// assert_eq!(d3_net::resolve_all("0.0.0.0:80")?.len(), 1);
/// # Ok::<(), d3_net::ResolveError>(())
/// ```
pub fn resolve_all(text: &str) -> Result<Vec<SocketAddr>, ResolveError> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let host_and_port = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let Some((host, port)) = host_and_port.filter(|(host, _)| !host.is_empty()) else {
        return Err(ResolveError::BadPort(text.to_owned()));
    };
    if d3_runtime::this_machine::id().is_some() {
        return Err(ResolveError::InsideMachine(text.to_owned()));
    }
    match (host, port)
        .to_socket_addrs()
        .map(Iterator::collect::<Vec<_>>)
    {
        Ok(all) if all.is_empty() => Err(ResolveError::NotFound(
            text.to_owned(),
            "no address".to_owned(),
        )),
        Ok(all) => Ok(all),
        Err(error) => Err(ResolveError::NotFound(text.to_owned(), error.to_string())),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
