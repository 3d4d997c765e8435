//! What the tests of the services share: a server on ephemeral ports, and waiting with a deadline.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use d3::components::Settings;
use d3::components::services::{self, Running};

/// Nothing in these tests takes anywhere near as long; whoever waits longer has found a hang.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A server that runs some services on ports that the system chooses.
pub struct Server {
    running: Option<Running>,
}

impl Server {
    /// Starts the services named, each on port 0 of the loopback.
    pub fn start(services: &[&str]) -> Self {
        Self::start_with(services, "")
    }

    /// As [`start`](Self::start), with more settings.
    pub fn start_with(services: &[&str], more: &str) -> Self {
        let settings = Settings::parse(&settings(services, more)).expect("the settings are sound");
        let running =
            services::start(settings, test_server::services()).expect("the server starts");
        running
            .wait_ready(DEADLINE)
            .expect("every service is ready");
        Self {
            running: Some(running),
        }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("the server runs")
    }

    pub fn address(&self, service: &str) -> SocketAddr {
        self.running()
            .address(service)
            .expect("a service that is ready has an address")
    }

    pub fn connect(&self, service: &str) -> Client {
        Client::connect(self.address(service))
    }

    /// How many sessions of a service are open.
    pub fn sessions(&self, service: &str) -> usize {
        self.running()
            .context(service)
            .expect("the service runs")
            .sessions()
            .len()
    }

    /// Ends the server; it must end clean, with nobody left.
    pub fn stop(mut self) {
        let stopped = self.running.take().expect("the server runs").stop(DEADLINE);
        assert!(stopped.is_clean(), "{stopped}");
    }
}

fn settings(services: &[&str], more: &str) -> String {
    format!(
        "services = {services:?}
        {more}
        [executor]
        executors = 2
        [coordinator.EchoCoordinator]
        tcp_address = '127.0.0.1:0'
        [coordinator.UdpEchoCoordinator]
        udp_address = '127.0.0.1:0'
        [coordinator.ChatCoordinator]
        tcp_address = '127.0.0.1:0'
        [coordinator.AliceCoordinator]
        tcp_address = '127.0.0.1:0'
        [coordinator.MonitorCoordinator]
        tcp_address = '127.0.0.1:0'
        [component.EchoConsumer]
        [component.EchoProducer]
        "
    )
}

/// Waits until something holds, with a deadline.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A client that reads lines or bytes and never waits for ever.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the service listens");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a timeout can be set");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        Self {
            reader: BufReader::new(stream),
        }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader
            .get_mut()
            .write_all(bytes.as_ref())
            .expect("the connection is open");
    }

    pub fn end(&self) {
        self.stream()
            .shutdown(std::net::Shutdown::Write)
            .expect("the connection is open");
    }

    /// The next line, without its end; nothing at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self
            .reader
            .read_line(&mut line)
            .expect("a line or the end in time");
        (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub fn expect_line(&mut self, expected: &str) {
        assert_eq!(self.line().as_deref(), Some(expected));
    }

    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader
            .read_exact(&mut bytes)
            .expect("so many bytes in time");
        bytes
    }

    /// Everything up to the end of the stream.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader
            .read_to_end(&mut bytes)
            .expect("the end in time");
        bytes
    }

    pub fn expect_end(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }
}
