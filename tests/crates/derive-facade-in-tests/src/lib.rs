//! A lean library that tests with the facade: the library itself sees only the runtime, though `Cargo.toml` names both.

use d3_runtime::MachineImpl;

/// An instruction set of a library.
#[derive(Debug, MachineImpl)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}
