//! What d3 0.1.3 got wrong in its network, one test each, by the numbers of the list in the design. Real sockets on
//! ephemeral ports.

#![cfg(feature = "net")]

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use d3::Runtime;
use d3::net::{self, CloseReason, ListenOptions, NetCmd, NetConnId, NetError, NetSender, Network};
use d3::prelude::*;

use support::probe::{Gate, bump, read};
use support::{PATIENCE, runtime, wait_until, wait_until_or};

/// A runtime with a network.
struct Server {
    runtime: Runtime,
    network: Network,
}

impl Server {
    fn start() -> Self {
        let runtime = runtime(2);
        let network = Network::start(&runtime).expect("a network");
        Self { runtime, network }
    }

    fn net(&self) -> NetSender {
        self.network.sender()
    }

    /// A machine that does with its instructions what `handle` says, and what it is told about binding.
    fn machine(
        &self,
        capacity: usize,
        handle: impl FnMut(&NetSender, NetCmd) + Send + 'static,
    ) -> (NetSender, Answers) {
        let (answers, receiver) = mpsc::channel();
        let machine = Listener {
            net: self.net(),
            answers,
            handle,
        };
        (
            self.runtime
                .machine(machine)
                .capacity(capacity)
                .accepts::<NetCmd>()
                .connect(),
            Answers(receiver),
        )
    }

    /// Listens with a machine that sends back what it receives.
    fn echo(&self) -> SocketAddr {
        let (sender, answers) = self.machine(64, |net, cmd| {
            if let NetCmd::RecvBytes(conn, bytes) = cmd {
                send_cmd(net, NetCmd::SendBytes(conn, bytes));
            }
        });
        self.net()
            .send(NetCmd::BindListener(any_port(), sender))
            .unwrap();
        answers.address()
    }

    /// The network does what a network does, for a new listener and a new connection.
    fn works(&self) {
        let mut client = connect(self.echo());
        client.write_all(b"are you there?").unwrap();
        let mut answer = [0; 14];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"are you there?");
    }

    fn stop(self) {
        self.network.stop().unwrap();
        self.runtime.shutdown(PATIENCE);
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// An address that is well formed, and never one of this machine's (RFC 5737).
fn not_ours() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// The contents of `Bound` or `BindFailed`.
type Answer = Result<(u64, NetConnId, SocketAddr), (u64, SocketAddr, NetError)>;

/// Passes on what a machine is told about binding, binds every connection to itself, and leaves the rest to `handle`.
struct Listener<F> {
    net: NetSender,
    answers: mpsc::Sender<Answer>,
    handle: F,
}

impl<F: FnMut(&NetSender, NetCmd) + Send> MachineMut<NetCmd> for Listener<F> {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::Bound(tag, id, address) => drop(self.answers.send(Ok((tag, id, address)))),
            NetCmd::BindFailed(tag, address, error) => {
                drop(self.answers.send(Err((tag, address, error))))
            }
            cmd => {
                if let NetCmd::NewConn(conn, ..) = cmd {
                    let own = this_machine::sender().ok().and_then(|own| own.upgrade());
                    send_cmd(
                        &self.net,
                        NetCmd::BindConn(conn, own.expect("the net holds a sender to its machine")),
                    );
                }
                (self.handle)(&self.net, cmd);
            }
        }
    }
}

/// What a machine was told about binding, one after another.
struct Answers(Receiver<Answer>);

impl Answers {
    fn bound(&self) -> (u64, NetConnId, SocketAddr) {
        self.0
            .recv_timeout(PATIENCE)
            .expect("a bind is answered")
            .expect("the address is free")
    }

    fn address(&self) -> SocketAddr {
        self.bound().2
    }

    fn failed(&self) -> (u64, SocketAddr, NetError) {
        self.0
            .recv_timeout(PATIENCE)
            .expect("a bind is answered")
            .expect_err("the bind must fail")
    }
}

/// Bytes that differ from their neighbours, so that a missing or doubled piece shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8)
        .collect()
}

#[test]
fn defect_04_send_bytes_beyond_4096_is_cut() {
    let server = Server::start();
    for len in [4_096, 4_097, 100_000, 8 << 20] {
        let (sender, answers) = server.machine(16, move |net, cmd| {
            if let NetCmd::NewConn(conn, ..) = cmd {
                send_cmd(net, NetCmd::SendBytes(conn, Bytes::from(pattern(len))));
                send_cmd(net, NetCmd::CloseConn(conn, CloseReason::Flush));
            }
        });
        server
            .net()
            .send(NetCmd::BindListener(any_port(), sender))
            .unwrap();
        let mut client = connect(answers.address());
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert!(
            received == pattern(len),
            "{} of {len} bytes, or not the same ones",
            received.len()
        );
    }
    server.stop();
}

/// Both directions at once, through an echo that sends pieces of the size they come in.
#[test]
fn defect_04_nothing_is_cut_both_ways() {
    const LEN: usize = 1 << 20;
    let server = Server::start();
    let client = connect(server.echo());
    let writer = {
        let mut client = client.try_clone().unwrap();
        thread::spawn(move || {
            client.write_all(&pattern(LEN)).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut received = vec![0; LEN];
    (&client).read_exact(&mut received).unwrap();
    assert!(received == pattern(LEN));
    writer.join().unwrap();
    server.stop();
}

#[test]
fn defect_05_a_bad_listen_address_kills_the_network() {
    let server = Server::start();
    let (sender, answers) = server.machine(16, |_, _| {});
    server
        .net()
        .send(NetCmd::BindListener(not_ours(), sender.clone()))
        .unwrap();
    assert_eq!(answers.failed().1, not_ours());
    server
        .net()
        .send(NetCmd::BindUdpListener(not_ours(), sender.clone()))
        .unwrap();
    assert_eq!(answers.failed().1, not_ours());
    // What is no address at all does not get as far as the network.
    for text in [
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:",
        ":::",
        "127.0.0.1:65536",
        "256.0.0.1:x",
        "[::1]",
    ] {
        let error = net::resolve(text).expect_err(text);
        assert!(error.to_string().contains(text), "{error}");
    }
    server.works();
    server.stop();
}

#[test]
fn defect_06_bind_errors_unreported() {
    let server = Server::start();
    let (sender, answers) = server.machine(16, |_, _| {});
    let taken = TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    server
        .net()
        .send(NetCmd::Listen(
            ListenOptions::tcp(address).tag(41),
            sender.clone(),
        ))
        .unwrap();
    let (tag, at, error) = answers.failed();
    assert_eq!(
        (tag, at, error.kind()),
        (41, address, Some(ErrorKind::AddrInUse)),
        "{error}"
    );

    let taken = UdpSocket::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    server
        .net()
        .send(NetCmd::Listen(
            ListenOptions::udp(address).tag(42),
            sender.clone(),
        ))
        .unwrap();
    let (tag, at, error) = answers.failed();
    assert_eq!(
        (tag, at, error.kind()),
        (42, address, Some(ErrorKind::AddrInUse)),
        "{error}"
    );

    // A port of our own that is in use is reported as well, and the first listener is none the worse.
    let echo = server.echo();
    server
        .net()
        .send(NetCmd::BindListener(echo, sender))
        .unwrap();
    assert_eq!(answers.failed().2.kind(), Some(ErrorKind::AddrInUse));
    let mut client = connect(echo);
    client.write_all(b"still").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    server.stop();
}

/// A UDP socket of the test.
fn udp() -> UdpSocket {
    let socket = UdpSocket::bind(any_port()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    socket
}

/// Binds a UDP echo and checks that it answers. Datagrams may be lost, so the test asks until it is answered.
fn udp_works(server: &Server) {
    let (sender, answers) = server.machine(16, |net, cmd| {
        if let NetCmd::RecvPkt(id, _, from, bytes) = cmd {
            send_cmd(net, NetCmd::SendPkt(id, from, bytes));
        }
    });
    server
        .net()
        .send(NetCmd::BindUdpListener(any_port(), sender))
        .unwrap();
    let (client, address) = (udp(), answers.address());
    let mut answer = [0; 16];
    wait_until("the datagram comes back", || {
        client.send_to(b"ping", address).unwrap();
        client
            .recv_from(&mut answer)
            .is_ok_and(|(len, from)| &answer[..len] == b"ping" && from == address)
    });
}

#[test]
fn defect_07_a_udp_receiver_that_goes_away_kills_the_network() {
    let server = Server::start();
    for _ in 0..5 {
        // The machine ends while datagrams come in for it.
        let received = Arc::<AtomicUsize>::default();
        let (sender, answers) = {
            let received = Arc::clone(&received);
            server.machine(1, move |_, _| bump(&received))
        };
        let handle = sender.handle();
        server
            .net()
            .send(NetCmd::BindUdpListener(any_port(), sender))
            .unwrap();
        let (client, address) = (udp(), answers.address());
        wait_until("the machine receives", || {
            client.send_to(b"for you", address).unwrap();
            read(&received) > 3
        });
        handle.stop();
        wait_until("the machine ends", || {
            // The socket may be closed already; the system then refuses what comes for it.
            let _ = client.send_to(b"too late", address);
            !handle.is_alive()
        });
        for _ in 0..100 {
            let _ = client.send_to(b"too late", address);
        }
        udp_works(&server);
        server.works();
    }
    server.stop();
}

/// The peer of a UDP socket goes away: the system reports that as an error of the next call, which is about no one else.
#[test]
fn defect_07_a_udp_peer_that_goes_away() {
    let server = Server::start();
    let (sender, answers) = server.machine(16, |_, _| {});
    server
        .net()
        .send(NetCmd::BindUdpListener(any_port(), sender))
        .unwrap();
    let (_, id, _) = answers.bound();
    let gone = udp().local_addr().unwrap();
    for _ in 0..100 {
        server
            .net()
            .send(NetCmd::SendPkt(
                id,
                gone,
                Bytes::from_static(b"nobody is there"),
            ))
            .unwrap();
    }
    server
        .net()
        .send(NetCmd::SendPkt(id, gone, Bytes::from(pattern(70_000))))
        .unwrap();
    udp_works(&server);
    server.works();
    server.stop();
}

#[test]
fn defect_08_one_full_machine_stalls_all_connections() {
    const LEN: usize = 32 << 20;
    const CAPACITY: usize = 4;
    let server = Server::start();
    let gate = Gate::new();
    let received = Arc::<AtomicUsize>::default();
    let (slow, answers) = {
        let (gate, received) = (Arc::clone(&gate), Arc::clone(&received));
        server.machine(CAPACITY, move |_, cmd| {
            if let NetCmd::RecvBytes(_, bytes) = cmd {
                gate.pass();
                received.fetch_add(bytes.len(), Ordering::SeqCst);
            }
        })
    };
    server
        .net()
        .send(NetCmd::BindListener(any_port(), slow.clone()))
        .unwrap();
    let mut client = connect(answers.address());
    // More than the sockets' buffers hold: the client is stopped by TCP while the machine is full.
    let writer = thread::spawn(move || -> io::Result<()> {
        client.write_all(&pattern(LEN))?;
        client.shutdown(Shutdown::Write)
    });
    wait_until("the slow machine is held and has no room", || {
        // Whatever is refused here would be refused to the net.
        gate.came() == 1 && slow.try_send(NetCmd::Stop).is_err()
    });

    for _ in 0..10 {
        server.works();
    }
    udp_works(&server);
    assert!(
        slow.len() <= CAPACITY,
        "the net does not fill the mailbox beyond its room: {}",
        slow.len()
    );
    assert!(
        !writer.is_finished(),
        "TCP carries the back-pressure to the peer"
    );

    gate.open();
    wait_until_or(
        "every byte arrives",
        || read(&received) == LEN,
        || format!("{} bytes", read(&received)),
    );
    writer.join().unwrap().unwrap();
    server.stop();
}

#[test]
fn defect_14_closing_an_unknown_connection_panics() {
    let server = Server::start();
    let (closed, closes) = mpsc::channel();
    let (sender, answers) = server.machine(64, move |net, cmd| match cmd {
        // The first piece closes it, in the middle of things.
        NetCmd::RecvBytes(conn, _) => send_cmd(net, NetCmd::CloseConn(conn, CloseReason::Abort)),
        NetCmd::CloseConn(conn, reason) => closed.send((conn, reason)).unwrap(),
        _ => {}
    });
    let net = server.net();
    net.send(NetCmd::BindListener(any_port(), sender.clone()))
        .unwrap();
    let (_, listener, address) = answers.bound();
    let mut client = connect(address);
    client.write_all(b"close me").unwrap();
    let (gone, _) = closes
        .recv_timeout(PATIENCE)
        .expect("the close is reported");

    let bytes = || Bytes::from_static(b"too late");
    for id in [gone, NetConnId::fake(0), NetConnId::fake(u32::MAX)] {
        for reason in [CloseReason::Flush, CloseReason::Abort, CloseReason::Peer] {
            net.send(NetCmd::CloseConn(id, reason)).unwrap();
        }
        net.send(NetCmd::SendBytes(id, bytes())).unwrap();
        net.send(NetCmd::SendPkt(id, address, bytes())).unwrap();
        net.send(NetCmd::Unbind(id)).unwrap();
        net.send(NetCmd::BindConn(id, sender.clone())).unwrap();
        assert_eq!(
            closes.recv_timeout(PATIENCE),
            Ok((id, CloseReason::Unknown)),
            "who binds it is told"
        );
    }
    // An id of the wrong kind, and instructions that only come from the net.
    net.send(NetCmd::SendBytes(listener, bytes())).unwrap();
    net.send(NetCmd::SendPkt(listener, address, bytes()))
        .unwrap();
    net.send(NetCmd::RecvEnd(listener)).unwrap();
    net.send(NetCmd::RecvBytes(gone, bytes())).unwrap();
    server.works();

    // None of it touched the listener, or the connection that has the place of the closed one now.
    let mut next = connect(address);
    net.send(NetCmd::SendBytes(gone, bytes())).unwrap();
    net.send(NetCmd::CloseConn(gone, CloseReason::Abort))
        .unwrap();
    server.works();
    next.write_all(b"close me").unwrap();
    let (second, _) = closes
        .recv_timeout(PATIENCE)
        .expect("the second close is reported");
    assert_ne!(second, gone);
    let mut leaked = Vec::new();
    let _ = next.read_to_end(&mut leaked);
    assert!(
        leaked.is_empty(),
        "{leaked:?} was meant for another connection"
    );
    server.stop();
}
