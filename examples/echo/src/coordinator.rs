//! The coordinator: it listens, and begins a session for each connection.

use std::sync::Arc;

use d3::components::component::find;
use d3::components::{
    AnySender, ComponentCmd, ComponentError, ComponentInfo, ComponentSender, ServiceContext,
    Session, Settings,
};
use d3::net::{HalfClose, ListenOptions, NetCmd};
use d3::prelude::*;
use tally::Tally;

use crate::command::EchoCmd;
use crate::wiring::Wiring;

/// Sets up the coordinator of `EchoService`. It needs the components `EchoConsumer` and `EchoProducer`.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the settings give it no `tcp_address`, or one of its components is missing.
pub fn configure(
    settings: &Settings,
    components: &[ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    let address = settings
        .require_coordinator(ctx.name())?
        .require_tcp_address()?;
    let consumers = find(components, "EchoConsumer")?.sender().clone();
    let producers = find(components, "EchoProducer")?.sender().clone();
    let listener = Listener {
        ctx: ctx.clone(),
        components: [consumers, producers],
        tally: tally::of(ctx),
    };
    let listener = ctx
        .runtime()
        .machine(listener)
        .name("echo listener")
        .accepts::<NetCmd>()
        .connect();
    ctx.depends_on(listener.handle());
    // The service closes its connections itself, once the last reply is on its way.
    let options = ListenOptions::tcp(address).half_close(HalfClose::KeepOpen);
    let coordinator = Coordinator {
        ctx: ctx.clone(),
        bind: Some(NetCmd::Listen(options, listener)),
    };
    let coordinator = ctx
        .runtime()
        .machine(coordinator)
        .name("EchoCoordinator")
        .accepts::<ComponentCmd>();
    Ok(Some(coordinator.connect()))
}

/// What the server talks to.
struct Coordinator {
    ctx: ServiceContext,
    /// What the net is to be told on `Start`, with the only sender of the listener in it: from then on the net holds the
    /// listener, and lets go of it when the socket is closed.
    bind: Option<NetCmd>,
}

impl MachineMut<ComponentCmd> for Coordinator {
    fn receive(&mut self, cmd: ComponentCmd) {
        match cmd {
            ComponentCmd::Start => {
                if let Some(bind) = self.bind.take() {
                    send_cmd(self.ctx.net(), bind);
                }
            }
            ComponentCmd::Stop => {
                self.bind = None;
                self.ctx.unbind();
            }
            // A coordinator announces sessions, nobody announces any to it.
            ComponentCmd::NewSession(..) => {}
        }
    }
}

/// What the net talks to.
struct Listener {
    ctx: ServiceContext,
    components: [ComponentSender; 2],
    tally: Arc<Tally>,
}

impl MachineMut<NetCmd> for Listener {
    fn receive(&mut self, cmd: NetCmd) {
        // The server wants to know where the service listens, or why it cannot.
        self.ctx.observe(&cmd);
        match cmd {
            NetCmd::NewConn(conn, local, remote, room) => {
                let net = self.ctx.net().clone();
                self.begin(self.ctx.sessions().open(conn, local, remote, room, net));
            }
            NetCmd::AcceptFailed(_, error) => tracing::warn!(%error, "cannot accept"),
            NetCmd::Bound(..) | NetCmd::BindFailed(..) | NetCmd::CloseConn(..) => {}
            other => other.unhandled(),
        }
    }
}

impl Listener {
    /// Asks each component for a worker. They answer to the session's wiring, which takes it from there.
    fn begin(&self, session: Session) {
        let (id, service) = (session.id(), session.service().clone());
        let wiring = Wiring::new(session, self.ctx.runtime().clone(), self.tally.clone());
        let wiring = self
            .ctx
            .runtime()
            .machine(wiring)
            .name("echo wiring")
            .accepts::<EchoCmd>()
            .connect();
        for component in &self.components {
            let worker_to = AnySender::new(wiring.clone());
            send_cmd(
                component,
                ComponentCmd::NewSession(id, service.clone(), worker_to),
            );
        }
    }
}
