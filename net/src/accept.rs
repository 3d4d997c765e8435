//! Accepting: what concerns a listener and the table of sockets at once.

use std::net::SocketAddr;

use mio::Interest;
use mio::net::TcpStream;

use crate::connection::Connection;
use crate::error::NetError;
use crate::id::NetConnId;
use crate::io::Verdict;
use crate::sockets::Socket;
use crate::thread::IoThread;

/// Connections that one listener accepts before the others have their turn.
const ACCEPTS_PER_TURN: usize = 32;

impl IoThread {
    /// One turn of a listener: it tells what it owes and accepts what there is room for.
    pub(crate) fn listener_turn(&mut self, id: NetConnId, woken: bool) -> Verdict {
        for round in 0..ACCEPTS_PER_TURN {
            let next_id = self.sockets.next_id();
            let Some(Socket::Listener(listener)) = self.sockets.get_mut(id).map(|s| &mut s.socket)
            else {
                return Verdict::Rest;
            };
            let announced = listener.tell(&mut self.io, woken && round == 0);
            let accepted = match next_id {
                Some(next_id) => listener
                    .accept(&mut self.io)
                    .map(|accepted| (next_id, accepted)),
                None if listener.may_accept() => {
                    self.starved.push(id);
                    return Verdict::Rest;
                }
                None => None,
            };
            if let Some(conn) = announced {
                self.announced(conn);
            }
            match accepted {
                Some((conn, (stream, local, remote))) => {
                    self.adopt(id, conn, stream, local, remote)
                }
                None => return self.listener_rest(id),
            }
        }
        Verdict::Again
    }

    /// A listener that accepts no more for now may still owe something that has just come up.
    fn listener_rest(&mut self, id: NetConnId) -> Verdict {
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(id).map(|s| &mut s.socket)
        else {
            return Verdict::Rest;
        };
        let announced = listener.tell(&mut self.io, false);
        let verdict = listener.verdict();
        if let Some(conn) = announced {
            self.announced(conn);
        }
        verdict
    }

    /// Takes an accepted connection into the table and announces it.
    fn adopt(
        &mut self,
        listener_id: NetConnId,
        conn: NetConnId,
        mut stream: TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        let Some(Socket::Listener(listener)) =
            self.sockets.get_mut(listener_id).map(|s| &mut s.socket)
        else {
            return;
        };
        let Some(machine) = listener.machine() else {
            return;
        };
        let options = listener.connection_options();
        // Both interests, once: the poll is edge-triggered, and each connection remembers what it was told.
        let interests = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self
            .io
            .registry
            .register(&mut stream, conn.token(), interests)
        {
            listener.pause(
                &mut self.io,
                NetError::io("watching an accepted connection", &error),
            );
            return;
        }
        if options.nodelay
            && let Err(error) = stream.set_nodelay(true)
        {
            tracing::debug!(id = %conn, %error, "TCP_NODELAY cannot be set");
        }
        let announced = listener.announce(&mut self.io, conn, local, remote);
        let connection = Connection::new(conn, listener_id, stream, machine, options, self.io.now);
        self.sockets
            .insert(conn, Socket::Connection(Box::new(connection)));
        self.io.counters.connections_accepted.one();
        self.io.counters.connections_open.one();
        if announced {
            self.announced(conn);
        }
    }

    fn announced(&mut self, conn: NetConnId) {
        if let Some(Socket::Connection(conn)) = self.sockets.get_mut(conn).map(|s| &mut s.socket) {
            conn.announced(&mut self.io);
        }
    }
}
