//! A package that knows d3 only by a crate that re-exports it; see `tests/`.
