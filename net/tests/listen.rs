//! Listening: answers, failures, limits.
mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::*;
use d3_net::{CloseReason, ListenOptions, NetCmd, NetError, Network};
use d3_runtime::{bounded, unbounded};

#[test]
fn a_port_in_use_is_reported_and_harms_nobody() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let taken = TcpListener::bind(loopback()).unwrap();
    let taken_udp = UdpSocket::bind(loopback()).unwrap();
    let addresses = [taken.local_addr().unwrap(), taken_udp.local_addr().unwrap()];
    let (sender, inbox) = unbounded();
    network
        .sender()
        .send(NetCmd::Listen(
            ListenOptions::tcp(addresses[0]).tag(41),
            sender.clone(),
        ))
        .unwrap();
    network
        .sender()
        .send(NetCmd::Listen(
            ListenOptions::udp(addresses[1]).tag(42),
            sender,
        ))
        .unwrap();
    for (address, wanted_tag) in addresses.into_iter().zip([41, 42]) {
        match next(&inbox) {
            NetCmd::BindFailed(tag, at, error) => {
                assert_eq!((tag, at), (wanted_tag, address));
                assert_eq!(error.kind(), Some(ErrorKind::AddrInUse), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    // The network lives, and the service with it.
    service.pair(8).client.write_all(b"x").unwrap();
    network.stop().unwrap();
}

#[test]
fn an_address_that_is_not_ours_is_reported() {
    let network = network(builder());
    let (sender, inbox) = unbounded();
    let foreign: SocketAddr = "203.0.113.1:80".parse().unwrap();
    network
        .sender()
        .send(NetCmd::BindListener(foreign, sender.clone()))
        .unwrap();
    assert!(matches!(next(&inbox), NetCmd::BindFailed(0, a, _) if a == foreign));
    network
        .sender()
        .send(NetCmd::BindUdpListener(foreign, sender))
        .unwrap();
    assert!(matches!(next(&inbox), NetCmd::BindFailed(0, a, _) if a == foreign));
    network.stop().unwrap();
}

#[test]
fn answers_repeat_the_tag_and_tell_the_port() {
    let network = network(builder());
    let (sender, inbox) = unbounded();
    for tag in [7, 8] {
        network
            .sender()
            .send(NetCmd::Listen(
                ListenOptions::tcp(loopback()).tag(tag),
                sender.clone(),
            ))
            .unwrap();
    }
    let bound = [7, 8].map(|wanted| {
        let NetCmd::Bound(tag, id, address) = next(&inbox) else {
            panic!("not bound")
        };
        assert_eq!(tag, wanted);
        assert_ne!(address.port(), 0);
        (id, address)
    });
    assert_ne!(bound[0].0, bound[1].0);
    for (_, address) in bound {
        TcpStream::connect(address).unwrap();
        assert!(matches!(next(&inbox), NetCmd::NewConn(_, local, ..) if local == address));
    }
    network.stop().unwrap();
}

#[test]
fn a_listener_on_any_address_tells_the_local_one() {
    let network = network(builder());
    let service = Service::with(
        &network,
        ListenOptions::tcp(SocketAddr::from(([0, 0, 0, 0], 0))),
    );
    let port = service.address.port();
    let _client = connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let NetCmd::NewConn(_, local, ..) = next(&service.inbox) else {
        panic!("no connection")
    };
    assert_eq!(local, SocketAddr::from(([127, 0, 0, 1], port)));
    network.stop().unwrap();
}

#[test]
fn an_unbound_listener_closes_and_its_connections_live_on() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let mut pair = service.pair(8);
    service.net.send(NetCmd::Unbind(service.id)).unwrap();
    assert!(
        matches!(next(&service.inbox), NetCmd::CloseConn(id, CloseReason::Flush) if id == service.id)
    );
    until("the port is closed", || {
        TcpStream::connect(service.address).is_err()
    });
    pair.client.write_all(b"still here").unwrap();
    assert_eq!(pair.bytes(10), b"still here");
    // The address is free again.
    Service::with(&network, ListenOptions::tcp(service.address));
    // A second Unbind finds nobody.
    let before = network.stats().unknown_ids;
    service.net.send(NetCmd::Unbind(service.id)).unwrap();
    until("it is counted", || {
        network.stats().unknown_ids == before + 1
    });
    network.stop().unwrap();
}

#[test]
fn at_its_limit_of_connections_a_listener_waits() {
    let network = network(builder());
    let service = Service::with(&network, ListenOptions::tcp(loopback()).max_connections(2));
    let (first, _) = service.connect();
    let (_second, _) = service.connect();
    let mut third = connect(service.address);
    third.write_all(b"patient").unwrap();
    settled(&network);
    assert!(
        service.inbox.try_recv().is_err(),
        "a third connection was accepted"
    );
    drop(first);
    // Nobody reads an unbound connection, so its end is not seen until a machine has it.
    assert_eq!(network.stats().connections_open, 2);
    service.net.send(NetCmd::Unbind(service.id)).unwrap();
    network.stop().unwrap();
}

#[test]
fn a_place_that_becomes_free_is_used() {
    let network = network(builder());
    let service = Service::with(&network, ListenOptions::tcp(loopback()).max_connections(1));
    for round in 0..20 {
        let waiting = connect(service.address);
        let NetCmd::NewConn(conn, ..) = next(&service.inbox) else {
            panic!("round {round}")
        };
        let next_one = connect(service.address);
        service
            .net
            .send(NetCmd::CloseConn(conn, CloseReason::Abort))
            .unwrap();
        assert!(
            matches!(next(&service.inbox), NetCmd::CloseConn(id, CloseReason::Abort) if id == conn)
        );
        let NetCmd::NewConn(conn, ..) = next(&service.inbox) else {
            panic!("round {round}")
        };
        service
            .net
            .send(NetCmd::CloseConn(conn, CloseReason::Abort))
            .unwrap();
        assert!(
            matches!(next(&service.inbox), NetCmd::CloseConn(id, CloseReason::Abort) if id == conn)
        );
        drop((waiting, next_one));
    }
    network.stop().unwrap();
}

#[test]
fn a_network_at_its_limit_of_sockets_refuses_and_recovers() {
    let network = network(builder().max_sockets(2));
    let service = Service::tcp(&network);
    let (_client, conn) = service.connect();
    let (sender, inbox) = unbounded();
    network
        .sender()
        .send(NetCmd::BindListener(loopback(), sender))
        .unwrap();
    assert!(matches!(
        next(&inbox),
        NetCmd::BindFailed(_, _, NetError::TooManySockets)
    ));
    let _waiting = connect(service.address);
    settled(&network);
    assert!(service.inbox.try_recv().is_err());
    service
        .net
        .send(NetCmd::CloseConn(conn, CloseReason::Abort))
        .unwrap();
    assert!(matches!(next(&service.inbox), NetCmd::CloseConn(..)));
    assert!(matches!(next(&service.inbox), NetCmd::NewConn(..)));
    network.stop().unwrap();
}

#[test]
fn a_place_that_one_listener_frees_serves_another() {
    let network = network(builder().max_sockets(3));
    let one = Service::tcp(&network);
    let two = Service::tcp(&network);
    let (_client, conn) = one.connect();
    let _waiting = connect(two.address);
    settled(&network);
    assert!(two.inbox.try_recv().is_err());
    one.net
        .send(NetCmd::CloseConn(conn, CloseReason::Abort))
        .unwrap();
    assert!(matches!(next(&two.inbox), NetCmd::NewConn(..)));
    network.stop().unwrap();
}

#[test]
fn a_full_listener_machine_loses_no_connection() {
    let network = network(builder());
    let (sender, inbox) = bounded(2);
    let service = Service::with_inbox(&network, ListenOptions::tcp(loopback()), sender, inbox);
    let clients: Vec<_> = (0..50).map(|_| connect(service.address)).collect();
    let stats = settled(&network);
    assert!(
        stats.connections_accepted <= 4,
        "{} accepted for a machine of 2",
        stats.connections_accepted
    );
    for client in &clients {
        let NetCmd::NewConn(_, _, remote, _) = next(&service.inbox) else {
            panic!("no connection")
        };
        assert_eq!(
            remote,
            client.local_addr().unwrap(),
            "in the order of connecting"
        );
    }
    drop(service);
    network.stop().unwrap();
}

#[test]
fn a_listener_whose_machine_ends_is_closed() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let other = Service::tcp(&network);
    let address = service.address;
    drop(service);
    until("the port is closed", || {
        TcpStream::connect(address).is_err()
    });
    other.connect();
    network.stop().unwrap();
}

#[test]
fn networks_are_separate() {
    let one = network(builder());
    let two = network(builder());
    let a = Service::tcp(&one);
    let b = Service::tcp(&two);
    let pair = a.pair(8);
    // The same place in the other network's table.
    let _other = b.pair(8);
    two.sender()
        .send(NetCmd::SendBytes(pair.conn, (&b"astray"[..]).into()))
        .unwrap();
    two.sender()
        .send(NetCmd::CloseConn(pair.conn, CloseReason::Abort))
        .unwrap();
    until("both are refused", || two.stats().unknown_ids == 2);
    two.stop().unwrap();
    one.sender()
        .send(NetCmd::SendBytes(pair.conn, (&b"right"[..]).into()))
        .unwrap();
    let mut got = [0; 5];
    (&pair.client).read_exact(&mut got).unwrap();
    assert_eq!(&got, b"right");
    one.stop().unwrap();
}

#[test]
fn a_network_with_nothing_to_do_does_nothing() {
    // d3 0.1.3 waited by spinning.
    let network = network(builder().gone_check(Duration::from_secs(600)));
    let service = Service::tcp(&network);
    let udp = Service::udp(&network);
    let pairs: Vec<_> = (0..10).map(|_| service.pair(8)).collect();
    settled(&network);
    let turns = network.stats().turns;
    let since = Instant::now();
    until("a while has passed", || {
        since.elapsed() > Duration::from_millis(300)
    });
    assert_eq!(network.stats().turns, turns);
    drop((pairs, udp));
    network.stop().unwrap();
}

#[test]
fn timeouts_of_any_length_are_allowed() {
    let network = network(
        builder()
            .unbound_timeout(Duration::MAX)
            .linger_timeout(Duration::MAX),
    );
    let service = Service::with(
        &network,
        ListenOptions::tcp(loopback()).idle_timeout(Duration::MAX),
    );
    let mut pair = service.pair(8);
    pair.client.write_all(b"x").unwrap();
    assert_eq!(pair.bytes(1), b"x");
    drop(pair);
    network.stop().unwrap();
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let runtime = runtime();
    for bad in [
        Network::builder().command_capacity(0),
        Network::builder().low_water(10).high_water(5),
        Network::builder()
            .high_water(10)
            .low_water(0)
            .write_limit(5),
        Network::builder().max_sockets(0),
        Network::builder().gone_check(Duration::ZERO),
    ] {
        assert!(matches!(bad.start(&runtime), Err(NetError::BadOption(_))));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn without_file_descriptors_the_listener_reports_waits_and_recovers() {
    // In a process of its own, whose limit a shell sets.
    let status = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            "ulimit -n 64; exec \"$0\" --exact --ignored child_without_file_descriptors",
        ])
        .arg(std::env::current_exe().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "run by the test above, in a process with few file descriptors"]
fn child_without_file_descriptors() {
    let network = network(builder());
    let service = Service::tcp(&network);
    // Use them up, then give back one, for a client.
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.pop();
    let client = connect(service.address);
    let NetCmd::AcceptFailed(id, error) = next(&service.inbox) else {
        panic!("no report")
    };
    assert_eq!(id, service.id);
    assert!(
        matches!(error, NetError::Io { code: Some(24), .. }),
        "{error:?}"
    );
    // It does not spin, and does not repeat itself.
    let turns = network.stats().turns;
    until("it tries again", || network.stats().accept_failures >= 3);
    assert!(
        network.stats().turns - turns < 50,
        "{} turns",
        network.stats().turns - turns
    );
    assert!(service.inbox.try_recv().is_err());
    drop(hoard);
    let NetCmd::NewConn(_, _, remote, _) = next(&service.inbox) else {
        panic!("no connection")
    };
    assert_eq!(remote, client.local_addr().unwrap());
    network.stop().unwrap();
}
