//! What a `configure` function is given, and where services say how they are.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use d3_net::{NetCmd, NetConnId, NetSender};
use d3_runtime::{MachineHandle, Runtime, send_cmd, this_machine};

use crate::{ServiceName, ServicesError, Sessions, Settings};

/// The surroundings of a component or coordinator. A clone costs a reference count, and machines
/// may keep one.
#[derive(Clone)]
pub struct ServiceContext(Arc<Inner>);

struct Inner {
    name: ServiceName,
    service: ServiceName,
    runtime: Runtime,
    net: NetSender,
    settings: Arc<Settings>,
    sessions: Sessions,
    board: Arc<Board>,
}

impl ServiceContext {
    pub(crate) fn new(
        name: ServiceName,
        service: ServiceName,
        runtime: Runtime,
        net: NetSender,
        settings: Arc<Settings>,
        board: Arc<Board>,
    ) -> Self {
        let sessions = Sessions::new(service.clone());
        Self(Arc::new(Inner {
            name,
            service,
            runtime,
            net,
            settings,
            sessions,
            board,
        }))
    }

    /// Where to connect machines.
    pub fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// Where to send what the net is to do.
    pub fn net(&self) -> &NetSender {
        &self.0.net
    }

    /// The settings of the server.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The name of this coordinator or component.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The service that this coordinator runs; for a component, its own name.
    pub fn service(&self) -> &ServiceName {
        &self.0.service
    }

    /// The open sessions of this service.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Notes what the net says about listeners: [`NetCmd::Bound`] as [`bound`](Self::bound),
    /// [`NetCmd::BindFailed`] as [`bind_failed`](Self::bind_failed). All else is ignored.
    pub fn observe(&self, cmd: &NetCmd) {
        match cmd {
            NetCmd::Bound(_, socket, address) => {
                let mut late = false;
                self.0
                    .board
                    .update(&self.0.service, |status| match &mut status.sockets {
                        Some(sockets) => sockets.push(*socket),
                        None => late = true,
                    });
                if late {
                    send_cmd(self.net(), NetCmd::Unbind(*socket));
                } else {
                    self.bound(*address);
                }
            }
            NetCmd::BindFailed(_, address, error) => self.bind_failed(*address, error),
            _ => {}
        }
    }

    /// Closes every listener and UDP socket of the service that [`observe`](Self::observe) has
    /// seen, or will see: what a coordinator does on `Stop`. Open connections go on.
    pub fn unbind(&self) {
        let mut sockets = None;
        self.0
            .board
            .update(&self.0.service, |status| sockets = status.sockets.take());
        for socket in sockets.into_iter().flatten() {
            send_cmd(self.net(), NetCmd::Unbind(socket));
        }
    }

    /// Without this machine, too, the service cannot do its work: once it has ended, so has the
    /// service. The coordinator itself is known to be such a machine.
    pub fn depends_on(&self, machine: MachineHandle) {
        self.0.board.watch(&self.0.service, machine);
    }

    /// The service listens on this address. It is ready with that.
    pub fn bound(&self, address: SocketAddr) {
        tracing::info!(service = %self.0.service, %address, "listening");
        self.0.board.update(&self.0.service, |status| {
            if !status.addresses.contains(&address) {
                status.addresses.push(address);
            }
            status.become_ready();
        });
    }

    /// The service cannot listen on this address: what it is for cannot be done.
    pub fn bind_failed(&self, address: SocketAddr, problem: impl fmt::Display) {
        let service = self.0.service.clone();
        self.fail(ServicesError::Bind {
            service,
            address,
            problem: problem.to_string(),
        });
    }

    /// The service is ready, for a coordinator that listens nowhere.
    pub fn ready(&self) {
        self.0.board.update(&self.0.service, Status::become_ready);
    }

    /// The service cannot do its work.
    pub fn failed(&self, problem: impl fmt::Display) {
        let service = self.0.service.clone();
        self.fail(ServicesError::Failed {
            service,
            problem: problem.to_string(),
        });
    }

    /// How all services are, in the order of their coordinators.
    pub fn all_services(&self) -> Vec<ServiceSnapshot> {
        self.0.board.snapshots()
    }

    fn fail(&self, error: ServicesError) {
        tracing::error!(service = %self.0.service, %error, "service failed");
        self.0.board.update(&self.0.service, |status| {
            status.state = ServiceState::Failed(error)
        });
    }
}

impl fmt::Debug for ServiceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceContext")
            .field("name", &self.0.name)
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}

/// How a service is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceState {
    /// Configured, not yet ready.
    Starting,
    /// It does its work.
    Ready,
    /// It reported that it cannot.
    Failed(ServicesError),
    /// Its coordinator has ended.
    Ended,
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Failed(_) => "failed",
            Self::Ended => "ended",
        })
    }
}

/// One service at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceSnapshot {
    /// Its name.
    pub service: ServiceName,
    /// The coordinator that runs it.
    pub coordinator: ServiceName,
    /// How it is.
    pub state: ServiceState,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Sessions that are open.
    pub open_sessions: usize,
    /// Sessions that were ever opened.
    pub total_sessions: u64,
}

/// What is known of one service.
struct Status {
    service: ServiceName,
    coordinator: ServiceName,
    state: ServiceState,
    addresses: Vec<SocketAddr>,
    sessions: Sessions,
    /// Its listeners and UDP sockets; `None` once it was told to close them.
    sockets: Option<Vec<NetConnId>>,
    /// The machines that it cannot do without.
    machines: Vec<MachineHandle>,
}

impl Status {
    fn become_ready(&mut self) {
        // A second listener that is bound does not make up for a first that is not.
        if matches!(self.state, ServiceState::Starting) {
            self.state = ServiceState::Ready;
        }
    }

    /// The state, with a look at whether the coordinator is still there.
    fn state(&self) -> ServiceState {
        let gone = || self.machines.iter().any(|machine| !machine.is_alive());
        match &self.state {
            ServiceState::Starting | ServiceState::Ready if gone() => ServiceState::Ended,
            state => state.clone(),
        }
    }
}

/// Where all services of a server say how they are, and where others wait for it.
#[derive(Default)]
pub(crate) struct Board {
    services: Mutex<Vec<Status>>,
    changed: Condvar,
}

impl Board {
    /// Enters a service whose coordinator has been configured.
    pub(crate) fn enter(&self, context: &ServiceContext) {
        self.lock().push(Status {
            service: context.0.service.clone(),
            coordinator: context.0.name.clone(),
            state: ServiceState::Starting,
            addresses: Vec::new(),
            sessions: context.0.sessions.clone(),
            sockets: Some(Vec::new()),
            machines: Vec::new(),
        });
    }

    /// Takes out a service whose coordinator is not enabled after all.
    pub(crate) fn leave(&self, service: &ServiceName) {
        self.lock().retain(|status| status.service != *service);
        self.changed.notify_all();
    }

    /// Notes a machine whose end is the end of the service.
    pub(crate) fn watch(&self, service: &ServiceName, machine: MachineHandle) {
        self.update(service, |status| status.machines.push(machine));
    }

    pub(crate) fn snapshots(&self) -> Vec<ServiceSnapshot> {
        self.lock()
            .iter()
            .map(|status| ServiceSnapshot {
                service: status.service.clone(),
                coordinator: status.coordinator.clone(),
                state: status.state(),
                addresses: status.addresses.clone(),
                open_sessions: status.sessions.len(),
                total_sessions: status.sessions.total(),
            })
            .collect()
    }

    /// Waits until every service is ready. The first that failed or ended ends the wait.
    pub(crate) fn wait_ready(&self, timeout: Duration) -> Result<(), ServicesError> {
        let inside = this_machine::id().is_some();
        let deadline = Instant::now().checked_add(timeout);
        let mut services = self.lock();
        loop {
            let mut waiting = HashSet::new();
            for status in services.iter() {
                match status.state() {
                    ServiceState::Ready => {}
                    ServiceState::Starting => {
                        waiting.insert(status.service.clone());
                    }
                    ServiceState::Failed(error) => return Err(error),
                    ServiceState::Ended => return Err(ended(status)),
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            if inside {
                return Err(ServicesError::InsideMachine);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => LOOK_AGAIN,
            };
            if left.is_zero() {
                let mut services: Vec<ServiceName> = waiting.into_iter().collect();
                services.sort();
                return Err(ServicesError::NotReady { services });
            }
            // The end of a machine tells nobody, so it is looked for.
            let wait = left.min(LOOK_AGAIN);
            services = self
                .changed
                .wait_timeout(services, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn update(&self, service: &ServiceName, change: impl FnOnce(&mut Status)) {
        if let Some(status) = self
            .lock()
            .iter_mut()
            .find(|status| status.service == *service)
        {
            change(status);
        }
        self.changed.notify_all();
    }

    /// No code of others runs under this lock, so what a panic leaves behind is whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Status>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a wait looks whether a coordinator has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

fn ended(status: &Status) -> ServicesError {
    ServicesError::Failed {
        service: status.service.clone(),
        problem: format!(
            "{} or a machine that it depends on has ended",
            status.coordinator
        ),
    }
}
