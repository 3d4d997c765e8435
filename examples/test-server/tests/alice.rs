//! Alice over real sockets.

mod common;

use std::io::Write;

use common::{Client, Server};

/// A response, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    page: String,
}

impl Answer {
    fn read(client: &mut Client, head_only: bool) -> Self {
        let status_line = client.line().expect("a response");
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = client.line().expect("a whole head");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Self {
            status: status.expect("a status line"),
            headers,
            page: String::new(),
        };
        if !head_only && answer.status != 100 {
            let length = answer
                .header("content-length")
                .expect("a length")
                .parse()
                .expect("a number");
            answer.page = String::from_utf8(client.read_exact(length)).expect("UTF-8");
        }
        answer
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The labels of the buttons on the page.
    fn buttons(&self) -> Vec<&str> {
        self.page
            .split("name=\"Alice\" value=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: alice\r\n\r\n")
}

fn post(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: alice\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ask(client: &mut Client, request: impl AsRef<[u8]>) -> Answer {
    client.send(request);
    Answer::read(client, false)
}

/// A server, and a client of it.
fn alice() -> (Server, Client) {
    let server = Server::start(&["AliceService"]);
    let client = server.connect("AliceService");
    (server, client)
}

/// The last answer on a connection: after it comes the end, not a reset.
fn last(client: &mut Client, status: u16) {
    let answer = Answer::read(client, false);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (status, Some("close")),
        "{answer:?}"
    );
    client.expect_end();
}

#[test]
fn every_transition_of_the_form() {
    let (server, mut client) = alice();
    let answer = ask(&mut client, get("/"));
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(answer.buttons(), ["Init", "Bye"]);
    // From each state to each other one, and to itself.
    let buttons = [
        ("Init", vec!["Start", "Bye"]),
        ("Start", vec!["Stop", "Bye"]),
        ("Stop", vec!["Init", "Start", "Bye"]),
    ];
    for (before, _) in &buttons {
        for (pressed, offered) in &buttons {
            ask(&mut client, post(&format!("Alice={before}")));
            let answer = ask(&mut client, post(&format!("Alice={pressed}")));
            assert_eq!(
                (answer.status, answer.buttons()),
                (200, offered.clone()),
                "{before}, then {pressed}"
            );
            assert_eq!(ask(&mut client, get("/")).buttons(), *offered);
        }
    }
    client.send(post("Alice=Bye"));
    let answer = Answer::read(&mut client, false);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert!(answer.page.contains("Good-bye"), "{}", answer.page);
    client.expect_end();
    // There is one Alice: she has not forgotten.
    assert_eq!(
        ask(&mut server.connect("AliceService"), get("/")).buttons(),
        ["Init", "Start", "Bye"]
    );
    drop(client);
    server.stop();
}

#[test]
fn connections_are_kept_as_long_as_the_client_likes() {
    let (server, mut client) = alice();
    for _ in 0..50 {
        let answer = ask(&mut client, get("/"));
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("keep-alive"))
        );
    }
    let answer = ask(
        &mut client,
        "GET / HTTP/1.1\r\nHost: alice\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(answer.header("connection"), Some("close"));
    client.expect_end();

    let mut old = server.connect("AliceService");
    assert_eq!(
        ask(&mut old, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("connection"),
        Some("keep-alive")
    );
    assert_eq!(
        ask(&mut old, "GET / HTTP/1.0\r\n\r\n").header("connection"),
        Some("close")
    );
    old.expect_end();
    drop((client, old));
    server.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (server, mut client) = alice();
    let burst = [
        post("Alice=Init"),
        get("/nowhere"),
        post("Alice=Start"),
        post("x"),
        get("/?x=y"),
        post("Alice=Stop"),
    ];
    client.send(burst.concat());
    let answers = [(); 6].map(|()| Answer::read(&mut client, false));
    assert_eq!(
        answers.each_ref().map(|answer| answer.status),
        [200, 404, 200, 400, 200, 200]
    );
    assert_eq!(answers[0].buttons(), ["Start", "Bye"]);
    assert_eq!(answers[4].buttons(), ["Stop", "Bye"]);
    assert_eq!(answers[5].buttons(), ["Init", "Start", "Bye"]);

    // What comes after Bye is not answered.
    client.send([post("Alice=Bye"), get("/"), get("/")].concat());
    last(&mut client, 200);
    drop(client);
    server.stop();
}

#[test]
fn a_long_pipeline_while_nobody_reads() {
    let (server, mut client) = alice();
    let writer = client.stream().try_clone().expect("a second handle");
    const REQUESTS: usize = 20_000;
    let writer = std::thread::spawn(move || {
        let mut writer = &writer;
        let burst = get("/").repeat(100);
        for _ in 0..REQUESTS / 100 {
            writer
                .write_all(burst.as_bytes())
                .expect("the connection stays open");
        }
        writer
            .shutdown(std::net::Shutdown::Write)
            .expect("the connection is open");
    });
    for _ in 0..REQUESTS {
        assert_eq!(Answer::read(&mut client, false).status, 200);
    }
    client.expect_end();
    writer.join().expect("everything was sent");
    drop(client);
    server.stop();
}

#[test]
fn a_request_in_single_bytes() {
    let (server, mut client) = alice();
    for byte in post("Alice=Init").bytes() {
        client.send([byte]);
    }
    assert_eq!(Answer::read(&mut client, false).buttons(), ["Start", "Bye"]);
    for byte in b"POST / HTTP/1.1\r\nHost: alice\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nAlice=\r\n5\r\nStart\r\n0\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(Answer::read(&mut client, false).buttons(), ["Stop", "Bye"]);
    drop(client);
    server.stop();
}

#[test]
fn head_and_continue() {
    let (server, mut client) = alice();
    client.send("HEAD / HTTP/1.1\r\nHost: alice\r\n\r\n");
    let head = Answer::read(&mut client, true);
    let answer = ask(&mut client, get("/"));
    assert_eq!(
        head.header("content-length"),
        Some(answer.page.len().to_string().as_str())
    );

    client.send(
        "POST / HTTP/1.1\r\nHost: alice\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    );
    assert_eq!(Answer::read(&mut client, true).status, 100);
    assert_eq!(ask(&mut client, "Alice=Init").buttons(), ["Start", "Bye"]);
    drop(client);
    server.stop();
}

/// Requests that cannot be met, on a connection that goes on.
#[test]
fn what_cannot_be_met_is_refused_and_the_connection_goes_on() {
    let (server, mut client) = alice();
    let form = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    for (request, status) in [
        (get("/favicon.ico"), 404),
        (get("//"), 404),
        ("DELETE / HTTP/1.1\r\nHost: alice\r\n\r\n".into(), 405),
        ("POST / HTTP/1.1\r\nHost: alice\r\n\r\n".into(), 411),
        (format!("POST / HTTP/1.1\r\nHost: alice\r\n{form}"), 415),
        (post(""), 400),
        (post("Alice=Jump"), 400),
        (post("Alice=Init&Alice=Stop"), 400),
    ] {
        let answer = ask(&mut client, &request);
        assert_eq!(
            (answer.status, answer.header("connection")),
            (status, Some("keep-alive")),
            "{request}"
        );
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    assert_eq!(ask(&mut client, get("/")).status, 200);
    drop(client);
    server.stop();
}

/// Bytes that are no request end the connection, with an answer.
#[test]
fn bad_bytes_get_an_answer_and_the_end() {
    let server = Server::start(&["AliceService"]);
    let with =
        |headers: &str| format!("POST / HTTP/1.1\r\nHost: alice\r\n{headers}\r\n\r\n").into_bytes();
    for (bytes, status) in [
        (b"garbage\r\n\r\n".to_vec(), 400),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            400,
        ),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_vec(), 400),
        (with("Content-Length: nine"), 400),
        (with("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400),
        (with("Content-Length: 1000000"), 413),
        (with("Expect: miracles"), 417),
        (
            format!("GET /{} HTTP/1.1\r\n", "a".repeat(5_000)).into_bytes(),
            414,
        ),
    ] {
        let mut client = server.connect("AliceService");
        client.send(&bytes);
        last(&mut client, status);
    }
    // Half a request, and then the end.
    let mut client = server.connect("AliceService");
    client.send("GET / HTT");
    client.end();
    last(&mut client, 400);
    server.stop();
}

#[test]
fn a_header_without_end_is_431() {
    let (server, mut client) = alice();
    client.send("GET / HTTP/1.1\r\nHost: alice\r\nX-Endless: ");
    let mut stream = client.stream().try_clone().expect("a second handle");
    // It goes on until the server has had enough, and a bit longer: the answer still comes through.
    let writer = std::thread::spawn(move || {
        for _ in 0..64 {
            if stream.write_all(&[b'x'; 16 * 1024]).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
    });
    last(&mut client, 431);
    writer.join().expect("the writer ends");

    let mut client = server.connect("AliceService");
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: alice\r\n{}\r\n",
        "X: y\r\n".repeat(100)
    ));
    last(&mut client, 431);
    drop(client);
    server.stop();
}
