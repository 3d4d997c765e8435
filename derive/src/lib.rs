//! The derive macro of d3: `#[derive(MachineImpl)]`, also under the name `#[derive(InstructionSet)]`.
//!
//! An *instruction set* is an enum whose variants are the instructions that a machine understands. The derive tells d3
//! what the enum is called and what its variants are called, so that statistics, tracing and the watchdog can name an
//! instruction without `Debug`. Everything else is generic code in the runtime.
//!
//! Nobody depends on this crate directly: the crates `d3` and `d3-runtime` export the derive beside the trait of the same
//! name, so one `use` brings both.
//!
//! # What it writes
//!
//! One trait implementation, nothing in the scope of the user:
//!
//! ```
//! use d3_runtime::MachineImpl;
//!
//! #[derive(MachineImpl)]
//! enum StateTable<T> {
//!     Init,
//!     Start(T),
//!     Stop { reason: String },
//! }
//!
//! // impl<T> MachineImpl for StateTable<T>
//! // where
//! //     StateTable<T>: Send + 'static,
//! // {
//! //     const NAME: &'static str = "StateTable";
//! //     const VARIANTS: &'static [&'static str] = &["Init", "Start", "Stop"];
//! //     fn variant(&self) -> usize { /* the index into VARIANTS */ }
//! // }
//!
//! type Table = StateTable<u8>;
//! assert_eq!(<Table as MachineImpl>::NAME, "StateTable");
//! assert_eq!(<Table as MachineImpl>::VARIANTS, ["Init", "Start", "Stop"]);
//! assert_eq!(Table::Init.variant(), 0);
//! assert_eq!(Table::Start(7).variant(), 1);
//! let stop = Table::Stop { reason: String::from("done") };
//! assert_eq!(<Table as MachineImpl>::VARIANTS[stop.variant()], "Stop");
//! ```
//!
//! # Where it finds d3
//!
//! The implementation names the trait by the full path of the crate that has it. Without an attribute that crate is looked
//! up in the `Cargo.toml` of the package being compiled: `d3-runtime` if the package names it, else `d3`, under whatever
//! name they were given there (`my_d3 = { package = "d3", … }`). A package that has neither, because it reaches d3 through
//! a crate that re-exports it, says where:
//!
//! ```
//! # // Stands for a crate that re-exports d3.
//! # mod framework { pub use ::d3_runtime as d3; }
//! use framework::d3::MachineImpl;
//!
//! #[derive(MachineImpl)]
//! #[d3(crate = framework::d3)] // or, as with serde, a string: #[d3(crate = "framework::d3")]
//! enum Order {
//!     Take,
//!     Cancel,
//! }
//! # assert_eq!(Order::Take.variant() + Order::Cancel.variant(), 1);
//! ```
//!
//! `$crate` works there too, so that a `macro_rules!` macro of the re-exporting crate can write the attribute itself.

#![forbid(unsafe_code)]

mod attributes;
mod expand;
mod path;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes an enum an instruction set: implements the trait `MachineImpl` for it.
///
/// The enum may have any shape: unit, tuple and struct variants, none at all, explicit discriminants, and generic
/// parameters with bounds, defaults and a where clause. The implementation holds for every choice of the parameters that
/// makes the enum `Send + 'static`; no bound is added to the parameters one by one.
///
/// ```
/// use d3_runtime::MachineImpl;
///
/// #[derive(Debug, MachineImpl)]
/// enum StoreCmd<K, const LEN: usize>
/// where
///     K: Ord,
/// {
///     Get(K),
///     Put { key: K, value: [u8; LEN] },
///     r#Drop,
/// }
///
/// type Cmd = StoreCmd<&'static str, 4>;
/// assert_eq!(<Cmd as MachineImpl>::NAME, "StoreCmd");
/// assert_eq!(<Cmd as MachineImpl>::VARIANTS, ["Get", "Put", "Drop"]);
/// assert_eq!(Cmd::Put { key: "k", value: [0; 4] }.variant(), 1);
/// ```
///
/// # The attribute `#[d3(crate = path)]`
///
/// On the enum; says where d3 is, for packages that reach it through another crate's re-export. The path leads to the root
/// of `d3` or `d3-runtime` and may be written as a string. Without it the derive looks into `Cargo.toml`; see the
/// [crate's page](crate#where-it-finds-d3).
///
/// # Errors
///
/// The derive fails to compile on a struct or a union, on an unknown or repeated key in `#[d3(…)]`, on such an attribute at
/// a variant, a field or a parameter, and where it cannot find d3. An enum that is not `Send`, or that borrows, is refused by
/// the compiler as such:
///
/// ```compile_fail,E0277
/// #[derive(d3_runtime::MachineImpl)]
/// enum Local {
///     Shared(std::rc::Rc<u8>), // `Rc<u8>` cannot be sent between threads safely
/// }
/// ```
#[proc_macro_derive(MachineImpl, attributes(d3))]
pub fn machine_impl(input: TokenStream) -> TokenStream {
    derive("MachineImpl", parse_macro_input!(input as DeriveInput))
}

/// The same derive as [`MachineImpl`](macro@MachineImpl), named for what it makes of the enum.
///
/// ```
/// use d3_runtime::InstructionSet;
///
/// #[derive(InstructionSet)]
/// enum Switch {
///     On,
///     Off,
/// }
///
/// assert_eq!(<Switch as InstructionSet>::VARIANTS, ["On", "Off"]);
/// # assert_eq!(Switch::On.variant() + Switch::Off.variant(), 1);
/// ```
///
/// # Errors
///
/// Those of [`MachineImpl`](macro@MachineImpl#errors).
#[proc_macro_derive(InstructionSet, attributes(d3))]
pub fn instruction_set(input: TokenStream) -> TokenStream {
    derive("InstructionSet", parse_macro_input!(input as DeriveInput))
}

/// What both names do; `name` is the one that the user wrote.
fn derive(name: &str, input: DeriveInput) -> TokenStream {
    expand::derive(name, &input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
