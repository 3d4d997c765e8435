//! The expansion, token by token, and the search for d3. What the compiler makes of the expansion is tested by the crates
//! in `tests/crates/derive-*` and by `tests/compile_fail.rs`.

use std::path::PathBuf;

use proc_macro_crate::FoundCrate;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Path, parse_quote};

use crate::attributes::{self, Options};
use crate::expand::implementation;
use crate::path::find_root_with;

fn expanded(input: &DeriveInput) -> String {
    let Data::Enum(data) = &input.data else {
        panic!("the test gave no enum")
    };
    implementation(input, data, &parse_quote!(::d3)).to_string()
}

#[track_caller]
fn assert_expands(input: &DeriveInput, expected: TokenStream) {
    assert_eq!(expanded(input), expected.to_string());
}

#[test]
fn variants_of_every_kind() {
    let input = parse_quote! {
        pub enum StateTable {
            Init,
            Start(u8, String),
            Stop { reason: String } = 7,
        }
    };
    assert_expands(
        &input,
        quote! {
            #[automatically_derived]
            impl ::d3::MachineImpl for StateTable
            where
                StateTable: ::core::marker::Send + 'static,
            {
                const NAME: &'static ::core::primitive::str = "StateTable";
                const VARIANTS: &'static [&'static ::core::primitive::str] = &["Init", "Start", "Stop"];
                #[inline]
                fn variant(&self) -> ::core::primitive::usize {
                    match *self {
                        Self::Init { .. } => 0,
                        Self::Start { .. } => 1,
                        Self::Stop { .. } => 2,
                    }
                }
            }
        },
    );
}

#[test]
fn no_variants() {
    assert_expands(
        &parse_quote!(
            enum Zero {}
        ),
        quote! {
            #[automatically_derived]
            impl ::d3::MachineImpl for Zero
            where
                Zero: ::core::marker::Send + 'static,
            {
                const NAME: &'static ::core::primitive::str = "Zero";
                const VARIANTS: &'static [&'static ::core::primitive::str] = &[];
                #[inline]
                fn variant(&self) -> ::core::primitive::usize {
                    match *self {}
                }
            }
        },
    );
}

#[test]
fn parameters_lose_defaults_and_attributes_and_keep_bounds() {
    let input = parse_quote! {
        enum Generic<#[other] 'a, #[other] T: Ord = u8, #[other] const N: usize = 3>
        where
            T: Clone,
            for<'x> &'x T: Debug
        {}
    };
    assert_expands(
        &input,
        quote! {
            #[allow(redundant_lifetimes)]
            #[automatically_derived]
            impl<'a, T: Ord, const N: usize> ::d3::MachineImpl for Generic<'a, T, N>
            where
                T: Clone,
                for<'x> &'x T: Debug,
                Generic<'a, T, N>: ::core::marker::Send + 'static,
            {
                const NAME: &'static ::core::primitive::str = "Generic";
                const VARIANTS: &'static [&'static ::core::primitive::str] = &[];
                #[inline]
                fn variant(&self) -> ::core::primitive::usize {
                    match *self {}
                }
            }
        },
    );
}

#[test]
fn raw_names_keep_the_prefix_only_as_names() {
    assert_expands(
        &parse_quote!(
            enum r#Struct {
                r#type,
            }
        ),
        quote! {
            #[automatically_derived]
            impl ::d3::MachineImpl for r#Struct
            where
                r#Struct: ::core::marker::Send + 'static,
            {
                const NAME: &'static ::core::primitive::str = "Struct";
                const VARIANTS: &'static [&'static ::core::primitive::str] = &["type"];
                #[inline]
                fn variant(&self) -> ::core::primitive::usize {
                    match *self {
                        Self::r#type { .. } => 0,
                    }
                }
            }
        },
    );
}

#[test]
fn allowed_lints_go_along_and_other_attributes_do_not() {
    let input = parse_quote! {
        #[doc = "Text."]
        #[repr(u8)]
        #[allow(one, two)]
        #[expect(three, reason = "why")]
        #[deny(four)]
        #[deprecated]
        enum Attributed {}
    };
    let output = expanded(&input);
    let expected = quote! {
        #[allow(one, two)]
        #[allow(three, reason = "why")]
        #[automatically_derived]
        impl ::d3::MachineImpl for Attributed
    };
    assert!(output.starts_with(&expected.to_string()), "{output}");
}

fn root_of(input: &DeriveInput) -> Result<Option<String>, String> {
    match attributes::read(input) {
        Ok(Options { root }) => Ok(root.map(text)),
        Err(errors) => {
            let errors: Vec<String> = errors.into_iter().map(|error| error.to_string()).collect();
            Err(errors.join("; "))
        }
    }
}

fn text(path: Path) -> String {
    path.into_token_stream().to_string().replace(' ', "")
}

#[test]
fn the_root_is_a_path_or_a_string() {
    let of = |attributes: TokenStream| root_of(&parse_quote!(#attributes enum E {}));
    assert_eq!(of(quote!()), Ok(None));
    assert_eq!(of(quote!(#[d3()])), Ok(None));
    assert_eq!(
        of(quote!(#[other(crate = a)] #[d3(crate = crate)])),
        Ok(Some("crate".into()))
    );
    assert_eq!(of(quote!(#[d3(crate = a::b)])), Ok(Some("a::b".into())));
    assert_eq!(
        of(quote!(#[d3(crate = ::a::b,)])),
        Ok(Some("::a::b".into()))
    );
    assert_eq!(
        of(quote!(#[d3(crate = "super::a")])),
        Ok(Some("super::a".into()))
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let input = parse_quote! {
        #[d3(krate = a)]
        #[d3(crate = a, crate = b)]
        enum E<#[d3()] T> {
            #[d3()]
            A(#[d3()] T),
        }
    };
    let misplaced = "`#[d3(…)]` belongs on the enum, not on its parts";
    let expected = [
        "unknown key `krate`, expected `crate = path::to::d3`",
        "the key `crate` is given twice",
        misplaced,
        misplaced,
        misplaced,
    ];
    assert_eq!(root_of(&input), Err(expected.join("; ")));
}

/// What [`find_root_with`] makes of a `Cargo.toml` with these packages.
fn found_in(manifest: &[(&str, FoundCrate)]) -> Result<String, String> {
    let root = find_root_with(|package| {
        let found = manifest.iter().find(|(name, _)| *name == package);
        found.map(|(_, found)| found.clone()).ok_or_else(|| {
            proc_macro_crate::Error::CrateNotFound {
                crate_name: package.to_owned(),
                path: PathBuf::from("Cargo.toml"),
            }
        })
    });
    root.map(text).map_err(|error| error.to_string())
}

fn named(name: &str) -> FoundCrate {
    FoundCrate::Name(name.to_owned())
}

#[test]
fn either_package_under_any_name() {
    assert_eq!(found_in(&[("d3", named("d3"))]), Ok("::d3".into()));
    assert_eq!(found_in(&[("d3", named("my_d3"))]), Ok("::my_d3".into()));
    assert_eq!(
        found_in(&[("d3-runtime", named("d3_runtime"))]),
        Ok("::d3_runtime".into())
    );
    assert_eq!(found_in(&[("d3-runtime", named("rt"))]), Ok("::rt".into()));
}

#[test]
fn the_runtime_before_the_facade() {
    let both = [("d3", named("d3")), ("d3-runtime", named("d3_runtime"))];
    assert_eq!(found_in(&both), Ok("::d3_runtime".into()));
}

#[test]
fn the_crates_themselves_are_called_by_name() {
    assert_eq!(
        found_in(&[("d3-runtime", FoundCrate::Itself)]),
        Ok("::d3_runtime".into())
    );
    assert_eq!(found_in(&[("d3", FoundCrate::Itself)]), Ok("::d3".into()));
}

#[test]
fn neither_package_is_an_error_that_says_what_to_do() {
    let error = found_in(&[("other", named("other"))]).expect_err("there is nothing to find");
    assert!(
        error.contains("Cargo.toml") && error.contains("#[d3(crate = path::to::d3)]"),
        "{error}"
    );
}

#[test]
fn without_a_manifest_the_usual_name() {
    let root = find_root_with(|_| Err(proc_macro_crate::Error::CargoManifestDirNotSet));
    assert_eq!(
        root.map(text).map_err(|error| error.to_string()),
        Ok("::d3".into())
    );
}
