#![doc = include_str!("README.md")]

mod arguments;
mod books;
mod channels;
mod child;
mod delays;
mod draft;
mod finish;
mod jitter;
mod load;
mod machine;
mod outside;
mod panics;
mod parent;
mod plan;
mod poller;
mod random;
mod reader;
mod replay;
mod run;
mod sabotage;
mod sets;
mod shape;
mod state;
mod target;
mod totals;
mod verdict;
mod visit;
mod watchdog;

pub(crate) use arguments::{Args, ReplayArgs};
pub(crate) use outside::block_on;
pub(crate) use panics::{planned, silence_planned};
pub(crate) use parent::run;
pub(crate) use random::Random;
pub(crate) use replay::replay;

#[cfg(test)]
mod tests;
