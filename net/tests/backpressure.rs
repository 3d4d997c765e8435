//! Full machines and slow peers: who waits, and who does not.
mod common;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::thread;

use common::*;
use d3_net::{CloseReason, ListenOptions, NetCmd, OnWriteLimit};
use d3_runtime::MachineMut;

#[test]
fn a_full_machine_stalls_only_its_own_connection() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let mut full = service.pair(1);
    let mut free = service.pair(1);
    let sent = noise(16 * 1024 * 1024, 1);
    let to_send = sent.clone();
    let mut writer = full.client.try_clone().unwrap();
    let writing = thread::spawn(move || writer.write_all(&to_send).unwrap());
    let stats = settled(&network);
    assert!(
        !writing.is_finished(),
        "TCP does not carry the back-pressure to the peer"
    );
    // One read in the mailbox, one in line.
    assert!(
        stats.bytes_in <= 2 * 64 * 1024,
        "{} bytes read",
        stats.bytes_in
    );
    for n in 0..100 {
        let ping = noise(1000, n);
        free.client.write_all(&ping).unwrap();
        assert_eq!(free.bytes(1000), ping);
    }
    assert!(full.bytes(sent.len()) == sent, "nothing lost, in order");
    writing.join().unwrap();
    // And the end comes after all of it.
    full.client.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(matches!(next(&full.inbox), NetCmd::RecvEnd(id) if id == full.conn));
    full.client.flush().unwrap();
    network.stop().unwrap();
}

#[test]
fn the_end_and_the_farewell_wait_in_line_behind_the_bytes() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let mut pair = service.pair(1);
    let sent = noise(300_000, 2);
    pair.client.write_all(&sent).unwrap();
    pair.client.shutdown(std::net::Shutdown::Write).unwrap();
    settled(&network);
    assert!(pair.bytes(sent.len()) == sent);
    assert!(matches!(next(&pair.inbox), NetCmd::RecvEnd(_)));
    service
        .net
        .send(NetCmd::CloseConn(pair.conn, CloseReason::Flush))
        .unwrap();
    pair.expect_close(CloseReason::Flush);
    until("the id is free", || network.stats().connections_open == 0);
    network.stop().unwrap();
}

#[test]
fn big_sends_are_not_cut() {
    // d3 0.1.3 cut everything beyond 4,096 bytes.
    let network = network(builder());
    let service = Service::tcp(&network);
    for len in [4_096, 4_097, 70_000, 1024 * 1024, 20 * 1024 * 1024] {
        let pair = service.pair(8);
        let sent = noise(len, len as u64);
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, sent.clone().into()))
            .unwrap();
        service
            .net
            .send(NetCmd::CloseConn(pair.conn, CloseReason::Flush))
            .unwrap();
        let mut got = Vec::new();
        (&pair.client).read_to_end(&mut got).unwrap();
        assert!(got == sent, "{} of {len} bytes", got.len());
    }
    assert_eq!(network.stats().bytes_unsent, 0);
    network.stop().unwrap();
}

#[test]
fn a_slow_reader_stops_its_own_input_and_is_told_of_room() {
    let network = network(builder().high_water(100_000).low_water(10_000));
    let service = Service::tcp(&network);
    let mut pair = service.pair(64);
    // Fill the kernel's buffers and pass the high-water mark.
    let piece = noise(1_000_000, 9);
    let mut sent = 0;
    while network.stats().bytes_out == sent as u64 {
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, piece.clone().into()))
            .unwrap();
        sent += piece.len();
        settled(&network);
    }
    for _ in 0..5 {
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, piece.clone().into()))
            .unwrap();
        sent += piece.len();
    }
    settled(&network);
    // Above the mark it is not read.
    pair.client.write_all(b"hello?").unwrap();
    settled(&network);
    assert!(
        pair.inbox.try_recv().is_err(),
        "read above the high-water mark"
    );
    // The peer reads: there is room again, and the input flows.
    let mut got = vec![0; sent];
    pair.client.read_exact(&mut got).unwrap();
    assert!(got.chunks(piece.len()).all(|c| c == piece));
    let mut heard = Vec::new();
    let mut room = None;
    while heard.len() < 6 || room.is_none() {
        match next(&pair.inbox) {
            NetCmd::SendReady(id, bytes) => {
                assert_eq!(id, pair.conn);
                room = Some(bytes);
            }
            NetCmd::RecvBytes(_, bytes) => heard.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, b"hello?");
    assert!(
        room.is_some_and(|r| r >= 16 * 1024 * 1024 - 10_000),
        "{room:?}"
    );
    network.stop().unwrap();
}

#[test]
fn beyond_the_write_limit_the_connection_is_closed_with_the_reason() {
    let network = network(builder().write_limit(1_000_000));
    let service = Service::tcp(&network);
    let pair = service.pair(64);
    let other = service.pair(64);
    let mut sent = 0_u64;
    until("the limit is passed", || {
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, noise(200_000, 1).into()))
            .unwrap();
        sent += 200_000;
        network.stats().limit_closes == 1
    });
    pair.expect_close(CloseReason::Limit);
    let stats = settled(&network);
    assert_eq!(
        stats.bytes_out + stats.bytes_unsent,
        sent,
        "every byte is accounted for"
    );
    assert_eq!(stats.connections_open, 1);
    service
        .net
        .send(NetCmd::SendBytes(other.conn, (&b"unharmed"[..]).into()))
        .unwrap();
    (&other.client).read_exact(&mut [0; 8]).unwrap();
    network.stop().unwrap();
}

#[test]
fn the_other_policy_keeps_queueing() {
    let network = network(builder().write_limit(300_000));
    let options = ListenOptions::tcp(loopback()).on_write_limit(OnWriteLimit::StopReading);
    let service = Service::with(&network, options);
    let mut pair = service.pair(64);
    for n in 0..100 {
        service
            .net
            .send(NetCmd::SendBytes(pair.conn, noise(200_000, n).into()))
            .unwrap();
    }
    let mut got = vec![0; 200_000];
    for n in 0..100 {
        pair.client.read_exact(&mut got).unwrap();
        assert!(got == noise(200_000, n), "piece {n}");
    }
    assert_eq!(network.stats().limit_closes, 0);
    network.stop().unwrap();
}

#[test]
fn a_connection_handed_to_another_machine_takes_what_stood_in_line_along() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let mut pair = service.pair(1);
    let sent = noise(400_000, 5);
    pair.client.write_all(&sent).unwrap();
    until("the machine is full", || network.stats().machines_full > 0);
    let (sender, inbox) = d3_runtime::unbounded();
    let commands = network.stats().commands;
    service
        .net
        .send(NetCmd::BindConn(pair.conn, sender))
        .unwrap();
    until("it is handed over", || network.stats().commands > commands);
    // What was delivered before stays with the first machine.
    let mut got = Vec::new();
    let NetCmd::RecvBytes(_, first) = next(&pair.inbox) else {
        panic!("nothing")
    };
    got.extend_from_slice(&first);
    while got.len() < sent.len() {
        let NetCmd::RecvBytes(_, bytes) = inbox.recv_timeout(DEADLINE).unwrap() else {
            panic!("nothing")
        };
        got.extend_from_slice(&bytes);
    }
    assert!(got == sent);
    network.stop().unwrap();
}

#[test]
fn a_machine_that_ends_takes_only_its_connections_along() {
    let network = network(builder());
    let service = Service::tcp(&network);
    let mut doomed = service.pair(1);
    let silent = service.pair(1);
    let mut other = service.pair(1);
    // One is in the middle of much input, one is silent.
    doomed.client.write_all(&noise(200_000, 1)).unwrap();
    drop(doomed.inbox);
    drop(silent.inbox);
    let mut end = [0; 1];
    assert_eq!((&silent.client).read(&mut end).unwrap(), 0);
    // Unread input may turn the close into a reset.
    let _ = doomed.client.read(&mut end);
    until("both are gone", || network.stats().connections_open == 1);
    other.client.write_all(b"hi").unwrap();
    assert_eq!(other.bytes(2), b"hi");
    network.stop().unwrap();
}

/// Takes bytes while the gate lets it.
struct Taker {
    gate: Arc<Mutex<()>>,
    taken: d3_runtime::Sender<Vec<u8>>,
}

impl MachineMut<NetCmd> for Taker {
    fn receive(&mut self, cmd: NetCmd) {
        drop(self.gate.lock().unwrap());
        match cmd {
            NetCmd::RecvBytes(_, bytes) => self.taken.send(bytes.to_vec()).unwrap(),
            NetCmd::CloseConn(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The I/O thread's door, by counts: before a full machine it goes on without a wait, reads no more of that connection and does not ask
/// again; the machine's own worker calls it when there is room.
#[test]
fn the_io_thread_is_called_when_a_machine_has_room() {
    let machines = runtime();
    // Nothing else may wake it: what it does is asked for or called for.
    let gone_check = std::time::Duration::from_secs(600);
    let network = builder().gone_check(gone_check).start(&machines).unwrap();
    let service = Service::tcp(&network);
    let (gate, (taken, pieces)) = (Arc::new(Mutex::new(())), d3_runtime::unbounded());
    let closed = gate.lock().unwrap();
    let taker = Taker {
        gate: Arc::clone(&gate),
        taken,
    };
    let taker = machines.machine(taker).capacity(1).accepts().connect();
    let (client, conn) = service.connect();
    service.net.send(NetCmd::BindConn(conn, taker)).unwrap();
    let mut other = service.pair(64);

    let sent = noise(16 * 1024 * 1024, 3);
    let writing = {
        let (mut client, sent) = (client.try_clone().unwrap(), sent.clone());
        thread::spawn(move || client.write_all(&sent).unwrap())
    };
    until("the machine is full", || network.stats().machines_full > 0);
    let before = settled(&network);
    assert!(!writing.is_finished() && before.bytes_in < sent.len() as u64);
    for n in 0..200 {
        let ping = noise(10, n);
        other.client.write_all(&ping).unwrap();
        assert_eq!(other.bytes(10), ping);
    }
    let after = network.stats();
    assert_eq!(
        after.bytes_in,
        before.bytes_in + 2_000,
        "it reads of others only"
    );
    assert_eq!(
        after.machines_full, before.machines_full,
        "it does not ask again"
    );
    assert_eq!(after.wakes, before.wakes, "nobody called it");

    drop(closed);
    let mut got = Vec::new();
    while got.len() < sent.len() {
        got.extend(
            pieces
                .recv_timeout(DEADLINE)
                .expect("the input flows again"),
        );
    }
    assert!(got == sent, "nothing lost, in order");
    writing.join().unwrap();
    let after = network.stats();
    assert!(after.wakes > before.wakes, "it was called: {after:?}");
    network.stop().unwrap();
}
