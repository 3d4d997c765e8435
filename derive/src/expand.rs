//! The trait implementation that the derive writes.
//!
//! Three rules keep it invisible. Every name is written out from `::core` or from the root of d3, primitive types included,
//! because the user's scope may shadow any of them or have no prelude. The enum's name keeps the place where the user wrote
//! it, so that errors point there, but has the context of the derive, because the compiler reports no use of a deprecated
//! item from there. And the lint levels that the user allowed on the enum hold for the implementation.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Error, GenericParam, Generics, Meta, Path, Result,
};

use crate::{attributes, path};

/// The expansion of the derive that the user called by the name `derive`.
///
/// # Errors
///
/// When the input is no enum, when an attribute is wrong, and when d3 cannot be found.
pub(crate) fn derive(derive: &str, input: &DeriveInput) -> Result<TokenStream> {
    let data = enum_of(derive, input)?;
    let options = attributes::read(input)?;
    let root = options.root.map_or_else(path::find_root, Ok)?;
    Ok(implementation(input, data, &root))
}

fn enum_of<'a>(derive: &str, input: &'a DeriveInput) -> Result<&'a DataEnum> {
    let (span, kind) = match &input.data {
        Data::Enum(data) => return Ok(data),
        Data::Struct(data) => (data.struct_token.span, "struct"),
        Data::Union(data) => (data.union_token.span, "union"),
    };
    Err(Error::new(
        span,
        format!(
            "`#[derive({derive})]` needs an enum, whose variants are the instructions; this is a {kind}"
        ),
    ))
}

/// `impl<…> root::MachineImpl for E<…> where E<…>: Send + 'static { … }`
pub(crate) fn implementation(input: &DeriveInput, data: &DataEnum, root: &Path) -> TokenStream {
    let lint_levels = input.attrs.iter().filter_map(allowed_lints);
    // With `E<'a>: 'static` every `'a` is `'static`, which the lint would report at the enum.
    let lifetimes = input.generics.lifetimes().next();
    let redundant_lifetimes = lifetimes.map(|_| quote!(#[allow(redundant_lifetimes)]));
    let name = in_derive(&input.ident);
    let generics = without_attributes(&input.generics);
    let (parameters, arguments, where_clause) = generics.split_for_impl();
    let user_bounds = where_clause.map(|clause| clause.predicates.iter());
    let user_bounds = user_bounds.into_iter().flatten();
    // The bound has the span of the enum's name, which is then what the compiler shows if the enum is not `Send`.
    let bound = quote_spanned!(name.span()=> #name #arguments: ::core::marker::Send + 'static);
    let machine_impl = trait_in(root);
    let members = members(input, data);
    quote! {
        #(#lint_levels)*
        #redundant_lifetimes
        #[automatically_derived]
        impl #parameters #root::#machine_impl for #name #arguments
        where
            #(#user_bounds,)*
            #bound,
        {
            #members
        }
    }
}

/// `NAME`, `VARIANTS` and `variant`.
fn members(input: &DeriveInput, data: &DataEnum) -> TokenStream {
    let name = text_of(&input.ident);
    let variant_names = data.variants.iter().map(|variant| text_of(&variant.ident));
    let arms = data.variants.iter().enumerate().map(|(index, variant)| {
        let variant = &variant.ident;
        let index = Literal::usize_unsuffixed(index);
        quote!(Self::#variant { .. } => #index,)
    });
    // `*self`, because a reference to an enum without variants is not known to be uninhabited.
    quote! {
        const NAME: &'static ::core::primitive::str = #name;
        const VARIANTS: &'static [&'static ::core::primitive::str] = &[#(#variant_names),*];
        #[inline]
        fn variant(&self) -> ::core::primitive::usize {
            match *self {
                #(#arms)*
            }
        }
    }
}

/// The trait's name, at the place of the path, where the compiler then points if the path has no such trait.
fn trait_in(root: &Path) -> Ident {
    let last = root.segments.last();
    let place = last.map_or_else(Span::call_site, |segment| segment.ident.span());
    Ident::new("MachineImpl", place.resolved_at(Span::call_site()))
}

/// The text of a name, `type` for `r#type`.
fn text_of(name: &Ident) -> String {
    name.unraw().to_string()
}

/// The same name at the same place, in the context of the derive.
fn in_derive(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().resolved_at(Span::call_site()));
    name
}

/// The parameters without attributes, which belong to other derives and mean nothing on an implementation.
fn without_attributes(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for parameter in &mut generics.params {
        match parameter {
            GenericParam::Lifetime(it) => it.attrs.clear(),
            GenericParam::Type(it) => it.attrs.clear(),
            GenericParam::Const(it) => it.attrs.clear(),
        }
    }
    generics
}

/// `#[allow(…)]` as it is, `#[expect(…)]` as `#[allow(…)]`: that the implementation does not trigger the lint is no
/// disappointed expectation.
fn allowed_lints(attribute: &Attribute) -> Option<TokenStream> {
    let Meta::List(list) = &attribute.meta else {
        return None;
    };
    let lints = &list.tokens;
    (list.path.is_ident("allow") || list.path.is_ident("expect")).then(|| quote!(#[allow(#lints)]))
}
