//! The test server: a d3 server that runs the example services which its settings name.
//!
//! `cargo run --release -p test-server` starts it; Ctrl-C or SIGTERM ends it. All that is special about this server is in
//! [`services`]: the list of what it can run. What it does run, and where, say its settings:
//!
//! | service | at | try |
//! | --- | --- | --- |
//! | `EchoService` | TCP 127.0.0.1:9000 | `nc 127.0.0.1 9000` |
//! | `UdpEchoService` | UDP 127.0.0.1:9001 | `nc -u 127.0.0.1 9001` |
//! | `ChatService` | TCP 127.0.0.1:7000 | `nc 127.0.0.1 7000`, twice |
//! | `AliceService` | TCP 127.0.0.1:8080 | <http://127.0.0.1:8080/> |
//! | `MonitorService` | TCP 127.0.0.1:4000 | `nc 127.0.0.1 4000` |
//!
//! The settings are layers: `default.toml`, `$RUN_MODE.toml` (`development` unless set) and `local.toml` in one directory,
//! then the environment (`APP__SERVICES=EchoService`). [`config_dir`] says which directory.
//!
//! With `features = ["Forwarder"]` it also runs the classic drivers of d3 ([`drivers`]) that the `[[additional]]` section of its
//! settings describes, once all services are ready.

#![forbid(unsafe_code)]

pub mod drivers;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use d3::components::{Services, Settings};

/// Everything that this server can run. The settings choose among it.
#[must_use]
pub fn services() -> Services {
    Services::new()
        .component("EchoConsumer", echo::consumer::configure)
        .component("EchoProducer", echo::producer::configure)
        .coordinator("EchoCoordinator", echo::configure)
        .coordinator("UdpEchoCoordinator", udp_echo::configure)
        .coordinator("ChatCoordinator", chat::configure)
        .coordinator("AliceCoordinator", alice::configure)
        .coordinator("MonitorCoordinator", monitor::configure)
}

/// What can be switched on under `features`.
const FEATURES: [&str; 1] = [drivers::FORWARDER];

/// Checks that the settings ask for no feature that this server has not.
///
/// # Errors
/// [`UnknownFeature`] names it.
pub fn check_features(settings: &Settings) -> Result<(), UnknownFeature> {
    match settings
        .features()
        .iter()
        .find(|feature| !FEATURES.contains(&feature.as_str()))
    {
        Some(feature) => Err(UnknownFeature {
            feature: feature.clone(),
        }),
        None => Ok(()),
    }
}

/// The settings ask for a feature that this server has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFeature {
    /// The feature asked for.
    pub feature: String,
}

impl fmt::Display for UnknownFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "features: {} is not a feature of this server (it has: {})",
            self.feature,
            FEATURES.join(", ")
        )
    }
}

impl std::error::Error for UnknownFeature {}

/// The variable that names the directory of the settings.
pub const CONFIG_VARIABLE: &str = "TEST_SERVER_CONFIG";

/// Where the settings are: `named` (by `--config`), else where [`CONFIG_VARIABLE`] says, else `config` below the current
/// directory if there is a `default.toml` in it, else the directory beside the sources of this server, so that
/// `cargo run -p test-server` finds them from everywhere in the repository.
#[must_use]
pub fn config_dir(named: Option<PathBuf>, variable: Option<OsString>) -> PathBuf {
    let here = || Some(PathBuf::from("config")).filter(|dir| dir.join("default.toml").is_file());
    named
        .or_else(|| variable.map(PathBuf::from))
        .or_else(here)
        .unwrap_or_else(|| [env!("CARGO_MANIFEST_DIR"), "config"].iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_first_wins() {
        let dir = |named: Option<&str>, variable: Option<&str>| {
            config_dir(named.map(PathBuf::from), variable.map(OsString::from))
        };
        assert_eq!(dir(Some("a"), Some("b")), PathBuf::from("a"));
        assert_eq!(dir(None, Some("b")), PathBuf::from("b"));
        assert!(dir(None, None).join("default.toml").is_file());
    }

    #[test]
    fn features() {
        let check = |text: &str| check_features(&Settings::parse(text).expect("sound settings"));
        assert_eq!(check("features = []"), Ok(()));
        assert_eq!(check("features = ['Forwarder']"), Ok(()));
        let error = check("features = ['Forwarder', 'Teleporter']").unwrap_err();
        assert_eq!(
            error.to_string(),
            "features: Teleporter is not a feature of this server (it has: Forwarder)"
        );
    }
}
