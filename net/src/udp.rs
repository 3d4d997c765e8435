//! One UDP socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mio::net::UdpSocket;

use crate::command::{CloseReason, NetCmd, NetSender};
use crate::id::NetConnId;
use crate::io::{Farewell, Io, Verdict};
use crate::options::ListenOptions;
use crate::outbox::{Delivery, Outbox};
use crate::timers::{Armed, Due};

/// Datagrams of one socket, in each direction, before the others have their turn.
const DATAGRAMS_PER_TURN: usize = 32;
/// Failures to receive, without a datagram between them, before a pause.
const FAILURES_IN_A_ROW: usize = 32;
const PAUSE: Duration = Duration::from_millis(50);
/// The most that a datagram can carry: 65,535 less the headers of UDP and, over IPv4, of IP.
const MAX_DATAGRAM_V4: usize = 65_507;
const MAX_DATAGRAM_V6: usize = 65_527;
/// A read buffer of this size never cuts a datagram.
pub(crate) const READ_BUFFER_MIN: usize = 65_536;

pub(crate) struct Udp {
    id: NetConnId,
    tag: u64,
    address: SocketAddr,
    /// None once unbound.
    socket: Option<UdpSocket>,
    outbox: Outbox,
    bound_owed: bool,
    farewell: Farewell,
    readable: bool,
    writable: bool,
    /// Datagrams that the system had no room for, at most `udp_queue` of them.
    queue: VecDeque<(SocketAddr, Bytes)>,
    /// Failures to receive since the last datagram.
    failures: usize,
    armed: Armed,
}

/// Opens a UDP socket.
pub(crate) fn open(options: &ListenOptions) -> io::Result<UdpSocket> {
    UdpSocket::bind(options.address)
}

impl Udp {
    pub(crate) fn new(
        id: NetConnId,
        options: &ListenOptions,
        address: SocketAddr,
        socket: UdpSocket,
        machine: NetSender,
    ) -> Self {
        Self {
            id,
            tag: options.tag,
            address,
            socket: Some(socket),
            outbox: Outbox::new(machine),
            bound_owed: true,
            farewell: Farewell::None,
            readable: true,
            writable: true,
            queue: VecDeque::new(),
            failures: 0,
            armed: Armed::default(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// The machine has not been told everything.
    pub(crate) fn owes(&self) -> bool {
        !self.outbox.is_clear() || self.farewell != Farewell::Told
    }

    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_error();
        self.writable |= event.is_writable();
    }

    pub(crate) fn turn(&mut self, io: &mut Io, woken: bool) -> Verdict {
        if woken && self.outbox.settle(io, self.id) == Delivery::Gone {
            self.machine_gone(io);
        }
        self.write_out(io);
        self.tell(io);
        let again = self.read_in(io);
        self.tell(io);
        if self.socket.is_none() && self.outbox.is_clear() && self.farewell == Farewell::Told {
            Verdict::Remove
        } else if again {
            Verdict::Again
        } else {
            Verdict::Rest
        }
    }

    fn tell(&mut self, io: &mut Io) {
        while self.outbox.is_clear() {
            let cmd = if std::mem::take(&mut self.bound_owed) {
                NetCmd::Bound(self.tag, self.id, self.address)
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
    }

    /// Reads datagrams for the machine. True if another turn is needed for more.
    fn read_in(&mut self, io: &mut Io) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN {
            if !self.readable || !self.outbox.is_clear() {
                return false;
            }
            let Some(socket) = &self.socket else {
                return false;
            };
            match socket.recv_from(&mut io.buffer) {
                Ok((n, remote)) => {
                    self.failures = 0;
                    io.counters.datagrams_in.one();
                    let bytes = Bytes::copy_from_slice(&io.buffer[..n]);
                    let cmd = NetCmd::RecvPkt(self.id, self.address, remote, bytes);
                    if self.outbox.deliver(io, self.id, cmd) == Delivery::Gone {
                        self.machine_gone(io);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) => self.receiving_failed(io, &error),
            }
        }
        self.readable && self.outbox.is_clear()
    }

    /// Mostly it is what an earlier datagram met on its way (port unreachable and the like), and says nothing about
    /// the next one. If it does not end, ask again after a pause only.
    fn receiving_failed(&mut self, io: &mut Io, error: &io::Error) {
        tracing::debug!(id = %self.id, %error, "receiving a datagram failed");
        self.failures += 1;
        if self.failures >= FAILURES_IN_A_ROW {
            self.failures = 0;
            self.readable = false;
            io.arm(self.id, &mut self.armed, Due::Retry, io.now + PAUSE);
        }
    }

    pub(crate) fn due(&mut self, due: Due) {
        self.armed.fired(due);
        self.readable = true;
    }

    /// Sends one datagram, behind those that wait.
    pub(crate) fn send(&mut self, io: &Io, to: SocketAddr, bytes: Bytes) {
        let most = if to.is_ipv4() {
            MAX_DATAGRAM_V4
        } else {
            MAX_DATAGRAM_V6
        };
        if bytes.len() > most {
            io.counters.datagrams_too_large.one();
            io.counters.datagrams_dropped.one();
            tracing::debug!(id = %self.id, %to, len = bytes.len(), "a datagram is too large");
            return;
        }
        if self.socket.is_none() {
            return io.counters.datagrams_dropped.one();
        }
        self.write_out(io);
        if self.queue.is_empty() && self.send_now(io, to, &bytes) {
            return;
        }
        if self.queue.len() < io.options.udp_queue {
            self.queue.push_back((to, bytes));
        } else {
            io.counters.datagrams_dropped.one();
        }
    }

    fn write_out(&mut self, io: &Io) {
        while let Some((to, bytes)) = self.queue.front().cloned() {
            if !self.send_now(io, to, &bytes) {
                return;
            }
            self.queue.pop_front();
        }
    }

    /// False if the system has no room for it now; else it was sent, or dropped for good.
    fn send_now(&mut self, io: &Io, to: SocketAddr, bytes: &Bytes) -> bool {
        let Some(socket) = &self.socket else {
            return true;
        };
        if !self.writable {
            return false;
        }
        match socket.send_to(bytes, to) {
            Ok(_) => io.counters.datagrams_out.one(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                return false;
            }
            Err(error) => {
                io.counters.datagrams_dropped.one();
                tracing::debug!(id = %self.id, %to, %error, "sending a datagram failed");
            }
        }
        true
    }

    pub(crate) fn close(&mut self, io: &Io, reason: CloseReason) {
        if self.is_open() {
            self.write_out(io);
            self.drop_socket(io);
            self.farewell = Farewell::Owed(reason);
        }
    }

    pub(crate) fn check_machine(&mut self, io: &Io) {
        if self.is_open() && self.outbox.is_clear() && self.outbox.is_disconnected() {
            io.counters.machines_gone.one();
            self.machine_gone(io);
        }
    }

    fn machine_gone(&mut self, io: &Io) {
        tracing::debug!(id = %self.id, address = %self.address, "the machine of a UDP socket has gone");
        self.outbox.close();
        self.write_out(io);
        self.drop_socket(io);
        self.bound_owed = false;
        self.farewell = Farewell::Told;
    }

    fn drop_socket(&mut self, io: &Io) {
        io.counters.datagrams_dropped.add(self.queue.len() as u64);
        self.queue.clear();
        self.socket = None;
    }
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;
