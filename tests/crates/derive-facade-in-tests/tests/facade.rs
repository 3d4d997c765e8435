//! The facade's trait is the runtime's.

use d3::MachineImpl;
use derive_facade_in_tests::Switch;

#[derive(MachineImpl)]
enum InTest {
    A,
}

fn name<P: d3_runtime::MachineImpl>(_: P) -> &'static str {
    P::NAME
}

#[test]
fn both_names_are_one_trait() {
    assert_eq!(Switch::Off.variant() + Switch::On.variant(), 1);
    assert_eq!(name(InTest::A), "InTest");
}
