//! The attribute `#[d3(…)]`: what it may say, and where.

use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Data, DeriveInput, Error, GenericParam, LitStr, Meta, Path, Result, Token};

/// What the user said in `#[d3(…)]` on the enum.
#[derive(Default)]
pub(crate) struct Options {
    /// The root of d3, from `crate = path`.
    pub(crate) root: Option<Path>,
}

/// Reads the options of the enum.
///
/// # Errors
///
/// All mistakes at once: an unknown or repeated key, a value that is no path, an attribute where none belongs.
pub(crate) fn read(input: &DeriveInput) -> Result<Options> {
    let mut options = Options::default();
    let mut errors = Errors::default();
    for attribute in ours(&input.attrs) {
        if let Err(error) = read_one(attribute, &mut options) {
            errors.add(error);
        }
    }
    for attribute in inner_attributes(input).filter(|attribute| is_ours(attribute)) {
        errors.add(Error::new_spanned(
            attribute,
            "`#[d3(…)]` belongs on the enum, not on its parts",
        ));
    }
    errors.into_result().map(|()| options)
}

fn read_one(attribute: &Attribute, options: &mut Options) -> Result<()> {
    if !matches!(attribute.meta, Meta::List(_)) {
        return Err(Error::new_spanned(
            &attribute.meta,
            "expected `#[d3(crate = path::to::d3)]`",
        ));
    }
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("crate") {
            let key = meta.path.to_token_stream().to_string().replace(' ', "");
            return Err(meta.error(format!(
                "unknown key `{key}`, expected `crate = path::to::d3`"
            )));
        }
        if options.root.is_some() {
            return Err(meta.error("the key `crate` is given twice"));
        }
        options.root = Some(read_root(&meta)?);
        Ok(())
    })
}

/// Reads `= path` or `= "path"`.
fn read_root(meta: &ParseNestedMeta<'_>) -> Result<Path> {
    const EXPECTED: &str =
        "expected a path, as in `crate = path::to::d3` or `crate = \"path::to::d3\"`";
    if !meta.input.peek(Token![=]) {
        return Err(meta.error(EXPECTED));
    }
    let input = meta.value()?;
    if input.peek(LitStr) {
        let literal = input.parse::<LitStr>()?;
        return literal
            .parse_with(Path::parse_mod_style)
            .map_err(|_| Error::new(literal.span(), EXPECTED));
    }
    let here = input.span();
    Path::parse_mod_style(input).map_err(|_| Error::new(here, EXPECTED))
}

/// The attributes of everything inside the enum: parameters, variants and fields.
fn inner_attributes(input: &DeriveInput) -> impl Iterator<Item = &Attribute> {
    let parameters = input
        .generics
        .params
        .iter()
        .map(|parameter| match parameter {
            GenericParam::Lifetime(it) => &it.attrs,
            GenericParam::Type(it) => &it.attrs,
            GenericParam::Const(it) => &it.attrs,
        });
    let variants = match &input.data {
        Data::Enum(data) => Some(data.variants.iter()),
        Data::Struct(_) | Data::Union(_) => None,
    };
    let variants = variants.into_iter().flatten();
    let of_variants = variants.flat_map(|variant| {
        let of_fields = variant.fields.iter().map(|field| &field.attrs);
        [&variant.attrs].into_iter().chain(of_fields)
    });
    parameters.chain(of_variants).flatten()
}

fn ours(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| is_ours(attribute))
}

fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("d3")
}

/// Mistakes gathered so that one compilation shows them all.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn into_result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
