//! The layer of environment variables: `APP__EXECUTOR__EXECUTORS=4`.

use std::sync::Arc;

use super::node::{Node, Value};
use super::{Origin, SettingsError};

/// What a variable must begin with to be ours.
const PREFIX: &str = "APP__";
/// What stands for the dots of a key.
const SEPARATOR: &str = "__";

/// Builds the tree of a layer from the variables that are ours. Case does not count in their
/// names: all keys are lower case, and names of sections are compared without case later on.
pub(super) fn read(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Option<Node>, SettingsError> {
    let mut ours: Vec<(String, String)> = variables
        .into_iter()
        .filter(|(name, _)| is_ours(name))
        .collect();
    // Which of two mistakes is reported should not depend on the order of the environment.
    ours.sort();
    let mut root: Option<Node> = None;
    for (name, value) in ours {
        let Some(key) = key_of(&name).map(str::to_lowercase) else {
            continue;
        };
        let origin = Origin::Environment {
            variable: Arc::from(name.as_str()),
        };
        let root = root.get_or_insert_with(|| Node {
            origin: origin.clone(),
            value: Value::Table(Vec::new()),
        });
        let leaf = Node {
            origin,
            value: Value::Raw(value),
        };
        insert(root, &key, leaf).map_err(|other| SettingsError::Environment {
            variable: name.clone(),
            problem: format!("says the same as, or contradicts, {other}"),
        })?;
    }
    Ok(root)
}

/// Whether a variable of that name is a setting.
pub(super) fn is_ours(name: &str) -> bool {
    key_of(name).is_some()
}

/// The part behind the prefix.
fn key_of(name: &str) -> Option<&str> {
    let (prefix, key) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(key)
}

/// Puts a leaf at its place. Fails with the origin of what is there already.
fn insert(root: &mut Node, key: &str, leaf: Node) -> Result<(), Origin> {
    let mut at = root;
    let mut segments = key.split(SEPARATOR).peekable();
    while let Some(segment) = segments.next() {
        let Value::Table(entries) = &mut at.value else {
            return Err(at.origin.clone());
        };
        let index = entries.iter().position(|(name, _)| name == segment);
        if segments.peek().is_none() {
            return match index {
                Some(index) => Err(entries[index].1.origin.clone()),
                None => {
                    entries.push((segment.to_owned(), leaf));
                    Ok(())
                }
            };
        }
        let index = index.unwrap_or_else(|| {
            let table = Node {
                origin: leaf.origin.clone(),
                value: Value::Table(Vec::new()),
            };
            entries.push((segment.to_owned(), table));
            entries.len() - 1
        });
        at = &mut entries[index].1;
    }
    Ok(())
}
