//! Every kind of mistake says where it is and what was expected.

use super::*;

/// The message for a text that is wrong.
fn wrong(text: &str) -> String {
    Settings::parse(text).unwrap_err().to_string()
}

const ECHO: &str = "[[coordinator]]\nname = 'Echo'\ntcp_address = '127.0.0.1:9000'\n";

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let layers = Layers::new(&[("default.toml", ECHO)]);
    let message = |name, value| layers.load(&[(name, value)]).unwrap_err().to_string();
    assert_eq!(
        message("APP__EXECUTOR__EXECUTORS", "four"),
        "environment variable APP__EXECUTOR__EXECUTORS: executor.executors: \
         expected a whole number, found the text \"four\""
    );
    assert_eq!(
        message("APP__EXECUTOR__EXECUTERS", "4"),
        "environment variable APP__EXECUTOR__EXECUTERS: executor.executers: unknown key, \
         expected one of executors, queue_size, time_slice"
    );
    for (name, value, expected) in [
        ("APP__EXECUTOR", "4", "expected a table"),
        ("APP__DEV_MODE", "maybe", "expected true or false"),
        (
            "APP__COORDINATOR__ECKO__ENABLED",
            "false",
            "coordinator.ecko: unknown key, expected Echo",
        ),
        (
            "APP__COORDINATOR__ECHO__PORT",
            "1",
            "coordinator.echo.port: unknown key",
        ),
        (
            "APP__COORDINATOR__ECHO",
            "1",
            "coordinator.echo: expected a table",
        ),
        (
            "APP__COORDINATOR__ECHO__UDP_ADDRESS",
            "nowhere",
            "expected an address",
        ),
        ("APP__SERVICES", "['A', 1]", "services: expected a text"),
        ("APP__SERVICES", "['A'", "expected a list of texts"),
        ("APP__", "1", "unknown key"),
        ("APP__LOG_LEVEL", "loud", "Off, Error, Warn"),
        (
            "APP__ADDITIONAL__OTHER__RUN",
            "1",
            "unknown key, expected Forwarder",
        ),
        ("APP__TEST_SERVER_DURATION", "-1", "below 0"),
    ] {
        let message = message(name, value);
        assert!(
            message.starts_with(&format!("environment variable {name}: ")),
            "{message}"
        );
        assert!(message.contains(expected), "{message}");
    }
    let both = [("APP__EXECUTOR", "4"), ("APP__EXECUTOR__EXECUTORS", "4")];
    let message = layers.load(&both).unwrap_err().to_string();
    assert!(
        message.contains("APP__EXECUTOR__EXECUTORS") && message.contains("contradicts"),
        "{message}"
    );
}

#[test]
fn mistakes_in_a_file_name_file_line_and_key() {
    for (text, line, rest) in [
        (
            "dev_mod = true",
            1,
            "dev_mod: unknown key, expected one of dev_mode, log_level",
        ),
        (
            "\n\ndev_mode = 1",
            3,
            "dev_mode: expected true or false, found the whole number 1",
        ),
        (
            "services = 'Echo'",
            1,
            "services: expected a list of texts, found the text \"Echo\"",
        ),
        (
            "services = [\n'A',\n7]",
            3,
            "services: expected a text, found the whole number 7",
        ),
        (
            "services = ['']",
            1,
            "services: must not hold an empty name",
        ),
        (
            "log_level = 'loud'",
            1,
            "log_level: unknown level \"loud\", expected one of Off, Error",
        ),
        (
            "[executor]\nthreads = 4",
            2,
            "executor.threads: unknown key, expected one of executors",
        ),
        (
            "[executor]\nexecutors = 1.5",
            2,
            "executor.executors: expected a whole number, found the number 1.5",
        ),
        (
            "[executor]\nexecutors = -1",
            2,
            "executor.executors: -1 is below 0",
        ),
        (
            "[executor]\nexecutors = 99999999999999999999",
            2,
            "executor.executors: 99999999999999999999 does not fit",
        ),
        (
            "[executor]\nqueue_size = 0",
            2,
            "executor.queue_size: must be at least 1",
        ),
        (
            "[executor]\ntime_slice = 0",
            2,
            "executor.time_slice: must be at least 1",
        ),
        (
            "executor = 4",
            1,
            "executor: expected a table, found the whole number 4",
        ),
        ("coordinator = 4", 1, "coordinator: expected sections"),
        (
            "[[coordinator]]\ntcp_address = '1.1.1.1:1'",
            1,
            "coordinator.name: missing",
        ),
        (
            "[[coordinator]]\nname = 3",
            2,
            "coordinator.name: expected a text",
        ),
        (
            "[[coordinator]]\nname = ''",
            2,
            "coordinator.name: must not be empty",
        ),
        (
            "[[coordinator]]\nname = 'E'\nport = 1",
            3,
            "coordinator.E.port: unknown key, expected one of name, enabled, tcp_address",
        ),
        (
            "[[coordinator]]\n[coordinator.E]\ntcp_address = 'x'",
            3,
            "coordinator.E.tcp_address: expected an address such as 127.0.0.1:9000, found \"x\"",
        ),
        (
            "[[coordinator]]\nname = 'E'\nudp_address = '127.0.0.1'",
            3,
            "coordinator.E.udp_address: expected an address",
        ),
        (
            "[[coordinator]]\nname = 'E'\nkv = 1",
            3,
            "coordinator.E.kv: expected a table",
        ),
        (
            "[[coordinator]]\nname = 'E'\n[[coordinator]]\nname = 'E'",
            3,
            "coordinator.E: is there twice, first at ",
        ),
        (
            "[[component]]\nname = 'E'\ntcp_address = '1.1.1.1:1'",
            3,
            "component.E.tcp_address: unknown key, expected one of name, enabled, kv",
        ),
        (
            "[[component]]\nname = 'E'\nenabled = 'yes'",
            3,
            "component.E.enabled: expected true or false",
        ),
        (
            "[[additional]]\nname = 'Backward'",
            1,
            "additional.Backward: unknown key, expected Forwarder",
        ),
        (
            "[[additional]]\n[additional.Forwarder]\nrun = ['daisy']",
            3,
            "additional.Forwarder.run: unknown driver \"daisy\", expected one of daisy_chain",
        ),
        (
            "[[additional]]\n[additional.Forwarder.default]\nmachine = 1",
            3,
            "additional.Forwarder.default.machine: unknown key",
        ),
        (
            "[[additional]]\n[additional.Forwarder.default]\nunbound_queue = 2",
            3,
            "additional.Forwarder.default.unbound_queue: expected true, false, 0 or 1",
        ),
        ("dev_mode = true\nkey = = 1", 2, ""),
        ("dev_mode = true\ndev_mode = false", 2, "duplicate key"),
    ] {
        let layers = Layers::new(&[("default.toml", ""), ("local.toml", text)]);
        let error = layers.load(&[]).unwrap_err();
        let begins = format!("{}:{line}: {rest}", layers.path("local.toml").display());
        assert!(
            error.to_string().starts_with(&begins),
            "for {text:?}: {error}"
        );
    }
}

#[test]
fn the_default_layer_must_exist_and_be_readable() {
    let layers = Layers::new(&[]);
    let error = layers.load(&[]).unwrap_err();
    assert!(
        matches!(&error, SettingsError::Read { file, .. } if *file == layers.path("default.toml"))
    );
    assert!(error.to_string().contains("default.toml"));
    let layers = Layers::new(&[("default.toml", "")]);
    fs::create_dir(layers.path("local.toml")).unwrap();
    assert!(matches!(layers.load(&[]), Err(SettingsError::Read { .. })));
}

#[test]
fn a_mode_is_the_name_of_a_file() {
    let layers = Layers::new(&[("default.toml", ""), ("production.toml", "dev_mode = true")]);
    let load = |mode| Settings::load_from(&layers.0, mode, []);
    assert!(load("production").unwrap().dev_mode());
    assert!(!load("default").unwrap().dev_mode());
    assert!(!load("local").unwrap().dev_mode());
    for mode in ["", "../production", "a/b", "a\\b"] {
        let error = load(mode).unwrap_err();
        assert!(error.to_string().contains("RUN_MODE"), "{error}");
    }
}

#[test]
fn what_a_service_misses_is_named() {
    let settings = Settings::parse("\n[[coordinator]]\nname = 'E'").unwrap();
    let error = settings
        .coordinator("E")
        .unwrap()
        .require_tcp_address()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad settings: settings text, line 2: coordinator.E.tcp_address: missing, and there is no default"
    );
    let ComponentError::BadConfig { origin, key, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(origin, Some(Origin::Text { line: 2 }));
    assert_eq!(key.as_deref(), Some("coordinator.E.tcp_address"));
    let error = settings.require_coordinator("F").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("coordinator.F: missing in every layer"),
        "{error}"
    );
}

#[test]
fn errors_tell_their_parts() {
    let error = Settings::parse("[executor]\nx = 1").unwrap_err();
    assert_eq!(error.key(), Some("executor.x"));
    assert_eq!(error.origin(), Some(&Origin::Text { line: 2 }));
    assert!(wrong("x = ").starts_with("settings text, line 1: "));
}
