//! All servers echo, and a load whose server does not says so.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

const SETUP: Setup = Setup {
    workers: 2,
    capacity: Some(256),
};

fn serves<S: Server>() {
    let mut waves = 0;
    super::waves::<S>(&SETUP, 20, 200, Duration::ZERO, |rate| {
        assert!(rate > 0.0);
        waves += 1;
    })
    .unwrap();
    assert_eq!(waves, 1, "the first wave used up the time");
    assert_eq!(round_trips::<S>(&SETUP, 50).unwrap().count(), 50);
}

#[test]
fn d3_echoes() {
    serves::<d3::Echo>();
}

#[test]
fn the_pipeline_echoes() {
    serves::<d3::Pipeline>();
}

#[test]
fn mio_echoes() {
    serves::<mio::Echo>();
}

#[test]
fn tokio_echoes() {
    serves::<tokio::Echo>();
}

#[test]
fn no_two_messages_are_alike() {
    let of = |connection| (0..500).map(move |number| message(connection, number));
    let all: HashSet<_> = (0..20).flat_map(of).collect();
    assert_eq!(all.len(), 20 * 500);
}

/// A server of one connection that answers the second message as it likes, and the first and third as it should.
fn with_answer(answer: impl Fn([u8; MESSAGE]) -> Vec<u8> + Send + 'static) -> EchoError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [0; MESSAGE];
        for number in 0..3 {
            // The load has gone when it has seen enough.
            if stream.read_exact(&mut message).is_err() {
                return;
            }
            let reply = match number {
                1 => answer(message),
                _ => message.to_vec(),
            };
            if reply.is_empty() || stream.write_all(&reply).is_err() {
                return;
            }
        }
    });
    let mut load = Load::connect(address, 1).unwrap();
    let error = load.wave(3).unwrap_err();
    drop(load);
    server.join().unwrap();
    error
}

#[test]
fn a_changed_byte_is_seen() {
    for place in [0, MESSAGE - 1] {
        let error = with_answer(move |mut message| {
            message[place] ^= 1;
            message.to_vec()
        });
        assert!(
            matches!(
                error,
                EchoError::Wrong {
                    connection: 0,
                    message: 1
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn an_old_answer_is_seen() {
    let error = with_answer(|_| message(0, 0).to_vec());
    assert!(matches!(error, EchoError::Wrong { .. }), "{error}");
}

#[test]
fn an_answer_too_many_is_seen() {
    let error = with_answer(|message| [message, message].concat());
    // The second may be read after the next message was sent: then it is the wrong one.
    let seen = matches!(error, EchoError::TooMany { .. } | EchoError::Wrong { .. });
    assert!(seen, "{error}");
}

#[test]
fn a_server_that_closes_is_seen() {
    let error = with_answer(|_| Vec::new());
    assert!(matches!(error, EchoError::Closed { .. }), "{error}");
}
