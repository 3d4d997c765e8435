//! The instruction set of the service.

use bytes::Bytes;
use d3::net::NetConnId;
use d3::prelude::*;

/// Shorthand for a sender of [`EchoCmd`].
pub type EchoSender = Sender<EchoCmd>;

/// What the machines of the echo service tell each other.
#[derive(Debug, MachineImpl)]
pub enum EchoCmd {
    /// From a component to the wiring of a session: here is the worker that you asked for.
    Worker(Role, EchoSender),
    /// From the wiring to a worker in the middle: pass on to this one.
    Next(EchoSender),
    /// From the wiring to the worker at the end: what arrives goes to this connection.
    Output(NetConnId),
    /// Down the pipeline: bytes.
    Data(Bytes),
    /// Down the pipeline: there are no more bytes.
    End,
}

/// The two workers of a session that components make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes in what the client sends.
    Consumer,
    /// Puts out what the client gets.
    Producer,
}
