//! The d3 runtime: machines that talk only by instructions, and the workers that run them.
//!
//! An enum with `#[derive(MachineImpl)]` is an instruction set. A struct that implements [`Machine`] or [`MachineMut`] for
//! it is a machine. [`Runtime::connect`] gives it a bounded mailbox and a place in the collective, and hands back a [`Sender`].
//! N workers run machines; a full mailbox parks the machine that sent to it, never a worker.
//!
//! ```
//! use d3_runtime::{Machine, MachineImpl, Runtime};
//! use std::time::Duration;
//!
//! #[derive(Debug, MachineImpl)]
//! enum StateTable { Init, Start, Stop }
//!
//! struct Alice;
//! impl Machine<StateTable> for Alice {
//!     fn receive(&self, instruction: StateTable) { println!("{instruction:?}"); }
//! }
//!
//! let runtime = Runtime::builder().workers(2).build()?;
//! let (alice, sender) = runtime.connect(Alice);
//! for instruction in [StateTable::Init, StateTable::Start, StateTable::Stop] {
//!     sender.send(instruction).expect("alice lives");
//! }
//! println!("{}", runtime.shutdown(Duration::from_secs(10)));
//! # drop(alice);
//! # Ok::<(), d3_runtime::BuildError>(())
//! ```
//!
//! # The modules, in reading order
//!
//! `machine` (the traits), `sender` and `receiver` (the doors), `connect`, `runtime` and `builder`; then the core: `mailbox` (bits and
//! blocks), `cell` (the heap object, its references, the activation), `backpressure` (parking and rings), `scheduler` and `sleep`. Each of
//! the core modules has a README with its protocol.

// So that the derive names this crate alike inside and outside of it.
#[allow(
    unused_extern_crates,
    reason = "used by what the derive emits in unit tests and modules of this crate"
)]
extern crate self as d3_runtime;

pub mod executor;
pub mod machine_impl;
#[doc(hidden)]
pub mod protocol;
pub mod this_machine;

mod backpressure;
mod builder;
mod cell;
mod channel;
mod connect;
mod error;
mod handle;
mod id;
mod machine;
mod mailbox;
mod receiver;
mod runtime;
mod scheduler;
mod sender;
mod sleep;
mod stats;
mod sync;
mod tuning;
mod unwind;

pub use backpressure::SendFuture;
pub use builder::RuntimeBuilder;
pub use channel::ChannelBuilder;
pub use connect::MachineBuilder;
pub use d3_derive::{InstructionSet, MachineImpl};
pub use error::{
    BuildError, EndReason, NotHere, RecvError, RecvTimeoutError, SendError, SendTimeoutError,
    TryRecvError, TrySendError, WaitError,
};
pub use handle::{Ended, MachineHandle};
pub use id::MachineId;
pub use machine::{Machine, MachineImpl, MachineImpl as InstructionSet, MachineMut};
pub use receiver::{Iter, Receiver, TryIter, bounded, unbounded};
pub use runtime::{Runtime, ShutdownReport};
pub use sender::{Sender, WeakSender, send_cmd};
pub use stats::{
    CoreStatsMessage, CoreStatsSender, ExecutorStats, MachineInfo, MailboxInfo, RuntimeStats,
    SchedStats, WorkerState, WorkerStats,
};
pub use uuid::Uuid;
