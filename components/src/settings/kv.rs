//! Free-form settings of one service: the `kv` table.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::decode;
use super::node::{Node, Value, join};
use super::{Origin, SettingsError};

/// The `kv` table of a coordinator or component. What is in it is the service's own affair, so
/// the service checks it: every getter fails with an error that names place and key.
///
/// ```
/// use d3_components::Settings;
/// let settings = Settings::parse(r#"
///     [[coordinator]]
///     name = "ChatCoordinator"
///     kv = { name_prompt = "Who are you?", history = 20 }
/// "#).unwrap();
/// let kv = settings.coordinator("ChatCoordinator").unwrap().kv();
/// assert_eq!(kv.string_or("name_prompt", "Name?").unwrap(), "Who are you?");
/// assert_eq!(kv.unsigned("history").unwrap(), Some(20));
/// assert_eq!(kv.boolean("colour").unwrap(), None);
/// assert!(kv.only(&["name_prompt"]).unwrap_err().to_string().contains("history"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Kv {
    path: String,
    origin: Option<Origin>,
    entries: Vec<(String, Node)>,
}

impl Kv {
    pub(super) fn empty(path: String) -> Self {
        Self {
            path,
            origin: None,
            entries: Vec::new(),
        }
    }

    pub(super) fn decode(node: &Node, path: &str) -> Result<Self, SettingsError> {
        let entries = decode::table(node, path)?.to_vec();
        Ok(Self {
            path: path.to_owned(),
            origin: Some(node.origin.clone()),
            entries,
        })
    }

    /// Lays a later layer over this one, key by key.
    pub(super) fn overlay(&mut self, later: Kv) {
        self.origin = later.origin.or(self.origin.take());
        for (key, node) in later.entries {
            // Environment variables come without case and without type: the layer below has both.
            let exact = !matches!(node.origin, Origin::Environment { .. });
            let below = self
                .entries
                .iter_mut()
                .find(|(name, _)| *name == key || (!exact && name.eq_ignore_ascii_case(&key)));
            match below {
                Some((_, below)) => {
                    let was_text = matches!(below.value, Value::Text(_));
                    *below = match node.value {
                        Value::Raw(text) if was_text => Node {
                            origin: node.origin,
                            value: Value::Text(text),
                        },
                        value => Node {
                            origin: node.origin,
                            value,
                        },
                    };
                }
                None => self.entries.push((key, node)),
            }
        }
    }

    /// The keys, in the order written.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the table, or its last layer, was written.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Where a key was written.
    pub fn origin_of(&self, key: &str) -> Option<&Origin> {
        self.node(key).map(|node| &node.origin)
    }

    /// A text.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] if it is something else.
    pub fn string(&self, key: &str) -> Result<Option<&str>, SettingsError> {
        self.get(key, decode::text)
    }

    /// A text, or what to take where there is none.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] if it is something else.
    pub fn string_or(&self, key: &str, default: &str) -> Result<String, SettingsError> {
        Ok(self.string(key)?.unwrap_or(default).to_owned())
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] if it is something else.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, SettingsError> {
        self.get(key, decode::integer)
    }

    /// A whole number of at least 0.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] or, below 0, [`SettingsError::BadValue`].
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>, SettingsError> {
        self.get(key, decode::unsigned)
    }

    /// A number, whole or not.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] if it is something else.
    pub fn float(&self, key: &str) -> Result<Option<f64>, SettingsError> {
        self.get(key, decode::float)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] if it is something else.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, SettingsError> {
        self.get(key, decode::boolean)
    }

    /// A whole number of seconds.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] or, below 0, [`SettingsError::BadValue`].
    pub fn seconds(&self, key: &str) -> Result<Option<Duration>, SettingsError> {
        self.get(key, decode::seconds)
    }

    /// An address, `host:port`; a host's name is looked up.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] or, if it does not parse, [`SettingsError::BadValue`].
    pub fn address(&self, key: &str) -> Result<Option<SocketAddr>, SettingsError> {
        self.get(key, decode::address)
    }

    /// A list of texts.
    ///
    /// # Errors
    /// [`SettingsError::WrongType`] if it is something else.
    pub fn strings(&self, key: &str) -> Result<Option<Vec<String>>, SettingsError> {
        self.get(key, decode::texts)
    }

    /// The error for a key that the service cannot do without:
    /// `kv.string("motd")?.ok_or_else(|| kv.missing("motd"))?`.
    pub fn missing(&self, key: &str) -> SettingsError {
        SettingsError::Missing {
            origin: self.origin.clone(),
            key: join(&self.path, key),
        }
    }

    /// The error for a value that the service cannot use, in the service's words.
    pub fn bad_value(&self, key: &str, problem: impl Into<String>) -> SettingsError {
        match self.node(key) {
            Some(node) => decode::bad(node, &join(&self.path, key), problem),
            None => self.missing(key),
        }
    }

    /// Checks that there are no other keys.
    ///
    /// # Errors
    /// [`SettingsError::UnknownKey`] names the first one and lists `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), SettingsError> {
        match self
            .entries
            .iter()
            .find(|(key, _)| !known.contains(&key.as_str()))
        {
            None => Ok(()),
            Some((key, node)) => Err(SettingsError::UnknownKey {
                origin: node.origin.clone(),
                key: join(&self.path, key),
                expected: known.iter().map(|key| (*key).to_owned()).collect(),
            }),
        }
    }

    /// The whole table as a type of the service's own; add `#[serde(deny_unknown_fields)]` to it.
    ///
    /// # Errors
    /// [`SettingsError::BadValue`] with serde's message, which names the key. It carries the place
    /// of the table rather than of the key.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        let table: toml::Table = self
            .entries
            .iter()
            .map(|(key, node)| (key.clone(), to_toml(node)))
            .collect();
        T::deserialize(table).map_err(|error| {
            let origin = self.origin.clone();
            let problem = error.to_string().trim().replace('\n', ", ");
            match origin {
                Some(origin) => SettingsError::BadValue {
                    origin,
                    key: self.path.clone(),
                    problem,
                },
                None => SettingsError::Missing {
                    origin: None,
                    key: self.path.clone(),
                },
            }
        })
    }

    fn node(&self, key: &str) -> Option<&Node> {
        self.entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    fn get<'a, T>(
        &'a self,
        key: &str,
        decode: impl FnOnce(&'a Node, &str) -> Result<T, SettingsError>,
    ) -> Result<Option<T>, SettingsError> {
        self.node(key)
            .map(|node| decode(node, &join(&self.path, key)))
            .transpose()
    }
}

fn to_toml(node: &Node) -> toml::Value {
    match &node.value {
        Value::Text(text) => toml::Value::String(text.clone()),
        Value::Datetime(text) => match text.parse() {
            Ok(date) => toml::Value::Datetime(date),
            Err(_) => toml::Value::String(text.clone()),
        },
        Value::Integer(number) => toml::Value::Integer(*number),
        Value::Float(number) => toml::Value::Float(*number),
        Value::Boolean(flag) => toml::Value::Boolean(*flag),
        Value::List(items) => toml::Value::Array(items.iter().map(to_toml).collect()),
        Value::Table(entries) => toml::Value::Table(
            entries
                .iter()
                .map(|(key, node)| (key.clone(), to_toml(node)))
                .collect(),
        ),
        // Only the environment is without types: a number or a flag if it reads as one.
        Value::Raw(text) => text
            .parse()
            .map(toml::Value::Integer)
            .or_else(|_| text.parse().map(toml::Value::Float))
            .or_else(|_| text.parse().map(toml::Value::Boolean))
            .unwrap_or_else(|_| toml::Value::String(text.clone())),
    }
}
