//! Servers started, used over real sockets, and stopped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use d3_components::{
    AnySender, ComponentCmd, ComponentError, ComponentSender, ServiceContext, ServiceState,
    Services, ServicesError, Session, Settings, component, listen, services,
};
use d3_net::{CloseReason, NetCmd};
use d3_runtime::{MachineMut, this_machine};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends back what it gets; panics on `!`; keeps the session but lets the client go on `.`.
struct Echo(Session);

impl MachineMut<NetCmd> for Echo {
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::RecvBytes(_, bytes) if bytes.contains(&b'!') => panic!("as the test wants it"),
            NetCmd::RecvBytes(_, bytes) => drop(self.0.send(bytes)),
            NetCmd::RecvEnd(_) => drop(self.0.close(CloseReason::Flush)),
            NetCmd::CloseConn(_, reason) => {
                self.0.closed(reason);
                this_machine::stop().unwrap();
            }
            other => other.unhandled(),
        }
    }
}

fn echo(
    settings: &Settings,
    _: &[d3_components::ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    let runtime = ctx.runtime().clone();
    listen::tcp(settings, ctx, move |session| {
        Ok(runtime.connect_mut(Echo(session)))
    })
}

/// Does nothing, for as long as somebody has its sender.
fn idle(ctx: &ServiceContext) -> ComponentSender {
    ctx.runtime().connect(|_cmd: ComponentCmd| ()).1
}

fn echo_settings(address: SocketAddr) -> Settings {
    Settings::parse(&format!(
        "services = ['EchoService']\n[executor]\nexecutors = 2\n\
         [[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '{address}'"
    ))
    .unwrap()
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

#[track_caller]
fn assert_echoes(client: &mut TcpStream) {
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn sessions_come_and_go_without_a_trace() {
    let services = Services::new().coordinator("EchoCoordinator", echo);
    let running = services::start(echo_settings(any_port()), services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let address = running.address("EchoService").unwrap();
    assert_ne!(address.port(), 0);
    let context = running.context("EchoService").unwrap();
    let sessions = context.sessions();
    let machines = running.runtime().machine_count();

    let mut first = connect(address);
    let mut second = connect(address);
    assert_echoes(&mut first);
    assert_echoes(&mut second);
    assert_eq!((sessions.len(), sessions.total()), (2, 2));
    assert!(
        sessions
            .list()
            .iter()
            .any(|it| it.peer == first.local_addr().unwrap())
    );
    // One that panics loses its connection; the other does not notice.
    first.write_all(b"!").unwrap();
    assert!(!matches!(first.read(&mut [0; 1]), Ok(1)));
    assert_echoes(&mut second);
    drop(second);
    assert_eq!(sessions.wait_empty(PATIENCE), Ok(()));
    running.runtime().wait_idle(PATIENCE).unwrap();
    assert_eq!(running.runtime().machine_count(), machines);
    // One is dismissed.
    let mut third = connect(address);
    assert_echoes(&mut third);
    assert!(sessions.end(sessions.list()[0].id));
    assert_eq!(third.read(&mut [0; 1]).unwrap(), 0);
    let stopped = running.stop(PATIENCE);
    assert!(stopped.is_clean(), "{stopped}");
    assert!(TcpStream::connect_timeout(&address, PATIENCE).is_err());
}

#[test]
fn a_stop_with_clients_connected_is_clean() {
    let services = Services::new().coordinator("EchoCoordinator", echo);
    let running = services::start(echo_settings(any_port()), services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let mut clients: Vec<TcpStream> = (0..20)
        .map(|_| connect(running.address("EchoService").unwrap()))
        .collect();
    clients.iter_mut().for_each(assert_echoes);
    let stopped = running.stop(PATIENCE);
    assert!(stopped.is_clean(), "{stopped}");
    for client in &mut clients {
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
}

#[test]
fn a_dropped_server_has_stopped() {
    let services = Services::new().coordinator("EchoCoordinator", echo);
    let running = services::start(echo_settings(any_port()), services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let address = running.address("EchoService").unwrap();
    drop(running);
    TcpListener::bind(address).expect("the port is free again");
}

#[test]
fn servers_side_by_side_do_not_meet() {
    let start = || {
        let services = Services::new().coordinator("EchoCoordinator", echo);
        let running = services::start(echo_settings(any_port()), services).unwrap();
        running.wait_ready(PATIENCE).unwrap();
        running
    };
    let (one, two) = (start(), start());
    let mut client = connect(two.address("EchoService").unwrap());
    assert!(one.stop(PATIENCE).is_clean());
    assert_echoes(&mut client);
    assert!(two.stop(PATIENCE).is_clean());
}

#[test]
fn a_port_in_use_names_service_and_address() {
    let taken = TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let services = Services::new().coordinator("EchoCoordinator", echo);
    let running = services::start(echo_settings(address), services).unwrap();
    let error = running.wait_ready(PATIENCE).unwrap_err();
    let message = error.to_string();
    assert!(
        matches!(&error, ServicesError::Bind { service, address: at, .. } if *service == "EchoService" && *at == address)
    );
    assert!(
        message.contains("EchoService") && message.contains(&address.to_string()),
        "{message}"
    );
    let stopped = running.stop(PATIENCE);
    assert_eq!(stopped.failed.len(), 1);
    assert!(!stopped.is_clean());
}

#[test]
fn a_failed_connector_costs_one_connection() {
    let services = Services::new().coordinator("EchoCoordinator", |settings, _, ctx| {
        let runtime = ctx.runtime().clone();
        let mut count = 0;
        listen::tcp(settings, ctx, move |session| {
            count += 1;
            match count {
                1 => panic!("as the test wants it"),
                2 => Err(ComponentError::bad_config("as the test wants it")),
                _ => Ok(runtime.connect_mut(Echo(session))),
            }
        })
    });
    let running = services::start(echo_settings(any_port()), services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let address = running.address("EchoService").unwrap();
    for _ in 0..2 {
        // Cut off so early that even the connect may notice.
        if let Ok(mut client) = TcpStream::connect_timeout(&address, PATIENCE) {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            assert!(!matches!(client.read(&mut [0; 1]), Ok(1)));
        }
    }
    assert_echoes(&mut connect(address));
    assert!(running.stop(PATIENCE).is_clean());
}

/// The whole round: coordinator, component, connector, with senders passed as `AnySender`.
#[test]
fn components_are_told_of_sessions() {
    let (told, news) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let settings = Settings::parse(
        "services = ['EchoService']\n[[component]]\nname = 'Consumer'\n\
         [[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:0'",
    )
    .unwrap();
    let services = Services::new()
        .component("Consumer", move |_, components, ctx| {
            assert!(components.is_empty());
            let told = told.lock().unwrap().clone();
            Ok(Some(ctx.runtime().connect_mut(Consumer(told))))
        })
        .coordinator("EchoCoordinator", |settings, components, ctx| {
            let consumer = component::find(components, "Consumer")?.clone();
            let runtime = ctx.runtime().clone();
            listen::tcp(settings, ctx, move |session| {
                let (id, service) = (session.id(), session.service().clone());
                let sender = runtime.connect_mut(Echo(session));
                let any = AnySender::from(sender.clone());
                let news = ComponentCmd::NewSession(id, service, any);
                consumer
                    .sender()
                    .send(news)
                    .map_err(ComponentError::failed)?;
                Ok(sender)
            })
        });
    let running = services::start(settings, services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    assert_eq!(news.recv_timeout(PATIENCE).unwrap(), "Start");
    assert_echoes(&mut connect(running.address("EchoService").unwrap()));
    assert_eq!(
        news.recv_timeout(PATIENCE).unwrap(),
        "EchoService, a net machine"
    );
    let stopped = running.stop(PATIENCE);
    assert!(stopped.is_clean(), "{stopped}");
    assert_eq!(news.recv_timeout(PATIENCE).unwrap(), "Stop");
}

struct Consumer(mpsc::Sender<String>);

impl MachineMut<ComponentCmd> for Consumer {
    fn receive(&mut self, cmd: ComponentCmd) {
        let text = match cmd {
            ComponentCmd::Start => "Start".to_owned(),
            ComponentCmd::Stop => "Stop".to_owned(),
            ComponentCmd::NewSession(_, service, any) => {
                assert!(any.downcast::<ComponentCmd>().is_err());
                any.downcast::<NetCmd>().unwrap();
                format!("{service}, a net machine")
            }
        };
        self.0.send(text).unwrap();
    }
}

#[test]
fn a_udp_service_gets_its_datagrams_straight() {
    struct Udp(ServiceContext);
    impl MachineMut<NetCmd> for Udp {
        fn receive(&mut self, cmd: NetCmd) {
            match cmd {
                NetCmd::RecvPkt(id, _, from, bytes) => {
                    d3_runtime::send_cmd(self.0.net(), NetCmd::SendPkt(id, from, bytes));
                }
                other => self.0.observe(&other),
            }
        }
    }
    let settings = Settings::parse(
        "services = ['UdpEchoService']\n[[coordinator]]\nname = 'UdpEchoCoordinator'\nudp_address = '127.0.0.1:0'",
    )
    .unwrap();
    let services = Services::new().coordinator("UdpEchoCoordinator", |settings, _, ctx| {
        listen::udp(settings, ctx, ctx.runtime().connect_mut(Udp(ctx.clone())))
    });
    let running = services::start(settings, services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let client = std::net::UdpSocket::bind(any_port()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
        .send_to(b"hello", running.address("UdpEchoService").unwrap())
        .unwrap();
    let mut answer = [0; 16];
    let (len, _) = client.recv_from(&mut answer).unwrap();
    assert_eq!(&answer[..len], b"hello");
    let stopped = running.stop(PATIENCE);
    assert!(stopped.is_clean(), "{stopped}");
}

fn start_error(settings: &str, services: Services) -> String {
    services::start(Settings::parse(settings).unwrap(), services)
        .unwrap_err()
        .to_string()
}

#[test]
fn names_that_mean_nothing_are_errors() {
    let services = || {
        Services::new()
            .component("Consumer", |_, _, ctx| Ok(Some(idle(ctx))))
            .coordinator("EchoCoordinator", |_, _, ctx| Ok(Some(idle(ctx))))
    };
    assert_eq!(
        start_error("services = ['EkkoService']", services()),
        "services: EkkoService is not registered (registered: EchoService)"
    );
    assert_eq!(
        start_error("\n[[component]]\nname = 'Consummer'", services()),
        "settings text, line 2: component Consummer is not registered (registered: Consumer)"
    );
    assert_eq!(
        start_error("[[coordinator]]\nname = 'Consumer'", services()),
        "settings text, line 1: coordinator Consumer is not registered (registered: EchoCoordinator)"
    );
    assert_eq!(
        start_error("services = ['A']", Services::new()),
        "services: A is not registered (nothing is)"
    );
    let twice = services().component("Consumer", |_, _, _| Ok(None));
    assert_eq!(start_error("", twice), "Consumer is registered twice");
    let twice = services().coordinator_for("EchoService", "Other", |_, _, _| Ok(None));
    assert_eq!(start_error("", twice), "EchoService is registered twice");
    // A section that is switched off may be nobody's.
    let settings = Settings::parse("[[component]]\nname = 'Gone'\nenabled = false").unwrap();
    assert!(
        services::start(settings, services())
            .unwrap()
            .stop(PATIENCE)
            .is_clean()
    );
}

#[test]
fn a_configure_that_fails_is_named() {
    let failing = || Services::new().coordinator("EchoCoordinator", echo);
    assert_eq!(
        start_error("services = ['EchoService']", failing()),
        "EchoCoordinator: bad settings: settings: coordinator.EchoCoordinator: \
         missing in every layer, and there is no default"
    );
    assert_eq!(
        start_error(
            "services = ['EchoService']\n[[coordinator]]\nname = 'EchoCoordinator'",
            failing()
        ),
        "EchoCoordinator: bad settings: settings text, line 2: coordinator.EchoCoordinator.tcp_address: \
         missing, and there is no default"
    );
    let needs = Services::new().coordinator("XCoordinator", |_, components, _| {
        component::find(components, "Consumer")?;
        Ok(None)
    });
    assert_eq!(
        start_error("services = ['XService']", needs),
        "XCoordinator: bad settings: needs component Consumer, which is not enabled (enabled: none)"
    );
}

#[test]
fn only_what_is_enabled_is_configured() {
    let settings = Settings::parse(
        "services = ['A', 'B', 'C', 'D']\n\
         [[coordinator]]\nname = 'B'\nenabled = false\n\
         [[component]]\nname = 'Off'\nenabled = false\n[[component]]\nname = 'On'",
    )
    .unwrap();
    let never = |_: &Settings, _: &[d3_components::ComponentInfo], _: &ServiceContext| {
        Err(ComponentError::bad_config("must not be called"))
    };
    let services = Services::new()
        .component("Off", never)
        .component("NoSection", never)
        .component("On", |_, _, ctx| Ok(Some(idle(ctx))))
        .coordinator("A", |_, components, ctx| {
            let names: Vec<&str> = components.iter().map(|it| it.name()).collect();
            assert_eq!(names, ["On"]);
            assert_eq!((ctx.name(), ctx.service().as_str()), ("A", "A"));
            Ok(Some(idle(ctx)))
        })
        .coordinator("B", never)
        .coordinator("C", |_, _, _| Err(ComponentError::not_enabled("not today")))
        .coordinator("D", |_, _, _| Ok(None))
        .coordinator("NotAmongServices", never);
    let running = services::start(settings, services).unwrap();
    running.wait_ready(PATIENCE).unwrap();
    let names: Vec<String> = running
        .services()
        .iter()
        .map(|it| it.service.to_string())
        .collect();
    assert_eq!(names, ["A"]);
    assert_eq!(running.components().len(), 1);
    assert_eq!(running.coordinators()[0].to_string(), "A (A)");
    assert_eq!(
        running.table(),
        "service  coordinator  state  listens on\nA        A            ready\n"
    );
    assert!(running.stop(PATIENCE).is_clean());
}

#[test]
fn a_service_that_never_reports_is_named() {
    let services = Services::new().coordinator("EchoCoordinator", |_, _, ctx| Ok(Some(idle(ctx))));
    let running = services::start(echo_settings(any_port()), services).unwrap();
    let error = running.wait_ready(Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.to_string(), "not ready in time: EchoService");
    assert!(running.stop(PATIENCE).is_clean());
}

#[test]
fn a_coordinator_that_ends_is_noticed() {
    let services = Services::new()
        .component("Weak", |_, _, ctx| {
            Ok(Some(
                ctx.runtime()
                    .connect(|_: ComponentCmd| panic!("as the test wants it"))
                    .1,
            ))
        })
        .coordinator("EchoCoordinator", |_, _, ctx| {
            Ok(Some(
                ctx.runtime()
                    .connect(|_: ComponentCmd| panic!("as the test wants it"))
                    .1,
            ))
        });
    let settings = Settings::parse(
        "services = ['EchoService']\n[[component]]\nname = 'Weak'\n\
         [[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:0'",
    );
    let running = services::start(settings.unwrap(), services).unwrap();
    let error = running.wait_ready(PATIENCE).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("EchoService: EchoCoordinator or a machine"),
        "{error}"
    );
    assert!(matches!(running.services()[0].state, ServiceState::Ended));
    running.components()[0]
        .sender()
        .handle()
        .wait(PATIENCE)
        .unwrap();
    assert_eq!(running.ended_components(), ["Weak"]);
    let stopped = running.stop(PATIENCE);
    assert_eq!(stopped.failed.len(), 1);
    assert_eq!(stopped.not_told.len(), 2);
    assert!(
        stopped
            .to_string()
            .contains("not reached by Stop: EchoCoordinator, Weak"),
        "{stopped}"
    );
}
