//! Several instruction sets on one `MachineMut` under one run token: what `MachineBuilder::accepts` promises.

#[path = "../support/mod.rs"]
mod support;

mod building;
mod ends;
mod pair;
mod players;
mod pressure;
mod turns;
