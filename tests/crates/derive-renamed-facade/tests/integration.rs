//! The derive in an integration test.

use my_d3::InstructionSet;

#[derive(InstructionSet)]
enum Order<T> {
    Take(T),
    Cancel,
}

#[test]
fn an_integration_test_finds_the_trait() {
    assert_eq!(<Order<u8> as InstructionSet>::VARIANTS, ["Take", "Cancel"]);
    assert_eq!(Order::Take(1_u8).variant(), 0);
    assert_eq!(Order::<u8>::Cancel.variant(), 1);
}
