//! Enums of every shape.

// The instructions are here for their shape; nobody reads them.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::rc::Rc;

use d3::prelude::MachineImpl;

fn name<P: MachineImpl>() -> &'static str {
    P::NAME
}

fn variants<P: MachineImpl>() -> &'static [&'static str] {
    P::VARIANTS
}

/// The variant's name as the runtime would look it up.
fn named<P: MachineImpl>(instruction: &P) -> &'static str {
    P::VARIANTS[instruction.variant()]
}

#[derive(MachineImpl)]
enum Mixed {
    Unit,
    NoFields(),
    NoNamedFields {},
    Tuple(u8, String),
    Struct { key: String, value: Vec<u8> },
}

#[test]
fn units_tuples_and_structs() {
    assert_eq!(name::<Mixed>(), "Mixed");
    assert_eq!(
        variants::<Mixed>(),
        ["Unit", "NoFields", "NoNamedFields", "Tuple", "Struct"]
    );
    let all = [
        Mixed::Unit,
        Mixed::NoFields(),
        Mixed::NoNamedFields {},
        Mixed::Tuple(0, String::new()),
        Mixed::Struct {
            key: String::new(),
            value: Vec::new(),
        },
    ];
    let indices: Vec<usize> = all.iter().map(MachineImpl::variant).collect();
    assert_eq!(indices, [0, 1, 2, 3, 4]);
}

#[derive(MachineImpl)]
enum Zero {}

#[test]
fn no_variants() {
    assert_eq!(name::<Zero>(), "Zero");
    assert!(variants::<Zero>().is_empty());
}

#[derive(MachineImpl)]
enum GenericZero<const N: usize> {}

#[test]
fn no_variants_but_parameters() {
    assert_eq!(name::<GenericZero<3>>(), "GenericZero");
}

#[derive(MachineImpl)]
enum One {
    Only,
}

#[test]
fn one_variant() {
    assert_eq!(One::Only.variant(), 0);
    assert_eq!(named(&One::Only), "Only");
}

#[derive(MachineImpl)]
enum Generic<'a, T, U = u8, const N: usize = 2>
where
    T: Debug + 'a,
    [T; N]: Clone,
{
    Borrowed(&'a str),
    Array([T; N]),
    Other { value: Option<U> },
}

#[test]
fn parameters_of_every_kind() {
    let borrowed: Generic<'static, u8> = Generic::Borrowed("x");
    assert_eq!(named(&borrowed), "Borrowed");
    assert_eq!(named(&Generic::<'static, u8>::Array([1, 2])), "Array");
    let other: Generic<'static, u8, String, 0> = Generic::Other { value: None };
    assert_eq!(named(&other), "Other");
}

#[derive(MachineImpl)]
enum Inline<'a: 'b, 'b, T: Debug + ?Sized, const ON: bool> {
    Both(&'a u8, &'b u8),
    Boxed(Box<T>),
}

#[test]
fn bounds_at_the_parameters() {
    assert_eq!(
        named(&Inline::<'static, 'static, str, true>::Both(&1, &2)),
        "Both"
    );
    assert_eq!(
        named(&Inline::<'static, 'static, str, false>::Boxed("x".into())),
        "Boxed"
    );
}

/// `PhantomData<fn(T)>` is `Send` for every `T`, so the instruction set is one for every `T` too.
#[derive(MachineImpl)]
enum Tagged<T> {
    Tag(PhantomData<fn(T)>),
}

#[test]
fn the_bound_is_on_the_enum_and_not_on_its_parameters() {
    assert_eq!(named(&Tagged::<Rc<u8>>::Tag(PhantomData)), "Tag");
}

/// An instruction that carries a way to send more of its kind.
#[derive(MachineImpl)]
enum Recursive<T> {
    Leaf(T),
    Node(Box<Recursive<T>>, BTreeMap<u8, Recursive<T>>),
}

#[test]
fn an_enum_within_itself() {
    let leaf = Recursive::Leaf(1);
    assert_eq!(named(&leaf), "Leaf");
    assert_eq!(
        named(&Recursive::Node(leaf.into(), BTreeMap::new())),
        "Node"
    );
}

#[derive(MachineImpl)]
enum SelfBound<T>
where
    Self: Sized,
    T: PartialEq<Self>,
    for<'x> &'x T: PartialEq<&'x T>,
{
    Value(T),
}

struct EqualsAll;

impl PartialEq<SelfBound<EqualsAll>> for EqualsAll {
    fn eq(&self, _: &SelfBound<EqualsAll>) -> bool {
        true
    }
}

impl PartialEq for EqualsAll {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[test]
fn where_clauses_with_self_and_for() {
    assert_eq!(named(&SelfBound::Value(EqualsAll)), "Value");
}

#[derive(MachineImpl)]
#[allow(non_camel_case_types)]
enum r#Struct {
    r#type,
    r#Fn(u8),
    r#plain,
}

#[test]
fn raw_names_are_named_without_the_prefix() {
    assert_eq!(name::<r#Struct>(), "Struct");
    assert_eq!(variants::<r#Struct>(), ["type", "Fn", "plain"]);
    assert_eq!(named(&r#Struct::r#type), "type");
    assert_eq!(named(&r#Struct::r#Fn(0)), "Fn");
    assert_eq!(named(&r#Struct::r#plain), "plain");
}

#[derive(MachineImpl)]
#[repr(u8)]
enum Numbered {
    Nine = 9,
    Three = { 1 + 2 },
    Last = u8::MAX - if cfg!(test) { 1 } else { 2 },
}

#[test]
fn the_index_is_the_place_and_not_the_discriminant() {
    assert_eq!(Numbered::Nine.variant(), 0);
    assert_eq!(Numbered::Three.variant(), 1);
    assert_eq!(Numbered::Last.variant(), 2);
}

#[derive(MachineImpl)]
enum Conditional {
    #[cfg(any())]
    Never,
    #[cfg(not(any()))]
    Always,
    #[cfg_attr(not(any()), doc = "Documented.")]
    Documented,
}

#[test]
fn variants_that_are_configured_away_do_not_count() {
    assert_eq!(variants::<Conditional>(), ["Always", "Documented"]);
    assert_eq!(Conditional::Always.variant(), 0);
    assert_eq!(Conditional::Documented.variant(), 1);
}

#[derive(MachineImpl)]
#[allow(clippy::upper_case_acronyms)]
enum Members {
    NAME,
    VARIANTS,
    #[allow(non_camel_case_types)]
    variant,
    MachineImpl,
    Send,
}

#[test]
fn variants_called_as_the_members_of_the_trait() {
    assert_eq!(name::<Members>(), "Members");
    assert_eq!(
        variants::<Members>(),
        ["NAME", "VARIANTS", "variant", "MachineImpl", "Send"]
    );
    assert_eq!(Members::NAME.variant(), 0);
    assert_eq!(Members::VARIANTS.variant(), 1);
    assert_eq!(Members::variant.variant(), 2);
    assert_eq!(Members::MachineImpl.variant(), 3);
    assert_eq!(Members::Send.variant(), 4);
}

#[derive(MachineImpl)]
enum Größe {
    Länge,
}

#[test]
fn names_beyond_ascii() {
    assert_eq!(name::<Größe>(), "Größe");
    assert_eq!(named(&Größe::Länge), "Länge");
}

#[test]
fn inside_a_function() {
    #[derive(MachineImpl)]
    enum Local {
        Here,
    }
    assert_eq!(named(&Local::Here), "Here");
}

#[test]
fn names_and_indices_are_constants() {
    const NAME: &str = <One as MachineImpl>::NAME;
    const COUNT: usize = <Mixed as MachineImpl>::VARIANTS.len();
    assert_eq!((NAME, COUNT), ("One", 5));
}
