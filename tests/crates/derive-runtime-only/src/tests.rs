use d3_runtime::MachineImpl;

use super::Switch;

#[derive(MachineImpl)]
enum Inner {
    Only,
}

#[test]
fn the_library_finds_the_trait() {
    assert_eq!(<Switch as MachineImpl>::VARIANTS, ["On", "Off"]);
    assert_eq!(Switch::Off.variant(), 1);
    assert_eq!(Inner::Only.variant(), 0);
}
