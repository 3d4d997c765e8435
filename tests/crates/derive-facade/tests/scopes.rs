//! Whatever the scope of the user holds, the derive neither uses it nor adds to it.

// The instructions are here for their names; nobody reads them.
#![allow(dead_code)]

use d3::MachineImpl as Trait;

/// Nothing that the derive could want is what it seems here.
mod shadowed {
    #![allow(non_camel_case_types)]

    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod d3 {}
    pub(crate) struct Send;
    pub(crate) struct str;
    pub(crate) struct usize;
    pub(crate) struct MachineImpl;

    #[derive(::d3::MachineImpl)]
    pub(crate) enum Shadowed {
        A,
        B(str, usize),
    }

    #[derive(::d3::MachineImpl)]
    #[allow(clippy::builtin_type_shadow)]
    pub(crate) enum Parameters<str, usize, Send, const NAME: u8, const VARIANTS: u8> {
        A(str),
        B(usize, Send),
    }
}

#[test]
fn names_that_the_user_took() {
    use shadowed::{Parameters, Shadowed};

    assert_eq!(<Shadowed as Trait>::VARIANTS, ["A", "B"]);
    assert_eq!(Shadowed::A.variant(), 0);
    assert_eq!(Shadowed::B(shadowed::str, shadowed::usize).variant(), 1);
    assert_eq!(Parameters::<u8, u8, u8, 0, 0>::B(1, 2).variant(), 1);
    assert_eq!(Parameters::<u8, u8, u8, 0, 0>::A(1).variant(), 0);
}

/// The user's own items of the same names are left alone.
#[derive(Trait)]
enum Own {
    A,
}

impl Own {
    const NAME: u8 = 7;

    fn variant(&self) -> &'static str {
        "mine"
    }
}

#[test]
fn members_that_the_user_has() {
    assert_eq!(Own::NAME, 7);
    assert_eq!(Own::A.variant(), "mine");
    assert_eq!(Trait::variant(&Own::A), 0);
    assert_eq!(<Own as Trait>::NAME, "Own");
}

/// The derive brings no name with it: two sets in one module, and the trait's methods only where the trait is in scope.
mod without_the_trait_in_scope {
    #[derive(d3::MachineImpl)]
    pub(crate) enum First {
        A,
    }

    #[derive(d3::d3_derive::MachineImpl)]
    pub(crate) enum Second {
        A,
    }

    trait Index {
        fn variant(&self) -> &'static str {
            "the other trait"
        }
    }

    impl Index for First {}

    #[test]
    fn the_trait_is_not_in_scope() {
        assert_eq!(First::A.variant(), "the other trait");
        assert_eq!(d3::MachineImpl::variant(&Second::A), 0);
    }
}

macro_rules! instruction_set {
    ($(#[$meta:meta])* $vis:vis $name:ident<$lifetime:lifetime, $parameter:ident> { $($variant:ident($ty:ty)),* }) => {
        #[derive(d3::MachineImpl)]
        $(#[$meta])*
        $vis enum $name<$lifetime, $parameter, const N: usize>
        where
            $parameter: ::core::clone::Clone,
        {
            $($variant($ty),)*
            FromMacro(&$lifetime [$parameter; N]),
        }
    };
}

instruction_set!(pub(crate) FromMacro<'a, T> { Given(&'a T) });

macro_rules! all_from_the_macro {
    () => {
        #[derive(d3::MachineImpl)]
        enum AllFromMacro<'a, T>
        where
            T: Copy + PartialEq<&'a T>,
        {
            A(&'a T),
        }
    };
}

all_from_the_macro!();

#[derive(Clone, Copy)]
struct Pair;

impl PartialEq<&Pair> for Pair {
    fn eq(&self, _: &&Pair) -> bool {
        true
    }
}

#[test]
fn enums_written_by_macros() {
    assert_eq!(
        <FromMacro<'static, u8, 1> as Trait>::VARIANTS,
        ["Given", "FromMacro"]
    );
    assert_eq!(FromMacro::<'_, u8, 1>::Given(&1).variant(), 0);
    assert_eq!(FromMacro::<'_, u8, 1>::FromMacro(&[1]).variant(), 1);
    assert_eq!(AllFromMacro::A(&Pair).variant(), 0);
}
