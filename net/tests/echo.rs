//! An echo service of real machines: every byte comes back, however the connections behave.
mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use common::*;
use d3_net::{CloseReason, NetCmd, NetSender, NetworkBuilder};
use d3_runtime::{MachineMut, Runtime};

/// Gives every accepted connection a pipeline of three machines: consumer, relay, producer.
struct Acceptor {
    net: NetSender,
    runtime: Runtime,
}

impl MachineMut<NetCmd> for Acceptor {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::NewConn(conn, ..) => {
                let producer = self.runtime.connect_mut(Producer(self.net.clone()));
                let relay = self.runtime.connect_mut(Relay(producer));
                let consumer = self.runtime.connect_mut(Relay(relay));
                self.net.send(NetCmd::BindConn(conn, consumer)).unwrap();
            }
            other => other.unhandled(),
        }
    }
}

/// Passes on what it receives.
struct Relay(NetSender);

impl MachineMut<NetCmd> for Relay {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(..) | NetCmd::RecvEnd(_) => {
                let _ = self.0.send(cmd);
            }
            other => other.unhandled(),
        }
    }
}

/// Turns what came in into what goes out.
struct Producer(NetSender);

impl MachineMut<NetCmd> for Producer {
    fn receive(&mut self, cmd: NetCmd) {
        let _ = match cmd {
            NetCmd::RecvBytes(conn, bytes) => self.0.send(NetCmd::SendBytes(conn, bytes)),
            NetCmd::RecvEnd(conn) => self.0.send(NetCmd::CloseConn(conn, CloseReason::Flush)),
            other => return other.unhandled(),
        };
    }
}

/// Starts the service, in a network without any timer near: a lost wake of its thread would be a hang.
fn start() -> (Runtime, d3_net::Network, std::net::SocketAddr) {
    start_with(builder().gone_check(10 * DEADLINE))
}

fn start_with(builder: NetworkBuilder) -> (Runtime, d3_net::Network, std::net::SocketAddr) {
    let runtime = runtime();
    let network = builder.start(&runtime).unwrap();
    let net = network.sender();
    let (sender, inbox) = d3_runtime::bounded(1);
    let acceptor = runtime.connect_mut(Acceptor {
        net: net.clone(),
        runtime: runtime.clone(),
    });
    /// Passes on everything, and tells the address.
    struct Front(NetSender, d3_runtime::Sender<std::net::SocketAddr>);
    impl MachineMut<NetCmd> for Front {
        fn receive(&mut self, cmd: NetCmd) {
            match cmd {
                NetCmd::Bound(_, _, address) => self.1.send(address).unwrap(),
                other => self.0.send(other).unwrap(),
            }
        }
    }
    let front = runtime.connect_mut(Front(acceptor, sender));
    net.send(NetCmd::BindListener(loopback(), front)).unwrap();
    let address = inbox.recv_timeout(DEADLINE).unwrap();
    (runtime, network, address)
}

fn echo_once(address: std::net::SocketAddr, len: usize, seed: u64) {
    let mut client = connect(address);
    let sent = noise(len, seed);
    let mut writer = client.try_clone().unwrap();
    let to_send = sent.clone();
    let writing = thread::spawn(move || {
        // In pieces of odd sizes.
        for piece in to_send.chunks(1 + (seed as usize * 7919) % 50_000) {
            writer.write_all(piece).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    writing.join().unwrap();
    assert!(
        got == sent,
        "sent {} bytes, got {} back",
        sent.len(),
        got.len()
    );
}

#[test]
fn a_mebibyte_comes_back_after_a_half_close() {
    let (_runtime, network, address) = start();
    for seed in 0..4 {
        echo_once(address, 1024 * 1024, seed);
    }
    network.stop().unwrap();
    assert_eq!(network.stats().bytes_out, 4 * 1024 * 1024);
    assert_eq!(network.stats().bytes_unsent, 0);
}

#[test]
fn many_connections_at_once() {
    let (_runtime, network, address) = start();
    let clients: Vec<_> = (0..100)
        .map(|seed| {
            thread::spawn(move || echo_once(address, 1 + (seed as usize * 104_729) % 200_000, seed))
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    until("all connections are gone", || {
        network.stats().connections_open == 0
    });
    let stats = network.stats();
    assert_eq!(stats.connections_accepted, 100);
    assert_eq!(stats.bytes_in, stats.bytes_out);
    network.stop().unwrap();
}

#[test]
fn a_client_that_writes_everything_before_it_reads() {
    // More than all buffers on the way hold, and Linux lets those of a loopback connection grow to some ten MiB on each side: the net
    // stops reading above its high-water mark, so this client may block in its write until it reads; it does so from another thread, late.
    let (_runtime, network, address) = start();
    let mut client = connect(address);
    let sent = noise(64 * 1024 * 1024, 3);
    let mut writer = client.try_clone().unwrap();
    let to_send = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&to_send).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let stuck = settled(&network);
    assert!(
        stuck.bytes_in < sent.len() as u64,
        "the net read all of it into its queues"
    );
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    writing.join().unwrap();
    assert!(got == sent);
    network.stop().unwrap();
}

#[test]
fn ping_pong_over_one_connection() {
    let (_runtime, network, address) = start();
    let mut client = connect(address);
    client.set_nodelay(true).unwrap();
    let mut reply = [0; 64];
    for n in 0..5_000_u64 {
        let ping = noise(64, n);
        client.write_all(&ping).unwrap();
        client.read_exact(&mut reply).unwrap();
        assert_eq!(reply[..], ping[..]);
    }
    drop(client);
    until("the connection is gone", || {
        network.stats().connections_open == 0
    });
    network.stop().unwrap();
}

#[test]
fn a_runtime_that_ends_takes_its_connections_along() {
    let (runtime, network, address) = start_with(builder());
    let mut client = connect(address);
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    runtime.shutdown(Duration::from_secs(5));
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "closed, not reset");
    drop(client);
    until("nothing is open", || {
        network.stats().connections_open + network.stats().listeners_open == 0
    });
    network.stop().unwrap();
}
