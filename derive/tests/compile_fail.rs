//! What the derive refuses, and what the user is told; the messages are beside the programs in `ui/`.
//!
//! After a change, or with another compiler than the one that CI runs:
//! `TRYBUILD=overwrite cargo test -p d3-derive --test compile_fail`, and read the difference.

#[test]
fn refused() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
