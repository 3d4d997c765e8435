//! loom models of this folder's protocol.
