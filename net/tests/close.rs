//! The ends of connections, with their reasons.
mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use d3_net::{CloseReason, HalfClose, ListenOptions, NetCmd, NetConnId, NetError, Network};
use d3_runtime::{MachineMut, Sender, bounded, unbounded};

#[test]
fn a_reset_by_the_peer_is_reported() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let mut pair = service.pair(8);
    pair.client.write_all(b"x").unwrap();
    assert_eq!(pair.bytes(1), b"x");
    abort_on_drop(&pair.client);
    let Pair {
        client,
        conn,
        inbox,
    } = pair;
    drop(client);
    assert!(matches!(next(&inbox), NetCmd::CloseConn(id, CloseReason::Reset) if id == conn));
    until("the id is free", || network.stats().connections_open == 0);
    network.stop().unwrap();
}

#[test]
fn a_reset_after_the_peers_end_is_reported() {
    let network = network(builder());
    let service = Service::with(
        &network,
        ListenOptions::tcp(loopback()).half_close(HalfClose::KeepOpen),
    );
    let pair = service.pair(8);
    pair.client.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(next(&pair.inbox), NetCmd::RecvEnd(_)));
    service
        .net
        .send(NetCmd::SendBytes(pair.conn, (&b"unread"[..]).into()))
        .unwrap();
    (&pair.client).read_exact(&mut [0; 1]).unwrap();
    let Pair {
        client,
        conn,
        inbox,
    } = pair;
    // Closing with unread input is a reset.
    drop(client);
    assert!(matches!(next(&inbox), NetCmd::CloseConn(id, CloseReason::Reset) if id == conn));
    network.stop().unwrap();
}

#[test]
fn what_a_peer_sent_before_its_reset_is_not_lost_to_a_failed_write() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let (mut client, conn) = service.connect();
    client.set_nodelay(true).unwrap();
    let (sender, inbox) = bounded(1);
    // The machine is full from the start, so the first bytes stand in line, and the next ones stay in the kernel.
    sender.send(NetCmd::RecvEnd(NetConnId::fake(1))).unwrap();
    service.net.send(NetCmd::BindConn(conn, sender)).unwrap();
    let sent = noise(2_000, 4);
    client.write_all(&sent[..1_000]).unwrap();
    until("the machine is full", || network.stats().bytes_in == 1_000);
    client.write_all(&sent[1_000..]).unwrap();
    abort_on_drop(&client);
    drop(client);
    until("a write failed", || {
        let cmd = NetCmd::SendBytes(conn, (&b"in vain"[..]).into());
        service.net.send(cmd).unwrap();
        network.stats().bytes_unsent > 0
    });
    assert_eq!(network.stats().bytes_in, 1_000);
    assert!(matches!(next(&inbox), NetCmd::RecvEnd(_)));
    let mut got = Vec::new();
    let reason = loop {
        match next(&inbox) {
            NetCmd::RecvBytes(_, bytes) => got.extend_from_slice(&bytes),
            NetCmd::CloseConn(_, reason) => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(got == sent, "{} bytes", got.len());
    assert_eq!(reason, CloseReason::Reset);
    network.stop().unwrap();
}

#[test]
fn flush_writes_everything_abort_does_not() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let sent = noise(4 * 1024 * 1024, 1);

    let flushed = service.pair(8);
    service
        .net
        .send(NetCmd::SendBytes(flushed.conn, sent.clone().into()))
        .unwrap();
    service
        .net
        .send(NetCmd::CloseConn(flushed.conn, CloseReason::Flush))
        .unwrap();
    let mut got = Vec::new();
    (&flushed.client).read_to_end(&mut got).unwrap();
    assert!(got == sent);
    flushed.expect_close(CloseReason::Flush);

    let aborted = service.pair(8);
    service
        .net
        .send(NetCmd::SendBytes(aborted.conn, sent.clone().into()))
        .unwrap();
    service
        .net
        .send(NetCmd::CloseConn(aborted.conn, CloseReason::Abort))
        .unwrap();
    aborted.expect_close(CloseReason::Abort);
    let error = (&aborted.client).read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let stats = network.stats();
    assert_eq!(stats.bytes_out + stats.bytes_unsent, 2 * sent.len() as u64);
    assert!(stats.bytes_unsent > 0);
    network.stop().unwrap();
}

#[test]
fn flushed_bytes_survive_input_that_nobody_reads() {
    // Without a lingering close the kernel answers the unread input with a reset, which destroys the reply.
    let network = network(builder().linger_timeout(DEADLINE));
    let service = Service::tcp(&network);
    for seed in 0..10 {
        let pair = service.pair(1);
        let mut writer = pair.client.try_clone().unwrap();
        let writing = thread::spawn(move || {
            // A peer that sends on for a while, whatever it is told.
            for _ in 0..50 {
                if writer.write_all(&noise(100_000, 3)).is_err() {
                    return false;
                }
            }
            writer.shutdown(Shutdown::Write).is_ok()
        });
        let reply = noise(500_000, seed);
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, reply.clone().into()))
            .unwrap();
        service
            .net
            .send(NetCmd::CloseConn(pair.conn, CloseReason::Flush))
            .unwrap();
        let mut got = Vec::new();
        (&pair.client).read_to_end(&mut got).unwrap();
        assert!(got == reply);
        assert!(
            writing.join().unwrap(),
            "the peer was reset while it was still sending"
        );
    }
    network.stop().unwrap();
}

#[test]
fn a_peer_that_never_reads_does_not_hold_a_flush_for_ever() {
    let network = network(builder().flush_timeout(Duration::from_millis(50)));
    let service = Service::tcp(&network);
    let pair = service.pair(8);
    service
        .net
        .send(NetCmd::SendBytes(
            pair.conn,
            noise(16 * 1024 * 1024, 1).into(),
        ))
        .unwrap();
    service
        .net
        .send(NetCmd::CloseConn(pair.conn, CloseReason::Flush))
        .unwrap();
    pair.expect_close(CloseReason::Error(ErrorKind::TimedOut));
    assert_eq!(network.stats().flush_timeouts, 1);
    network.stop().unwrap();
}

#[test]
fn a_peer_that_never_closes_does_not_hold_the_socket_for_ever() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let pair = service.pair(8);
    service
        .net
        .send(NetCmd::CloseConn(pair.conn, CloseReason::Flush))
        .unwrap();
    pair.expect_close(CloseReason::Flush);
    until("the socket is closed", || {
        network.stats().connections_open == 0
    });
    network.stop().unwrap();
}

#[test]
fn a_machine_that_ignores_the_end_is_spared_the_connection() {
    let network = network(builder().end_grace(Duration::from_millis(50)));
    let service = Service::tcp(&network);
    let mut pair = service.pair(8);
    pair.client.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(next(&pair.inbox), NetCmd::RecvEnd(_)));
    // What is sent within the grace still arrives.
    service
        .net
        .send(NetCmd::SendBytes(pair.conn, (&b"late"[..]).into()))
        .unwrap();
    pair.expect_close(CloseReason::Peer);
    let mut got = Vec::new();
    pair.client.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"late");
    network.stop().unwrap();
}

#[test]
fn an_unread_end_is_not_taken_for_an_ignored_one() {
    let grace = Duration::from_millis(20);
    let network = network(builder().end_grace(grace));
    let service = Service::tcp(&network);
    let pair = service.pair(8);
    pair.client.shutdown(Shutdown::Write).unwrap();
    until("it is delivered", || pair.inbox.len() == 1);
    let since = Instant::now();
    until("the grace has passed many times", || {
        since.elapsed() > 10 * grace
    });
    assert_eq!(network.stats().connections_open, 1);
    assert!(matches!(next(&pair.inbox), NetCmd::RecvEnd(_)));
    pair.expect_close(CloseReason::Peer);
    network.stop().unwrap();
}

#[test]
fn kept_open_it_stays_open_until_the_machine_closes() {
    let network = network(builder().end_grace(Duration::from_millis(1)));
    let service = Service::with(
        &network,
        ListenOptions::tcp(loopback()).half_close(HalfClose::KeepOpen),
    );
    let mut pair = service.pair(8);
    pair.client.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(next(&pair.inbox), NetCmd::RecvEnd(_)));
    settled(&network);
    service
        .net
        .send(NetCmd::SendBytes(pair.conn, (&b"very late"[..]).into()))
        .unwrap();
    service
        .net
        .send(NetCmd::CloseConn(pair.conn, CloseReason::Flush))
        .unwrap();
    let mut got = Vec::new();
    pair.client.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"very late");
    pair.expect_close(CloseReason::Flush);
    network.stop().unwrap();
}

#[test]
fn a_connection_that_nobody_binds_times_out() {
    let network = network(builder().unbound_timeout(Duration::from_millis(50)));
    let service = Service::tcp(&network);
    let (mut client, conn) = service.connect();
    client.write_all(b"anybody?").unwrap();
    assert!(matches!(next(&service.inbox), NetCmd::CloseConn(id, CloseReason::Idle) if id == conn));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    // Who comes too late is told so.
    let (sender, inbox) = unbounded();
    service.net.send(NetCmd::BindConn(conn, sender)).unwrap();
    assert!(matches!(next(&inbox), NetCmd::CloseConn(id, CloseReason::Unknown) if id == conn));
    assert_eq!(network.stats().idle_closes, 1);
    network.stop().unwrap();
}

#[test]
fn what_came_before_the_binding_is_there_after_it() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let (mut client, conn) = service.connect();
    client.write_all(b"early").unwrap();
    settled(&network);
    assert_eq!(network.stats().bytes_in, 0, "read before it was bound");
    let (sender, inbox) = unbounded();
    service.net.send(NetCmd::BindConn(conn, sender)).unwrap();
    let pair = Pair {
        client,
        conn,
        inbox,
    };
    assert_eq!(pair.bytes(5), b"early");
    network.stop().unwrap();
}

#[test]
fn an_idle_connection_times_out_and_a_busy_one_does_not() {
    let network = network(builder());
    let service = Service::with(
        &network,
        ListenOptions::tcp(loopback()).idle_timeout(Duration::from_millis(300)),
    );
    let idle = service.pair(8);
    let mut busy = service.pair(8);
    let mut closed = false;
    until("the idle one is closed", || {
        busy.client.write_all(b"x").unwrap();
        busy.bytes(1);
        closed |= matches!(
            idle.inbox.try_recv(),
            Ok(NetCmd::CloseConn(_, CloseReason::Idle))
        );
        closed
    });
    assert_eq!((&idle.client).read(&mut [0]).unwrap(), 0);
    busy.client.write_all(b"y").unwrap();
    assert_eq!(busy.bytes(1), b"y");
    network.stop().unwrap();
}

#[test]
fn unknown_and_late_ids_are_ignored_and_counted() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let old = service.pair(8);
    service
        .net
        .send(NetCmd::CloseConn(old.conn, CloseReason::Abort))
        .unwrap();
    old.expect_close(CloseReason::Abort);
    until("its place is free", || {
        network.stats().connections_open == 0
    });
    // The next connection takes the same place, under another id.
    let mut new = service.pair(8);
    assert_ne!(old.conn, new.conn);
    let fake = NetConnId::fake(3);
    for id in [old.conn, fake] {
        service
            .net
            .send(NetCmd::SendBytes(id, (&b"astray"[..]).into()))
            .unwrap();
        service
            .net
            .send(NetCmd::CloseConn(id, CloseReason::Abort))
            .unwrap();
        service
            .net
            .send(NetCmd::CloseConn(id, CloseReason::Flush))
            .unwrap();
        service.net.send(NetCmd::Unbind(id)).unwrap();
        service
            .net
            .send(NetCmd::SendPkt(
                id,
                service.address,
                (&b"astray"[..]).into(),
            ))
            .unwrap();
        let (sender, inbox) = bounded(1);
        service.net.send(NetCmd::BindConn(id, sender)).unwrap();
        assert!(
            matches!(next(&inbox), NetCmd::CloseConn(told, CloseReason::Unknown) if told == id)
        );
    }
    // Of the right place, but of another kind.
    service
        .net
        .send(NetCmd::SendBytes(service.id, (&b"astray"[..]).into()))
        .unwrap();
    service.net.send(NetCmd::Unbind(new.conn)).unwrap();
    service.net.send(NetCmd::RecvEnd(new.conn)).unwrap();
    until("all are counted", || {
        network.stats().unknown_ids == 14 && network.stats().misdirected == 1
    });
    // Nothing of it reached the new connection.
    service
        .net
        .send(NetCmd::SendBytes(new.conn, (&b"right"[..]).into()))
        .unwrap();
    let mut got = [0; 5];
    new.client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"right");
    network.stop().unwrap();
}

#[test]
fn stop_tells_everyone_and_flushes() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let udp = Service::udp(&network);
    let pairs: Vec<_> = (0..20).map(|_| service.pair(8)).collect();
    let (unbound, unbound_id) = service.connect();
    let reply = noise(3_000_000, 1);
    for pair in &pairs {
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, reply.clone().into()))
            .unwrap();
    }
    let readers: Vec<_> = pairs
        .iter()
        .map(|pair| {
            let mut client = pair.client.try_clone().unwrap();
            thread::spawn(move || {
                let mut got = Vec::new();
                client.read_to_end(&mut got).unwrap();
                client.shutdown(Shutdown::Both).unwrap();
                got
            })
        })
        .collect();
    drop(unbound);
    network.stop().unwrap();
    for reader in readers {
        assert!(reader.join().unwrap() == reply);
    }
    for pair in &pairs {
        pair.expect_close(CloseReason::Stopped);
    }
    // The listener and its unbound connection, in any order.
    let mut told = [next(&service.inbox), next(&service.inbox)].map(|cmd| match cmd {
        NetCmd::CloseConn(id, CloseReason::Stopped) => id,
        other => panic!("{other:?}"),
    });
    told.sort();
    let mut expected = [service.id, unbound_id];
    expected.sort();
    assert_eq!(told, expected);
    assert!(
        matches!(next(&udp.inbox), NetCmd::CloseConn(id, CloseReason::Stopped) if id == udp.id)
    );
    let stats = network.stats();
    assert_eq!(
        (stats.connections_open, stats.listeners_open, stats.udp_open),
        (0, 0, 0)
    );
    assert_eq!(stats.notices_lost, 0);
    assert!(service.net.is_disconnected());
    network.stop().unwrap();
}

#[test]
fn the_stop_instruction_does_the_same() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let pair = service.pair(8);
    service.net.send(NetCmd::Stop).unwrap();
    drop(pair.client);
    assert!(matches!(
        next(&pair.inbox),
        NetCmd::CloseConn(_, CloseReason::Stopped)
    ));
    until("the thread has ended", || service.net.is_disconnected());
    network.stop().unwrap();
}

#[test]
fn after_stop_requests_are_refused_with_an_answer() {
    // A machine that is full holds the end of the network up, so that requests meet it while it stops.
    let network = network(builder());
    let (sender, inbox) = bounded(1);
    let service = Service::with_inbox(&network, ListenOptions::tcp(loopback()), sender, inbox);
    service
        .sender
        .send(NetCmd::RecvEnd(NetConnId::fake(1)))
        .unwrap();
    service.net.send(NetCmd::Stop).unwrap();
    let (asker, answers) = unbounded();
    service
        .net
        .send(NetCmd::BindListener(loopback(), asker))
        .unwrap();
    assert!(matches!(
        next(&answers),
        NetCmd::BindFailed(_, _, NetError::Stopped)
    ));
    assert!(matches!(next(&service.inbox), NetCmd::RecvEnd(_)));
    assert!(
        matches!(next(&service.inbox), NetCmd::CloseConn(id, CloseReason::Stopped) if id == service.id)
    );
    network.stop().unwrap();
}

#[test]
fn a_machine_that_is_full_for_ever_does_not_hold_the_stop_for_ever() {
    let network = network(builder().stop_timeout(Duration::from_millis(50)));
    let service = Service::tcp(&network);
    let mut pair = service.pair(1);
    pair.client.write_all(&noise(200_000, 1)).unwrap();
    until("it is full", || network.stats().machines_full == 1);
    network.stop().unwrap();
    assert_eq!(network.stats().notices_lost, 1);
}

#[test]
fn dropping_the_last_handle_stops() {
    let network = network(builder());
    let clone = network.clone();
    let service = Service::tcp(&network);
    drop(network);
    service.connect();
    drop(clone);
    assert!(service.net.is_disconnected());
}

/// Stops a network from inside a machine.
struct Stopper(Option<Network>, Sender<Option<NetError>>);

impl MachineMut<NetCmd> for Stopper {
    fn receive(&mut self, _: NetCmd) {
        let network = self.0.take().unwrap();
        self.1.send(network.stop().err()).unwrap();
        drop(network);
    }
}

#[test]
fn inside_a_machine_nothing_waits() {
    let runtime = runtime();
    let network = builder().start(&runtime).unwrap();
    let service = Service::tcp(&network);
    let (sender, inbox) = unbounded();
    let stopper = runtime.connect_mut(Stopper(Some(network), sender));
    stopper.send(NetCmd::Stop).unwrap();
    assert_eq!(
        inbox.recv_timeout(DEADLINE).unwrap(),
        Some(NetError::InsideMachine)
    );
    // The last handle went inside the machine: the network stops without anybody waiting.
    assert!(matches!(
        next(&service.inbox),
        NetCmd::CloseConn(_, CloseReason::Stopped)
    ));
    until("the thread has ended", || service.net.is_disconnected());
}
