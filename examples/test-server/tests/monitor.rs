//! Monitor over real sockets.

mod common;

use std::collections::HashMap;
use std::net::UdpSocket;

use common::{Client, DEADLINE, Server};

/// A report, read back from its text.
#[derive(Debug, Default)]
struct Report {
    number: u64,
    /// Of its text.
    bytes: u64,
    workers: Vec<HashMap<String, String>>,
    services: HashMap<String, HashMap<String, String>>,
}

impl Report {
    fn read(client: &mut Client) -> Self {
        let mut report = Self::default();
        loop {
            let line = client.line().expect("a whole report");
            report.bytes += line.len() as u64 + 1;
            let mut words = line.split(' ');
            let (kind, name) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default().to_owned(),
            );
            let pairs = words.map(|word| word.split_once('=').expect("key=value"));
            let pairs: HashMap<_, _> = pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            match kind {
                "report" => {
                    report.number = name.parse().expect("a number");
                    assert!(
                        pairs["machines"]
                            .parse::<usize>()
                            .is_ok_and(|machines| machines > 0),
                        "{line}"
                    );
                }
                "worker" => report.workers.push(pairs),
                "service" => assert!(
                    report.services.insert(name, pairs).is_none(),
                    "{line} came twice"
                ),
                "" => return report,
                _ => panic!("{line}"),
            }
        }
    }

    fn figure(&self, service: &str, key: &str) -> u64 {
        self.services[service][key].parse().expect("a number")
    }

    fn instructions(&self) -> u64 {
        self.workers
            .iter()
            .map(|worker| worker["instructions"].parse::<u64>().expect("a number"))
            .sum()
    }
}

const ALL: [&str; 5] = [
    "EchoService",
    "UdpEchoService",
    "ChatService",
    "AliceService",
    "MonitorService",
];

fn server(interval_ms: u64) -> Server {
    Server::start_with(
        &ALL,
        &format!("[coordinator.MonitorCoordinator.kv]\ninterval_ms = {interval_ms}"),
    )
}

/// What the test sent: a thousand bytes on each of five connections, three datagrams, two names and a line, four requests.
fn keep_busy(server: &Server) {
    for _ in 0..5 {
        let mut echo = server.connect("EchoService");
        echo.send([7; 1_000]);
        echo.end();
        assert_eq!(echo.rest().len(), 1_000);
    }
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.set_read_timeout(Some(DEADLINE))
        .expect("a timeout can be set");
    for size in [10, 20, 30] {
        udp.send_to(&[1; 30][..size], server.address("UdpEchoService"))
            .expect("sent");
        assert_eq!(udp.recv(&mut [0; 64]).expect("it comes back"), size);
    }
    let mut guests = ["Ann\n", "Bob\n"].map(|name| {
        let mut guest = server.connect("ChatService");
        guest.line().expect("a question");
        guest.send(name);
        assert!(guest.line().is_some_and(|line| line.starts_with("* hello")));
        guest
    });
    guests[1].send("hello\n");
    guests[0].expect_line("* Bob has come in");
    guests[0].expect_line("Bob: hello");
    let mut alice = server.connect("AliceService");
    alice.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
    alice.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(!alice.rest().is_empty());
}

#[test]
fn the_counters_add_up_to_what_was_sent() {
    let server = server(20);
    let mut reader = server.connect("MonitorService");
    let before = Report::read(&mut reader);
    let mut seen = before.bytes;
    for service in ALL {
        assert_eq!(before.services[service]["state"], "ready");
        assert_eq!(
            before.services[service]["address"],
            server.address(service).to_string()
        );
    }
    for service in &ALL[..4] {
        for key in [
            "sessions_open",
            "sessions_total",
            "bytes_in",
            "bytes_out",
            "messages",
        ] {
            assert_eq!(before.figure(service, key), 0, "{service} {key}");
        }
    }
    assert_eq!(before.workers.len(), 2);

    keep_busy(&server);
    // What the clients have seen has been counted; sessions take a moment to end.
    let mut report = Report::read(&mut reader);
    let open = |report: &Report| {
        ALL[..4]
            .iter()
            .map(|service| report.figure(service, "sessions_open"))
            .sum::<u64>()
    };
    while report.number == before.number
        || open(&report) > 0
        || report.figure("AliceService", "messages") < 4
    {
        seen += report.bytes;
        report = Report::read(&mut reader);
    }
    let alice_bytes = 3 * "GET /x HTTP/1.1\r\nHost: a\r\n\r\n".len()
        + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".len();
    for (service, sessions, bytes_in, messages) in [
        ("EchoService", 5, 5_000, 0),
        ("UdpEchoService", 0, 60, 3),
        ("ChatService", 2, "Ann\nBob\nhello\n".len() as u64, 3),
        ("AliceService", 1, alice_bytes as u64, 4),
    ] {
        let figures =
            ["sessions_total", "bytes_in", "messages"].map(|key| report.figure(service, key));
        assert_eq!(figures, [sessions, bytes_in, messages], "{service}");
    }
    assert_eq!(report.figure("EchoService", "bytes_out"), 5_000);
    assert_eq!(report.figure("UdpEchoService", "bytes_out"), 60);
    assert_eq!(
        (
            report.figure("MonitorService", "sessions_open"),
            report.figure("MonitorService", "sessions_total")
        ),
        (1, 1)
    );
    // What the monitor has sent before this report.
    assert_eq!(report.figure("MonitorService", "bytes_out"), seen);
    drop(reader);
    // Each chunk, datagram, line and request was at least one instruction.
    assert!(report.instructions() >= before.instructions() + 5 + 3 + 3 + 4);
    server.stop();
}

#[test]
fn a_slow_reader_does_not_hold_up_the_other_and_misses_nothing() {
    let server = server(10);
    let mut slow = server.connect("MonitorService");
    let mut quick = server.connect("MonitorService");
    let mut numbers = Vec::new();
    while numbers.len() < 150 {
        numbers.push(Report::read(&mut quick).number);
    }
    // The first comes on arrival, the others one by one.
    assert!(
        numbers[1..].windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    let last = numbers[149];
    let mut number = Report::read(&mut slow).number;
    number = number.max(Report::read(&mut slow).number);
    while number < last {
        let next = Report::read(&mut slow).number;
        assert_eq!(next, number + 1);
        number = next;
    }
    drop((slow, quick));
    server.stop();
}

#[test]
fn a_reader_that_has_nothing_to_say_listens_on() {
    let server = server(10);
    let mut reader = server.connect("MonitorService");
    reader.send("what is this?");
    reader.end();
    for _ in 0..20 {
        assert!(
            Report::read(&mut reader)
                .services
                .contains_key("MonitorService")
        );
    }
    drop(reader);
    common::wait_until("the reader is gone", || {
        server.sessions("MonitorService") == 0
    });
    server.stop();
}

#[test]
fn an_interval_that_makes_no_sense_is_refused() {
    for (kv, problem) in [
        ("interval_ms = 3", "at least 10"),
        ("interval_ms = 'soon'", "number"),
        ("interval = 5", "interval_ms"),
    ] {
        let text = format!(
            "services = ['MonitorService']\n[coordinator.MonitorCoordinator]\ntcp_address = '127.0.0.1:0'\nkv = {{ {kv} }}"
        );
        let settings =
            d3::components::Settings::parse(&text).expect("sound as far as the server knows");
        let error = d3::components::services::start(settings, test_server::services())
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("MonitorCoordinator") && error.contains(problem),
            "{error}"
        );
    }
}
