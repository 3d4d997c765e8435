//! Components and coordinators: their instruction set, and how they are told of each other.

use std::fmt;

use d3_runtime::{MachineImpl, Sender};

use crate::{AnySender, ComponentError, ServiceContext, ServiceName, SessionId, Settings};

/// The instruction set of components and coordinators.
///
/// Every component gets `Start` once, after all of them are configured, and `Stop` once, when
/// the server is about to end. Coordinators announce sessions with `NewSession`.
#[derive(Debug, Clone, MachineImpl)]
pub enum ComponentCmd {
    /// Everyone is configured: take up work.
    Start,
    /// The server is about to end: take no more work. The net still runs, so last words to
    /// clients go out.
    Stop,
    /// A session has begun: its id, the service that it belongs to, and whom to answer. The
    /// service tells which instruction set the sender has; a component that does not know the
    /// service ignores the session.
    NewSession(SessionId, ServiceName, AnySender),
}

/// Shorthand for the sender of a component or coordinator.
pub type ComponentSender = Sender<ComponentCmd>;

/// The one function that a component or coordinator exposes. `Ok(None)` means that it is
/// configured and needs no instructions.
pub type Configure = dyn Fn(
        &Settings,
        &[ComponentInfo],
        &ServiceContext,
    ) -> Result<Option<ComponentSender>, ComponentError>
    + Send
    + Sync;

/// A component that is configured: what coordinators are given.
#[derive(Debug, Clone)]
pub struct ComponentInfo {
    name: ServiceName,
    sender: ComponentSender,
}

impl ComponentInfo {
    /// Names a component's sender.
    pub fn new(name: impl Into<ServiceName>, sender: ComponentSender) -> Self {
        Self {
            name: name.into(),
            sender,
        }
    }

    /// The name that it was registered under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same as [`name`](Self::name), by d3's name.
    pub fn component(&self) -> &str {
        &self.name
    }

    /// Where it takes instructions.
    pub fn sender(&self) -> &ComponentSender {
        &self.sender
    }
}

/// A coordinator that is configured.
#[derive(Debug, Clone)]
pub struct CoordinatorInfo {
    name: ServiceName,
    service: ServiceName,
    sender: ComponentSender,
}

impl CoordinatorInfo {
    /// Names a coordinator's sender, and the service that it runs.
    pub fn new(
        name: impl Into<ServiceName>,
        service: impl Into<ServiceName>,
        sender: ComponentSender,
    ) -> Self {
        Self {
            name: name.into(),
            service: service.into(),
            sender,
        }
    }

    /// The name that it was registered under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same as [`name`](Self::name), by d3's name.
    pub fn coordinator(&self) -> &str {
        &self.name
    }

    /// The service that it runs.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Where it takes instructions.
    pub fn sender(&self) -> &ComponentSender {
        &self.sender
    }
}

impl fmt::Display for CoordinatorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.service, self.name)
    }
}

/// The component of that name, for a coordinator that cannot do without it.
///
/// # Errors
/// [`ComponentError::BadConfig`] names what is missing and what there is.
pub fn find<'a>(
    components: &'a [ComponentInfo],
    name: &str,
) -> Result<&'a ComponentInfo, ComponentError> {
    components
        .iter()
        .find(|info| info.name() == name)
        .ok_or_else(|| {
            let known: Vec<&str> = components.iter().map(ComponentInfo::name).collect();
            ComponentError::bad_config(format!(
                "needs component {name}, which is not enabled (enabled: {})",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            ))
        })
}
