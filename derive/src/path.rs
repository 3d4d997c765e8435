//! Where the crate with the trait is, as seen from the crate that is being compiled.

use proc_macro_crate::{Error, FoundCrate, crate_name};
use proc_macro2::{Ident, Span};
use syn::{Path, Result, parse_quote};

/// The packages whose root exports the trait, in the order in which they are looked for.
///
/// `d3-runtime` comes first for the sake of packages that have both. `Cargo.toml` lists dependencies and dev-dependencies
/// alike, and the macro cannot tell which of them this compilation sees. A lean library that only tests with the facade is
/// the likely case; the facade as a dependency and the runtime for tests alone is not.
const PACKAGES: [&str; 2] = ["d3-runtime", "d3"];

/// The root of d3 for the package that is being compiled, from its `Cargo.toml`.
///
/// # Errors
///
/// When `Cargo.toml` names neither `d3` nor `d3-runtime`.
pub(crate) fn find_root() -> Result<Path> {
    find_root_with(crate_name)
}

/// [`find_root`] with the look-up as a parameter, for the tests.
pub(crate) fn find_root_with(
    look_up: impl Fn(&str) -> std::result::Result<FoundCrate, Error>,
) -> Result<Path> {
    for package in PACKAGES {
        match look_up(package) {
            Ok(FoundCrate::Name(name)) => return Ok(extern_root(&name)),
            // Not `crate`: the documentation tests, examples and binaries of the package are crates of their own, and see it
            // by its name. The package's own library says `extern crate self as d3_runtime;` so that the name holds there too.
            Ok(FoundCrate::Itself) => return Ok(extern_root(&package.replace('-', "_"))),
            Err(Error::CrateNotFound { .. }) => {}
            // There is no manifest to look into: a build without cargo, or a script. The usual name is the best guess,
            // and the compiler says so if it is wrong.
            Err(_) => return Ok(extern_root("d3")),
        }
    }
    Err(syn::Error::new(
        Span::call_site(),
        "cannot find d3: add `d3` or `d3-runtime` to the dependencies in Cargo.toml, or say where it is \
         re-exported with `#[d3(crate = path::to::d3)]`",
    ))
}

/// `::name`, a path that no module of the user can shadow.
fn extern_root(name: &str) -> Path {
    let name = Ident::new(name, Span::call_site());
    parse_quote!(::#name)
}
