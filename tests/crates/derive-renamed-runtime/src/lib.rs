//! The derive finds the trait as `my_runtime`, in a library and its documentation:
//!
//! ```
//! use my_runtime::MachineImpl;
//!
//! #[derive(MachineImpl)]
//! enum Documented {
//!     A,
//! }
//!
//! assert_eq!(Documented::A.variant(), 0);
//! ```

use my_runtime::MachineImpl;

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
