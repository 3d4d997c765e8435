//! One layer, decoded by itself, so that each mistake is found where it was written.

use std::time::Duration;

use super::decode::{self, Fields};
use super::forwarder::Forwarder;
use super::node::Node;
use super::section::{self, Component, Coordinator};
use super::{Executor, LogLevel, SettingsError};
use crate::ServiceName;

/// What a layer says; `None` where it is silent.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) dev_mode: Option<bool>,
    pub(super) log_level: Option<LogLevel>,
    pub(super) test_server_duration: Option<Duration>,
    pub(super) services: Option<Vec<ServiceName>>,
    pub(super) features: Option<Vec<String>>,
    pub(super) executor: Executor,
    pub(super) coordinators: Vec<Coordinator>,
    pub(super) components: Vec<Component>,
    pub(super) forwarder: Option<Forwarder>,
}

impl Layer {
    pub(super) fn decode(root: &Node) -> Result<Self, SettingsError> {
        let mut fields = Fields::of(root, "")?;
        let layer = Self {
            dev_mode: fields.take("dev_mode", decode::boolean)?,
            log_level: fields.take("log_level", log_level)?,
            test_server_duration: fields.take("test_server_duration", decode::seconds)?,
            services: fields.take("services", service_names)?,
            features: fields.take("features", distinct)?,
            executor: fields.take("executor", executor)?.unwrap_or_default(),
            coordinators: fields
                .take("coordinator", section::decode_all)?
                .unwrap_or_default(),
            components: fields
                .take("component", section::decode_all)?
                .unwrap_or_default(),
            forwarder: fields.take("additional", additional)?.flatten(),
        };
        fields.finish()?;
        Ok(layer)
    }

    /// Lays a later layer over this one: single values and lists replace, sections merge by name.
    pub(super) fn overlay(&mut self, later: Self) -> Result<(), SettingsError> {
        self.dev_mode = later.dev_mode.or(self.dev_mode);
        self.log_level = later.log_level.or(self.log_level);
        self.test_server_duration = later.test_server_duration.or(self.test_server_duration);
        self.services = later.services.or(self.services.take());
        self.features = later.features.or(self.features.take());
        self.executor = Executor {
            executors: later.executor.executors.or(self.executor.executors),
            queue_size: later.executor.queue_size.or(self.executor.queue_size),
            time_slice: later.executor.time_slice.or(self.executor.time_slice),
        };
        section::overlay_all(&mut self.coordinators, later.coordinators, "coordinator")?;
        section::overlay_all(&mut self.components, later.components, "component")?;
        match (&mut self.forwarder, later.forwarder) {
            (Some(below), Some(later)) => below.overlay(later),
            (below, later) => *below = later.or(below.take()),
        }
        Ok(())
    }
}

fn executor(node: &Node, path: &str) -> Result<Executor, SettingsError> {
    let mut fields = Fields::of(node, path)?;
    let executor = Executor {
        executors: fields.take("executors", decode::count)?,
        queue_size: fields.take("queue_size", decode::at_least_one)?,
        time_slice: fields.take("time_slice", decode::milliseconds)?,
    };
    fields.finish()?;
    Ok(executor)
}

fn additional(node: &Node, path: &str) -> Result<Option<Forwarder>, SettingsError> {
    let mut forwarder: Option<Forwarder> = None;
    section::each_section(node, path, |name, body, path| {
        if !name.eq_ignore_ascii_case("Forwarder") {
            return Err(SettingsError::UnknownKey {
                origin: body.origin.clone(),
                key: path.to_owned(),
                expected: vec!["Forwarder".to_owned()],
            });
        }
        if forwarder.is_some() {
            return Err(decode::bad(body, path, "is there twice"));
        }
        forwarder = Some(Forwarder::decode(body, path)?);
        Ok(())
    })?;
    Ok(forwarder)
}

fn log_level(node: &Node, path: &str) -> Result<LogLevel, SettingsError> {
    let text = decode::text(node, path)?;
    LogLevel::named(text.trim()).ok_or_else(|| {
        let known = LogLevel::ALL.map(LogLevel::as_str).join(", ");
        decode::bad(
            node,
            path,
            format!("unknown level {text:?}, expected one of {known}"),
        )
    })
}

fn service_names(node: &Node, path: &str) -> Result<Vec<ServiceName>, SettingsError> {
    Ok(distinct(node, path)?
        .into_iter()
        .map(ServiceName::from)
        .collect())
}

/// A list of texts in which a repetition says nothing new.
fn distinct(node: &Node, path: &str) -> Result<Vec<String>, SettingsError> {
    let mut distinct = Vec::new();
    for text in decode::texts(node, path)? {
        if text.is_empty() {
            return Err(decode::bad(node, path, "must not hold an empty name"));
        }
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    Ok(distinct)
}
