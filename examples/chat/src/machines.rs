//! The machines around the [`room`](crate::room): one for the room, one for each connection.

use std::sync::Arc;

use bytes::Bytes;
use d3::components::Session;
use d3::net::{CloseReason, NetCmd, NetConnId, NetSender};
use d3::prelude::*;
use tally::Tally;

use crate::lines::{Line, Lines};
use crate::room::{Phrases, Room, Said};

/// Longest line of a guest in bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// What the room is told.
#[derive(Debug, MachineImpl)]
pub(crate) enum RoomCmd {
    /// A new connection.
    Enter(NetConnId),
    /// Lines of one guest, in their order. Lines that arrive together travel together.
    Lines(NetConnId, Vec<Line>),
    /// A guest will send no more: it leaves, and its connection is closed once it was told everything.
    Leave(NetConnId),
    /// A connection is gone.
    Gone(NetConnId),
}

/// The room as a machine. All guests talk to this one, so it needs no lock and everybody hears the same order.
pub(crate) struct RoomMachine {
    room: Room<NetConnId>,
    net: NetSender,
    tally: Arc<Tally>,
}

impl RoomMachine {
    pub(crate) fn new(phrases: Phrases, net: NetSender, tally: Arc<Tally>) -> Self {
        Self {
            room: Room::new(phrases),
            net,
            tally,
        }
    }

    fn tell(&self, guest: NetConnId, said: Said) {
        if !said.back.is_empty() {
            self.send(guest, said.back.into());
        }
        if !said.to_others.is_empty() {
            // One text for all: cloning Bytes copies a pointer. Who reads too slowly is the net's affair: it queues up
            // to its limit and then closes that connection alone.
            let text = Bytes::from(said.to_others);
            for other in self.room.others(guest) {
                self.send(other, text.clone());
            }
        }
    }

    fn send(&self, guest: NetConnId, text: Bytes) {
        self.tally.add_out(text.len());
        send_cmd(&self.net, NetCmd::SendBytes(guest, text));
    }
}

impl MachineMut<RoomCmd> for RoomMachine {
    fn receive(&mut self, cmd: RoomCmd) {
        match cmd {
            RoomCmd::Enter(guest) => {
                let said = self.room.enter(guest);
                self.tell(guest, said);
            }
            RoomCmd::Lines(guest, lines) => {
                let mut said = Said::default();
                for line in lines {
                    self.room.line(guest, line, &mut said);
                }
                self.tell(guest, said);
            }
            RoomCmd::Leave(guest) => {
                let said = self.room.leave(guest);
                self.tell(guest, said);
                send_cmd(&self.net, NetCmd::CloseConn(guest, CloseReason::Flush));
            }
            RoomCmd::Gone(guest) => {
                let said = self.room.leave(guest);
                self.tell(guest, said);
            }
        }
    }
}

/// The worker of one connection: bytes in, lines out to the room.
pub(crate) struct Guest {
    session: Session,
    room: Sender<RoomCmd>,
    tally: Arc<Tally>,
    lines: Lines,
}

impl Guest {
    pub(crate) fn new(session: Session, room: Sender<RoomCmd>, tally: Arc<Tally>) -> Self {
        Self {
            session,
            room,
            tally,
            lines: Lines::new(LINE_BYTES_MAX),
        }
    }

    fn pass_on(&self, lines: Vec<Line>) {
        if !lines.is_empty() {
            self.tally.add_messages(lines.len());
            // If the room is full, this machine is parked after it returns, and its guest is not read for a while.
            send_cmd(&self.room, RoomCmd::Lines(self.session.conn(), lines));
        }
    }
}

impl MachineMut<NetCmd> for Guest {
    fn connected(&mut self, _id: Uuid) {
        send_cmd(&self.room, RoomCmd::Enter(self.session.conn()));
    }

    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(_, bytes) => {
                self.tally.add_in(bytes.len());
                let lines = self.lines.push(&bytes);
                self.pass_on(lines);
            }
            NetCmd::RecvEnd(conn) => {
                let last = self.lines.finish();
                self.pass_on(last.into_iter().collect());
                send_cmd(&self.room, RoomCmd::Leave(conn));
            }
            NetCmd::CloseConn(_, reason) => self.session.closed(reason),
            other => other.unhandled(),
        }
    }

    /// However this machine ends (the peer hung up, the server stops, a panic), the room hears of it. Leaving twice is
    /// leaving once.
    fn disconnected(&mut self) {
        send_cmd(&self.room, RoomCmd::Gone(self.session.conn()));
    }
}
