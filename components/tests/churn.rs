//! Many clients that come, talk, and go in every way there is: nothing of them may be left.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use d3_components::{Running, Services, Session, Settings, listen, services};
use d3_net::{CloseReason, NetCmd};
use d3_runtime::MachineMut;

const PATIENCE: Duration = Duration::from_secs(60);

struct Echo(Session);

impl MachineMut<NetCmd> for Echo {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(_, bytes) if bytes.contains(&b'!') => panic!("as the test wants it"),
            NetCmd::RecvBytes(_, bytes) => drop(self.0.send(bytes)),
            NetCmd::RecvEnd(_) => drop(self.0.close(CloseReason::Flush)),
            NetCmd::CloseConn(_, reason) => self.0.closed(reason),
            other => other.unhandled(),
        }
    }
}

fn start() -> (Running, SocketAddr) {
    let settings = Settings::parse(
        "services = ['EchoService']\n[executor]\nexecutors = 2\n\
         [[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:0'",
    )
    .unwrap();
    let services = Services::new().coordinator("EchoCoordinator", |settings, _, ctx| {
        let runtime = ctx.runtime().clone();
        listen::tcp(settings, ctx, move |session| {
            Ok(runtime.connect_mut(Echo(session)))
        })
    });
    let running = services::start(settings, services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let address = running.address("EchoService").unwrap();
    (running, address)
}

/// One client's life; how it ends depends on `turn`. Errors are the server's right.
fn visit(address: SocketAddr, turn: usize) -> std::io::Result<()> {
    let mut client = TcpStream::connect_timeout(&address, PATIENCE)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(b"hello")?;
    match turn % 4 {
        // Leaves without a word, with an answer unread: a reset.
        0 => {}
        // Hears the answer out, then leaves.
        1 => client.read_exact(&mut [0; 5])?,
        // Ends its half, and reads to the end.
        2 => {
            client.shutdown(Shutdown::Write)?;
            if client.read_to_end(&mut Vec::new())? != 5 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        // Has its connector panic.
        _ => {
            client.write_all(b"!")?;
            let _ = client.read_to_end(&mut Vec::new());
        }
    }
    Ok(())
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_left_of_clients_that_have_gone() {
    let (running, address) = start();
    let context = running.context("EchoService").unwrap();
    let machines = running.runtime().machine_count();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..100 {
                    visit(address, thread + turn).unwrap();
                }
            });
        }
    });
    // Who left at once may not have been accepted yet.
    wait_for(|| context.sessions().total() == 400);
    assert_eq!(context.sessions().wait_empty(PATIENCE), Ok(()));
    wait_for(|| running.runtime().machine_count() == machines);
    let stopped = running.stop(PATIENCE);
    assert!(stopped.is_clean(), "{stopped}");
}

#[test]
fn a_stop_in_the_middle_leaves_nothing() {
    let (running, address) = start();
    let context = running.context("EchoService").unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let over = &over;
            scope.spawn(move || {
                let mut turn = thread;
                while !over.load(Ordering::Relaxed) {
                    let _ = visit(address, turn);
                    turn += 1;
                }
            });
        }
        wait_for(|| context.sessions().total() >= 50);
        let stopped = running.stop(PATIENCE);
        over.store(true, Ordering::Relaxed);
        assert_eq!(stopped.open_sessions, 0, "{stopped}");
        assert!(
            stopped.not_told.is_empty() && stopped.net.is_none(),
            "{stopped}"
        );
        assert_eq!(stopped.report().unwrap().left, 0, "{stopped}");
    });
    assert!(context.sessions().is_empty());
}
