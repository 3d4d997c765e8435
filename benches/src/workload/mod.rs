//! The workloads, one module for each.
//!
//! Those that can be repeated with the same nodes give [`Waves`](crate::group::Waves); the others have a `run` of their own.

use crate::collective::Effect;

pub mod chaos;
pub mod daisy;
pub mod fairness;
pub mod fan_in;
pub mod fan_out;
pub mod idle;
pub mod memory;
pub mod outside;
pub mod ping_pong;
pub mod rest;
pub mod ring;
pub mod spawn_end;
pub mod wake;

/// How large a workload is. What the two numbers mean each workload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Machines that do the work; a source and a sink come on top where there are some.
    pub machines: usize,
    /// Instructions of one wave.
    pub instructions: u64,
}

/// To the next node, if there is one.
#[inline]
fn to_next<A>(next: Option<&A>, token: u64) -> Effect<'_, A> {
    match next {
        Some(next) => Effect::Send(next, crate::Instruction::Token(token)),
        None => Effect::Nothing,
    }
}

#[cfg(test)]
mod tests;
