//! The connector: the worker at the net's end of the pipeline.

use std::sync::Arc;

use d3::components::Session;
use d3::net::{CloseReason, NetCmd};
use d3::prelude::*;
use tally::Tally;

use crate::command::{EchoCmd, EchoSender};

/// Turns what the net says about one connection into instructions of the service, and owns the session.
pub(crate) struct Connector {
    session: Session,
    next: EchoSender,
    tally: Arc<Tally>,
}

impl Connector {
    pub(crate) fn new(session: Session, next: EchoSender, tally: Arc<Tally>) -> Self {
        Self {
            session,
            next,
            tally,
        }
    }

    fn pass_on(&mut self, cmd: EchoCmd) {
        // A full mailbox is no error: this machine is then parked after it returns.
        if let Err(error) = self.next.send(cmd) {
            tracing::warn!(session = %self.session.id(), %error, "the pipeline is broken");
            // If the net has stopped as well, the connection is closed already.
            let _ = self.session.close(CloseReason::Abort);
        }
    }
}

impl MachineMut<NetCmd> for Connector {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(_, bytes) => {
                self.tally.add_in(bytes.len());
                self.pass_on(EchoCmd::Data(bytes));
            }
            NetCmd::RecvEnd(_) => self.pass_on(EchoCmd::End),
            // The last word about this connection. The net drops its sender, so this machine ends.
            NetCmd::CloseConn(_, reason) => self.session.closed(reason),
            NetCmd::SendReady(..) => {}
            other => other.unhandled(),
        }
    }
}
