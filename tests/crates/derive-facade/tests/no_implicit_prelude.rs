//! No name is in scope that is not written out.

#![no_implicit_prelude]
// The instructions are here for their shape; nobody reads them.
#![allow(dead_code)]

#[derive(::d3::MachineImpl)]
enum Bare<T> {
    A(T),
    B { x: ::core::primitive::u8 },
    C,
}

#[derive(::d3::InstructionSet)]
enum Zero {}

#[::core::prelude::v1::test]
fn works_without_a_prelude() {
    use ::d3::MachineImpl;

    ::core::assert_eq!(<Bare<()> as MachineImpl>::VARIANTS, ["A", "B", "C"]);
    ::core::assert_eq!(Bare::A(()).variant(), 0);
    ::core::assert_eq!(Bare::<()>::B { x: 1 }.variant(), 1);
    ::core::assert_eq!(Bare::<()>::C.variant(), 2);
    ::core::assert_eq!(<Zero as MachineImpl>::NAME, "Zero");
}
