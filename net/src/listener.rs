//! One TCP listener.
//!
//! A listener accepts only while its machine has room: an accepted connection whose NewConn stands in line is kept,
//! the next ones wait in the kernel's backlog. The same goes for its own limit of connections and the network's.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};

use crate::command::{CloseReason, NetCmd, NetSender};
use crate::error::NetError;
use crate::id::NetConnId;
use crate::io::{Farewell, Io, Verdict};
use crate::options::{ConnectionOptions, ListenOptions};
use crate::outbox::{Delivery, Outbox};
use crate::timers::{Armed, Due};

/// The pause after a failed accept, doubled with each further failure up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Listener {
    id: NetConnId,
    tag: u64,
    address: SocketAddr,
    max_connections: u32,
    connection: ConnectionOptions,
    /// None once unbound.
    socket: Option<TcpListener>,
    outbox: Outbox,
    bound_owed: bool,
    failure_owed: Option<NetError>,
    farewell: Farewell,
    /// The connection whose NewConn stands in line.
    announcing: Option<NetConnId>,
    /// There may be something to accept.
    ready: bool,
    /// Accepting failed; wait for the timer.
    paused: bool,
    /// Zero when the last accept succeeded.
    pause: Duration,
    /// Connections that this listener accepted and whose ids are in use.
    connections: u32,
    armed: Armed,
}

/// Opens the socket of a listener.
pub(crate) fn open(options: &ListenOptions) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(options.address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // On Unix this allows to listen again at once after a restart; on Windows it would allow to steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&options.address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Listener {
    pub(crate) fn new(
        id: NetConnId,
        options: &ListenOptions,
        address: SocketAddr,
        socket: TcpListener,
        machine: NetSender,
    ) -> Self {
        Self {
            id,
            tag: options.tag,
            address,
            max_connections: options.max_connections,
            connection: options.connection,
            socket: Some(socket),
            outbox: Outbox::new(machine),
            bound_owed: true,
            failure_owed: None,
            farewell: Farewell::None,
            announcing: None,
            ready: true,
            paused: false,
            pause: Duration::ZERO,
            connections: 0,
            armed: Armed::default(),
        }
    }

    pub(crate) fn note(&mut self) {
        self.ready = true;
    }

    pub(crate) fn connection_options(&self) -> ConnectionOptions {
        self.connection
    }

    pub(crate) fn machine(&self) -> Option<NetSender> {
        self.outbox.sender()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// The machine has not been told everything.
    pub(crate) fn owes(&self) -> bool {
        !self.outbox.is_clear() || self.farewell != Farewell::Told
    }

    /// Settles what stands in line and tells what is owed. Returns the connection whose NewConn has left the line.
    pub(crate) fn tell(&mut self, io: &mut Io, woken: bool) -> Option<NetConnId> {
        if woken && self.outbox.settle(io, self.id) == Delivery::Gone {
            self.machine_gone(io);
        }
        let announced = if self.outbox.is_clear() {
            self.announcing.take()
        } else {
            None
        };
        while self.outbox.is_clear() {
            let cmd = if std::mem::take(&mut self.bound_owed) {
                NetCmd::Bound(self.tag, self.id, self.address)
            } else if let Some(error) = self.failure_owed.take() {
                NetCmd::AcceptFailed(self.id, error)
            } else if let Farewell::Owed(reason) = self.farewell {
                self.farewell = Farewell::Told;
                NetCmd::CloseConn(self.id, reason)
            } else {
                break;
            };
            if self.outbox.deliver(io, self.id, cmd) == Delivery::Gone {
                self.machine_gone(io);
            }
        }
        announced
    }

    pub(crate) fn verdict(&self) -> Verdict {
        if self.socket.is_none() && self.outbox.is_clear() && self.farewell == Farewell::Told {
            Verdict::Remove
        } else if self.may_accept() {
            Verdict::Again
        } else {
            Verdict::Rest
        }
    }

    pub(crate) fn may_accept(&self) -> bool {
        self.ready
            && !self.paused
            && self.socket.is_some()
            && self.connections < self.max_connections
            && self.outbox.is_clear()
    }

    /// The next connection and the two addresses, if there is one and there is room for it.
    pub(crate) fn accept(&mut self, io: &mut Io) -> Option<(TcpStream, SocketAddr, SocketAddr)> {
        while self.may_accept() {
            match self.socket.as_ref()?.accept() {
                Ok((stream, remote)) => {
                    self.pause = Duration::ZERO;
                    // A listener on one address accepts at that address; only "any" must be looked up.
                    let local = match self.address.ip().is_unspecified() {
                        false => self.address,
                        true => stream.local_addr().unwrap_or(self.address),
                    };
                    return Some((stream, local, remote));
                }
                Err(error) => self.accept_failed(io, &error),
            }
        }
        None
    }

    fn accept_failed(&mut self, io: &mut Io, error: &io::Error) {
        match error.kind() {
            ErrorKind::WouldBlock => self.ready = false,
            // The peer gave up before we came to it: not our failure. Each call takes one off the backlog.
            ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
            _ => self.pause(io, NetError::io("accepting", error)),
        }
    }

    /// Tries again after a while: the cause (mostly no file descriptors) does not go away by asking again at once.
    pub(crate) fn pause(&mut self, io: &mut Io, error: NetError) {
        io.counters.accept_failures.one();
        if self.pause.is_zero() {
            tracing::warn!(id = %self.id, %error, "accepting failed");
            self.failure_owed = Some(error);
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.paused = true;
        io.arm(self.id, &mut self.armed, Due::Retry, io.now + self.pause);
    }

    pub(crate) fn due(&mut self, due: Due) {
        self.armed.fired(due);
        if due == Due::Retry {
            self.paused = false;
        }
    }

    /// Announces an accepted connection. False if it now stands in line.
    pub(crate) fn announce(
        &mut self,
        io: &mut Io,
        conn: NetConnId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> bool {
        self.connections += 1;
        let cmd = NetCmd::NewConn(conn, local, remote, io.options.write_limit);
        match self.outbox.deliver(io, self.id, cmd) {
            Delivery::Delivered => true,
            Delivery::Held => {
                self.announcing = Some(conn);
                false
            }
            Delivery::Gone => {
                self.machine_gone(io);
                true
            }
        }
    }

    /// One of its connections has been removed.
    pub(crate) fn connection_ended(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.socket.take().is_some() {
            self.failure_owed = None;
            self.farewell = Farewell::Owed(reason);
        }
    }

    pub(crate) fn check_machine(&mut self, io: &mut Io) {
        if self.is_open() && self.outbox.is_clear() && self.outbox.is_disconnected() {
            io.counters.machines_gone.one();
            self.machine_gone(io);
        }
    }

    fn machine_gone(&mut self, io: &mut Io) {
        tracing::debug!(id = %self.id, address = %self.address, machines_gone = io.counters.machines_gone.get(), "the machine of a listener has gone");
        self.outbox.close();
        self.socket = None;
        self.bound_owed = false;
        self.failure_owed = None;
        self.farewell = Farewell::Told;
    }
}
