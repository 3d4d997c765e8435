#![forbid(unsafe_code)]
//! d3: a framework for servers made of *machines* that talk only by *instructions*.
//!
//! ```
//! use d3::prelude::*;
//!
//! #[derive(Debug, MachineImpl)]                        // InstructionSet is the same derive and trait under a second name
//! enum StateTable { Init, Start, Stop }
//! pub struct Alice {}
//! impl Machine<StateTable> for Alice {
//!     fn receive(&self, cmd: StateTable) { println!("{cmd:?}"); }
//! }
//! fn main() {
//!     let (alice, sender) = executor::connect(Alice {});  // starts the default runtime if it never ran
//!     sender.send(StateTable::Init).expect("send failed");
//! #   sender.send(StateTable::Start).expect("send failed");
//! #   sender.send(StateTable::Stop).expect("send failed");
//!     drop((alice, sender));
//!     executor::stop_server();                            // drains, then ends
//! }
//! ```
//!
//! This package re-exports its parts: the runtime at the root, [`net`] and [`components`] behind features of the same names
//! (both on by default), and d3 0.1.3's paths ([`core`], [`d3_derive`]). [`guide`] tells what its parts mean together.

pub use d3_runtime::{
    BuildError, ChannelBuilder, CoreStatsMessage, CoreStatsSender, EndReason, Ended, ExecutorStats,
    InstructionSet, Iter, Machine, MachineBuilder, MachineHandle, MachineId, MachineImpl,
    MachineInfo, MachineMut, MailboxInfo, NotHere, Receiver, RecvError, RecvTimeoutError, Runtime,
    RuntimeBuilder, RuntimeStats, SchedStats, SendError, SendFuture, SendTimeoutError, Sender,
    ShutdownReport, TryIter, TryRecvError, TrySendError, Uuid, WaitError, WeakSender, WorkerState,
    WorkerStats, bounded, executor, send_cmd, this_machine, unbounded,
};

#[cfg(feature = "components")]
pub use d3_components as components;
#[cfg(feature = "net")]
pub use d3_net as net;

/// d3 0.1.3's paths to the runtime.
pub mod core {
    pub use d3_runtime::{executor, machine_impl, send_cmd};
}

/// d3 0.1.3's path to the derive.
pub mod d3_derive {
    pub use ::d3_derive::{InstructionSet, MachineImpl};
}

/// What most programs need: `use d3::prelude::*;`.
pub mod prelude {
    pub use crate::{
        EndReason, InstructionSet, Machine, MachineHandle, MachineImpl, MachineMut, Receiver,
        Runtime, SendError, Sender, TrySendError, Uuid, WeakSender, bounded, executor, send_cmd,
        this_machine, unbounded,
    };

    #[cfg(feature = "net")]
    pub use d3_net::{Bytes, NetCmd, NetConnId, NetSender};
}

/// The guide: longer texts, whose examples are compiled and run.
pub mod guide {
    #[doc = include_str!("../docs/guide/instruction-sets.md")]
    pub mod instruction_sets {}

    #[doc = include_str!("../docs/guide/backpressure.md")]
    pub mod backpressure {}
}
