//! d3: a service with a machine for each connection, and the example service `echo`, with three in a row.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use ::d3::components::{Running, Services, Session, Settings, listen, services};
use ::d3::net::{CloseReason, NetCmd};
use ::d3::prelude::*;
use d3_benches::Setup;

use super::Server;

const SERVICE: &str = "EchoService";
const PATIENCE: Duration = Duration::from_secs(10);

/// A machine for each connection.
pub(crate) struct Echo(Running);

/// A connection's machine.
struct Connector(Session);

impl MachineMut<NetCmd> for Connector {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            // A session that has ended is told so by `CloseConn`.
            NetCmd::RecvBytes(_, bytes) => drop(self.0.send(bytes)),
            NetCmd::RecvEnd(_) => drop(self.0.close(CloseReason::Flush)),
            NetCmd::CloseConn(_, reason) => self.0.closed(reason),
            other => other.unhandled(),
        }
    }
}

impl Server for Echo {
    fn start(setup: &Setup) -> Result<Self, Box<dyn Error>> {
        let services = Services::new().coordinator("EchoCoordinator", |settings, _, ctx| {
            let runtime = ctx.runtime().clone();
            listen::tcp(settings, ctx, move |session| {
                Ok(runtime.connect_mut(Connector(session)))
            })
        });
        start(setup, "", services).map(Self)
    }

    fn address(&self) -> SocketAddr {
        address(&self.0)
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        stop(self.0)
    }
}

/// The example service: connector, consumer and producer for each connection.
pub(crate) struct Pipeline(Running);

impl Server for Pipeline {
    fn start(setup: &Setup) -> Result<Self, Box<dyn Error>> {
        let components =
            "[[component]]\nname = 'EchoConsumer'\n[[component]]\nname = 'EchoProducer'";
        let services = Services::new()
            .component("EchoConsumer", d3_echo::consumer::configure)
            .component("EchoProducer", d3_echo::producer::configure)
            .coordinator("EchoCoordinator", d3_echo::configure);
        start(setup, components, services).map(Self)
    }

    fn address(&self) -> SocketAddr {
        address(&self.0)
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        stop(self.0)
    }
}

fn start(setup: &Setup, more: &str, services: Services) -> Result<Running, Box<dyn Error>> {
    let queue_size = match setup.capacity {
        Some(capacity) => format!("queue_size = {capacity}\n"),
        None => return Err("echo is compared with bounded mailboxes".into()),
    };
    let settings = Settings::parse(&format!(
        "services = ['{SERVICE}']\n[executor]\nexecutors = {}\n{queue_size}\
         [[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:0'\n{more}",
        setup.workers
    ))?;
    let running = services::start(settings, services)?;
    running.wait_ready(PATIENCE)?;
    Ok(running)
}

fn address(running: &Running) -> SocketAddr {
    running
        .address(SERVICE)
        .expect("a service that is ready has an address")
}

/// Nothing may be left behind: a session, a machine, an instruction.
fn stop(running: Running) -> Result<(), Box<dyn Error>> {
    let stopped = running.stop(PATIENCE);
    if stopped.is_clean() {
        Ok(())
    } else {
        Err(stopped.to_string().into())
    }
}
