//! What a user is told who forgets the attribute.

#[test]
fn without_the_attribute() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
