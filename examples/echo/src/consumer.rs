//! The component that makes consumers.

use d3::components::{
    ComponentCmd, ComponentError, ComponentInfo, ComponentSender, ServiceContext, Settings,
};
use d3::prelude::*;

use crate::WORKER_CAPACITY;
use crate::command::{EchoCmd, EchoSender, Role};

/// Sets up the component `EchoConsumer`.
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
    };
    Ok(Some(
        ctx.runtime()
            .machine(factory)
            .name("EchoConsumer")
            .accepts::<ComponentCmd>()
            .connect(),
    ))
}

/// The component: told of a session, it makes a worker for it.
struct Factory {
    runtime: Runtime,
}

impl MachineMut<ComponentCmd> for Factory {
    fn receive(&mut self, cmd: ComponentCmd) {
        // A session of a service that speaks something else is none of its business.
        if let ComponentCmd::NewSession(_, _, wiring) = cmd
            && let Ok(wiring) = wiring.downcast::<EchoCmd>()
        {
            let consumer = self
                .runtime
                .machine(Consumer::default())
                .name("echo consumer");
            let consumer = consumer
                .capacity(WORKER_CAPACITY)
                .accepts::<EchoCmd>()
                .connect();
            send_cmd(&wiring, EchoCmd::Worker(Role::Consumer, consumer));
        }
    }
}

/// The worker of one session: takes in what the client sent. Here a service would make sense of it; an echo passes it on.
#[derive(Default)]
struct Consumer {
    next: Option<EchoSender>,
}

impl MachineMut<EchoCmd> for Consumer {
    fn receive(&mut self, cmd: EchoCmd) {
        match (cmd, &self.next) {
            (EchoCmd::Next(next), _) => self.next = Some(next),
            (cmd @ (EchoCmd::Data(_) | EchoCmd::End), Some(next)) => send_cmd(next, cmd),
            (other, _) => tracing::warn!(?other, "a consumer cannot use this"),
        }
    }
}
