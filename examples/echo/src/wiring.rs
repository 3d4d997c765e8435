//! The wiring of one session: a machine that lives until its workers stand in a row.

use std::sync::Arc;

use d3::components::Session;
use d3::net::NetCmd;
use d3::prelude::*;
use tally::Tally;

use crate::WORKER_CAPACITY;
use crate::command::{EchoCmd, EchoSender, Role};
use crate::connector::Connector;

/// Waits for the two workers of a session. Only the components hold senders of it: if one of them is gone, this machine
/// ends as well, the session with it, and the client sees its connection closed.
pub(crate) struct Wiring {
    session: Option<Session>,
    runtime: Runtime,
    tally: Arc<Tally>,
    consumer: Option<EchoSender>,
    producer: Option<EchoSender>,
}

impl Wiring {
    pub(crate) fn new(session: Session, runtime: Runtime, tally: Arc<Tally>) -> Self {
        Self {
            session: Some(session),
            runtime,
            tally,
            consumer: None,
            producer: None,
        }
    }

    /// Wires the session up once all is there.
    fn wire_up(&mut self) {
        let (Some(consumer), Some(producer)) = (&self.consumer, &self.producer) else {
            return;
        };
        let Some(session) = self.session.take() else {
            return;
        };
        let (conn, net) = (session.conn(), session.net().clone());
        send_cmd(producer, EchoCmd::Output(conn));
        send_cmd(consumer, EchoCmd::Next(producer.clone()));
        // Each worker is now held by the one before it, and the first by the net: the row ends from its front.
        let connector = Connector::new(session, consumer.clone(), self.tally.clone());
        let connector = self.runtime.machine(connector).name("echo connector");
        let connector = connector
            .capacity(WORKER_CAPACITY)
            .accepts::<NetCmd>()
            .connect();
        // Nothing is read from a connection before it is bound: no byte came before this.
        send_cmd(&net, NetCmd::BindConn(conn, connector));
        (self.consumer, self.producer) = (None, None);
    }
}

impl MachineMut<EchoCmd> for Wiring {
    fn receive(&mut self, cmd: EchoCmd) {
        match cmd {
            EchoCmd::Worker(Role::Consumer, worker) => self.consumer = Some(worker),
            EchoCmd::Worker(Role::Producer, worker) => self.producer = Some(worker),
            other => tracing::warn!(?other, "the wiring of a session takes only workers"),
        }
        self.wire_up();
    }
}
