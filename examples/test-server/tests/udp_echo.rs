//! UDP echo over real sockets.

mod common;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{DEADLINE, Server};

fn socket(timeout: Duration) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket
        .set_read_timeout(Some(timeout))
        .expect("a timeout can be set");
    socket
}

/// Sends a datagram and waits for it to come back; sends it again if it does not, for datagrams may get lost.
fn round_trip(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) {
    let mut buffer = vec![0; 65_536];
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        socket.send_to(datagram, to).expect("sent");
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                assert_eq!(from, to);
                assert!(
                    buffer[..length] == *datagram,
                    "{length} bytes came back for {}",
                    datagram.len()
                );
                return;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("a datagram of {} bytes never came back", datagram.len());
}

#[test]
fn datagrams_of_every_size_come_back_whole() {
    let server = Server::start(&["UdpEchoService"]);
    let to = server.address("UdpEchoService");
    let socket = socket(Duration::from_secs(5));
    for size in [1, 0, 2, 512, 1_472, 1_473, 9_000, 65_507] {
        let datagram: Vec<u8> = (0..size).map(|i| (i * 31 + size) as u8).collect();
        round_trip(&socket, to, &datagram);
    }
    server.stop();
}

#[test]
fn everybody_gets_their_own_back() {
    let server = Server::start(&["UdpEchoService"]);
    let to = server.address("UdpEchoService");
    let sockets: Vec<_> = (0..8).map(|_| socket(Duration::from_secs(5))).collect();
    for round in 0..50_u32 {
        for (who, socket) in sockets.iter().enumerate() {
            socket
                .send_to(format!("{who}/{round}").as_bytes(), to)
                .expect("sent");
        }
        // Loopback loses nothing as long as the buffers hold, and eight small datagrams they hold.
        for (who, socket) in sockets.iter().enumerate() {
            let mut buffer = [0; 64];
            let (length, _) = socket.recv_from(&mut buffer).expect("it comes back");
            assert_eq!(
                std::str::from_utf8(&buffer[..length]),
                Ok(format!("{who}/{round}").as_str())
            );
        }
    }
    server.stop();
}

/// A flood may lose datagrams, but what comes back was sent, and comes once; afterwards all is as before.
#[test]
fn a_flood_is_survived() {
    let server = Server::start(&["UdpEchoService"]);
    let to = server.address("UdpEchoService");
    let flooder = socket(Duration::from_millis(200));
    for number in 0..20_000_u32 {
        let _ = flooder.send_to(&number.to_le_bytes(), to);
    }
    let mut seen = BTreeSet::new();
    let mut buffer = [0; 64];
    while let Ok((length, _)) = flooder.recv_from(&mut buffer) {
        let number = u32::from_le_bytes(buffer[..length].try_into().expect("four bytes were sent"));
        assert!(
            number < 20_000 && seen.insert(number),
            "{number} came twice"
        );
    }
    assert!(!seen.is_empty());
    round_trip(&socket(Duration::from_secs(5)), to, b"and now?");
    server.stop();
}
