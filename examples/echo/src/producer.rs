//! The component that makes producers.

use std::sync::Arc;

use d3::components::{
    ComponentCmd, ComponentError, ComponentInfo, ComponentSender, ServiceContext, Settings,
};
use d3::net::{CloseReason, NetCmd, NetConnId, NetSender};
use d3::prelude::*;
use tally::Tally;

use crate::WORKER_CAPACITY;
use crate::command::{EchoCmd, Role};

/// Sets up the component `EchoProducer`.
///
/// # Errors
/// None; the signature is that of every `configure`.
pub fn configure(
    _settings: &Settings,
    _components: &[ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    let factory = Factory {
        runtime: ctx.runtime().clone(),
        net: ctx.net().clone(),
    };
    Ok(Some(
        ctx.runtime()
            .machine(factory)
            .name("EchoProducer")
            .accepts::<ComponentCmd>()
            .connect(),
    ))
}

/// The component: told of a session, it makes a worker for it.
struct Factory {
    runtime: Runtime,
    net: NetSender,
}

impl MachineMut<ComponentCmd> for Factory {
    fn receive(&mut self, cmd: ComponentCmd) {
        // A session of a service that speaks something else is none of its business.
        if let ComponentCmd::NewSession(_, service, wiring) = cmd
            && let Ok(wiring) = wiring.downcast::<EchoCmd>()
        {
            let tally = tally::of_service(&self.net, &service);
            let producer = Producer {
                tally,
                net: self.net.clone(),
                output: None,
            };
            let producer = self.runtime.machine(producer).name("echo producer");
            let producer = producer
                .capacity(WORKER_CAPACITY)
                .accepts::<EchoCmd>()
                .connect();
            send_cmd(&wiring, EchoCmd::Worker(Role::Producer, producer));
        }
    }
}

/// The worker of one session: hands the net what the client gets.
struct Producer {
    tally: Arc<Tally>,
    net: NetSender,
    output: Option<NetConnId>,
}

impl MachineMut<EchoCmd> for Producer {
    fn receive(&mut self, cmd: EchoCmd) {
        match (cmd, self.output) {
            (EchoCmd::Output(conn), _) => self.output = Some(conn),
            (EchoCmd::Data(bytes), Some(conn)) => {
                self.tally.add_out(bytes.len());
                send_cmd(&self.net, NetCmd::SendBytes(conn, bytes));
            }
            // Everything was handed to the net before this, in order: it closes once all of it is written.
            (EchoCmd::End, Some(conn)) => {
                send_cmd(&self.net, NetCmd::CloseConn(conn, CloseReason::Flush))
            }
            (other, _) => tracing::warn!(?other, "a producer cannot use this"),
        }
    }
}
