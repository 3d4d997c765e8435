//! Start, run and stop of a server: the whole of a `main`.
//!
//! ```no_run
//! use d3_components::{Services, Settings, services};
//! # mod echo {
//! #     use d3_components::{listen, *};
//! #     pub fn configure(
//! #         _: &Settings, _: &[ComponentInfo], _: &ServiceContext,
//! #     ) -> Result<Option<ComponentSender>, ComponentError> { Ok(None) }
//! # }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let services = Services::new().coordinator("EchoCoordinator", echo::configure);
//!     services::run(Settings::load()?, services)?;
//!     Ok(())
//! }
//! ```
//!
//! # The order of things
//!
//! 1. The settings are held against what is registered: a service that nobody runs, or a section
//!    that nobody reads, is an error before anything starts.
//! 2. Runtime and net start.
//! 3. Components are configured in the order registered, then coordinators. The first that fails
//!    ends the start, and everything is taken down again.
//! 4. `Start` goes to components, then to coordinators.
//! 5. On the way down, `Stop` goes to coordinators, then to components; the server waits until all
//!    is quiet, or for a part of its time; the net flushes and closes every connection; sessions
//!    get the time that is left to end; the runtime shuts down.

mod run;
mod running;
mod start;
mod stop;

use std::fmt;

pub use run::{run, run_with};
pub use running::Running;
pub use start::start;
pub use stop::Stopped;

use crate::component::Configure;
use crate::{
    ComponentError, ComponentInfo, ComponentSender, ServiceContext, ServiceName, Settings,
};

/// The components and coordinators that a program has. The settings choose among them.
///
/// ```
/// use d3_components::{ComponentError, Services};
/// let services = Services::new()
///     .component("Clock", |_, _, _| Ok(None))
///     .coordinator("TimeCoordinator", |_, _, _| Err(ComponentError::not_enabled("no clock")));
/// assert_eq!(format!("{services:?}"), r#"["Clock", "TimeCoordinator for TimeService"]"#);
/// ```
#[derive(Default)]
pub struct Services {
    components: Vec<Registered>,
    coordinators: Vec<Registered>,
}

/// A `configure` function under its name.
struct Registered {
    name: ServiceName,
    /// For a component, its own name.
    service: ServiceName,
    configure: Box<Configure>,
}

impl Services {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a component. It is configured if the settings have a `[[component]]` section of
    /// that name that is enabled.
    #[must_use]
    pub fn component<F>(mut self, name: impl Into<ServiceName>, configure: F) -> Self
    where
        F: Fn(
                &Settings,
                &[ComponentInfo],
                &ServiceContext,
            ) -> Result<Option<ComponentSender>, ComponentError>
            + Send
            + Sync
            + 'static,
    {
        let name = name.into();
        let service = name.clone();
        self.components.push(Registered {
            name,
            service,
            configure: Box::new(configure),
        });
        self
    }

    /// Registers the coordinator of a service that has its name: `EchoCoordinator` runs
    /// `EchoService`, and a name of another form runs the service of that very name.
    #[must_use]
    pub fn coordinator<F>(self, name: impl Into<ServiceName>, configure: F) -> Self
    where
        F: Fn(
                &Settings,
                &[ComponentInfo],
                &ServiceContext,
            ) -> Result<Option<ComponentSender>, ComponentError>
            + Send
            + Sync
            + 'static,
    {
        let name = name.into();
        let service = match name.strip_suffix("Coordinator") {
            Some(stem) if !stem.is_empty() => ServiceName::from(format!("{stem}Service")),
            _ => name.clone(),
        };
        self.coordinator_for(service, name, configure)
    }

    /// Registers the coordinator of a service. It is configured if the service is among the
    /// `services` of the settings, and no section of its own says that it is not enabled.
    #[must_use]
    pub fn coordinator_for<F>(
        mut self,
        service: impl Into<ServiceName>,
        name: impl Into<ServiceName>,
        configure: F,
    ) -> Self
    where
        F: Fn(
                &Settings,
                &[ComponentInfo],
                &ServiceContext,
            ) -> Result<Option<ComponentSender>, ComponentError>
            + Send
            + Sync
            + 'static,
    {
        let (name, service) = (name.into(), service.into());
        self.coordinators.push(Registered {
            name,
            service,
            configure: Box::new(configure),
        });
        self
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coordinators = self
            .coordinators
            .iter()
            .map(|it| format!("{} for {}", it.name, it.service));
        f.debug_list()
            .entries(self.components.iter().map(|it| &it.name))
            .entries(coordinators)
            .finish()
    }
}
