//! Promise 5 for whole servers: what waits for one refuses with its typed error inside a machine, and a server that is stopped or
//! dropped there goes down in order all the same, in the background.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use d3::components::{
    ComponentCmd, ComponentError, ComponentSender, Running, ServiceContext, Services,
    ServicesError, Session, Sessions, Settings, Stopped, listen, services,
};
use d3::net::{CloseReason, NetCmd, NetConnId, NetError, Network, ResolveError, resolve};
use d3::prelude::*;
use d3::{Runtime, WaitError};

use crate::p5_no_worker_blocks::{AT_ONCE, LONG, PLACES, Place, inside};
use crate::support::probe::{Counted, bump, read};
use crate::support::{PATIENCE, runtime, wait_until, within_patience};

/// So many bytes are handed to the net just before the server is taken down.
const LAST_WORDS: usize = 64 * 1024;

/// Sends back what it gets.
struct Echo(Session);

impl MachineMut<NetCmd> for Echo {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(_, bytes) => drop(self.0.send(bytes)),
            NetCmd::RecvEnd(_) => drop(self.0.close(CloseReason::Flush)),
            NetCmd::CloseConn(_, reason) => self.0.closed(reason),
            other => other.unhandled(),
        }
    }
}

/// One server, and what is left of it in the hands of the test.
struct Server {
    running: Running,
    /// Its runtime, which this handle does not keep from being shut down.
    runtime: Runtime,
    address: SocketAddr,
    client: TcpStream,
    /// Components and coordinators that were told to stop.
    stops: Arc<AtomicUsize>,
    /// Those that were dropped.
    dropped: Arc<AtomicUsize>,
}

/// A machine of the organising layer that counts.
fn counting(
    ctx: &ServiceContext,
    stops: &Arc<AtomicUsize>,
    dropped: &Arc<AtomicUsize>,
) -> ComponentSender {
    let (stops, counted) = (Arc::clone(stops), Counted::new(dropped));
    let machine = move |cmd: ComponentCmd| {
        let _ = &counted;
        if matches!(cmd, ComponentCmd::Stop) {
            bump(&stops);
        }
    };
    ctx.runtime().connect(machine).1
}

impl Server {
    /// One worker, a component, a coordinator, and a service with one client connected.
    fn start() -> Self {
        let (stops, dropped) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let settings = Settings::parse(
            "services = ['EchoService', 'CountService']\n[executor]\nexecutors = 1\n\
             [[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:0'\n\
             [[component]]\nname = 'Part'",
        )
        .unwrap();
        let count = {
            let (stops, dropped) = (Arc::clone(&stops), Arc::clone(&dropped));
            move |ctx: &ServiceContext| Ok(Some(counting(ctx, &stops, &dropped)))
        };
        let part = count.clone();
        let services = Services::new()
            .component("Part", move |_, _, ctx| part(ctx))
            .coordinator("CountCoordinator", move |_, _, ctx| count(ctx))
            .coordinator("EchoCoordinator", |settings, _, ctx| {
                let runtime = ctx.runtime().clone();
                listen::tcp(settings, ctx, move |session| {
                    Ok(runtime.connect_mut(Echo(session)))
                })
            });
        let running = services::start(settings, services).unwrap();
        running.wait_ready(PATIENCE).unwrap();
        let address = running.address("EchoService").unwrap();
        let mut client = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        // An answer says that its session is open.
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        Self {
            runtime: running.runtime().clone(),
            running,
            address,
            client,
            stops,
            dropped,
        }
    }

    /// Takes it down in a machine of `runtime`, or of its own, and sees that this returns at once and loses nothing.
    fn ends_well<T: Send + 'static>(
        mut self,
        runtime: Option<&Runtime>,
        place: Place,
        end: impl FnOnce(Running) -> T + Send + 'static,
    ) -> T {
        let running = self.running;
        let own = runtime.is_none();
        let runtime = runtime.unwrap_or(&self.runtime);
        let (outcome, took) = inside(runtime, place, move |_| {
            let context = running.context("EchoService").unwrap();
            let conn = context.sessions().list()[0].conn;
            let last_words = vec![7; LAST_WORDS].into();
            send_cmd(running.net(), NetCmd::SendBytes(conn, last_words));
            let begun = Instant::now();
            (end(running), begun.elapsed())
        });
        let whose = if own { "its own" } else { "another runtime" };
        assert!(took < AT_ONCE, "in {place:?} of {whose}: {took:?}");

        let mut heard = Vec::new();
        self.client.read_to_end(&mut heard).unwrap();
        assert_eq!(heard.len(), LAST_WORDS, "in {place:?} of {whose}");
        // The net waits a while for clients to close, too.
        drop(self.client);
        wait_until("the runtime of the server ends", || {
            self.runtime.is_shut_down() && self.runtime.machine_count() == 0
        });
        assert_eq!(read(&self.stops), 2, "component and coordinator are told");
        wait_until("all machines are dropped", || read(&self.dropped) == 2);
        let late = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ConnectionRefused);
        outcome
    }
}

fn is_refused(stopped: &Stopped) -> bool {
    stopped.refused == Some(WaitError::InsideMachine)
        && !stopped.is_clean()
        && stopped.to_string().contains("in the background")
}

#[test]
fn a_server_stopped_inside_goes_down_in_the_background() {
    let outer = runtime(1);
    for place in PLACES {
        for runtime in [Some(&outer), None] {
            let stopped =
                Server::start().ends_well(runtime, place, |running| running.stop(PATIENCE));
            assert!(is_refused(&stopped), "in {place:?}: {stopped}");
        }
    }
    outer.shutdown(PATIENCE);
}

#[test]
fn a_server_dropped_inside_goes_down_in_the_background() {
    let outer = runtime(1);
    for place in PLACES {
        for runtime in [Some(&outer), None] {
            Server::start().ends_well(runtime, place, drop);
        }
    }
    outer.shutdown(PATIENCE);
}

/// The start fails halfway: what runs by then is taken down, and who started it inside a machine does not wait for that.
#[test]
fn a_start_that_fails_inside_leaves_nothing() {
    let outer = runtime(1);
    for place in PLACES {
        let (stops, dropped) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (tell, told) = mpsc::channel();
        let services = {
            let (stops, dropped) = (Arc::clone(&stops), Arc::clone(&dropped));
            Services::new()
                .coordinator("ACoordinator", move |_, _, ctx| {
                    tell.send(ctx.runtime().clone()).unwrap();
                    Ok(Some(counting(ctx, &stops, &dropped)))
                })
                .coordinator("BCoordinator", |_, _, _| {
                    Err(ComponentError::bad_config("as the test wants it"))
                })
        };
        let settings = Settings::parse("services = ['AService', 'BService']").unwrap();
        let (error, took) = inside(&outer, place, move |_| {
            let begun = Instant::now();
            (services::start(settings, services).err(), begun.elapsed())
        });
        assert!(
            matches!(error, Some(ServicesError::Component { .. })),
            "{error:?}"
        );
        assert!(took < AT_ONCE, "in {place:?}: {took:?}");
        let inner = told.recv_timeout(PATIENCE).unwrap();
        wait_until("the runtime of the server ends", || {
            inner.is_shut_down() && inner.machine_count() == 0
        });
        assert_eq!(read(&stops), 1);
        wait_until("its machine is dropped", || read(&dropped) == 1);
    }
    outer.shutdown(PATIENCE);
}

/// Every call of net and organising layer that waits when a thread makes it; returns the names of those that did not refuse with
/// their typed error, or took long.
fn waiting_calls(server: &Running, late: &Running, network: &Network) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut call = |name: &str, refused: &mut dyn FnMut() -> bool| {
        let start = Instant::now();
        let refused = refused();
        if !refused || start.elapsed() > AT_ONCE {
            wrong.push(format!("{name}: {refused}, {:?}", start.elapsed()));
        }
    };
    call("Running::wait_ready", &mut || {
        matches!(late.wait_ready(LONG), Err(ServicesError::InsideMachine))
    });
    call("Running::wait_ready of what is ready", &mut || {
        server.wait_ready(LONG).is_ok()
    });
    call("services::run", &mut || {
        let run = services::run(Settings::default(), Services::new());
        matches!(run, Err(ServicesError::InsideMachine))
    });
    call("services::run_with", &mut || {
        let run = services::run_with(Settings::default(), Services::new(), "Work", |_| Ok(()));
        matches!(run, Err(ServicesError::InsideMachine))
    });
    call("Sessions::wait_empty", &mut || {
        let sessions = Sessions::new("S".into());
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let net = network.sender();
        let session = sessions.open(NetConnId::fake(1), address, address, 1, net);
        let refused = sessions.wait_empty(LONG) == Err(WaitError::InsideMachine);
        drop(session);
        refused && sessions.wait_empty(LONG) == Ok(())
    });
    call("Network::stop", &mut || {
        network.stop() == Err(NetError::InsideMachine)
    });
    call("resolve", &mut || {
        matches!(
            resolve("a.name:80"),
            Err(ResolveError::InsideMachine(name)) if name == "a.name:80"
        )
    });
    call("an address in settings", &mut || {
        let text = "[[coordinator]]\nname = 'E'\ntcp_address = 'a.name:80'";
        Settings::parse(text).is_err_and(|error| error.to_string().contains("must not wait"))
    });
    wrong
}

#[test]
fn calls_of_servers_do_not_wait_inside() {
    let outer = runtime(1);
    let never = Settings::parse(
        "services = ['LateService']\n[[coordinator]]\nname = 'LateCoordinator'\n\
         tcp_address = '127.0.0.1:0'",
    )
    .unwrap();
    // It has an address to listen on, and never reports that it does.
    let services = Services::new().coordinator("LateCoordinator", |_, _, ctx| {
        Ok(Some(ctx.runtime().connect(|_: ComponentCmd| ()).1))
    });
    let late = Arc::new(services::start(never, services).unwrap());
    let server = Arc::new(services::start(Settings::default(), Services::new()).unwrap());
    let network = Network::start(&outer).unwrap();
    for place in PLACES {
        let (server, late, network) = (Arc::clone(&server), Arc::clone(&late), network.clone());
        let wrong = inside(&outer, place, move |_| {
            waiting_calls(&server, &late, &network)
        });
        assert!(wrong.is_empty(), "in {place:?}: {wrong:#?}");
    }
    // Nobody is the worse for it.
    within_patience("stops from outside", move || {
        network.stop().unwrap();
        drop((server, late));
        outer.shutdown(PATIENCE)
    });
}

/// The net cannot end before the listener's owner has made room for its last word, which is after the drop.
#[test]
fn a_net_dropped_inside_is_not_waited_for() {
    let outer = runtime(1);
    for place in PLACES {
        let network = Network::builder().stop_timeout(LONG).start(&outer).unwrap();
        let (owner, inbox) = bounded(1);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let bind = NetCmd::BindListener(any_port, owner);
        network.sender().send(bind).unwrap();
        wait_until("it listens", || inbox.len() == 1);
        let took = inside(&outer, place, move |_| {
            let begun = Instant::now();
            drop(network);
            begun.elapsed()
        });
        assert!(took < AT_ONCE, "in {place:?}: {took:?}");
        let bound = inbox.recv_timeout(PATIENCE);
        assert!(matches!(bound, Ok(NetCmd::Bound(..))), "{bound:?}");
        let last = inbox.recv_timeout(PATIENCE);
        assert!(
            matches!(last, Ok(NetCmd::CloseConn(_, CloseReason::Stopped))),
            "{last:?}"
        );
    }
    outer.shutdown(PATIENCE);
}
