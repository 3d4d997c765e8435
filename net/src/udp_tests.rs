use std::net::UdpSocket as StdUdpSocket;
use std::sync::Arc;

use d3_runtime::unbounded;

use super::*;
use crate::options::Options;
use crate::stats::Counters;
use crate::thread::IoThread;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[test]
fn without_room_datagrams_wait_in_a_small_queue_and_the_rest_is_dropped() {
    let counters = Arc::new(Counters::default());
    let options = Options {
        udp_queue: 4,
        ..Options::default()
    };
    let (_net, commands) = unbounded();
    let mut thread = IoThread::new(1, options, commands, Arc::clone(&counters)).unwrap();
    let (machine, _inbox) = unbounded();
    let options = ListenOptions::udp(loopback());
    let socket = open(&options).unwrap();
    let address = socket.local_addr().unwrap();
    let mut udp = Udp::new(NetConnId::fake(1), &options, address, socket, machine);

    let peer = StdUdpSocket::bind(loopback()).unwrap();
    let to = peer.local_addr().unwrap();
    // As after a send that found no room; on the loopback that cannot be brought about.
    udp.writable = false;
    for n in 0..6_u8 {
        udp.send(&thread.io, to, Bytes::copy_from_slice(&[n]));
    }
    assert_eq!((udp.queue.len(), counters.datagrams_dropped.get()), (4, 2));
    udp.writable = true;
    assert_eq!(udp.turn(&mut thread.io, false), Verdict::Rest);
    let mut buffer = [0; 8];
    for n in 0..4_u8 {
        assert_eq!(peer.recv(&mut buffer).unwrap(), 1);
        assert_eq!(buffer[0], n, "in order");
    }
    assert_eq!(counters.datagrams_out.get(), 4);
}

#[test]
fn failures_that_do_not_end_make_a_pause() {
    let (_net, commands) = unbounded();
    let mut thread = IoThread::new(
        1,
        Options::default(),
        commands,
        Arc::new(Counters::default()),
    )
    .unwrap();
    let (machine, _inbox) = unbounded();
    let options = ListenOptions::udp(loopback());
    let socket = open(&options).unwrap();
    let mut udp = Udp::new(NetConnId::fake(1), &options, loopback(), socket, machine);
    udp.readable = true;
    for _ in 0..FAILURES_IN_A_ROW {
        assert!(udp.readable);
        udp.receiving_failed(&mut thread.io, &ErrorKind::Other.into());
    }
    assert!(!udp.readable);
    assert_eq!(thread.io.timers.next(), Some(thread.io.now + PAUSE));
    udp.due(Due::Retry);
    assert!(udp.readable);
}
