//! Coordinators that most services can use as they are.
//!
//! Each consists of a gate, which takes [`ComponentCmd`], and a net machine that the listener is
//! bound to. The gate asks for the listener on `Start` and gives it back on `Stop`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use d3_net::{ListenOptions, NetCmd, NetSender};
use d3_runtime::{MachineMut, send_cmd};

use crate::{ComponentCmd, ComponentError, ComponentSender, ServiceContext, Session, Settings};

/// A coordinator that listens on the `tcp_address` of its section and opens a [`Session`] for every
/// connection.
///
/// `connector` is called with each session. It connects the machine that will run it, gives it the
/// session, and returns the sender that the connection is to be bound to. If it fails or panics,
/// that one connection is closed, and the service goes on.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the section or its `tcp_address` is missing.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use d3_components::{Services, Session, Settings, listen, services};
/// use d3_net::{CloseReason, NetCmd};
/// use d3_runtime::MachineMut;
///
/// struct Shout(Session);
/// impl MachineMut<NetCmd> for Shout {
///     fn receive(&mut self, cmd: NetCmd) {
///         match cmd {
///             NetCmd::RecvBytes(_, bytes) => drop(self.0.send(bytes.to_ascii_uppercase())),
///             NetCmd::RecvEnd(_) => drop(self.0.close(CloseReason::Flush)),
///             NetCmd::CloseConn(_, reason) => self.0.closed(reason),
///             other => other.unhandled(),
///         }
///     }
/// }
///
/// let settings = Settings::parse(r#"
///     services = ["ShoutService"]
///     [[coordinator]]
///     name = "ShoutCoordinator"
///     tcp_address = "127.0.0.1:0"
/// "#).unwrap();
/// let services = Services::new().coordinator("ShoutCoordinator", |settings, _, ctx| {
///     let runtime = ctx.runtime().clone();
///     listen::tcp(settings, ctx, move |session| Ok(runtime.connect_mut(Shout(session))))
/// });
/// let running = services::start(settings, services).unwrap();
/// running.wait_ready(Duration::from_secs(10)).unwrap();
///
/// let mut client = TcpStream::connect(running.address("ShoutService").unwrap()).unwrap();
/// client.write_all(b"hello").unwrap();
/// let mut answer = [0; 5];
/// client.read_exact(&mut answer).unwrap();
/// assert_eq!(&answer, b"HELLO");
/// running.stop(Duration::from_secs(10));
/// ```
pub fn tcp<F>(
    settings: &Settings,
    ctx: &ServiceContext,
    connector: F,
) -> Result<Option<ComponentSender>, ComponentError>
where
    F: FnMut(Session) -> Result<NetSender, ComponentError> + Send + 'static,
{
    tcp_with(settings, ctx, |options| options, connector)
}

/// As [`tcp`], with other options than the default ones, for instance an idle timeout:
/// `listen::tcp_with(settings, ctx, |options| options.idle_timeout(ONE_MINUTE), connector)`.
///
/// # Errors
/// As [`tcp`].
pub fn tcp_with<F>(
    settings: &Settings,
    ctx: &ServiceContext,
    options: impl FnOnce(ListenOptions) -> ListenOptions,
    connector: F,
) -> Result<Option<ComponentSender>, ComponentError>
where
    F: FnMut(Session) -> Result<NetSender, ComponentError> + Send + 'static,
{
    let address = settings
        .require_coordinator(ctx.name())?
        .require_tcp_address()?;
    let listener = ctx.runtime().connect_mut(Listener {
        ctx: ctx.clone(),
        connector,
    });
    ctx.depends_on(listener.handle());
    let bind = NetCmd::Listen(options(ListenOptions::tcp(address)), listener);
    Ok(Some(Gate::connect(ctx, bind)))
}

/// A coordinator that opens a UDP socket on the `udp_address` of its section for a net machine of
/// the service's own, which so gets its [`NetCmd::RecvPkt`] straight from the net.
///
/// That machine has to pass [`NetCmd::Bound`] and [`NetCmd::BindFailed`] on to
/// [`ServiceContext::observe`], or the service never becomes ready.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the section or its `udp_address` is missing.
pub fn udp(
    settings: &Settings,
    ctx: &ServiceContext,
    machine: NetSender,
) -> Result<Option<ComponentSender>, ComponentError> {
    let address = settings
        .require_coordinator(ctx.name())?
        .require_udp_address()?;
    ctx.depends_on(machine.handle());
    Ok(Some(Gate::connect(
        ctx,
        NetCmd::BindUdpListener(address, machine),
    )))
}

/// The coordinator proper: it opens on `Start` and closes on `Stop`.
struct Gate {
    ctx: ServiceContext,
    /// Holds the only sender of the listener until the net has it: a listener without a gate ends.
    bind: Option<NetCmd>,
}

impl Gate {
    fn connect(ctx: &ServiceContext, bind: NetCmd) -> ComponentSender {
        ctx.runtime().connect_mut(Self {
            ctx: ctx.clone(),
            bind: Some(bind),
        })
    }
}

impl MachineMut<ComponentCmd> for Gate {
    fn receive(&mut self, cmd: ComponentCmd) {
        match cmd {
            ComponentCmd::Start => {
                let Some(bind) = self.bind.take() else { return };
                if self.ctx.net().send(bind).is_err() {
                    self.ctx.failed("the net has stopped");
                }
            }
            ComponentCmd::Stop => {
                self.bind = None;
                self.ctx.unbind();
            }
            ComponentCmd::NewSession(..) => {}
        }
    }
}

/// The net machine of a TCP listener.
struct Listener<F> {
    ctx: ServiceContext,
    connector: F,
}

impl<F> MachineMut<NetCmd> for Listener<F>
where
    F: FnMut(Session) -> Result<NetSender, ComponentError> + Send,
{
    fn receive(&mut self, cmd: NetCmd) {
        match cmd {
            NetCmd::NewConn(conn, local, peer, room) => {
                let net = self.ctx.net().clone();
                let session = self.ctx.sessions().open(conn, local, peer, room, net);
                if let Some(machine) = self.connect(session) {
                    send_cmd(self.ctx.net(), NetCmd::BindConn(conn, machine));
                }
            }
            NetCmd::AcceptFailed(_, error) => {
                tracing::warn!(service = %self.ctx.service(), %error, "cannot accept");
            }
            NetCmd::Bound(..) | NetCmd::BindFailed(..) => self.ctx.observe(&cmd),
            NetCmd::CloseConn(..) => {}
            other => other.unhandled(),
        }
    }
}

impl<F> Listener<F>
where
    F: FnMut(Session) -> Result<NetSender, ComponentError> + Send,
{
    /// Has the session's connector made. The session ends with it if that fails, and closes the
    /// connection; a panic must not take the service's other sessions-to-be along.
    fn connect(&mut self, session: Session) -> Option<NetSender> {
        let (id, peer) = (session.id(), session.peer());
        let service = self.ctx.service();
        match catch_unwind(AssertUnwindSafe(|| (self.connector)(session))) {
            Ok(Ok(machine)) => Some(machine),
            Ok(Err(error)) => {
                tracing::warn!(%service, session = %id, %peer, %error, "no connector");
                None
            }
            Err(_panic) => {
                tracing::error!(%service, session = %id, %peer, "the connector's making panicked");
                None
            }
        }
    }
}
