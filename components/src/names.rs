//! Names: of services, and of their sessions.

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

/// The name of a service, such as `EchoService`. A clone costs a reference count.
///
/// ```
/// use d3_components::ServiceName;
/// let name = ServiceName::from("EchoService");
/// assert_eq!(name, "EchoService");
/// assert!(name.starts_with("Echo"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ServiceName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for ServiceName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl Deref for ServiceName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ServiceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ServiceName {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for ServiceName {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Names one session, in this process and, as far as chance allows, in all others.
///
/// An id is unique, not secret: whoever knows one can guess the next.
///
/// ```
/// use d3_components::SessionId;
/// let id = SessionId::new();
/// assert_ne!(id, SessionId::new());
/// assert_eq!(SessionId::from(id.as_u128()), id);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    /// A new id: 64 bits drawn once per process, then a count. A custom (version 8) UUID.
    #[expect(
        clippy::new_without_default,
        reason = "a default that differs each time surprises"
    )]
    pub fn new() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        // Relaxed: the count only has to differ, nothing is published by it.
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let process = *PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let bits = (u128::from(process) << 64) | u128::from(count);
        Self(uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid())
    }

    /// The id as d3 0.1.3 carried it.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The id as a UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<u128> for SessionId {
    fn from(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }
}

impl From<SessionId> for u128 {
    fn from(id: SessionId) -> Self {
        id.as_u128()
    }
}

impl From<Uuid> for SessionId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}
