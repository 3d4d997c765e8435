//! UDP: whole datagrams or none.
mod common;

use std::net::UdpSocket;

use common::*;
use d3_net::{CloseReason, ListenOptions, NetCmd};
use d3_runtime::bounded;

fn client() -> UdpSocket {
    let socket = UdpSocket::bind(loopback()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

#[test]
fn datagrams_go_both_ways_whole() {
    let network = network(builder());
    let service = Service::udp(&network);
    let client = client();
    let mut buffer = vec![0; 70_000];
    for len in [0, 1, 1_400, 9_000, 65_507] {
        let sent = noise(len, len as u64);
        client.send_to(&sent, service.address).unwrap();
        let NetCmd::RecvPkt(id, local, remote, bytes) = next(&service.inbox) else {
            panic!("no datagram")
        };
        assert_eq!(
            (id, local, remote),
            (service.id, service.address, client.local_addr().unwrap())
        );
        assert!(bytes == sent);
        service
            .net
            .send(NetCmd::SendPkt(id, remote, bytes))
            .unwrap();
        let (n, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(from, service.address);
        assert!(buffer[..n] == sent);
    }
    // The last reply can be here before it is counted there.
    until("all are counted", || network.stats().datagrams_out == 5);
    let stats = network.stats();
    assert_eq!((stats.datagrams_in, stats.datagrams_dropped), (5, 0));
    network.stop().unwrap();
}

#[test]
fn a_datagram_that_is_too_large_is_dropped_and_counted() {
    let network = network(builder());
    let service = Service::udp(&network);
    let client = client();
    let to = client.local_addr().unwrap();
    service
        .net
        .send(NetCmd::SendPkt(service.id, to, noise(65_508, 1).into()))
        .unwrap();
    service
        .net
        .send(NetCmd::SendPkt(service.id, to, (&b"next"[..]).into()))
        .unwrap();
    let mut buffer = [0; 100];
    let (n, _) = client.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"next");
    until("it is counted", || network.stats().datagrams_out == 1);
    assert_eq!(
        (
            network.stats().datagrams_too_large,
            network.stats().datagrams_dropped
        ),
        (1, 1)
    );
    network.stop().unwrap();
}

#[test]
fn a_destination_that_cannot_be_reached_harms_nobody() {
    let network = network(builder());
    let service = Service::udp(&network);
    let client = client();
    // Nobody listens there; and an address of another family.
    let nobody = UdpSocket::bind(loopback()).unwrap().local_addr().unwrap();
    for to in [nobody, nobody, "[2001:db8::1]:9".parse().unwrap()] {
        service
            .net
            .send(NetCmd::SendPkt(service.id, to, (&b"lost"[..]).into()))
            .unwrap();
    }
    client.send_to(b"hi", service.address).unwrap();
    assert!(matches!(next(&service.inbox), NetCmd::RecvPkt(_, _, _, bytes) if bytes == b"hi"[..]));
    until("it is counted", || network.stats().datagrams_dropped >= 1);
    network.stop().unwrap();
}

#[test]
fn a_receiver_that_goes_away_takes_only_its_socket_along() {
    // In d3 0.1.3 this killed the network. Noticed when the datagram comes, not by the check of silent sockets.
    let network = network(builder().gone_check(DEADLINE * 2));
    let doomed = Service::udp(&network);
    let other = Service::udp(&network);
    let client = client();
    let address = doomed.address;
    drop(doomed);
    client.send_to(b"anybody?", address).unwrap();
    until("its socket is closed", || network.stats().udp_open == 1);
    // The port is free again.
    UdpSocket::bind(address).unwrap();
    client.send_to(b"hi", other.address).unwrap();
    assert!(matches!(next(&other.inbox), NetCmd::RecvPkt(..)));
    network.stop().unwrap();
}

#[test]
fn a_full_machine_is_not_read_for_and_the_others_are() {
    let network = network(builder());
    let (sender, inbox) = bounded(1);
    let full = Service::with_inbox(&network, ListenOptions::udp(loopback()), sender, inbox);
    let other = Service::udp(&network);
    let client = client();
    for n in 0..20_u8 {
        client.send_to(&[n], full.address).unwrap();
    }
    settled(&network);
    assert!(network.stats().datagrams_in <= 2);
    client.send_to(b"hi", other.address).unwrap();
    assert!(matches!(next(&other.inbox), NetCmd::RecvPkt(..)));
    for n in 0..20_u8 {
        match next(&full.inbox) {
            NetCmd::RecvPkt(_, _, _, bytes) => assert_eq!(bytes[..], [n]),
            other => panic!("{other:?}"),
        }
    }
    network.stop().unwrap();
}

#[test]
fn unbinding_tells_the_machine_and_frees_the_port() {
    let network = network(builder());
    let service = Service::udp(&network);
    service
        .net
        .send(NetCmd::CloseConn(service.id, CloseReason::Abort))
        .unwrap();
    assert!(
        matches!(next(&service.inbox), NetCmd::CloseConn(id, CloseReason::Flush) if id == service.id)
    );
    UdpSocket::bind(service.address).unwrap();
    service
        .net
        .send(NetCmd::SendPkt(
            service.id,
            service.address,
            (&b"late"[..]).into(),
        ))
        .unwrap();
    until("it is counted", || network.stats().datagrams_dropped == 1);
    network.stop().unwrap();
}
