//! A listener and its connections: what comes is sent back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use d3::net::{CloseReason, NetCmd, NetSender, Network};
use d3::{MachineMut, Runtime, Sender, bounded, this_machine};

/// What a client on the same computer waits for at most.
const PATIENCE: Duration = Duration::from_secs(300);

/// A machine that echoes, behind a listener on a free port.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) network: Network,
    pub(crate) address: SocketAddr,
}

impl Echo {
    /// Starts a network with its listener.
    ///
    /// # Errors
    /// What the network or the listener has to say, in words.
    pub(crate) fn start(runtime: &Runtime) -> Result<Self, String> {
        let network = Network::start(runtime).map_err(|error| format!("no network: {error}"))?;
        let (tell, told) = bounded(1);
        let net = network.sender();
        let machine = EchoMachine {
            net: net.clone(),
            tell: Some(tell),
        };
        let machine = runtime
            .machine(machine)
            .name("echo")
            .accepts::<NetCmd>()
            .connect();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        net.send(NetCmd::BindListener(any_port, machine))
            .map_err(|error| format!("the network took no listener: {error}"))?;
        let address = told
            .recv_timeout(PATIENCE)
            .map_err(|error| format!("no word from the listener: {error}"))??;
        Ok(Self { network, address })
    }

    /// One connection: sends, and reads all of it back.
    ///
    /// # Errors
    /// If the connection breaks, or what comes back is not what was sent.
    pub(crate) fn visit(&self, length: usize) -> Result<(), String> {
        let sent: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let back = talk(self.address, &sent).map_err(|error| format!("an echo: {error}"))?;
        if back == sent {
            Ok(())
        } else {
            Err(format!("an echo of {length} bytes came back changed"))
        }
    }
}

fn talk(address: SocketAddr, sent: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut back = Vec::with_capacity(sent.len());
    // In pieces that fit into the buffers of both sides: a client that only writes would stop the echo.
    for piece in sent.chunks(16 * 1024) {
        client.write_all(piece)?;
        let begun = back.len();
        back.resize(begun + piece.len(), 0);
        client.read_exact(&mut back[begun..])?;
    }
    client.shutdown(Shutdown::Write)?;
    // Until the other side closes too.
    client.read_to_end(&mut back)?;
    Ok(back)
}

struct EchoMachine {
    net: NetSender,
    tell: Option<Sender<Result<SocketAddr, String>>>,
}

impl EchoMachine {
    fn tell(&mut self, what: Result<SocketAddr, String>) {
        if let Some(tell) = self.tell.take() {
            // Who asked may have gone.
            let _ = tell.send(what);
        }
    }
}

impl MachineMut<NetCmd> for EchoMachine {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::Bound(_, _, address) => self.tell(Ok(address)),
            NetCmd::BindFailed(_, _, error) => self.tell(Err(error.to_string())),
            NetCmd::NewConn(conn, ..) => {
                let me = this_machine::sender::<NetCmd>()
                    .ok()
                    .and_then(|me| me.upgrade());
                if let Some(me) = me {
                    // A net that has stopped has closed the connection.
                    let _ = self.net.send(NetCmd::BindConn(conn, me));
                }
            }
            NetCmd::RecvBytes(conn, bytes) => {
                let _ = self.net.send(NetCmd::SendBytes(conn, bytes));
            }
            NetCmd::RecvEnd(conn) => {
                // The net would close it as well, but grants a machine that answers late some seconds before.
                let _ = self.net.send(NetCmd::CloseConn(conn, CloseReason::Flush));
            }
            _ => {}
        }
    }
}
