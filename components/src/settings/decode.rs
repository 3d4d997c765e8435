//! From a node to a value of the type that a key takes, or an error that says what was expected.

use std::net::SocketAddr;
use std::time::Duration;

use super::SettingsError;
use super::node::{Node, Value, join};

/// The keys of one table, taken out one by one; what is left at the end is unknown.
pub(crate) struct Fields<'a> {
    path: &'a str,
    left: Vec<&'a (String, Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens a table.
    pub(crate) fn of(node: &'a Node, path: &'a str) -> Result<Self, SettingsError> {
        Ok(Self {
            path,
            left: table(node, path)?.iter().collect(),
            known: Vec::new(),
        })
    }

    /// Takes a key and decodes its value, if it is there.
    pub(crate) fn take<T>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(&'a Node, &str) -> Result<T, SettingsError>,
    ) -> Result<Option<T>, SettingsError> {
        self.known.push(key);
        let Some(at) = self.left.iter().position(|(name, _)| name == key) else {
            return Ok(None);
        };
        let (_, node) = self.left.remove(at);
        decode(node, &join(self.path, key)).map(Some)
    }

    /// Fails if a key was not taken.
    pub(crate) fn finish(self) -> Result<(), SettingsError> {
        match self.left.first() {
            None => Ok(()),
            Some((key, node)) => Err(SettingsError::UnknownKey {
                origin: node.origin.clone(),
                key: join(self.path, key),
                expected: self.known.iter().map(|key| (*key).to_owned()).collect(),
            }),
        }
    }
}

/// The error for a node of the wrong type.
pub(crate) fn wrong(node: &Node, path: &str, expected: &'static str) -> SettingsError {
    SettingsError::WrongType {
        origin: node.origin.clone(),
        key: path.to_owned(),
        expected,
        found: node.describe(),
    }
}

/// The error for a node of the right type with a value that will not do.
pub(crate) fn bad(node: &Node, path: &str, problem: impl Into<String>) -> SettingsError {
    SettingsError::BadValue {
        origin: node.origin.clone(),
        key: path.to_owned(),
        problem: problem.into(),
    }
}

pub(crate) fn table<'a>(node: &'a Node, path: &str) -> Result<&'a [(String, Node)], SettingsError> {
    match &node.value {
        Value::Table(entries) => Ok(entries),
        _ => Err(wrong(node, path, "a table")),
    }
}

pub(crate) fn text<'a>(node: &'a Node, path: &str) -> Result<&'a str, SettingsError> {
    match &node.value {
        Value::Text(text) | Value::Raw(text) => Ok(text),
        _ => Err(wrong(node, path, "a text")),
    }
}

pub(crate) fn boolean(node: &Node, path: &str) -> Result<bool, SettingsError> {
    match &node.value {
        Value::Boolean(flag) => Ok(*flag),
        Value::Raw(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Value::Raw(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong(node, path, "true or false")),
    }
}

pub(crate) fn integer(node: &Node, path: &str) -> Result<i64, SettingsError> {
    let expected = "a whole number";
    match &node.value {
        Value::Integer(number) => Ok(*number),
        Value::Raw(text) => text.trim().parse().map_err(|_| wrong(node, path, expected)),
        _ => Err(wrong(node, path, expected)),
    }
}

pub(crate) fn unsigned(node: &Node, path: &str) -> Result<u64, SettingsError> {
    let number = integer(node, path)?;
    u64::try_from(number).map_err(|_| bad(node, path, format!("{number} is below 0")))
}

/// A whole number that the machine can count to.
pub(crate) fn count(node: &Node, path: &str) -> Result<usize, SettingsError> {
    let number = unsigned(node, path)?;
    usize::try_from(number).map_err(|_| bad(node, path, format!("{number} is too large here")))
}

/// A [`count`] that must not be 0.
pub(crate) fn at_least_one(node: &Node, path: &str) -> Result<usize, SettingsError> {
    match count(node, path)? {
        0 => Err(bad(node, path, "must be at least 1, found 0")),
        number => Ok(number),
    }
}

pub(crate) fn float(node: &Node, path: &str) -> Result<f64, SettingsError> {
    match &node.value {
        Value::Float(number) => Ok(*number),
        Value::Integer(number) => Ok(*number as f64),
        Value::Raw(text) => text
            .trim()
            .parse()
            .map_err(|_| wrong(node, path, "a number")),
        _ => Err(wrong(node, path, "a number")),
    }
}

pub(crate) fn seconds(node: &Node, path: &str) -> Result<Duration, SettingsError> {
    unsigned(node, path).map(Duration::from_secs)
}

/// A whole number of milliseconds, at least one.
pub(crate) fn milliseconds(node: &Node, path: &str) -> Result<Duration, SettingsError> {
    match unsigned(node, path)? {
        0 => Err(bad(node, path, "must be at least 1 (millisecond), found 0")),
        number => Ok(Duration::from_millis(number)),
    }
}

/// A flag that d3's files write as 0 or 1.
pub(crate) fn switch(node: &Node, path: &str) -> Result<bool, SettingsError> {
    match &node.value {
        Value::Integer(0) => Ok(false),
        Value::Integer(1) => Ok(true),
        Value::Raw(text) if text.trim() == "0" => Ok(false),
        Value::Raw(text) if text.trim() == "1" => Ok(true),
        Value::Boolean(_) | Value::Raw(_) => boolean(node, path),
        _ => Err(wrong(node, path, "true, false, 0 or 1")),
    }
}

/// A list of texts. An environment variable holds it with commas, or as a TOML list.
pub(crate) fn texts(node: &Node, path: &str) -> Result<Vec<String>, SettingsError> {
    match &node.value {
        Value::List(items) => items
            .iter()
            .map(|item| text(item, path).map(str::to_owned))
            .collect(),
        Value::Raw(raw) if raw.trim_start().starts_with('[') => {
            let super::Origin::Environment { variable } = &node.origin else {
                return Err(wrong(node, path, "a list of texts"));
            };
            match Node::parse_value(variable, raw.trim()) {
                Some(list) => texts(&list, path),
                None => Err(wrong(
                    node,
                    path,
                    "a list of texts, such as A,B or [\"A\", \"B\"]",
                )),
            }
        }
        Value::Raw(raw) => Ok(raw
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()),
        _ => Err(wrong(node, path, "a list of texts")),
    }
}

/// `host:port`, `1.2.3.4:80` or `[::1]:80`. A host's name is looked up here, once, but not inside a machine, which
/// may not wait for that.
pub(crate) fn address(node: &Node, path: &str) -> Result<SocketAddr, SettingsError> {
    let text = text(node, path)?.trim();
    d3_net::resolve(text).map_err(|problem| {
        let problem =
            format!("expected an address such as 127.0.0.1:9000, found {text:?} ({problem})");
        bad(node, path, problem)
    })
}
