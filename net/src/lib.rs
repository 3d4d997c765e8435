//! The net of d3: sockets as machines see them.
//!
//! One I/O thread owns a poll and all sockets of a [`Network`]. Machines and the thread talk by [`NetCmd`]: commands go
//! to the thread through an ordinary [`NetSender`], what happens on a socket comes to the socket's machine as
//! instructions. The thread never runs a machine and never waits for one.
//!
//! * **Back-pressure.** While a machine is full, its connection is not read, and TCP makes the peer wait; other
//!   connections do not notice. A listener whose machine is full does not accept. Above the high-water mark of its
//!   write queue a connection is not read either.
//! * **Nothing lost.** Bytes come and go in order and whole, or the connection ends with a [`CloseReason`]. Datagrams
//!   are whole or absent, and the absent ones that the net knows of are counted.
//! * **Errors are instructions.** A bad address, a port in use, a reset, no file descriptors: the machine concerned is
//!   told, nothing panics, nobody else notices.
//! * **Ids carry a generation.** What comes late for a socket that has gone never reaches the next one.
//!
//! [`Network`] has an example of a whole conversation; [`NetCmd`] says what a machine can rely on.
//!
//! Reading order of the source: `command` (the vocabulary), `network` (the handle), `thread` (the loop), `execute` (the
//! commands), `accept`, `connection`, `listener`, `udp` (the sockets), `outbox` (delivery to machines), `wake` (how the loop is
//! woken), `sockets`, `timers`, `write_queue` (what they are made of).
#![forbid(unsafe_code)]

mod accept;
mod command;
mod connection;
mod error;
mod execute;
mod id;
mod io;
mod listener;
mod network;
mod options;
mod outbox;
mod process;
mod resolve;
mod sockets;
mod stats;
mod thread;
mod timers;
mod udp;
mod wake;
mod write_queue;

pub use bytes::Bytes;

pub use command::{CloseReason, NetCmd, NetSender};
pub use error::NetError;
pub use id::NetConnId;
pub use network::{Network, NetworkBuilder};
pub use options::{HalfClose, ListenOptions, OnWriteLimit};
pub use process::{
    default_network, get_network_sender, start_network, stop_network, try_start_network,
};
pub use resolve::{ResolveError, resolve, resolve_all};
pub use stats::NetStats;
