//! A server that runs.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use d3_net::{NetSender, Network};
use d3_runtime::Runtime;

use super::Registered;
use super::stop::{self, Stopped};
use crate::context::Board;
use crate::{
    ComponentInfo, CoordinatorInfo, ServiceContext, ServiceName, ServiceSnapshot, ServicesError,
    Settings,
};

/// A server that runs in this process. Dropping it stops it, with ten seconds to do so; inside a machine, where nobody may wait,
/// that goes on in the background.
///
/// See [`services::start`](crate::services::start).
pub struct Running {
    /// Taken out by the stop.
    parts: Option<Box<Parts>>,
    runtime: Runtime,
    net: NetSender,
    settings: Arc<Settings>,
    board: Arc<Board>,
}

/// Everything that a server is made of.
pub(super) struct Parts {
    pub(super) runtime: Runtime,
    pub(super) network: Network,
    pub(super) settings: Arc<Settings>,
    pub(super) board: Arc<Board>,
    pub(super) components: Vec<ComponentInfo>,
    pub(super) coordinators: Vec<CoordinatorInfo>,
    /// Those of the coordinators, in their order.
    pub(super) contexts: Vec<ServiceContext>,
}

impl Parts {
    pub(super) fn context(&self, it: &Registered) -> ServiceContext {
        ServiceContext::new(
            it.name.clone(),
            it.service.clone(),
            self.runtime.clone(),
            self.network.sender(),
            self.settings.clone(),
            self.board.clone(),
        )
    }
}

impl Running {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            runtime: parts.runtime.clone(),
            net: parts.network.sender(),
            settings: parts.settings.clone(),
            board: parts.board.clone(),
            parts: Some(Box::new(parts)),
        }
    }

    /// Waits until every service is ready: its coordinator reported that it listens, or has no
    /// address to listen on.
    ///
    /// # Errors
    /// [`ServicesError::Bind`] or [`ServicesError::Failed`] of the first service that cannot do its
    /// work, [`ServicesError::NotReady`] with the names of those that are late. The others go on.
    /// [`ServicesError::InsideMachine`] in a machine, which may not wait, if not all is ready by now.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), ServicesError> {
        self.board.wait_ready(timeout)
    }

    /// Where services listen, as far as they have reported it; port 0 has become a real one.
    pub fn addresses(&self) -> Vec<(ServiceName, SocketAddr)> {
        let flat = |it: ServiceSnapshot| {
            it.addresses
                .into_iter()
                .map(move |at| (it.service.clone(), at))
        };
        self.board.snapshots().into_iter().flat_map(flat).collect()
    }

    /// Where a service listens; the first address where it has several.
    pub fn address(&self, service: &str) -> Option<SocketAddr> {
        self.addresses()
            .into_iter()
            .find(|(name, _)| *name == service)
            .map(|(_, at)| at)
    }

    /// How all services are.
    pub fn services(&self) -> Vec<ServiceSnapshot> {
        self.board.snapshots()
    }

    /// The coordinators that were configured, in order.
    pub fn coordinators(&self) -> &[CoordinatorInfo] {
        self.parts.as_ref().map_or(&[], |parts| &parts.coordinators)
    }

    /// The components that were configured, in order.
    pub fn components(&self) -> &[ComponentInfo] {
        self.parts.as_ref().map_or(&[], |parts| &parts.components)
    }

    /// What the coordinator of a service was given: its sessions, for instance.
    pub fn context(&self, service: &str) -> Option<ServiceContext> {
        let contexts = self.parts.as_ref().map_or(&[][..], |parts| &parts.contexts);
        contexts
            .iter()
            .find(|context| *context.service() == service)
            .cloned()
    }

    /// The runtime of the server.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The net of the server.
    pub fn net(&self) -> &NetSender {
        &self.net
    }

    /// The settings that it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Components that were configured and have ended since, with no `Stop` sent. Services of
    /// which the same is true are [`Ended`](crate::ServiceState::Ended).
    pub fn ended_components(&self) -> Vec<&str> {
        self.components()
            .iter()
            .filter(|it| it.sender().is_disconnected())
            .map(ComponentInfo::name)
            .collect()
    }

    /// The services and where they listen, as a table for people.
    pub fn table(&self) -> String {
        let services = self.services();
        let header = ["service", "coordinator", "state"];
        let rows: Vec<[String; 3]> = services
            .iter()
            .map(|it| {
                [
                    it.service.to_string(),
                    it.coordinator.to_string(),
                    it.state.to_string(),
                ]
            })
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].len());
            cells.chain([header[column].len()]).max().unwrap_or(0)
        };
        let (first, second, third) = (width(0), width(1), width(2));
        let mut table = format!(
            "{:first$}  {:second$}  {:third$}  listens on\n",
            header[0], header[1], header[2]
        );
        for (row, it) in rows.iter().zip(&services) {
            let addresses: Vec<String> = it.addresses.iter().map(ToString::to_string).collect();
            let line = format!(
                "{:first$}  {:second$}  {:third$}  {}",
                row[0],
                row[1],
                row[2],
                addresses.join(", ")
            );
            // Writing to a String does not fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }

    /// Stops the server within about `timeout`; see the [module](crate::services) for the order.
    ///
    /// Inside a machine, which may not wait, it returns at once and [says so](Stopped::refused); the server goes down in the
    /// background, in the same order and the same time.
    pub fn stop(mut self, timeout: Duration) -> Stopped {
        match self.parts.take() {
            Some(parts) => stop::stop(*parts, timeout),
            // Only a drop could have taken them, and after a drop nobody can call this.
            None => Stopped::default(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            stop::stop(*parts, stop::ON_DROP);
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("services", &self.services())
            .finish_non_exhaustive()
    }
}
