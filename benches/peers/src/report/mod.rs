//! What is made of the results: a table, a file for programs, a drawing.

pub(crate) mod json;
pub(crate) mod svg;
pub(crate) mod table;

/// What stands on every report of a quick sitting.
const QUICK: &str = "QUICK: small sizes, no figures";
