//! Settings of a network and of a listener, with their defaults.

use std::net::SocketAddr;
use std::time::Duration;

use crate::error::NetError;

/// What happens after the peer has ended its half of the connection and [`NetCmd::RecvEnd`] was delivered.
///
/// [`NetCmd::RecvEnd`]: crate::NetCmd::RecvEnd
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HalfClose {
    /// The machine need not care: once its mailbox is empty, everything queued is written and nothing more was sent
    /// for the [`end_grace`](crate::NetworkBuilder::end_grace), the net closes with [`CloseReason::Peer`].
    /// A service whose last reply may take longer than that chooses `KeepOpen`, or says `CloseConn` itself.
    ///
    /// [`CloseReason::Peer`]: crate::CloseReason::Peer
    #[default]
    CloseWhenFlushed,
    /// The connection stays open for writing until the machine says [`NetCmd::CloseConn`](crate::NetCmd::CloseConn).
    KeepOpen,
}

/// What happens when more bytes are queued for writing than the write limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnWriteLimit {
    /// The connection is aborted, with [`CloseReason::Limit`](crate::CloseReason::Limit).
    #[default]
    Close,
    /// The queue grows on. The connection is not read meanwhile, as above the high-water mark.
    StopReading,
}

/// Durations beyond this would overflow the clock; nobody waits so long.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A duration that can be added to the present.
pub(crate) fn bounded(duration: Duration) -> Duration {
    duration.min(LONGEST)
}

/// What a listening socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// How to listen: the address and what differs from the defaults. For [`NetCmd::Listen`](crate::NetCmd::Listen).
///
/// ```
/// use std::time::Duration;
/// use d3_net::{HalfClose, ListenOptions};
///
/// let address = "127.0.0.1:0".parse()?;
/// let options = ListenOptions::tcp(address)
///     .tag(7)
///     .max_connections(1_000)
///     .idle_timeout(Duration::from_secs(60))
///     .half_close(HalfClose::KeepOpen);
/// # let _ = options;
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ListenOptions {
    pub(crate) address: SocketAddr,
    pub(crate) tag: u64,
    pub(crate) transport: Transport,
    pub(crate) backlog: u32,
    pub(crate) max_connections: u32,
    pub(crate) connection: ConnectionOptions,
}

/// What each connection of a listener is told at its birth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) half_close: HalfClose,
    pub(crate) on_write_limit: OnWriteLimit,
    pub(crate) nodelay: bool,
}

impl ListenOptions {
    /// Listen for TCP connections on `address`; port 0 asks for any free port.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        Self {
            address,
            tag: 0,
            transport: Transport::Tcp,
            backlog: 1024,
            max_connections: u32::MAX,
            connection: ConnectionOptions {
                idle_timeout: None,
                half_close: HalfClose::default(),
                on_write_limit: OnWriteLimit::default(),
                nodelay: true,
            },
        }
    }

    /// Open a UDP socket on `address`. Of the options only the tag matters to it.
    #[must_use]
    pub fn udp(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            ..Self::tcp(address)
        }
    }

    /// A number of the caller's choice that the answer repeats. Default 0.
    #[must_use]
    pub fn tag(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// How many connections the operating system keeps waiting to be accepted. Default 1,024.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// How many connections of this listener may be open at once. At that number the listener accepts no more, and
    /// the peers wait in the backlog. 0 counts as 1. Default: no limit but the network's.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Close connections on which no byte moved in either direction for so long, with
    /// [`CloseReason::Idle`](crate::CloseReason::Idle). Time during which the connection is not read because its
    /// machine is full does not count. Default: never.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.connection.idle_timeout = Some(bounded(timeout));
        self
    }

    /// What happens after the peer has ended its half. Default [`HalfClose::CloseWhenFlushed`].
    #[must_use]
    pub fn half_close(mut self, half_close: HalfClose) -> Self {
        self.connection.half_close = half_close;
        self
    }

    /// What happens beyond the write limit. Default [`OnWriteLimit::Close`].
    #[must_use]
    pub fn on_write_limit(mut self, policy: OnWriteLimit) -> Self {
        self.connection.on_write_limit = policy;
        self
    }

    /// Whether `TCP_NODELAY` is set on accepted connections. Default true: replies leave at once.
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.connection.nodelay = nodelay;
        self
    }

    /// The address asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The settings of one network. Filled in by [`NetworkBuilder`](crate::NetworkBuilder), which documents each.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) thread_name: String,
    pub(crate) command_capacity: usize,
    pub(crate) command_batch: usize,
    pub(crate) read_buffer: usize,
    pub(crate) high_water: usize,
    pub(crate) low_water: usize,
    pub(crate) write_limit: usize,
    pub(crate) max_sockets: usize,
    pub(crate) udp_queue: usize,
    pub(crate) unbound_timeout: Duration,
    pub(crate) flush_timeout: Duration,
    pub(crate) linger_timeout: Duration,
    pub(crate) end_grace: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) gone_check: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            thread_name: "d3-net".to_owned(),
            command_capacity: 4096,
            command_batch: 256,
            read_buffer: 64 * 1024,
            high_water: 256 * 1024,
            low_water: 64 * 1024,
            write_limit: 16 * 1024 * 1024,
            max_sockets: 1_000_000,
            udp_queue: 64,
            unbound_timeout: Duration::from_secs(10),
            flush_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            end_grace: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(10),
            gone_check: Duration::from_secs(1),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), NetError> {
        let rules = [
            (
                self.command_capacity > 0,
                "the command capacity must be at least 1",
            ),
            (
                self.read_buffer > 0,
                "the read buffer must have at least 1 byte",
            ),
            (
                self.low_water <= self.high_water,
                "low water must not be above high water",
            ),
            (
                self.high_water <= self.write_limit,
                "high water must not be above the write limit",
            ),
            (self.max_sockets > 0, "at least one socket must be allowed"),
            (
                !self.gone_check.is_zero(),
                "the check for machines that have gone must not run without a pause",
            ),
            (
                !self.thread_name.contains('\0'),
                "a thread name must not contain NUL",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(NetError::BadOption(why)),
            None => Ok(()),
        }
    }
}
