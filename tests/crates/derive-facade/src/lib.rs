//! The derive through the facade, in a library; the shapes, scopes and lints are in `tests/`.

use d3::MachineImpl;

/// An instruction set of a library.
#[derive(Debug, MachineImpl)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

#[cfg(test)]
mod tests;
