//! A value in a JSON document, and where that is: what is wrong with it can then be told with its place.

use clap::ValueEnum;
use serde_json::Value;

use super::error::Reason;

/// A value, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(crate) fn top(value: &'a Value) -> Self {
        Self {
            value,
            path: String::new(),
        }
    }

    fn step(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// What an object has under this key.
    pub(crate) fn get(&self, key: &str) -> Result<Self, Reason> {
        let path = self.step(key);
        match self.value.get(key) {
            Some(value) => Ok(Self { value, path }),
            None => Err(Reason::Missing { place: path }),
        }
    }

    /// What an object has under this key, unless that is nothing or `null`.
    pub(crate) fn find(&self, key: &str) -> Option<Self> {
        self.get(key).ok().filter(|found| !found.is_null())
    }

    /// The elements of a list.
    pub(crate) fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, Reason> {
        let values = self.value.as_array().ok_or_else(|| self.is_not("a list"))?;
        let path = self.path.clone();
        Ok(values.iter().enumerate().map(move |(index, value)| Self {
            value,
            path: format!("{path}[{index}]"),
        }))
    }

    /// The keys and values of an object.
    pub(crate) fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Self)>, Reason> {
        let values = self.value.as_object();
        let values = values.ok_or_else(|| self.is_not("an object"))?;
        Ok(values.iter().map(|(key, value)| {
            let path = self.step(key);
            (key.as_str(), Self { value, path })
        }))
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// A string.
    pub(crate) fn text(&self) -> Result<&'a str, Reason> {
        self.value.as_str().ok_or_else(|| self.is_not("a string"))
    }

    /// A number.
    pub(crate) fn number(&self) -> Result<f64, Reason> {
        self.value.as_f64().ok_or_else(|| self.is_not("a number"))
    }

    /// A whole number.
    pub(crate) fn count(&self) -> Result<usize, Reason> {
        self.value
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| self.is_not("a whole number"))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Result<bool, Reason> {
        let flag = self.value.as_bool();
        flag.ok_or_else(|| self.is_not("true or false"))
    }

    /// What has this name on the command line, too.
    pub(crate) fn known<T: ValueEnum>(&self, kind: &'static str, name: &str) -> Result<T, Reason> {
        T::from_str(name, false).map_err(|_| self.unknown(kind, name))
    }

    /// It should be something else.
    pub(crate) fn is_not(&self, expected: &'static str) -> Reason {
        let place = if self.path.is_empty() {
            "the whole".to_owned()
        } else {
            self.path.clone()
        };
        Reason::Not { place, expected }
    }

    /// It names something that nobody knows.
    pub(crate) fn unknown(&self, kind: &'static str, name: &str) -> Reason {
        Reason::Unknown {
            place: self.path.clone(),
            kind,
            name: name.to_owned(),
        }
    }
}
