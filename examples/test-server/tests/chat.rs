//! Chat over real sockets.

mod common;

use common::{Client, Server, wait_until};

const PROMPT: &str = "Welcome, may I have your name?";

fn guest(server: &Server, name: &str) -> Client {
    let mut client = server.connect("ChatService");
    client.expect_line(PROMPT);
    client.send(format!("{name}\n"));
    let hello = client.line().expect("an answer");
    assert!(hello.starts_with(&format!("* hello {name}; ")), "{hello}");
    client
}

#[test]
fn three_clients_with_names_messages_and_leaving() {
    let server = Server::start(&["ChatService"]);
    let mut ann = guest(&server, "Ann");
    let mut bob = guest(&server, "Bob");
    ann.expect_line("* Bob has come in");
    let mut cy = guest(&server, "Cy");
    ann.expect_line("* Cy has come in");
    bob.expect_line("* Cy has come in");

    bob.send("hello\r\nall ");
    ann.expect_line("Bob: hello");
    cy.expect_line("Bob: hello");
    bob.send("of you\n");
    ann.expect_line("Bob: all of you");
    cy.expect_line("Bob: all of you");
    cy.send("hi, Bob\n");
    ann.expect_line("Cy: hi, Bob");
    // Bob never heard himself: the first that he hears is Cy.
    bob.expect_line("Cy: hi, Bob");

    // Bob hangs up without a word.
    drop(bob);
    ann.expect_line("* Bob has left the building");
    cy.expect_line("* Bob has left the building");

    // Ann ends her half in the middle of a line: it still counts, and she is let go.
    ann.send("bye");
    ann.end();
    cy.expect_line("Ann: bye");
    cy.expect_line("* Ann has left the building");
    ann.expect_end();

    wait_until("only Cy is left", || server.sessions("ChatService") == 1);
    drop(cy);
    wait_until("nobody is left", || server.sessions("ChatService") == 0);
    server.stop();
}

/// Who closes with something unread resets the connection: the others hear of that end as well.
#[test]
fn a_guest_who_vanishes_is_announced_too() {
    let server = Server::start(&["ChatService"]);
    let mut ann = guest(&server, "Ann");
    let bob = guest(&server, "Bob");
    ann.expect_line("* Bob has come in");
    ann.send("are you there?\n");
    assert!(bob.stream().peek(&mut [0]).expect("it arrives") > 0);
    drop(bob);
    ann.expect_line("* Bob has left the building");
    drop(ann);
    wait_until("nobody is left", || server.sessions("ChatService") == 0);
    server.stop();
}

#[test]
fn it_asks_for_a_name_until_one_is_given() {
    let server = Server::start(&["ChatService"]);
    let mut ann = guest(&server, "Ann");
    let mut other = server.connect("ChatService");
    other.expect_line(PROMPT);
    other.send("\n  \nANN\n");
    other.expect_line(PROMPT);
    other.expect_line(PROMPT);
    other.expect_line("* ANN is taken");
    other.expect_line(PROMPT);
    // Whoever has no name yet hears nothing.
    ann.send("anybody there?\n");
    other.send("Annie\n");
    other.expect_line("* hello Annie; Ann here");
    ann.expect_line("* Annie has come in");
    drop((ann, other));
    server.stop();
}

#[test]
fn a_line_without_end_is_not_kept() {
    let server = Server::start(&["ChatService"]);
    let mut ann = guest(&server, "Ann");
    for _ in 0..64 {
        ann.send([b'x'; 64 * 1024]);
    }
    ann.send("\n");
    ann.expect_line("* that line was too long");
    drop(ann);
    server.stop();
}

#[test]
fn the_phrases_come_from_the_settings() {
    let server = Server::start_with(
        &["ChatService"],
        "[coordinator.ChatCoordinator.kv]
        name_prompt = 'Who?'
        gone_message = 'is gone'",
    );
    let [mut ann, mut bob] = [(); 2].map(|()| server.connect("ChatService"));
    for (client, name) in [(&mut ann, "Ann\n"), (&mut bob, "Bob\n")] {
        client.expect_line("Who?");
        client.send(name);
        assert!(
            client
                .line()
                .is_some_and(|line| line.starts_with("* hello"))
        );
    }
    drop(bob);
    ann.expect_line("* Bob has come in");
    ann.expect_line("* Bob is gone");
    drop(ann);
    server.stop();
}

/// One guest that reads nothing at all does not keep the others from talking.
#[test]
fn a_guest_who_does_not_read_does_not_disturb() {
    let server = Server::start(&["ChatService"]);
    let deaf = guest(&server, "Deaf");
    let mut ann = guest(&server, "Ann");
    let mut bob = guest(&server, "Bob");
    ann.expect_line("* Bob has come in");
    let lines = format!("{}\n", "x".repeat(4_000)).repeat(100);
    // 40 MB: more than the net queues for anybody. Ann and Bob take turns, so that only Deaf falls behind.
    for _ in 0..100 {
        ann.send(&lines);
        let mut heard = 0;
        while heard < 100 {
            let line = bob.line().expect("Bob stays connected");
            heard += usize::from(line.starts_with("Ann: x"));
        }
    }
    drop((deaf, ann, bob));
    server.stop();
}
