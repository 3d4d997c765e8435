//! The behaviours that d3 is measured by, written once.
//!
//! A behaviour is a set of [`Node`]s: what a machine, an actor or a task does with an [`Instruction`], without a word about
//! who runs it. A [`Collective`] runs nodes: [`D3`] here, and each peer in `benches/peers`. So ours and theirs run the same
//! code, and a comparison compares runtimes.
//!
//! * [`workload`] has one module per row of the table of targets. Each takes a [`Setup`] and sizes, and returns counts
//!   that are asserted: a runtime that loses an instruction or a machine has no time, it has an error.
//! * [`collective`] is the seam, [`ours`] is d3 behind it.
//! * [`group`] connects, wires and ends the nodes of one workload; [`finish`] tells the thread outside that they are done.
//! * [`probe`] and [`counting`] read what the process uses: memory, processor time, bytes from the allocator.
//!
//! ```
//! use d3_benches::workload::{Size, daisy};
//! use d3_benches::{D3, Setup};
//!
//! let setup = Setup { workers: 2, capacity: Some(256) };
//! let mut waves = daisy::waves::<D3>(&setup, Size { machines: 100, instructions: 20 });
//! let wave = waves.wave();
//! assert_eq!(wave.operations, 2_000);
//! waves.end()?;
//! # Ok::<(), d3_benches::CountError>(())
//! ```

#![forbid(unsafe_code)]

pub mod collective;
pub mod finish;
pub mod group;
pub mod latency;
pub mod ours;
pub mod probe;
pub mod tally;
pub mod workload;

pub use d3_counting as counting;

pub use collective::{Collective, Effect, Instruction, Node, Setup};
pub use ours::D3;
pub use tally::CountError;
