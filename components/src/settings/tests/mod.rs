//! What the layers say together. Mistakes and `kv` tables have files of their own.

mod kv;
mod mistakes;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// A directory of layers that goes away with the test.
struct Layers(PathBuf);

impl Layers {
    fn new(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("d3-settings-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            fs::write(dir.join(name), text).unwrap();
        }
        Self(dir)
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        Settings::load_from(&self.0, "development", variables)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn absent_keys_have_defaults() {
    let settings = Settings::parse("").unwrap();
    assert!(!settings.dev_mode());
    assert_eq!(settings.log_level(), LogLevel::Info);
    assert_eq!(settings.test_server_duration(), None);
    assert!(settings.services().is_empty() && settings.features().is_empty());
    assert_eq!(*settings.executor(), Executor::default());
    assert!(settings.coordinators().is_empty() && settings.components().is_empty());
    assert!(settings.forwarder().is_none());
}

#[test]
fn each_layer_wins_over_those_below() {
    let layers = Layers::new(&[
        (
            "default.toml",
            "[executor]\nexecutors = 1\nqueue_size = 10\ntime_slice = 100",
        ),
        (
            "development.toml",
            "[executor]\nexecutors = 2\nqueue_size = 20",
        ),
        ("local.toml", "[executor]\nexecutors = 3"),
        ("production.toml", "dev_mode = 'never read'"),
    ]);
    let executor = *layers.load(&[]).unwrap().executor();
    assert_eq!(executor.executors, Some(3));
    assert_eq!(executor.queue_size, Some(20));
    assert_eq!(executor.time_slice, Some(Duration::from_millis(100)));
    let executor = *layers
        .load(&[("APP__EXECUTOR__EXECUTORS", "4")])
        .unwrap()
        .executor();
    assert_eq!(
        (executor.executors, executor.queue_size),
        (Some(4), Some(20))
    );
}

#[test]
fn lists_replace_and_single_values_replace() {
    let layers = Layers::new(&[
        (
            "default.toml",
            "services = ['A', 'B']\nfeatures = ['x']\ntest_server_duration = 5\nlog_level = 'warn'",
        ),
        (
            "local.toml",
            "services = ['C', 'C']\ntest_server_duration = 0\ndev_mode = true",
        ),
    ]);
    let settings = layers.load(&[]).unwrap();
    assert_eq!(settings.services(), ["C"].map(ServiceName::from));
    assert!(settings.has_feature("x") && !settings.has_feature("y"));
    assert_eq!(settings.test_server_duration(), None);
    assert_eq!(settings.log_level(), LogLevel::Warn);
    assert!(settings.dev_mode());
}

#[test]
fn sections_merge_by_name_and_key_by_key() {
    let layers = Layers::new(&[
        (
            "default.toml",
            "[[coordinator]]\nname = 'Chat'\ntcp_address = '127.0.0.1:7000'\nkv = { prompt = 'Who?', size = 1 }\n[[component]]\nname = 'Consumer'\nenabled = true",
        ),
        (
            "local.toml",
            "[[coordinator]]\n[coordinator.Chat]\ntcp_address = '127.0.0.1:7001'\nkv = { size = 2 }\n[[component]]\nname = 'Consumer'\nenabled = false\n[[component]]\nname = 'Other'",
        ),
    ]);
    let settings = layers.load(&[]).unwrap();
    let chat = settings.coordinator("Chat").unwrap();
    assert_eq!(settings.coordinators().len(), 1);
    assert_eq!(chat.tcp_address().unwrap().port(), 7001);
    assert_eq!(chat.kv().string("prompt").unwrap(), Some("Who?"));
    assert_eq!(chat.kv().unsigned("size").unwrap(), Some(2));
    assert!(chat.enabled());
    assert!(!settings.component("Consumer").unwrap().enabled());
    assert!(settings.component("Other").unwrap().enabled());
}

#[test]
fn the_environment_reaches_every_key() {
    let layers = Layers::new(&[(
        "default.toml",
        "[[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:9000'\nkv = { Prompt = 'Who?', size = 1 }\n[[component]]\nname = 'EchoConsumer'",
    )]);
    let settings = layers
        .load(&[
            ("APP__DEV_MODE", "True"),
            ("APP__LOG_LEVEL", "trace"),
            ("APP__TEST_SERVER_DURATION", "7"),
            ("app__services", "EchoService, ChatService,"),
            ("APP__FEATURES", "[\"One\", \"Two, too\"]"),
            ("APP__EXECUTOR__TIME_SLICE", "15"),
            (
                "APP__COORDINATOR__ECHOCOORDINATOR__TCP_ADDRESS",
                "127.0.0.1:0",
            ),
            ("APP__COORDINATOR__EchoCoordinator__KV__PROMPT", "12"),
            ("APP__COORDINATOR__ECHOCOORDINATOR__KV__SIZE", "9"),
            ("APP__COORDINATOR__ECHOCOORDINATOR__KV__COLOUR", "true"),
            ("APP__COMPONENT__ECHOCONSUMER__ENABLED", "false"),
            ("APP__ADDITIONAL__FORWARDER__DEFAULT__MACHINES", "17"),
            ("APPLE", "not ours"),
            ("APP_EXECUTOR", "not ours"),
            ("PATH", "not ours"),
        ])
        .unwrap();
    assert!(settings.dev_mode());
    assert_eq!(settings.log_level(), LogLevel::Trace);
    assert_eq!(
        settings.test_server_duration(),
        Some(Duration::from_secs(7))
    );
    assert_eq!(
        settings.services(),
        ["EchoService", "ChatService"].map(ServiceName::from)
    );
    assert_eq!(settings.features(), ["One", "Two, too"]);
    assert_eq!(
        settings.executor().time_slice,
        Some(Duration::from_millis(15))
    );
    let echo = settings.coordinator("EchoCoordinator").unwrap();
    assert_eq!(echo.tcp_address().unwrap().port(), 0);
    assert_eq!(echo.kv().string("Prompt").unwrap(), Some("12"));
    assert_eq!(echo.kv().unsigned("size").unwrap(), Some(9));
    assert_eq!(echo.kv().boolean("colour").unwrap(), Some(true));
    assert!(!settings.component("EchoConsumer").unwrap().enabled());
    let fields = settings
        .forwarder()
        .unwrap()
        .fields(ForwarderTest::ChaosMonkey);
    assert_eq!(fields.machines, Some(17));
}

#[test]
fn sources_say_what_was_read() {
    let layers = Layers::new(&[("default.toml", ""), ("local.toml", "")]);
    let settings = layers.load(&[("APP__DEV_MODE", "true")]).unwrap();
    assert_eq!(
        settings.sources(),
        [
            Source::File(layers.path("default.toml")),
            Source::Absent(layers.path("development.toml")),
            Source::File(layers.path("local.toml")),
            Source::Environment,
        ]
    );
}

#[test]
fn host_names_are_resolved() {
    let text =
        "[[coordinator]]\nname = 'E'\ntcp_address = 'localhost:81'\nudp_address = '[::1]:82'";
    let settings = Settings::parse(text).unwrap();
    let section = settings.coordinator("E").unwrap();
    let tcp = section.require_tcp_address().unwrap();
    assert!(tcp.ip().is_loopback() && tcp.port() == 81);
    assert_eq!(
        section.require_udp_address().unwrap().to_string(),
        "[::1]:82"
    );
}

#[test]
fn forwarder_sections_merge() {
    let layers = Layers::new(&[
        (
            "default.toml",
            "[[additional]]\n[additional.Forwarder]\nrun = ['daisy_chain']\n[additional.Forwarder.default]\ntimeout = 30\nmachines = 100\n[additional.Forwarder.chaos_monkey]\nmachines = 4500\ndebug = false\nunbound_queue = 1",
        ),
        (
            "local.toml",
            "[[additional]]\nname = 'Forwarder'\nrun = ['fanout_fanin', 'chaos_monkey']\n[additional.chaos_monkey]\nmachines = 7",
        ),
    ]);
    let settings = layers.load(&[]).unwrap();
    let forwarder = settings.forwarder().unwrap();
    assert_eq!(
        forwarder.run(),
        [ForwarderTest::FanoutFanin, ForwarderTest::ChaosMonkey]
    );
    let chaos = forwarder.fields(ForwarderTest::ChaosMonkey);
    assert_eq!(
        (chaos.machines, chaos.unbound_queue, chaos.debug),
        (Some(7), Some(true), Some(false))
    );
    assert_eq!(chaos.timeout, Some(Duration::from_secs(30)));
    assert_eq!(
        forwarder.fields(ForwarderTest::DaisyChain).machines,
        Some(100)
    );
}

/// The shapes that d3 0.1.3's own files have.
#[test]
fn files_of_d3_are_read() {
    let text = "
        services = ['EchoService', 'ChatService']
        features = []
        [executor]
        executors = 4
        [[coordinator]]
        [coordinator.EchoCoordinator]
        tcp_address = '127.0.0.1:9000'
        [coordinator.UdpEchoCoordinator]
        udp_address = '127.0.0.1:9001'
        [[coordinator]]
        [coordinator.ChatCoordinator]
        tcp_address = '127.0.0.1:7000'
        [coordinator.ChatCoordinator.kv]
        name_prompt = 'Welcome'
        [[component]]
        [component.EchoConsumer]
        enabled = true
    ";
    let settings = Settings::parse(text).unwrap();
    let names: Vec<&str> = settings
        .coordinators()
        .iter()
        .map(Coordinator::name)
        .collect();
    assert_eq!(
        names,
        ["EchoCoordinator", "UdpEchoCoordinator", "ChatCoordinator"]
    );
    let chat = settings.coordinator("ChatCoordinator").unwrap();
    assert_eq!(chat.kv().string("name_prompt").unwrap(), Some("Welcome"));
    assert!(settings.component("EchoConsumer").unwrap().enabled());
}
