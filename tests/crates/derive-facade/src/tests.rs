use d3::{InstructionSet, MachineImpl};

use super::Switch;

#[derive(InstructionSet)]
enum Inner {
    One,
}

#[test]
fn the_library_sees_the_facade() {
    assert_eq!(<Switch as MachineImpl>::NAME, "Switch");
    assert_eq!(<Switch as MachineImpl>::VARIANTS, ["On", "Off"]);
    assert_eq!((Switch::On.variant(), Switch::Off.variant()), (0, 1));
}

#[test]
fn the_second_name_is_the_same_derive() {
    assert_eq!(<Inner as InstructionSet>::NAME, "Inner");
    assert_eq!(Inner::One.variant(), 0);
}
