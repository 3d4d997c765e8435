//! What the I/O thread does with each command.

use std::net::SocketAddr;

use bytes::Bytes;
use d3_runtime::{MachineImpl, TrySendError};
use mio::Interest;

use crate::command::{CloseReason, NetCmd, NetSender};
use crate::error::NetError;
use crate::id::NetConnId;
use crate::listener::{self, Listener};
use crate::options::{ListenOptions, Transport};
use crate::outbox::{Delivery, Outbox};
use crate::sockets::Socket;
use crate::thread::IoThread;
use crate::udp::{self, Udp};

impl IoThread {
    pub(crate) fn execute(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::Stop => self.stop(),
            NetCmd::BindListener(address, sender) => {
                self.listen(&ListenOptions::tcp(address), sender)
            }
            NetCmd::BindUdpListener(address, sender) => {
                self.listen(&ListenOptions::udp(address), sender)
            }
            NetCmd::Listen(options, sender) => self.listen(&options, sender),
            NetCmd::Unbind(id) => self.unbind(id),
            NetCmd::BindConn(id, sender) => self.bind_connection(id, sender),
            NetCmd::SendBytes(id, bytes) => self.send_bytes(id, bytes),
            NetCmd::CloseConn(id, reason) => self.close(id, reason),
            NetCmd::SendPkt(id, to, bytes) => self.send_datagram(id, to, bytes),
            other => {
                self.io.counters.misdirected.one();
                let name = NetCmd::VARIANTS[other.variant()];
                tracing::debug!(
                    name,
                    "an instruction that only comes from the net was sent to it"
                );
            }
        }
    }

    fn listen(&mut self, options: &ListenOptions, sender: NetSender) {
        if let Err((error, sender)) = self.try_listen(options, sender) {
            tracing::debug!(address = %options.address, %error, "binding failed");
            self.notify(
                &sender,
                NetCmd::BindFailed(options.tag, options.address, error),
            );
        }
    }

    fn try_listen(
        &mut self,
        options: &ListenOptions,
        sender: NetSender,
    ) -> Result<(), (NetError, NetSender)> {
        if self.stop_by.is_some() {
            return Err((NetError::Stopped, sender));
        }
        let Some(id) = self.sockets.next_id() else {
            return Err((NetError::TooManySockets, sender));
        };
        let result = match options.transport {
            Transport::Tcp => self.open_listener(id, options),
            Transport::Udp => self.open_udp(id, options),
        };
        let (address, opened) = match result {
            Ok(opened) => opened,
            Err(error) => return Err((NetError::io("binding", &error), sender)),
        };
        let socket = match opened {
            Opened::Tcp(socket) => {
                self.io.counters.listeners_open.one();
                Socket::Listener(Box::new(Listener::new(
                    id, options, address, socket, sender,
                )))
            }
            Opened::Udp(socket) => {
                self.io.counters.udp_open.one();
                Socket::Udp(Box::new(Udp::new(id, options, address, socket, sender)))
            }
        };
        self.sockets.insert(id, socket);
        self.schedule(id);
        Ok(())
    }

    fn open_listener(
        &self,
        id: NetConnId,
        options: &ListenOptions,
    ) -> std::io::Result<(SocketAddr, Opened)> {
        let mut socket = listener::open(options)?;
        self.io
            .registry
            .register(&mut socket, id.token(), Interest::READABLE)?;
        Ok((socket.local_addr()?, Opened::Tcp(socket)))
    }

    fn open_udp(
        &self,
        id: NetConnId,
        options: &ListenOptions,
    ) -> std::io::Result<(SocketAddr, Opened)> {
        let mut socket = udp::open(options)?;
        self.io.registry.register(
            &mut socket,
            id.token(),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok((socket.local_addr()?, Opened::Udp(socket)))
    }

    fn unbind(&mut self, id: NetConnId) {
        match self.sockets.get_mut(id).map(|slot| &mut slot.socket) {
            Some(Socket::Listener(listener)) if listener.is_open() => {
                listener.close(CloseReason::Flush)
            }
            Some(Socket::Udp(udp)) if udp.is_open() => udp.close(&self.io, CloseReason::Flush),
            _ => return self.unknown(id, "Unbind"),
        }
        self.schedule(id);
    }

    fn bind_connection(&mut self, id: NetConnId, sender: NetSender) {
        match self.sockets.get_mut(id).map(|slot| &mut slot.socket) {
            Some(Socket::Connection(conn)) if conn.is_open() => {
                conn.bind(&mut self.io, sender);
                self.schedule(id);
            }
            _ => {
                self.unknown(id, "BindConn");
                self.notify(&sender, NetCmd::CloseConn(id, CloseReason::Unknown));
            }
        }
    }

    fn send_bytes(&mut self, id: NetConnId, bytes: Bytes) {
        match self.sockets.get_mut(id).map(|slot| &mut slot.socket) {
            Some(Socket::Connection(conn)) => {
                conn.send(&mut self.io, bytes);
                self.schedule(id);
            }
            _ => {
                self.io.counters.bytes_unsent.add(bytes.len() as u64);
                self.unknown(id, "SendBytes");
            }
        }
    }

    fn close(&mut self, id: NetConnId, reason: CloseReason) {
        match self.sockets.get_mut(id).map(|slot| &mut slot.socket) {
            Some(Socket::Connection(conn)) if !conn.is_closed() => match reason {
                CloseReason::Abort => conn.abort(&self.io, CloseReason::Abort),
                _ => conn.close(&mut self.io, CloseReason::Flush),
            },
            Some(Socket::Listener(_) | Socket::Udp(_)) => return self.unbind(id),
            _ => return self.unknown(id, "CloseConn"),
        }
        self.schedule(id);
    }

    fn send_datagram(&mut self, id: NetConnId, to: SocketAddr, bytes: Bytes) {
        match self.sockets.get_mut(id).map(|slot| &mut slot.socket) {
            Some(Socket::Udp(udp)) => udp.send(&self.io, to, bytes),
            _ => {
                self.io.counters.datagrams_dropped.one();
                self.unknown(id, "SendPkt");
            }
        }
    }

    fn unknown(&self, id: NetConnId, name: &'static str) {
        self.io.counters.unknown_ids.one();
        tracing::debug!(%id, name, "a command for an id that is not, or no more, in use");
    }

    /// Gives an answer to a machine that has no socket. If the machine is full, the answer stands in line.
    fn notify(&mut self, sender: &NetSender, cmd: NetCmd) {
        let cmd = match sender.try_send(cmd) {
            Ok(()) => return,
            Err(TrySendError::Disconnected(_)) => return self.io.counters.machines_gone.one(),
            Err(full) => full.into_inner(),
        };
        let Some(id) = self.sockets.next_id() else {
            return self.io.counters.notices_lost.one();
        };
        let mut outbox = Outbox::new(sender.clone());
        if outbox.deliver(&self.io, id, cmd) == Delivery::Held {
            self.sockets.insert(id, Socket::Notice(Box::new(outbox)));
        }
    }
}

enum Opened {
    Tcp(mio::net::TcpListener),
    Udp(mio::net::UdpSocket),
}
