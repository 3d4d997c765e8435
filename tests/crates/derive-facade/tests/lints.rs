//! The implementation triggers no lint: this file compiles with all of them denied, those that are off by default too.

#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    refining_impl_trait,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused
)]
#![deny(
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    ffi_unwind_calls,
    keyword_idents,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_code,
    unreachable_patterns,
    unreachable_pub,
    unsafe_code,
    unstable_features,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::cargo)]

/// Instructions that nobody should use any more, some of which nobody can.
///
/// `forbid` shows that the implementation does not silence the lint, but gives it no cause.
pub mod old {
    #![forbid(deprecated)]

    use d3::MachineImpl;

    /// Some variants are deprecated.
    #[derive(Debug, Clone, Copy, MachineImpl)]
    pub enum SomeOld {
        /// Deprecated.
        #[deprecated = "use `New`"]
        Old,
        /// Not.
        New,
    }

    /// All of it is deprecated.
    #[deprecated]
    #[derive(Debug, MachineImpl)]
    pub enum AllOld<T: Send> {
        /// As is this.
        #[deprecated]
        Old(T),
    }

    macro_rules! old_from_a_macro {
        ($name:ident { $variant:ident }) => {
            /// Names from a macro and names through it.
            #[deprecated]
            #[derive(Debug, Clone, Copy, MachineImpl)]
            pub enum $name {
                /// Deprecated.
                #[deprecated]
                Inner,
                /// Deprecated.
                #[deprecated]
                $variant,
            }
        };
    }

    old_from_a_macro!(FromMacro { Given });

    /// Cannot be made.
    #[derive(Debug, Clone, Copy, MachineImpl)]
    pub enum Never {
        /// Not this.
        Never(core::convert::Infallible),
        /// Nor this.
        Also {
            /// Empty.
            empty: Empty,
        },
    }

    /// Has no variants.
    #[derive(Debug, Clone, Copy, MachineImpl)]
    pub enum Empty {}
}

/// Lint levels of the enum hold for its implementation.
pub mod allowed {
    use d3::MachineImpl;

    /// Deprecated.
    #[deprecated]
    pub trait OldBound {}

    /// Has a bound whose use is a lint.
    #[derive(Debug, MachineImpl)]
    #[allow(deprecated, reason = "the bound is older than the advice")]
    pub enum Allowed<T: OldBound> {
        /// A value.
        Value(T),
    }

    /// The same, the other way. (Not `Debug`, whose derive drops the attribute.)
    #[derive(MachineImpl)]
    #[expect(deprecated)]
    pub enum Expected<T: OldBound> {
        /// A value.
        Value(T),
    }

    /// Names against the style.
    #[derive(Debug, Clone, Copy, MachineImpl)]
    #[allow(non_camel_case_types)]
    pub enum odd_names<parameter> {
        /// A value.
        snake_case(parameter),
    }
}

/// Generics.
pub mod generic {
    use d3::MachineImpl;

    /// Everything at once.
    #[derive(Debug, Clone, Copy, MachineImpl)]
    pub enum Generic<'a, T, const N: usize>
    where
        T: Clone,
    {
        /// Borrowed.
        Borrowed(&'a u8),
        /// An array.
        Array([T; N]),
    }
}

#[test]
fn compiles() {}
