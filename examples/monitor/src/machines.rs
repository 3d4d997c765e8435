//! The machine that makes the reports, and the worker of a connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use d3::components::{ServiceContext, Session};
use d3::net::{NetCmd, NetConnId};
use d3::prelude::*;
use tally::Tally;

use crate::clock::Alive;
use crate::report::Report;

/// What the monitor is told.
#[derive(Debug, MachineImpl)]
pub(crate) enum MonitorCmd {
    /// By the clock: a report is due.
    Tick,
    /// A reader has come.
    Enter(NetConnId),
    /// A reader has gone.
    Gone(NetConnId),
}

/// The machine that makes the reports.
pub(crate) struct Monitor {
    ctx: ServiceContext,
    tally: Arc<Tally>,
    readers: BTreeSet<NetConnId>,
    started: Instant,
    ticks: u64,
    /// The clock runs as long as this is here.
    _alive: Alive,
}

impl Monitor {
    pub(crate) fn new(ctx: ServiceContext, alive: Alive) -> Self {
        let tally = tally::of(&ctx);
        Self {
            ctx,
            tally,
            readers: BTreeSet::new(),
            started: Instant::now(),
            ticks: 0,
            _alive: alive,
        }
    }

    fn report(&self) -> Bytes {
        Report::gather(&self.ctx, self.ticks, self.started.elapsed())
            .to_string()
            .into()
    }

    fn send(&self, reader: NetConnId, report: Bytes) {
        self.tally.add_out(report.len());
        send_cmd(self.ctx.net(), NetCmd::SendBytes(reader, report));
    }
}

impl MachineMut<MonitorCmd> for Monitor {
    fn receive(&mut self, cmd: MonitorCmd) {
        match cmd {
            MonitorCmd::Tick => {
                self.ticks += 1;
                if !self.readers.is_empty() {
                    let report = self.report();
                    for reader in &self.readers {
                        self.send(*reader, report.clone());
                    }
                }
            }
            // Who has just come does not wait for the next tick.
            MonitorCmd::Enter(reader) => {
                self.readers.insert(reader);
                self.send(reader, self.report());
            }
            MonitorCmd::Gone(reader) => {
                self.readers.remove(&reader);
            }
        }
    }
}

/// The worker of one connection. What a reader sends is ignored, its end too: it may well listen on.
pub(crate) struct Reader {
    session: Session,
    monitor: Sender<MonitorCmd>,
}

impl Reader {
    pub(crate) fn new(session: Session, monitor: Sender<MonitorCmd>) -> Self {
        Self { session, monitor }
    }
}

impl MachineMut<NetCmd> for Reader {
    fn connected(&mut self, _id: Uuid) {
        send_cmd(&self.monitor, MonitorCmd::Enter(self.session.conn()));
    }

    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(..) | NetCmd::RecvEnd(_) | NetCmd::SendReady(..) => {}
            NetCmd::CloseConn(_, reason) => self.session.closed(reason),
            other => other.unhandled(),
        }
    }

    fn disconnected(&mut self) {
        send_cmd(&self.monitor, MonitorCmd::Gone(self.session.conn()));
    }
}
