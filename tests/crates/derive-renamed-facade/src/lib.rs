//! The derive finds the trait as `my_d3`, in a library and its documentation:
//!
//! ```
//! use my_d3::MachineImpl;
//!
//! #[derive(MachineImpl)]
//! enum Documented {
//!     A,
//! }
//!
//! assert_eq!(Documented::A.variant(), 0);
//! ```

use my_d3::MachineImpl;

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
