//! Sessions: what holds the parts of one conversation together.
//!
//! A session is opened by a coordinator and owned by its connector, as a [`Session`]. Other
//! machines that belong to it own a [`SessionMember`], or are [attached](Session::attach). The
//! rule is one for all:
//!
//! | what happens | what follows |
//! | --- | --- |
//! | the connection closes, the connector calls [`Session::closed`] | attached machines are stopped |
//! | an owner of the session or of a membership ends, is stopped or panics | the connection is closed (flushed; cut off after a panic), attached machines are stopped |
//! | somebody calls [`Sessions::end`] | the same |
//!
//! In each case the entry leaves the table, and watchers are told once. So whichever side goes
//! first, nothing of the session is left: no connection without a machine behind it, no machine
//! without a connection, no entry without either.
//!
//! ```
//! use d3_components::{ServiceName, Sessions};
//! use d3_net::{NetCmd, NetConnId};
//!
//! let (net, commands) = d3_runtime::bounded(8);
//! let sessions = Sessions::new(ServiceName::from("EchoService"));
//! let (local, peer) = (([127, 0, 0, 1], 9000).into(), ([127, 0, 0, 1], 50000).into());
//! let session = sessions.open(NetConnId::fake(1), local, peer, 65536, net);
//! assert_eq!(sessions.len(), 1);
//! drop(session);
//! assert!(sessions.is_empty());
//! assert!(matches!(commands.try_recv(), Ok(NetCmd::CloseConn(..))));
//! ```

mod table;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use d3_net::{Bytes, CloseReason, NetCmd, NetConnId, NetSender};
use d3_runtime::{
    EndReason, MachineHandle, MachineImpl, SendError, Sender, WaitError, this_machine,
};

use crate::{ServiceName, SessionId};
use table::Table;

/// What is known of a session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The service that it belongs to.
    pub service: ServiceName,
    /// Its connection.
    pub conn: NetConnId,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The client's end of the connection.
    pub peer: SocketAddr,
    /// When it was opened.
    pub since: Instant,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The connection was closed, for the reason that the net gave.
    Closed(CloseReason),
    /// A machine that the session depends on ended, or let go of it.
    Left,
    /// A machine that the session depends on panicked.
    Panicked,
    /// [`Sessions::end`] or [`Sessions::end_all`] was called.
    Dismissed,
}

/// The instruction set of those who [watch](Sessions::watch) sessions.
#[derive(Debug, Clone, MachineImpl)]
pub enum SessionCmd {
    /// A session was opened.
    Opened(SessionInfo),
    /// A session ended.
    Ended(SessionInfo, SessionEnd),
}

/// The open sessions of one service. A clone is another handle to the same table.
#[derive(Clone)]
pub struct Sessions(Arc<Table>);

impl Sessions {
    /// An empty table. Coordinators find theirs in their context; this is for use without one.
    pub fn new(service: ServiceName) -> Self {
        Self(Arc::new(Table::new(service)))
    }

    /// Opens a session for a connection that [`NetCmd::NewConn`] announced.
    pub fn open(
        &self,
        conn: NetConnId,
        local: SocketAddr,
        peer: SocketAddr,
        room: usize,
        net: NetSender,
    ) -> Session {
        let (id, service) = (SessionId::new(), self.0.service().clone());
        let info = SessionInfo {
            id,
            service,
            conn,
            local,
            peer,
            since: Instant::now(),
        };
        self.0.open(info.clone(), net.clone());
        Session {
            member: SessionMember {
                id,
                table: self.0.clone(),
            },
            info,
            room,
            net,
        }
    }

    /// Open sessions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sessions that were ever opened.
    pub fn total(&self) -> u64 {
        self.0.total()
    }

    /// The open sessions, oldest first.
    pub fn list(&self) -> Vec<SessionInfo> {
        self.0.list()
    }

    /// An open session by its id.
    pub fn get(&self, id: SessionId) -> Option<SessionInfo> {
        self.0.get(id)
    }

    /// Makes the owner of the token part of an open session: see [`SessionMember`].
    pub fn join(&self, id: SessionId) -> Option<SessionMember> {
        self.0.get(id).map(|_| SessionMember {
            id,
            table: self.0.clone(),
        })
    }

    /// Has a machine stopped when the session ends. If it has ended already, the machine is
    /// stopped at once, and the answer is `false`.
    pub fn attach(&self, id: SessionId, machine: MachineHandle) -> bool {
        self.0.attach(id, machine)
    }

    /// Ends a session: its connection is flushed and closed, attached machines are stopped.
    /// `false` if it has ended already.
    pub fn end(&self, id: SessionId) -> bool {
        self.0.end(id, SessionEnd::Dismissed)
    }

    /// Ends all sessions that are open now.
    pub fn end_all(&self) {
        for info in self.list() {
            self.end(info.id);
        }
    }

    /// Has a sender told of every session that is opened or ends from now on, until its machine
    /// has ended.
    pub fn watch(&self, watcher: Sender<SessionCmd>) {
        self.0.watch(watcher);
    }

    /// Waits until no session is open.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] if one still is after `timeout`; [`WaitError::InsideMachine`], at once, if one is and the caller is
    /// a machine, which must not wait.
    pub fn wait_empty(&self, timeout: Duration) -> Result<(), WaitError> {
        self.0.wait_empty(timeout)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({}: {})", self.0.service(), self.len())
    }
}

/// A session, owned by its connector. Dropping it ends the session.
pub struct Session {
    member: SessionMember,
    info: SessionInfo,
    room: usize,
    net: NetSender,
}

impl Session {
    /// Its id.
    pub fn id(&self) -> SessionId {
        self.info.id
    }

    /// The service that it belongs to.
    pub fn service(&self) -> &ServiceName {
        &self.info.service
    }

    /// Its connection.
    pub fn conn(&self) -> NetConnId {
        self.info.conn
    }

    /// Our end of the connection.
    pub fn local(&self) -> SocketAddr {
        self.info.local
    }

    /// The client's end of the connection.
    pub fn peer(&self) -> SocketAddr {
        self.info.peer
    }

    /// How many bytes the net takes for the connection before the client has read any.
    pub fn room(&self) -> usize {
        self.room
    }

    /// All that is known of it.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// The net.
    pub fn net(&self) -> &NetSender {
        &self.net
    }

    /// Sends bytes to the client.
    ///
    /// # Errors
    /// [`SendError`] if the net has stopped; the instruction is in it.
    pub fn send(&self, bytes: impl Into<Bytes>) -> Result<(), SendError<NetCmd>> {
        self.net
            .send(NetCmd::SendBytes(self.info.conn, bytes.into()))
    }

    /// Asks the net to close the connection; it answers with [`NetCmd::CloseConn`]. The session
    /// goes on until then.
    ///
    /// # Errors
    /// [`SendError`] if the net has stopped; the instruction is in it.
    pub fn close(&self, reason: CloseReason) -> Result<(), SendError<NetCmd>> {
        self.net.send(NetCmd::CloseConn(self.info.conn, reason))
    }

    /// To be called on [`NetCmd::CloseConn`]: the connection is no more, and so the session ends.
    pub fn closed(&self, reason: CloseReason) {
        self.member
            .table
            .end(self.info.id, SessionEnd::Closed(reason));
    }

    /// Whether the session has not ended yet.
    pub fn is_open(&self) -> bool {
        self.member.table.get(self.info.id).is_some()
    }

    /// A token for another machine that the session depends on.
    pub fn member(&self) -> SessionMember {
        SessionMember {
            id: self.info.id,
            table: self.member.table.clone(),
        }
    }

    /// Has a machine stopped when the session ends; at once, and `false`, if it has.
    pub fn attach(&self, machine: MachineHandle) -> bool {
        self.member.table.attach(self.info.id, machine)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.info).finish()
    }
}

/// Membership in a session, for a machine that the session depends on. Dropping it, which the
/// end of its machine does whatever the reason, ends the session.
pub struct SessionMember {
    id: SessionId,
    table: Arc<Table>,
}

impl SessionMember {
    /// The session.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whether the session has not ended yet.
    pub fn is_open(&self) -> bool {
        self.table.get(self.id).is_some()
    }
}

impl Drop for SessionMember {
    fn drop(&mut self) {
        let panicked = std::thread::panicking()
            || matches!(this_machine::end_reason(), Some(EndReason::Panicked(..)));
        self.table.end(
            self.id,
            if panicked {
                SessionEnd::Panicked
            } else {
                SessionEnd::Left
            },
        );
    }
}

impl fmt::Debug for SessionMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionMember({} of {})", self.id, self.table.service())
    }
}

#[cfg(test)]
mod tests;
