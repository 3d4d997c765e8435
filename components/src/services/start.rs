//! From settings and a list of `configure` functions to a server that runs.

use std::sync::Arc;

use d3_net::Network;
use d3_runtime::Runtime;

use super::running::{Parts, Running};
use super::{Registered, Services};
use crate::context::Board;
use crate::{
    ComponentCmd, ComponentError, ComponentInfo, ComponentSender, CoordinatorInfo, ServiceContext,
    ServicesError, Settings,
};

/// Starts a server and returns: the form for tests, and for programs with a main loop of their own.
///
/// Listeners are bound when [`Running::wait_ready`] says so.
///
/// # Errors
/// Any [`ServicesError`] but those about readiness. Nothing is left running then; inside a machine, which may not wait, what ran
/// by then goes down in the background.
pub fn start(settings: Settings, services: Services) -> Result<Running, ServicesError> {
    check_registered(&services)?;
    check_settings(&settings, &services)?;
    let settings = Arc::new(settings);
    let runtime = build_runtime(&settings)?;
    let network = match Network::start(&runtime) {
        Ok(network) => network,
        Err(error) => {
            runtime.shutdown(super::stop::AFTER_FAILURE);
            return Err(ServicesError::Network(Arc::new(error)));
        }
    };
    let mut parts = Parts {
        runtime,
        network,
        settings,
        board: Arc::new(Board::default()),
        components: Vec::new(),
        coordinators: Vec::new(),
        contexts: Vec::new(),
    };
    match configure_all(&mut parts, &services) {
        Ok(()) => {
            send_start(&parts);
            Ok(Running::new(parts))
        }
        Err(error) => {
            super::stop::stop(parts, super::stop::AFTER_FAILURE);
            Err(error)
        }
    }
}

/// Two of one name would each get half of what is meant for one.
fn check_registered(services: &Services) -> Result<(), ServicesError> {
    let names = |of: fn(&Registered) -> &str, list: &[Registered]| {
        let mut names: Vec<String> = list.iter().map(|it| of(it).to_owned()).collect();
        names.sort();
        names
            .windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| pair[0].clone())
    };
    let twice = names(|it| &it.name, &services.components)
        .or_else(|| names(|it| &it.name, &services.coordinators))
        .or_else(|| names(|it| &it.service, &services.coordinators));
    match twice {
        Some(name) => Err(ServicesError::RegisteredTwice { name }),
        None => Ok(()),
    }
}

/// Every name in the settings must mean something, or it is a typing mistake.
fn check_settings(settings: &Settings, services: &Services) -> Result<(), ServicesError> {
    for service in settings.services() {
        if !services
            .coordinators
            .iter()
            .any(|it| it.service == *service)
        {
            return Err(ServicesError::UnknownService {
                service: service.clone(),
                registered: services
                    .coordinators
                    .iter()
                    .map(|it| it.service.clone())
                    .collect(),
            });
        }
    }
    let sections = settings
        .coordinators()
        .iter()
        .filter(|it| it.enabled())
        .map(|it| {
            (
                "coordinator",
                it.name(),
                it.origin(),
                &services.coordinators,
            )
        })
        .chain(
            settings
                .components()
                .iter()
                .filter(|it| it.enabled())
                .map(|it| ("component", it.name(), it.origin(), &services.components)),
        );
    for (role, name, origin, registered) in sections {
        if !registered.iter().any(|it| it.name == name) {
            return Err(ServicesError::UnknownSection {
                role,
                name: name.to_owned(),
                origin: origin.clone(),
                registered: registered.iter().map(|it| it.name.to_string()).collect(),
            });
        }
    }
    Ok(())
}

fn build_runtime(settings: &Settings) -> Result<Runtime, ServicesError> {
    let executor = settings.executor();
    let mut builder = Runtime::builder();
    if let Some(workers) = executor.executors {
        builder = builder.workers(workers);
    }
    if let Some(capacity) = executor.queue_size {
        builder = builder.mailbox_capacity(capacity);
    }
    if let Some(slice) = executor.time_slice {
        builder = builder.time_slice(slice);
    }
    builder
        .build()
        .map_err(|error| ServicesError::Runtime(Arc::new(error)))
}

/// Components first: coordinators are told of them.
fn configure_all(parts: &mut Parts, services: &Services) -> Result<(), ServicesError> {
    for it in &services.components {
        if !parts
            .settings
            .component(&it.name)
            .is_some_and(|section| section.enabled())
        {
            tracing::debug!(component = %it.name, "no section that enables it");
            continue;
        }
        let context = parts.context(it);
        if let Some(sender) = configure(it, parts, &context)? {
            parts
                .components
                .push(ComponentInfo::new(it.name.clone(), sender));
        }
    }
    for it in &services.coordinators {
        if !parts.settings.has_service(&it.service) {
            tracing::debug!(coordinator = %it.name, "its service is not among the services");
            continue;
        }
        if parts
            .settings
            .coordinator(&it.name)
            .is_some_and(|section| !section.enabled())
        {
            tracing::info!(service = %it.service, coordinator = %it.name, "not enabled");
            continue;
        }
        let context = parts.context(it);
        // Before it is configured: it may name the machines that it depends on.
        parts.board.enter(&context);
        match configure(it, parts, &context)? {
            Some(sender) => {
                context.depends_on(sender.handle());
                parts.coordinators.push(CoordinatorInfo::new(
                    it.name.clone(),
                    it.service.clone(),
                    sender,
                ));
                parts.contexts.push(context);
            }
            None => parts.board.leave(&it.service),
        }
    }
    Ok(())
}

fn configure(
    it: &Registered,
    parts: &Parts,
    context: &ServiceContext,
) -> Result<Option<ComponentSender>, ServicesError> {
    match (it.configure)(&parts.settings, &parts.components, context) {
        Ok(sender) => Ok(sender),
        Err(ComponentError::NotEnabled(reason)) => {
            tracing::info!(name = %it.name, reason, "not enabled");
            Ok(None)
        }
        Err(error) => Err(ServicesError::Component {
            name: it.name.to_string(),
            error,
        }),
    }
}

/// Tells all to begin. One that has ended already is noticed by the board or by [`Running`].
fn send_start(parts: &Parts) {
    for it in &parts.components {
        if it.sender().send(ComponentCmd::Start).is_err() {
            tracing::error!(component = it.name(), "ended before the start");
        }
    }
    for (it, context) in parts.coordinators.iter().zip(&parts.contexts) {
        if it.sender().send(ComponentCmd::Start).is_err() {
            context.failed(format_args!("{} ended before the start", it.name()));
            continue;
        }
        let section = parts.settings.coordinator(it.name());
        let listens = section.is_some_and(|it| it.tcp_address().or(it.udp_address()).is_some());
        if !listens {
            // There is nothing that it could report, so nothing is waited for.
            context.ready();
        }
    }
}
