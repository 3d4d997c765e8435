//! The derive finds the trait as `d3_runtime`, in a library and its documentation:
//!
//! ```
//! use d3_runtime::MachineImpl;
//!
//! #[derive(MachineImpl)]
//! enum Documented {
//!     A,
//! }
//!
//! assert_eq!(Documented::A.variant(), 0);
//! ```

use d3_runtime::MachineImpl;

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
