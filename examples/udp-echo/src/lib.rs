//! UDP echo: every datagram goes back to where it came from, whole.
//!
//! The smallest service there is: one machine that receives [`NetCmd`], and a call that has the net open a socket for
//! it. The net hands over whole datagrams and sends whole datagrams; there are no connections and so no sessions.
//!
//! **Back-pressure.** UDP has none. While the machine's mailbox is full the net does not read the socket, and what the
//! system's buffer cannot hold is lost, as datagrams may be.
//!
//! Try it: `cargo run --release -p test-server`, then `nc -u 127.0.0.1 9001`.

#![forbid(unsafe_code)]

use std::sync::Arc;

use d3::components::{
    ComponentError, ComponentInfo, ComponentSender, ServiceContext, Settings, listen,
};
use d3::net::NetCmd;
use d3::prelude::*;
use tally::Tally;

/// Sets the service up: the coordinator of `UdpEchoService`.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the settings give it no `udp_address`.
pub fn configure(
    settings: &Settings,
    _components: &[ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    let echo = UdpEcho {
        ctx: ctx.clone(),
        tally: tally::of(ctx),
    };
    let echo = ctx
        .runtime()
        .machine(echo)
        .name("udp echo")
        .accepts::<NetCmd>()
        .connect();
    listen::udp(settings, ctx, echo)
}

/// The machine of the one socket.
struct UdpEcho {
    ctx: ServiceContext,
    tally: Arc<Tally>,
}

impl MachineMut<NetCmd> for UdpEcho {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvPkt(socket, _local, remote, bytes) => {
                self.tally.add_messages(1);
                self.tally.add_in(bytes.len());
                self.tally.add_out(bytes.len());
                send_cmd(self.ctx.net(), NetCmd::SendPkt(socket, remote, bytes));
            }
            // Bound, BindFailed and the end: the server wants to know where the service can be found.
            other => self.ctx.observe(&other),
        }
    }
}
