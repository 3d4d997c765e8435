//! [`NetCmd`], the one instruction set between machines and the net, in both directions.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use d3_runtime::{MachineImpl, Sender};

use crate::error::NetError;
use crate::id::NetConnId;
use crate::options::ListenOptions;

/// A sender of [`NetCmd`]: the type of the net's own command sender, and of the senders of *net machines*, the
/// machines that receive [`NetCmd`] from it.
pub type NetSender = Sender<NetCmd>;

/// The instructions of the net.
///
/// Some go to the net, some come from it, [`CloseConn`](Self::CloseConn) goes both ways; each variant says so.
/// An id names one socket: a TCP connection, a listener or a UDP socket.
///
/// What a machine can rely on, for each id, in this order:
///
/// * a listener: one [`Bound`](Self::Bound), then [`NewConn`](Self::NewConn) and [`AcceptFailed`](Self::AcceptFailed)
///   as they happen, then one [`CloseConn`](Self::CloseConn);
/// * a connection: every byte in [`RecvBytes`](Self::RecvBytes), then, if the peer ended its half properly, one
///   [`RecvEnd`](Self::RecvEnd), then one [`CloseConn`](Self::CloseConn). [`SendReady`](Self::SendReady) comes between
///   them;
/// * a UDP socket: one [`Bound`](Self::Bound), then [`RecvPkt`](Self::RecvPkt), then one [`CloseConn`](Self::CloseConn).
///
/// After the `CloseConn` nothing comes for that id any more. Commands for an id that has gone are ignored and counted
/// ([`NetStats::unknown_ids`](crate::NetStats::unknown_ids)).
///
/// ```
/// use d3_net::{CloseReason, NetCmd, NetConnId, NetSender};
/// use d3_runtime::{MachineMut, send_cmd};
///
/// /// Sends back what it receives.
/// struct Echo { net: NetSender }
///
/// impl MachineMut<NetCmd> for Echo {
///     fn receive(&mut self, cmd: NetCmd) {
///         match cmd {
///             NetCmd::RecvBytes(conn, bytes) => send_cmd(&self.net, NetCmd::SendBytes(conn, bytes)),
///             NetCmd::RecvEnd(conn) => send_cmd(&self.net, NetCmd::CloseConn(conn, CloseReason::Flush)),
///             NetCmd::CloseConn(..) => {}
///             other => other.unhandled(),
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum NetCmd {
    /// To net: stop. Listeners and UDP sockets close, connections are flushed and closed, and every machine is told
    /// with [`CloseConn`](Self::CloseConn) and [`CloseReason::Stopped`].
    Stop,
    /// To net: listen on an address with the default [`ListenOptions`] (tag 0). Answered by [`Bound`](Self::Bound) or
    /// [`BindFailed`](Self::BindFailed) to the sender given here, which then receives the connections. Port 0 asks
    /// for any free port; the answer tells which.
    BindListener(SocketAddr, NetSender),
    /// To net: open a UDP socket on an address. Answered as [`BindListener`](Self::BindListener) is, with tag 0.
    BindUdpListener(SocketAddr, NetSender),
    /// To net: listen (TCP) or open a UDP socket, with options. The answer carries the options' tag.
    Listen(ListenOptions, NetSender),
    /// To net: close a listener or a UDP socket. Connections that it has accepted live on. Its machine is told with
    /// [`CloseConn`](Self::CloseConn) and [`CloseReason::Flush`].
    Unbind(NetConnId),
    /// From net: the request with this tag succeeded; the id of the socket, and its actual address.
    Bound(u64, NetConnId, SocketAddr),
    /// From net: the request with this tag failed; the address asked for, and the reason.
    BindFailed(u64, SocketAddr, NetError),
    /// From net: a listener could not accept, for instance because the process has no file descriptors left. The net
    /// tries again after a while, and reports a failure once until an accept succeeds.
    AcceptFailed(NetConnId, NetError),
    /// From net, to the listener's machine: accepted. The connection, the local and the remote address, and how many
    /// bytes may be queued for writing. Nothing is read until [`BindConn`](Self::BindConn) names the machine that
    /// has the connection; one that is never bound is closed after a while, with [`CloseReason::Idle`].
    NewConn(NetConnId, SocketAddr, SocketAddr, usize),
    /// To net: from now on this machine has the connection. If the connection has gone meanwhile, that machine
    /// receives [`CloseConn`](Self::CloseConn) with [`CloseReason::Unknown`].
    BindConn(NetConnId, NetSender),
    /// From net: the next bytes of the connection. While the machine's mailbox is full the connection is not read.
    RecvBytes(NetConnId, Bytes),
    /// To net: send these bytes, of any length. They are written in order and whole, or the connection is closed
    /// with the reason.
    SendBytes(NetConnId, Bytes),
    /// From net: the peer will send no more. Writing goes on. See [`HalfClose`](crate::HalfClose) for what happens
    /// if the machine does nothing about it.
    RecvEnd(NetConnId),
    /// From net: the write queue had passed the high-water mark and has room again: so many bytes until its limit.
    SendReady(NetConnId, usize),
    /// To net: close the connection ([`CloseReason::Abort`] at once, any other reason as [`CloseReason::Flush`]:
    /// after everything queued was written); for a listener or a UDP socket the same as [`Unbind`](Self::Unbind).
    /// From net: the last instruction about this id, and why it ended.
    CloseConn(NetConnId, CloseReason),
    /// From net: one whole datagram; the UDP socket, its local address, the address it came from.
    RecvPkt(NetConnId, SocketAddr, SocketAddr, Bytes),
    /// To net: send one datagram through a UDP socket to an address. It leaves whole or, if it is too large or the
    /// system has no room for long, not at all; [`NetStats`](crate::NetStats) counts those.
    SendPkt(NetConnId, SocketAddr, Bytes),
}

/// Why a connection ends or should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// To net: write everything that is queued, then close. From net: that is done.
    Flush,
    /// To net: close at once; the peer sees a reset, and what is queued is lost. From net: that is done.
    Abort,
    /// From net: the peer ended its half, and the connection was closed after everything was written.
    Peer,
    /// From net: the peer reset the connection.
    Reset,
    /// From net: nothing moved for longer than the idle timeout, or no machine was bound to it in time.
    Idle,
    /// From net: the write queue passed its limit.
    Limit,
    /// From net: the network was stopped.
    Stopped,
    /// From net: there is no such connection (any more). Only as an answer to [`NetCmd::BindConn`].
    Unknown,
    /// From net: any other I/O error. `TimedOut`: it could not be flushed in time.
    Error(io::ErrorKind),
}

impl CloseReason {
    pub(crate) fn from_error(error: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match error.kind() {
            ConnectionReset | ConnectionAborted | BrokenPipe => Self::Reset,
            kind => Self::Error(kind),
        }
    }
}

impl NetCmd {
    /// The id that the instruction is about, if it is about one.
    ///
    /// ```
    /// use d3_net::{NetCmd, NetConnId};
    ///
    /// assert_eq!(NetCmd::RecvEnd(NetConnId::fake(1)).id(), Some(NetConnId::fake(1)));
    /// assert_eq!(NetCmd::Stop.id(), None);
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<NetConnId> {
        match self {
            Self::Stop
            | Self::BindListener(..)
            | Self::BindUdpListener(..)
            | Self::Listen(..)
            | Self::BindFailed(..) => None,
            Self::Unbind(id)
            | Self::Bound(_, id, _)
            | Self::AcceptFailed(id, _)
            | Self::NewConn(id, ..)
            | Self::BindConn(id, _)
            | Self::RecvBytes(id, _)
            | Self::SendBytes(id, _)
            | Self::RecvEnd(id)
            | Self::SendReady(id, _)
            | Self::CloseConn(id, _)
            | Self::RecvPkt(id, ..)
            | Self::SendPkt(id, ..) => Some(*id),
        }
    }

    /// Logs an instruction that a machine does not care for, and drops it: the last arm of a `match`.
    ///
    /// What is harmless to ignore is logged at level debug, what loses something (bytes, a connection, the report of
    /// a failure) at level warn. Contents of bytes are never logged.
    pub fn unhandled(self) {
        let name = Self::VARIANTS[self.variant()];
        let about = self.id();
        let machine = d3_runtime::this_machine::id();
        match &self {
            Self::BindFailed(_, address, error) => {
                tracing::warn!(?machine, %address, %error, "a machine ignores {name}");
            }
            Self::AcceptFailed(_, error) => {
                tracing::warn!(?machine, ?about, %error, "a machine ignores {name}")
            }
            Self::RecvBytes(_, bytes) | Self::RecvPkt(_, _, _, bytes) => {
                tracing::warn!(
                    ?machine,
                    ?about,
                    len = bytes.len(),
                    "a machine ignores {name}"
                );
            }
            Self::Bound(..) | Self::RecvEnd(_) | Self::SendReady(..) | Self::CloseConn(..) => {
                tracing::debug!(?machine, ?about, "a machine ignores {name}");
            }
            _ => tracing::warn!(?machine, ?about, "a machine ignores {name}"),
        }
    }
}

impl MachineImpl for NetCmd {
    const NAME: &'static str = "NetCmd";
    const VARIANTS: &'static [&'static str] = &[
        "Stop",
        "BindListener",
        "BindUdpListener",
        "Listen",
        "Unbind",
        "Bound",
        "BindFailed",
        "AcceptFailed",
        "NewConn",
        "BindConn",
        "RecvBytes",
        "SendBytes",
        "RecvEnd",
        "SendReady",
        "CloseConn",
        "RecvPkt",
        "SendPkt",
    ];

    fn variant(&self) -> usize {
        match self {
            Self::Stop => 0,
            Self::BindListener(..) => 1,
            Self::BindUdpListener(..) => 2,
            Self::Listen(..) => 3,
            Self::Unbind(..) => 4,
            Self::Bound(..) => 5,
            Self::BindFailed(..) => 6,
            Self::AcceptFailed(..) => 7,
            Self::NewConn(..) => 8,
            Self::BindConn(..) => 9,
            Self::RecvBytes(..) => 10,
            Self::SendBytes(..) => 11,
            Self::RecvEnd(..) => 12,
            Self::SendReady(..) => 13,
            Self::CloseConn(..) => 14,
            Self::RecvPkt(..) => 15,
            Self::SendPkt(..) => 16,
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
