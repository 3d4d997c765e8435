//! The loop, turned by hand: what one turn does is then certain.

use std::net::{SocketAddr, TcpStream};

use d3_runtime::{Sender, bounded, unbounded};

use super::*;
use crate::command::NetSender;
use crate::options::ListenOptions;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn thread_with(options: Options) -> (IoThread, Sender<NetCmd>, Arc<Counters>) {
    let (sender, commands) = bounded(options.command_capacity);
    let counters = Arc::new(Counters::default());
    (
        IoThread::new(1, options, commands, Arc::clone(&counters)).unwrap(),
        sender,
        counters,
    )
}

fn take(inbox: &Receiver<NetCmd>, thread: &mut IoThread) -> NetCmd {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match inbox.try_recv() {
            Ok(cmd) => return cmd,
            Err(_) => {
                assert!(Instant::now() < deadline, "nothing came");
                // A deadline that keeps the turn from sleeping for ever if nothing is to come.
                thread.more_commands = true;
                thread.turn().unwrap();
            }
        }
    }
}

#[test]
fn a_burst_of_commands_is_one_wake_and_few_turns() {
    let (mut thread, net, counters) = thread_with(Options::default());
    thread.turn().unwrap();
    assert!(thread.io.wake.may_sleep(), "as just before the poll");
    for _ in 0..1_000 {
        net.send(NetCmd::Unbind(NetConnId::fake(1))).unwrap();
    }
    assert_eq!(counters.wakes.get(), 1);
    thread.io.wake.awake();
    let before = counters.turns.get();
    while counters.commands.get() < 1_000 {
        thread.turn().unwrap();
    }
    assert_eq!(counters.turns.get() - before, 1_000_u64.div_ceil(256));
    assert_eq!(counters.unknown_ids.get(), 1_000);
    assert_eq!(counters.wakes.get(), 1);
}

#[test]
fn a_flood_of_commands_leaves_turns_for_sockets() {
    let (mut thread, net, counters) = thread_with(Options {
        command_batch: 4,
        ..Options::default()
    });
    let (machine, inbox) = unbounded();
    net.send(NetCmd::BindListener(loopback(), machine)).unwrap();
    let NetCmd::Bound(_, _, address) = take(&inbox, &mut thread) else {
        panic!("not bound")
    };
    let _client = TcpStream::connect(address).unwrap();
    for _ in 0..4_000 {
        net.try_send(NetCmd::Unbind(NetConnId::fake(1))).unwrap();
    }
    let NetCmd::NewConn(..) = take(&inbox, &mut thread) else {
        panic!("no connection")
    };
    assert!(
        counters.commands.get() < 1_000,
        "the socket waited for {} commands",
        counters.commands.get()
    );
}

#[test]
fn a_full_machine_gets_everything_in_order() {
    let (mut thread, net, counters) = thread_with(Options::default());
    let (machine, inbox) = bounded(1);
    for tag in 0..5 {
        net.send(NetCmd::Listen(
            ListenOptions::tcp(loopback()).tag(tag),
            machine.clone(),
        ))
        .unwrap();
    }
    thread.turn().unwrap();
    assert_eq!(counters.listeners_open.get(), 5);
    for expected in 0..5 {
        let NetCmd::Bound(tag, ..) = take(&inbox, &mut thread) else {
            panic!("not bound")
        };
        assert_eq!(tag, expected);
    }
    assert!(counters.machines_full.get() >= 4);
}

#[test]
fn an_answer_to_a_full_machine_waits_and_is_not_lost() {
    let (mut thread, net, counters) = thread_with(Options::default());
    let (machine, inbox) = bounded(1);
    for index in 0..5 {
        net.send(NetCmd::BindConn(NetConnId::fake(index), machine.clone()))
            .unwrap();
    }
    thread.turn().unwrap();
    assert_eq!(thread.sockets.len(), 4, "four notices stand in line");
    for index in 0..5 {
        match take(&inbox, &mut thread) {
            NetCmd::CloseConn(id, CloseReason::Unknown) => assert_eq!(id, NetConnId::fake(index)),
            other => panic!("{other:?}"),
        }
    }
    while thread.sockets.len() > 0 {
        thread.more_commands = true;
        thread.turn().unwrap();
    }
    assert_eq!(counters.unknown_ids.get(), 5);
    assert_eq!(counters.notices_lost.get(), 0);
}

#[test]
fn machines_of_silent_sockets_are_missed_when_they_end() {
    let options = Options {
        gone_check: Duration::from_millis(1),
        ..Options::default()
    };
    let (mut thread, net, counters) = thread_with(options);
    let (machine, inbox) = unbounded();
    net.send(NetCmd::BindListener(loopback(), machine.clone()))
        .unwrap();
    net.send(NetCmd::BindUdpListener(loopback(), machine))
        .unwrap();
    for _ in 0..2 {
        assert!(matches!(take(&inbox, &mut thread), NetCmd::Bound(..)));
    }
    drop(inbox);
    let deadline = Instant::now() + Duration::from_secs(10);
    while counters.udp_open.get() + counters.listeners_open.get() > 0 {
        assert!(Instant::now() < deadline);
        thread.turn().unwrap();
    }
    assert_eq!(counters.machines_gone.get(), 2);
}

#[test]
fn without_senders_the_thread_ends() {
    let (thread, net, _) = thread_with(Options::default());
    let (machine, inbox): (NetSender, _) = unbounded();
    net.send(NetCmd::BindListener(loopback(), machine)).unwrap();
    drop(net);
    thread.run();
    assert!(matches!(inbox.try_recv(), Ok(NetCmd::Bound(..))));
    assert!(matches!(
        inbox.try_recv(),
        Ok(NetCmd::CloseConn(_, CloseReason::Stopped))
    ));
}
