//! Finds the layers and lays them over each other.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layer::Layer;
use super::node::{Node, Place};
use super::{Settings, SettingsError, Source, environment};

/// The variable that names the second layer.
const MODE_VARIABLE: &str = "RUN_MODE";
/// The second layer where that variable is not set.
const DEFAULT_MODE: &str = "development";

impl Settings {
    /// Reads the directory `config` below the current one, and the environment of the process.
    ///
    /// # Errors
    /// Any [`SettingsError`]; all but the first mistake wait for the next call.
    pub fn load() -> Result<Self, SettingsError> {
        Self::load_dir("config")
    }

    /// Reads another directory than `config`, and the environment of the process.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_dir(dir: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let dir = dir.as_ref();
        let given = env::var_os(MODE_VARIABLE);
        let mode = match &given {
            None => DEFAULT_MODE.to_owned(),
            Some(mode) => text(MODE_VARIABLE, mode)?,
        };
        let mut variables = Vec::new();
        for (name, value) in env::vars_os() {
            // A name that is no text cannot begin a key of ours.
            let Ok(name) = name.into_string() else {
                continue;
            };
            if environment::is_ours(&name) {
                let value = text(&name, &value)?;
                variables.push((name, value));
            }
        }
        let settings = Self::load_from(dir, &mode, variables)?;
        let file = layer_path(dir, &mode);
        if given.is_some() && settings.sources.contains(&Source::Absent(file.clone())) {
            tracing::warn!(
                "{MODE_VARIABLE} is {mode}, but there is no {}",
                file.display()
            );
        }
        Ok(settings)
    }

    /// Reads the layers of `dir` in `mode`, then `variables` in place of the process's
    /// environment: what tests use.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_from(
        dir: impl AsRef<Path>,
        mode: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let dir = dir.as_ref();
        if mode.is_empty() || mode.contains(['/', '\\', '\0']) {
            return Err(SettingsError::Environment {
                variable: MODE_VARIABLE.to_owned(),
                problem: format!("{mode:?} is not the name of a file in {}", dir.display()),
            });
        }
        let mut settings = Self::default();
        settings.add_file(layer_path(dir, "default"), true)?;
        // A mode that has the name of another layer adds nothing to it.
        if !["default", "local"].contains(&mode) {
            settings.add_file(layer_path(dir, mode), false)?;
        }
        settings.add_file(layer_path(dir, "local"), false)?;
        if let Some(root) = environment::read(variables)? {
            settings.add(Source::Environment, &root)?;
        }
        Ok(settings)
    }

    /// Reads one text as the only layer: what tests and small programs use.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for the files.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        settings.add(Source::Text, &Node::parse(&Place::Text, text)?)?;
        Ok(settings)
    }

    /// d3's name of [`load`](Self::load).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[deprecated = "use Settings::load"]
    pub fn new() -> Result<Self, SettingsError> {
        Self::load()
    }

    fn add_file(&mut self, path: PathBuf, required: bool) -> Result<(), SettingsError> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {
                self.sources.push(Source::Absent(path));
                return Ok(());
            }
            Err(error) => {
                return Err(SettingsError::Read {
                    file: path,
                    error: Arc::new(error),
                });
            }
        };
        let root = Node::parse(&Place::File(Arc::new(path.clone())), &text)?;
        self.add(Source::File(path), &root)
    }

    fn add(&mut self, source: Source, root: &Node) -> Result<(), SettingsError> {
        self.merged.overlay(Layer::decode(root)?)?;
        self.sources.push(source);
        Ok(())
    }
}

fn layer_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.toml"))
}

fn text(variable: &str, value: &OsString) -> Result<String, SettingsError> {
    value
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| SettingsError::Environment {
            variable: variable.to_owned(),
            problem: "is not valid Unicode".to_owned(),
        })
}
