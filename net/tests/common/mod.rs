//! What the tests over real sockets share. Every wait has a deadline.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use d3_net::{
    CloseReason, ListenOptions, NetCmd, NetConnId, NetSender, NetStats, Network, NetworkBuilder,
};
use d3_runtime::{Receiver, Runtime, bounded, unbounded};

pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub fn runtime() -> Runtime {
    Runtime::builder().workers(2).build().unwrap()
}

/// A network whose deadlines are far away, so that a test that waits for one by accident fails by its own deadline.
/// Only lingering is short: many tests stop the network while their clients are open.
pub fn builder() -> NetworkBuilder {
    Network::builder()
        .unbound_timeout(Duration::from_secs(600))
        .flush_timeout(Duration::from_secs(600))
        .linger_timeout(Duration::from_millis(100))
        .end_grace(Duration::from_secs(600))
        .stop_timeout(Duration::from_secs(5))
        .gone_check(Duration::from_millis(20))
}

pub fn network(builder: NetworkBuilder) -> Network {
    builder.start(&runtime()).unwrap()
}

/// A listener, and the receiver that plays its machine.
pub struct Service {
    pub net: NetSender,
    pub id: NetConnId,
    pub address: SocketAddr,
    pub sender: NetSender,
    pub inbox: Receiver<NetCmd>,
}

/// An accepted connection: both ends, and the receiver that plays its machine.
pub struct Pair {
    pub client: TcpStream,
    pub conn: NetConnId,
    pub inbox: Receiver<NetCmd>,
}

impl Service {
    pub fn tcp(network: &Network) -> Self {
        Self::with(network, ListenOptions::tcp(loopback()))
    }

    pub fn udp(network: &Network) -> Self {
        Self::with(network, ListenOptions::udp(loopback()))
    }

    pub fn with(network: &Network, options: ListenOptions) -> Self {
        let (sender, inbox) = unbounded();
        Self::with_inbox(network, options, sender, inbox)
    }

    pub fn with_inbox(
        network: &Network,
        options: ListenOptions,
        sender: NetSender,
        inbox: Receiver<NetCmd>,
    ) -> Self {
        let net = network.sender();
        net.send(NetCmd::Listen(options, sender.clone())).unwrap();
        let NetCmd::Bound(_, id, address) = next(&inbox) else {
            panic!("not bound")
        };
        Self {
            net,
            id,
            address,
            sender,
            inbox,
        }
    }

    /// Connects; the connection is accepted and not bound.
    pub fn connect(&self) -> (TcpStream, NetConnId) {
        let client = connect(self.address);
        let local = client.local_addr().unwrap();
        let NetCmd::NewConn(conn, at, from, _) = next(&self.inbox) else {
            panic!("no connection")
        };
        assert_eq!((at, from), (self.address, local));
        (client, conn)
    }

    /// Connects and binds to a machine of this capacity.
    pub fn pair(&self, capacity: usize) -> Pair {
        let (client, conn) = self.connect();
        let (sender, inbox) = bounded(capacity);
        self.net.send(NetCmd::BindConn(conn, sender)).unwrap();
        Pair {
            client,
            conn,
            inbox,
        }
    }
}

impl Pair {
    pub fn expect_close(&self, reason: CloseReason) {
        match next(&self.inbox) {
            NetCmd::CloseConn(id, why) => assert_eq!((id, why), (self.conn, reason)),
            other => panic!("{other:?}"),
        }
    }

    /// Receives exactly so many bytes.
    pub fn bytes(&self, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len {
            match next(&self.inbox) {
                NetCmd::RecvBytes(id, bytes) if id == self.conn => all.extend_from_slice(&bytes),
                other => panic!("{other:?} after {} bytes", all.len()),
            }
        }
        assert_eq!(all.len(), len);
        all
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.set_write_timeout(Some(DEADLINE)).unwrap();
    client
}

pub fn next(inbox: &Receiver<NetCmd>) -> NetCmd {
    inbox
        .recv_timeout(DEADLINE)
        .expect("an instruction in time")
}

/// Waits for a condition that has no event of its own.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until what the network counts stops changing: it has done all it can without outside help.
pub fn settled(network: &Network) -> NetStats {
    let deadline = Instant::now() + DEADLINE;
    let quiet = |s: NetStats| {
        (
            s.bytes_in,
            s.bytes_out,
            s.commands,
            s.connections_open,
            s.machines_full,
        )
    };
    let mut last = network.stats();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(100) {
        assert!(Instant::now() < deadline, "the network never settles");
        std::thread::sleep(Duration::from_millis(5));
        let now = network.stats();
        if quiet(now) != quiet(last) {
            (last, since) = (now, Instant::now());
        }
    }
    network.stats()
}

/// Bytes that look random and differ by seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| step()).collect()
}

pub fn abort_on_drop(client: &TcpStream) {
    socket2::SockRef::from(client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}
