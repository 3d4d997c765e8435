//! One value of a layer, with its origin: the untyped tree that every layer is read into.

use std::path::PathBuf;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{Origin, SettingsError};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// The kinds of TOML, and `Raw`: the text of an environment variable, whose type is decided by
/// whoever reads the key.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    Raw(String),
}

/// Says where a layer is, so that each of its values can say on which line it is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(Arc<PathBuf>),
    Text,
    /// The text of one environment variable: lines mean nothing there.
    Variable(Arc<str>),
}

impl Place {
    fn origin(&self, text: &str, offset: usize) -> Origin {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        match self {
            Self::File(path) => Origin::File {
                path: path.clone(),
                line,
            },
            Self::Text => Origin::Text { line },
            Self::Variable(variable) => Origin::Environment {
                variable: variable.clone(),
            },
        }
    }
}

impl Node {
    /// Reads a TOML document.
    pub(crate) fn parse(place: &Place, text: &str) -> Result<Self, SettingsError> {
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            SettingsError::Syntax {
                origin: place.origin(text, offset),
                problem: error.message().trim().replace('\n', ", "),
            }
        })?;
        Ok(Self {
            origin: place.origin(text, 0),
            value: Value::Table(from_table(place, text, table.get_ref(), "")?),
        })
    }

    /// Reads a TOML value, as an environment variable may hold one for a list.
    pub(crate) fn parse_value(variable: &Arc<str>, text: &str) -> Option<Self> {
        let place = Place::Variable(variable.clone());
        let parsed = DeValue::parse(text).ok()?;
        from_value(&place, text, 0, parsed.get_ref(), "").ok()
    }

    /// What it is, in words for an error.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Raw(text) if text.len() <= 40 => {
                format!("the text {text:?}")
            }
            Value::Text(_) | Value::Raw(_) => "a long text".to_owned(),
            Value::Integer(number) => format!("the whole number {number}"),
            Value::Float(number) => format!("the number {number:?}"),
            Value::Boolean(flag) => format!("{flag}"),
            Value::Datetime(text) => format!("the date {text}"),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }
}

fn from_table(
    place: &Place,
    text: &str,
    table: &DeTable<'_>,
    path: &str,
) -> Result<Vec<(String, Node)>, SettingsError> {
    // The parser sorts by key; people read (and we report) in the order written.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
        .into_iter()
        .map(|(key, value)| {
            let path = join(path, key.get_ref());
            // The line of the key: a table's own span may begin elsewhere.
            let node = from_value(place, text, key.span().start, value.get_ref(), &path)?;
            Ok((key.get_ref().to_string(), node))
        })
        .collect()
}

fn from_value(
    place: &Place,
    text: &str,
    offset: usize,
    value: &DeValue<'_>,
    path: &str,
) -> Result<Node, SettingsError> {
    let origin = place.origin(text, offset);
    let value = match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Datetime(date.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return Err(too_large(origin, path, &number.to_string())),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return Err(too_large(origin, path, number.as_str())),
        },
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| from_value(place, text, item.span().start, item.get_ref(), path))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => Value::Table(from_table(place, text, table, path)?),
    };
    Ok(Node { origin, value })
}

fn too_large(origin: Origin, path: &str, number: &str) -> SettingsError {
    SettingsError::BadValue {
        origin,
        key: path.to_owned(),
        problem: format!("{number} does not fit into 64 bits"),
    }
}

/// Appends a key to a dotted path.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
