//! Ids of machines: computed, not drawn.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use uuid::Uuid;

/// The id of one (machine, instruction set) pair, unique in this process.
///
/// ```
/// let (sender, _receiver) = d3_runtime::bounded::<u32>(4);
/// let id = sender.id();
/// assert_eq!(id, sender.clone().id());
/// println!("{id}"); // for example: m17
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(u64);

impl MachineId {
    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number behind the id.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The id as a UUID (version 8): the same for the same machine, different from those of other processes.
    pub fn as_uuid(self) -> Uuid {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        let process = PROCESS.get_or_init(|| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u32(std::process::id());
            hasher.finish()
        });
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&process.to_be_bytes());
        // The version and variant bits lie in bytes 6 and 8; the number keeps clear of them but for its top byte.
        bytes[8..].copy_from_slice(&self.0.to_be_bytes());
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
