//! `[[coordinator]]` and `[[component]]`: sections that carry a name.

use std::net::SocketAddr;

use super::decode::{self, Fields, bad, wrong};
use super::kv::Kv;
use super::node::{Node, Value, join};
use super::{Origin, SettingsError};
use crate::ComponentError;

/// One `[[coordinator]]` section, merged from all layers.
#[derive(Debug, Clone)]
pub struct Coordinator {
    name: String,
    origin: Origin,
    enabled: Option<bool>,
    tcp_address: Option<SocketAddr>,
    udp_address: Option<SocketAddr>,
    kv: Kv,
}

impl Coordinator {
    /// Its name, such as `EchoCoordinator`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `true` unless the section says otherwise.
    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Where to listen for connections.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp_address
    }

    /// Where to listen for datagrams.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.udp_address
    }

    /// Where to listen for connections, for a service that cannot do without.
    ///
    /// # Errors
    /// [`ComponentError::BadConfig`] names the missing key.
    pub fn require_tcp_address(&self) -> Result<SocketAddr, ComponentError> {
        self.tcp_address.ok_or_else(|| self.missing("tcp_address"))
    }

    /// Where to listen for datagrams, for a service that cannot do without.
    ///
    /// # Errors
    /// [`ComponentError::BadConfig`] names the missing key.
    pub fn require_udp_address(&self) -> Result<SocketAddr, ComponentError> {
        self.udp_address.ok_or_else(|| self.missing("udp_address"))
    }

    /// Its free-form settings.
    pub fn kv(&self) -> &Kv {
        &self.kv
    }

    /// Where the section was first written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn missing(&self, key: &str) -> ComponentError {
        let key = format!("coordinator.{}.{key}", self.name);
        SettingsError::Missing {
            origin: Some(self.origin.clone()),
            key,
        }
        .into()
    }
}

/// One `[[component]]` section, merged from all layers.
#[derive(Debug, Clone)]
pub struct Component {
    name: String,
    origin: Origin,
    enabled: Option<bool>,
    kv: Kv,
}

impl Component {
    /// Its name, such as `EchoConsumer`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `true` unless the section says otherwise.
    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Its free-form settings.
    pub fn kv(&self) -> &Kv {
        &self.kv
    }

    /// Where the section was first written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// A section that is found by its name.
pub(super) trait Named: Sized {
    fn name(&self) -> &str;
    fn origin(&self) -> &Origin;
    fn decode(name: &str, node: &Node, path: &str) -> Result<Self, SettingsError>;
    /// Lays a later layer over this section.
    fn overlay(&mut self, later: Self);
}

impl Named for Coordinator {
    fn name(&self) -> &str {
        &self.name
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn decode(name: &str, node: &Node, path: &str) -> Result<Self, SettingsError> {
        let mut fields = Fields::of(node, path)?;
        fields.take("name", |_, _| Ok(()))?;
        let section = Self {
            name: name.to_owned(),
            origin: node.origin.clone(),
            enabled: fields.take("enabled", decode::boolean)?,
            tcp_address: fields.take("tcp_address", decode::address)?,
            udp_address: fields.take("udp_address", decode::address)?,
            kv: fields
                .take("kv", Kv::decode)?
                .unwrap_or_else(|| Kv::empty(join(path, "kv"))),
        };
        fields.finish()?;
        Ok(section)
    }

    fn overlay(&mut self, later: Self) {
        self.enabled = later.enabled.or(self.enabled);
        self.tcp_address = later.tcp_address.or(self.tcp_address);
        self.udp_address = later.udp_address.or(self.udp_address);
        self.kv.overlay(later.kv);
    }
}

impl Named for Component {
    fn name(&self) -> &str {
        &self.name
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn decode(name: &str, node: &Node, path: &str) -> Result<Self, SettingsError> {
        let mut fields = Fields::of(node, path)?;
        fields.take("name", |_, _| Ok(()))?;
        let section = Self {
            name: name.to_owned(),
            origin: node.origin.clone(),
            enabled: fields.take("enabled", decode::boolean)?,
            kv: fields
                .take("kv", Kv::decode)?
                .unwrap_or_else(|| Kv::empty(join(path, "kv"))),
        };
        fields.finish()?;
        Ok(section)
    }

    fn overlay(&mut self, later: Self) {
        self.enabled = later.enabled.or(self.enabled);
        self.kv.overlay(later.kv);
    }
}

/// Calls `each` with name and body of every section under `path`, in the three ways that they
/// are written: `[[path]]` with a `name`, d3's `[[path]]` followed by `[path.Name]`, and, where
/// there is only one table, `[path.Name]` alone, which is also how the environment says it.
pub(super) fn each_section<'a>(
    node: &'a Node,
    path: &str,
    mut each: impl FnMut(&str, &'a Node, &str) -> Result<(), SettingsError>,
) -> Result<(), SettingsError> {
    let single = std::slice::from_ref(node);
    let elements = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Table(_) => single,
        _ => return Err(wrong(node, path, "sections, each with a name")),
    };
    for element in elements {
        let entries = decode::table(element, path)?;
        match entries
            .iter()
            .find(|(key, node)| key == "name" && !is_table(node))
        {
            Some((_, name_node)) => {
                let name = decode::text(name_node, &join(path, "name"))?;
                if name.is_empty() {
                    return Err(bad(name_node, &join(path, "name"), "must not be empty"));
                }
                each(name, element, &join(path, name))?;
            }
            None => {
                for (name, body) in entries {
                    if !is_table(body) {
                        return Err(unnamed(element, name, body, path));
                    }
                    each(name, body, &join(path, name))?;
                }
            }
        }
    }
    Ok(())
}

fn is_table(node: &Node) -> bool {
    matches!(node.value, Value::Table(_))
}

/// A section without a `name` whose keys are not names of sections either.
fn unnamed(element: &Node, key: &str, body: &Node, path: &str) -> SettingsError {
    match body.origin {
        Origin::Environment { .. } => {
            let what = "a table: the name of a section, then the key, with __ between them";
            wrong(body, &join(path, key), what)
        }
        _ if matches!(
            key,
            "enabled" | "tcp_address" | "udp_address" | "kv" | "run"
        ) =>
        {
            SettingsError::Missing {
                origin: Some(element.origin.clone()),
                key: join(path, "name"),
            }
        }
        _ => wrong(
            body,
            &join(path, key),
            "a table (the section of that name), or a key \"name\" beside it",
        ),
    }
}

/// Reads all sections of one layer; a name that is there twice is an error.
pub(super) fn decode_all<T: Named>(node: &Node, path: &str) -> Result<Vec<T>, SettingsError> {
    let mut sections: Vec<T> = Vec::new();
    each_section(node, path, |name, body, path| {
        if let Some(first) = sections.iter().find(|section| section.name() == name) {
            let problem = format!("is there twice, first at {}", first.origin());
            return Err(bad(body, path, problem));
        }
        sections.push(T::decode(name, body, path)?);
        Ok(())
    })?;
    Ok(sections)
}

/// Lays the sections of a later layer over those below, by name.
///
/// Environment variables have no case, so they can speak of a section but not found one.
pub(super) fn overlay_all<T: Named>(
    below: &mut Vec<T>,
    later: Vec<T>,
    path: &str,
) -> Result<(), SettingsError> {
    for section in later {
        let from_environment = matches!(section.origin(), Origin::Environment { .. });
        let found = below.iter_mut().find(|known| {
            known.name() == section.name()
                || (from_environment && known.name().eq_ignore_ascii_case(section.name()))
        });
        match found {
            Some(known) => known.overlay(section),
            None if from_environment => {
                return Err(SettingsError::UnknownKey {
                    origin: section.origin().clone(),
                    key: join(path, section.name()),
                    expected: below.iter().map(|known| known.name().to_owned()).collect(),
                });
            }
            None => below.push(section),
        }
    }
    Ok(())
}
