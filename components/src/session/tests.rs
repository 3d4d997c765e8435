//! Whichever side of a session ends first, nothing of it is left.

use std::time::Duration;

use d3_net::{CloseReason, NetCmd, NetConnId, NetSender};
use d3_runtime::{MachineMut, Receiver, Runtime, Sender, WaitError, this_machine};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// A table with a net that only writes down what it is told.
fn table() -> (Sessions, NetSender, Receiver<NetCmd>) {
    let (net, commands) = d3_runtime::bounded(64);
    (Sessions::new(ServiceName::from("Test")), net, commands)
}

fn open(sessions: &Sessions, net: &NetSender, number: u32) -> Session {
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    sessions.open(NetConnId::fake(number), address, address, 100, net.clone())
}

fn runtime() -> Runtime {
    Runtime::builder().workers(2).build().unwrap()
}

#[track_caller]
fn assert_closed(commands: &Receiver<NetCmd>, number: u32, reason: CloseReason) {
    match commands.recv_timeout(PATIENCE) {
        Ok(NetCmd::CloseConn(conn, found)) => {
            assert_eq!((conn, found), (NetConnId::fake(number), reason));
        }
        other => panic!("expected CloseConn, found {other:?}"),
    }
}

/// Instructions for machines that hold a session.
#[derive(Debug, MachineImpl)]
enum Do {
    Panic,
    Stop,
}

/// Holds something for its Drop.
struct Holder<T>(T);

impl<T: Send> MachineMut<Do> for Holder<T> {
    fn receive(&mut self, cmd: Do) {
        match cmd {
            Do::Panic => panic!("as the test wants it"),
            Do::Stop => this_machine::stop().unwrap(),
        }
    }
}

#[test]
fn a_dropped_session_is_closed_and_forgotten() {
    let (sessions, net, commands) = table();
    let session = open(&sessions, &net, 1);
    assert!(session.is_open());
    assert_eq!((sessions.len(), sessions.total()), (1, 1));
    assert_eq!(sessions.get(session.id()).unwrap().conn, NetConnId::fake(1));
    drop(session);
    assert_closed(&commands, 1, CloseReason::Flush);
    assert_eq!((sessions.len(), sessions.total()), (0, 1));
    assert!(commands.try_recv().is_err());
}

#[test]
fn a_closed_connection_is_not_closed_again() {
    let (sessions, net, commands) = table();
    let session = open(&sessions, &net, 1);
    session.closed(CloseReason::Peer);
    assert!(!session.is_open() && sessions.is_empty());
    drop(session);
    assert!(commands.try_recv().is_err());
}

#[test]
fn send_and_close_go_to_the_net() {
    let (sessions, net, commands) = table();
    let session = open(&sessions, &net, 1);
    session.send(&b"abc"[..]).unwrap();
    session.close(CloseReason::Flush).unwrap();
    assert!(matches!(commands.try_recv(), Ok(NetCmd::SendBytes(_, bytes)) if &bytes[..] == b"abc"));
    assert_closed(&commands, 1, CloseReason::Flush);
    assert!(session.is_open());
}

#[test]
fn every_member_can_end_the_session() {
    let (sessions, net, commands) = table();
    let session = open(&sessions, &net, 1);
    let member = session.member();
    let joined = sessions.join(session.id()).unwrap();
    assert!(joined.is_open());
    drop(joined);
    assert!(!session.is_open() && !member.is_open());
    assert_closed(&commands, 1, CloseReason::Flush);
    drop((member, session));
    assert!(commands.try_recv().is_err());
    assert!(sessions.join(SessionId::new()).is_none());
}

#[test]
fn sessions_can_be_ended_from_outside() {
    let (sessions, net, commands) = table();
    let first = open(&sessions, &net, 1);
    let second = open(&sessions, &net, 2);
    let third = open(&sessions, &net, 3);
    assert_eq!(
        sessions.list().iter().map(|it| it.id).collect::<Vec<_>>(),
        [first.id(), second.id(), third.id()]
    );
    assert_eq!(sessions.wait_empty(Duration::ZERO), Err(WaitError::Timeout));
    assert!(sessions.end(second.id()) && !sessions.end(second.id()));
    assert_closed(&commands, 2, CloseReason::Flush);
    sessions.end_all();
    assert_eq!(sessions.wait_empty(Duration::ZERO), Ok(()));
    assert_eq!(sessions.total(), 3);
}

#[test]
fn the_wait_for_the_last_session_is_woken() {
    let (sessions, net, _commands) = table();
    let session = open(&sessions, &net, 1);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| sessions.wait_empty(PATIENCE));
        drop(session);
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
    assert!(begun.elapsed() < PATIENCE, "the timeout ended the wait");
}

#[test]
fn a_connector_that_panics_has_its_connection_cut() {
    let runtime = runtime();
    let (sessions, net, commands) = table();
    let connector: Sender<Do> = runtime.connect_mut(Holder(open(&sessions, &net, 1)));
    connector.send(Do::Panic).unwrap();
    assert_eq!(sessions.wait_empty(PATIENCE), Ok(()));
    assert_closed(&commands, 1, CloseReason::Abort);
    runtime.shutdown(PATIENCE);
}

#[test]
fn a_member_that_stops_takes_the_attached_along() {
    let runtime = runtime();
    let (sessions, net, commands) = table();
    let session = open(&sessions, &net, 1);
    let member: Sender<Do> = runtime.connect_mut(Holder(session.member()));
    // Held by us, so that only the end of the session can end it.
    let attached: Sender<Do> = runtime.connect_mut(Holder(()));
    assert!(session.attach(attached.handle()));
    member.send(Do::Stop).unwrap();
    assert_eq!(sessions.wait_empty(PATIENCE), Ok(()));
    assert_closed(&commands, 1, CloseReason::Flush);
    attached.handle().wait(PATIENCE).unwrap();
    // Who comes late is stopped at once.
    let late: Sender<Do> = runtime.connect_mut(Holder(()));
    assert!(!session.attach(late.handle()));
    late.handle().wait(PATIENCE).unwrap();
    runtime.shutdown(PATIENCE);
}

#[test]
fn watchers_are_told_once_and_forgotten_when_gone() {
    let (sessions, net, _commands) = table();
    let (watcher, news) = d3_runtime::bounded(8);
    let (gone, receiver) = d3_runtime::bounded(8);
    drop(receiver);
    sessions.watch(gone);
    sessions.watch(watcher);
    let session = open(&sessions, &net, 1);
    let id = session.id();
    session.closed(CloseReason::Reset);
    drop(session);
    assert!(matches!(news.try_recv(), Ok(SessionCmd::Opened(info)) if info.id == id));
    let end = SessionEnd::Closed(CloseReason::Reset);
    assert!(
        matches!(news.try_recv(), Ok(SessionCmd::Ended(info, why)) if info.id == id && why == end)
    );
    assert!(news.try_recv().is_err());
    drop(sessions);
    assert!(matches!(
        news.recv_timeout(PATIENCE),
        Err(d3_runtime::RecvTimeoutError::Disconnected)
    ));
}

#[test]
fn a_session_inside_a_shut_down_runtime_is_let_go() {
    let runtime = runtime();
    let (sessions, net, _commands) = table();
    let _connector: Sender<Do> = runtime.connect_mut(Holder(open(&sessions, &net, 1)));
    runtime.shutdown(PATIENCE);
    assert_eq!(sessions.wait_empty(PATIENCE), Ok(()));
}
