#![doc = include_str!("README.md")]

mod block;
mod peak;
mod pool;
mod queue;
pub(crate) mod word;

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod properties;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use queue::{
    Announce, BOUND_MAX, Bound, Claim, Popped, Queue, Refused, Rest, UNBOUNDED, Wake,
};
