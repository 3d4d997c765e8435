//! The program as a whole: start, signals, exit codes, and what it says about bad settings.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use common::{Client, DEADLINE};

const COORDINATORS: [(&str, &str); 5] = [
    ("EchoCoordinator", "TCP"),
    ("UdpEchoCoordinator", "UDP"),
    ("ChatCoordinator", "TCP"),
    ("AliceCoordinator", "TCP"),
    ("MonitorCoordinator", "TCP"),
];

/// The server as a command, with ports that the system chooses, and nothing of this test's environment.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_test-server"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("APP__")) {
        command.env_remove(name);
    }
    command
        .env_remove("RUN_MODE")
        .env_remove("TEST_SERVER_CONFIG")
        .env_remove("RUST_LOG");
    for (coordinator, protocol) in COORDINATORS {
        command.env(address_variable(coordinator, protocol), "127.0.0.1:0");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The variable that says where a coordinator listens.
fn address_variable(coordinator: &str, protocol: &str) -> String {
    let name = coordinator.to_uppercase();
    format!("APP__COORDINATOR__{name}__{protocol}_ADDRESS")
}

/// A process that is killed if the test fails before it has ended.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.0.id().to_string()])
            .status();
        assert!(sent.expect("there is a kill").success());
    }

    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the server does not end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// The table of services from a server's output, which is read to its end by a thread of its own.
fn table(process: &mut Process, rows: usize) -> Vec<(String, SocketAddr)> {
    let mut lines = BufReader::new(process.0.stdout.take().expect("a pipe")).lines();
    let mut table = Vec::new();
    while table.len() < rows {
        let line = lines
            .next()
            .expect("the table comes before the end")
            .expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [service, _, "ready", address] = words[..] {
            table.push((service.to_owned(), address.parse().expect("an address")));
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    table
}

/// Runs a server that cannot start: it must say so and fail.
fn refused(mut command: Command) -> String {
    let mut process = Process::start({
        command.stdout(Stdio::null());
        command
    });
    let mut text = String::new();
    process
        .0
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut text)
        .expect("text");
    assert_eq!(process.wait().code(), Some(1), "{text}");
    text
}

/// A directory with a `default.toml` of this text.
fn config(name: &str, text: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("default.toml"), text).expect("a file");
    dir
}

fn refused_with(name: &str, text: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_test-server"));
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .arg("--config")
        .arg(config(name, text));
    refused(command)
}

fn ends_cleanly_on(signal: &str) {
    let mut command = command();
    // From a directory without settings: it finds those beside its sources.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    let mut process = Process::start(command);
    let table = table(&mut process, 5);
    let names: Vec<&str> = table.iter().map(|(service, _)| service.as_str()).collect();
    assert_eq!(
        names,
        [
            "EchoService",
            "UdpEchoService",
            "ChatService",
            "AliceService",
            "MonitorService"
        ]
    );

    let mut echo = Client::connect(table[0].1);
    echo.send("hello");
    assert_eq!(echo.read_exact(5), b"hello");
    let mut chat = Client::connect(table[2].1);
    chat.expect_line("Welcome, may I have your name?");
    let mut alice = Client::connect(table[3].1);
    alice.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(alice.line().as_deref(), Some("HTTP/1.1 200 OK"));

    // With connections open: they are closed in order, the process ends and says that all is well.
    process.signal(signal);
    echo.expect_end();
    chat.expect_end();
    alice.rest();
    drop((echo, chat, alice));
    let status = process.wait();
    let mut errors = String::new();
    process
        .0
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut errors)
        .expect("text");
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    for (_, address) in &table[2..] {
        assert!(
            TcpStream::connect(address).is_err(),
            "{address} still answers"
        );
    }
}

#[test]
fn it_ends_cleanly_on_sigterm() {
    ends_cleanly_on("TERM");
}

#[test]
fn it_ends_cleanly_on_ctrl_c() {
    ends_cleanly_on("INT");
}

#[test]
fn it_ends_after_its_duration() {
    let mut command = command();
    command
        .env("APP__TEST_SERVER_DURATION", "1")
        .env("APP__SERVICES", "EchoService");
    let mut process = Process::start(command);
    assert_eq!(table(&mut process, 1)[0].0, "EchoService");
    assert_eq!(process.wait().code(), Some(0));
}

/// A server that runs d3's drivers beside a service.
fn with_drivers(name: &str, messages: usize) -> Command {
    let mut command = command();
    // These settings have no section for the others.
    for (coordinator, protocol) in &COORDINATORS[1..] {
        command.env_remove(address_variable(coordinator, protocol));
    }
    command.arg("--config").arg(config(
        name,
        &format!(
            "services = ['EchoService']
            features = ['Forwarder']
            test_server_duration = 1
            [executor]
            executors = 2
            [[coordinator]]
            name = 'EchoCoordinator'
            [[component]]
            name = 'EchoConsumer'
            [[component]]
            name = 'EchoProducer'
            [[additional]]
            [additional.Forwarder]
            run = ['daisy_chain', 'fanout_fanin', 'chaos_monkey']
            [additional.Forwarder.default]
            machines = 20
            messages = {messages}
            iterations = 2
            timeout = 300
            inflection_value = 3"
        ),
    ));
    command
}

#[test]
fn it_runs_the_drivers_under_their_feature() {
    let output = with_drivers("drivers", 10).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for (driver, instructions) in [
        ("daisy_chain", 2 * 10 * 20),
        ("fanout_fanin", 2 * (10 + 2 * 18 * 10)),
        ("chaos_monkey", 2 * 10 * 9),
    ] {
        let line = format!(
            "{driver}: 20 machines, 2 iterations, all {instructions} instructions received"
        );
        assert!(text.contains(&line), "{line}: {text}");
    }
}

#[test]
fn drivers_that_make_no_sense_are_named() {
    let errors = refused(with_drivers("bad_drivers", 0));
    assert!(
        errors.contains("additional.Forwarder: daisy_chain.messages"),
        "{errors}"
    );
    let errors = refused_with("no_drivers", "services = []\nfeatures = ['Forwarder']\n");
    assert!(errors.contains("additional.Forwarder.run"), "{errors}");
}

#[test]
fn only_the_services_named_run() {
    let mut command = command();
    command.env("APP__SERVICES", "ChatService,MonitorService");
    let mut process = Process::start(command);
    let table = table(&mut process, 2);
    let mut monitor = Client::connect(table[1].1);
    let services: Vec<String> =
        std::iter::from_fn(|| monitor.line().filter(|line| !line.is_empty()))
            .filter_map(|line| Some(line.strip_prefix("service ")?.split(' ').next()?.to_owned()))
            .collect();
    assert_eq!(services, ["ChatService", "MonitorService"]);
    process.signal("TERM");
    drop(monitor);
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut command = command();
    command.env("APP__COORDINATOR__CHATCOORDINATOR__TCP_ADDRESS", &address);
    let errors = refused(command);
    assert!(
        errors.contains("ChatService") && errors.contains(&address) && errors.contains("in use"),
        "{errors}"
    );
}

#[test]
fn a_service_that_does_not_exist_is_named() {
    let errors = refused_with(
        "unknown_service",
        "services = ['EchoService', 'TeleportService']",
    );
    assert!(
        errors.contains("TeleportService") && errors.contains("EchoService"),
        "{errors}"
    );
}

#[test]
fn a_feature_that_does_not_exist_is_named() {
    let errors = refused_with("unknown_feature", "features = ['Teleporter']");
    assert!(
        errors.contains("Teleporter") && errors.contains("Forwarder"),
        "{errors}"
    );
}

#[test]
fn an_unknown_key_is_named() {
    let errors = refused_with("unknown_key", "services = []\n\n[executor]\nexecutor = 4\n");
    assert!(
        errors.contains("default.toml:4")
            && errors.contains("executor.executor")
            && errors.contains("executors"),
        "{errors}"
    );
    let errors = refused_with(
        "unknown_kv",
        "services = ['ChatService']\n[[coordinator]]\nname = 'ChatCoordinator'\ntcp_address = '127.0.0.1:0'\n\
         kv = { name_promt = 'Who?' }\n",
    );
    assert!(
        errors.contains("ChatCoordinator")
            && errors.contains("name_promt")
            && errors.contains("name_prompt"),
        "{errors}"
    );
}

#[test]
fn a_wrong_type_is_named() {
    let errors = refused_with(
        "wrong_type",
        "log_level = 'Info'\n[executor]\nexecutors = 'four'\n",
    );
    assert!(
        errors.contains("default.toml:3")
            && errors.contains("executor.executors")
            && errors.contains("number"),
        "{errors}"
    );
    let mut command = command();
    command.env("APP__EXECUTOR__EXECUTORS", "four");
    let errors = refused(command);
    assert!(
        errors.contains("APP__EXECUTOR__EXECUTORS") && errors.contains("number"),
        "{errors}"
    );
}

#[test]
fn an_address_that_does_not_parse_is_named() {
    let errors = refused_with(
        "bad_address",
        "services = ['EchoService']\n[[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1'\n",
    );
    assert!(
        errors.contains("default.toml:4")
            && errors.contains("tcp_address")
            && errors.contains("127.0.0.1"),
        "{errors}"
    );
}

#[test]
fn an_address_that_is_missing_is_named() {
    for (service, coordinator, key) in [
        ("EchoService", "EchoCoordinator", "tcp_address"),
        ("UdpEchoService", "UdpEchoCoordinator", "udp_address"),
        ("ChatService", "ChatCoordinator", "tcp_address"),
        ("AliceService", "AliceCoordinator", "tcp_address"),
        ("MonitorService", "MonitorCoordinator", "tcp_address"),
    ] {
        let text = format!("services = ['{service}']\n[[coordinator]]\nname = '{coordinator}'\n");
        let errors = refused_with(&format!("no_address_{service}"), &text);
        assert!(
            errors.contains(coordinator) && errors.contains(key),
            "{errors}"
        );
    }
}

#[test]
fn a_missing_component_is_named() {
    let errors = refused_with(
        "no_component",
        "services = ['EchoService']\n[[coordinator]]\nname = 'EchoCoordinator'\ntcp_address = '127.0.0.1:0'\n\
         [[component]]\nname = 'EchoConsumer'\n",
    );
    assert!(
        errors.contains("EchoCoordinator") && errors.contains("EchoProducer"),
        "{errors}"
    );
}

#[test]
fn settings_that_are_not_there_are_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_test-server"));
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .args(["--config", "/nowhere/at/all"]);
    let errors = refused(command);
    assert!(errors.contains("/nowhere/at/all/default.toml"), "{errors}");
}

#[test]
fn an_unknown_argument_is_refused() {
    let output = command()
        .arg("--port")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--port"));
    let output = command()
        .arg("--help")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0));
    let mut out = std::io::stdout().lock();
    out.write_all(&output.stdout).expect("stdout takes it");
}
