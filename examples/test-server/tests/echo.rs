//! Echo over real sockets: many connections, half-close, slow readers.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use common::{Client, DEADLINE, Server, wait_until};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const SERVICE: &str = "EchoService";
const CONNECTIONS: usize = 200;
const MIB: u64 = 1024 * 1024;

/// Random bytes that can be made again from any position: splitmix64 over the number of each group of eight.
#[derive(Clone, Copy)]
struct Noise(u64);

impl Noise {
    fn word(self, index: u64) -> [u8; 8] {
        let mut z = self
            .0
            .wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).to_le_bytes()
    }

    fn fill(self, from: u64, buffer: &mut [u8]) {
        let mut position = from;
        let mut rest = buffer;
        while !rest.is_empty() {
            let word = self.word(position / 8);
            let piece = &word[(position % 8) as usize..];
            let length = piece.len().min(rest.len());
            rest[..length].copy_from_slice(&piece[..length]);
            position += length as u64;
            rest = &mut rest[length..];
        }
    }
}

/// One client of the loop: writes its noise, ends its half, and checks what comes back.
struct Talker {
    stream: TcpStream,
    noise: Noise,
    total: u64,
    sent: u64,
    received: u64,
    half_closed: bool,
    reads: bool,
    done: bool,
}

impl Talker {
    fn connect(address: SocketAddr, seed: u64, reads: bool) -> Self {
        let stream = std::net::TcpStream::connect(address).expect("the service listens");
        stream
            .set_nonblocking(true)
            .expect("sockets can be non-blocking");
        let stream = TcpStream::from_std(stream);
        Self {
            stream,
            noise: Noise(seed),
            total: MIB,
            sent: 0,
            received: 0,
            half_closed: false,
            reads,
            done: false,
        }
    }

    /// Writes and reads until the socket takes and gives no more.
    fn turn(&mut self) {
        let mut buffer = [0; 32 * 1024];
        let mut expected = [0; 32 * 1024];
        loop {
            let wrote = self.write_some(&mut buffer);
            let read = self.reads && !self.done && self.read_some(&mut buffer, &mut expected);
            if !wrote && !read {
                return;
            }
        }
    }

    fn write_some(&mut self, buffer: &mut [u8]) -> bool {
        if self.sent == self.total {
            if !self.half_closed {
                self.stream
                    .shutdown(Shutdown::Write)
                    .expect("the connection is open");
                self.half_closed = true;
            }
            return false;
        }
        let length = buffer.len().min((self.total - self.sent) as usize);
        self.noise.fill(self.sent, &mut buffer[..length]);
        match self.stream.write(&buffer[..length]) {
            Ok(written) => {
                self.sent += written as u64;
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("writing after {} bytes: {error}", self.sent),
        }
    }

    fn read_some(&mut self, buffer: &mut [u8], expected: &mut [u8]) -> bool {
        match self.stream.read(buffer) {
            Ok(0) => {
                assert_eq!(
                    (self.sent, self.received),
                    (self.total, self.total),
                    "the end came early"
                );
                self.done = true;
                false
            }
            Ok(length) => {
                self.noise.fill(self.received, &mut expected[..length]);
                assert!(
                    buffer[..length] == expected[..length],
                    "wrong bytes after {}",
                    self.received
                );
                self.received += length as u64;
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("reading after {} bytes: {error}", self.received),
        }
    }
}

/// Runs the talkers until all of them that read are done.
fn talk(poll: &mut Poll, talkers: &mut [Talker]) {
    let deadline = Instant::now() + DEADLINE;
    let mut events = Events::with_capacity(1024);
    // Readiness is told once: everybody gets a turn at first, whatever was told before.
    talkers.iter_mut().for_each(Talker::turn);
    while talkers.iter().any(|talker| talker.reads && !talker.done) {
        let left = deadline.saturating_duration_since(Instant::now());
        let stuck = talkers
            .iter()
            .filter(|talker| talker.reads && !talker.done)
            .count();
        assert!(left > Duration::ZERO, "{stuck} connections are stuck");
        match poll.poll(&mut events, Some(left)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other.expect("the poll works"),
        }
        for event in &events {
            talkers[event.token().0].turn();
        }
    }
}

fn talkers(server: &Server, poll: &Poll, slow: usize) -> Vec<Talker> {
    let address = server.address(SERVICE);
    let mut talkers: Vec<_> = (0..CONNECTIONS)
        .map(|i| Talker::connect(address, 0xD3 + i as u64, i >= slow))
        .collect();
    for (i, talker) in talkers.iter_mut().enumerate() {
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut talker.stream, Token(i), both)
            .expect("the poll takes it");
    }
    wait_until("all connections are open", || {
        server.sessions(SERVICE) == CONNECTIONS
    });
    talkers
}

#[test]
fn two_hundred_connections_of_a_mebibyte_each() {
    let server = Server::start(&[SERVICE]);
    let mut poll = Poll::new().expect("a poll");
    let mut talkers = talkers(&server, &poll, 0);
    talk(&mut poll, &mut talkers);
    wait_until("all sessions are over", || server.sessions(SERVICE) == 0);
    server.stop();
}

#[test]
fn slow_readers_do_not_hold_up_the_others_and_lose_nothing() {
    const SLOW: usize = 20;
    let server = Server::start(&[SERVICE]);
    let mut poll = Poll::new().expect("a poll");
    let mut talkers = talkers(&server, &poll, SLOW);
    talk(&mut poll, &mut talkers);
    assert!(talkers[..SLOW].iter().all(|talker| talker.received == 0));
    assert!(talkers[SLOW..].iter().all(|talker| talker.done));
    talkers.iter_mut().for_each(|talker| talker.reads = true);
    talk(&mut poll, &mut talkers);
    wait_until("all sessions are over", || server.sessions(SERVICE) == 0);
    server.stop();
}

/// A client that never reads is stopped by TCP, not by the server's memory: what it can get rid of has an end.
#[test]
fn who_never_reads_cannot_write_for_ever() {
    let server = Server::start(&[SERVICE]);
    let mut poll = Poll::new().expect("a poll");
    let mut talker = Talker {
        total: 4096 * MIB,
        ..Talker::connect(server.address(SERVICE), 7, false)
    };
    poll.registry()
        .register(&mut talker.stream, Token(0), Interest::WRITABLE)
        .expect("the poll takes it");
    let mut events = Events::with_capacity(8);
    // Blocked for so long, with the server idle, is blocked for good.
    loop {
        let before = talker.sent;
        talker.turn();
        assert!(talker.sent < 64 * MIB, "the server takes in everything");
        poll.poll(&mut events, Some(Duration::from_millis(500)))
            .expect("the poll works");
        if events.is_empty() && talker.sent == before {
            break;
        }
    }
    // And it is not lost: from now on it reads.
    (talker.reads, talker.total) = (true, talker.sent);
    poll.registry()
        .reregister(
            &mut talker.stream,
            Token(0),
            Interest::READABLE | Interest::WRITABLE,
        )
        .expect("the poll takes it");
    talk(&mut poll, std::slice::from_mut(&mut talker));
    drop(talker);
    server.stop();
}

#[test]
fn small_messages_come_back_one_by_one() {
    let server = Server::start(&[SERVICE]);
    let mut client = server.connect(SERVICE);
    for round in 0..200_u32 {
        client.send(round.to_le_bytes());
        assert_eq!(client.read_exact(4), round.to_le_bytes());
    }
    client.end();
    client.expect_end();
    drop(client);
    server.stop();
}

#[test]
fn nothing_sent_nothing_returned() {
    let server = Server::start(&[SERVICE]);
    let mut client = server.connect(SERVICE);
    client.end();
    client.expect_end();
    wait_until("the session is over", || server.sessions(SERVICE) == 0);
    server.stop();
}

/// Connections that come and go in every way leave nothing behind.
#[test]
fn nothing_is_left_behind() {
    let server = Server::start(&[SERVICE]);
    let idle = server.running().runtime().machine_count();
    for round in 0..300 {
        let mut client = server.connect(SERVICE);
        match round % 3 {
            0 => drop(client),
            1 => client.send("gone before the answer"),
            _ => {
                client.send("hello");
                assert_eq!(client.read_exact(5), b"hello");
            }
        }
    }
    wait_until("all sessions are over", || server.sessions(SERVICE) == 0);
    wait_until("all their machines have ended", || {
        server.running().runtime().machine_count() == idle
    });
    server.stop();
}

#[test]
fn a_stop_closes_open_connections() {
    let server = Server::start(&[SERVICE]);
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect(SERVICE)).collect();
    for client in &mut clients {
        client.send("x");
        assert_eq!(client.read_exact(1), b"x");
    }
    server.stop();
    for client in &mut clients {
        client.expect_end();
    }
}

/// Without one of its components there is no pipeline: new clients are let go, those who have one stay.
#[test]
fn a_component_that_is_gone_closes_new_connections_only() {
    let server = Server::start(&[SERVICE]);
    let mut early = server.connect(SERVICE);
    early.send("a");
    assert_eq!(early.read_exact(1), b"a");
    let components = server.running().components();
    let producers = components
        .iter()
        .find(|info| info.name() == "EchoProducer")
        .expect("it is configured");
    producers.sender().handle().stop();
    wait_until("the component has ended", || {
        producers.sender().is_disconnected()
    });
    let mut late = server.connect(SERVICE);
    late.send("b");
    late.expect_end();
    early.send("c");
    assert_eq!(early.read_exact(1), b"c");
    early.end();
    early.expect_end();
}
