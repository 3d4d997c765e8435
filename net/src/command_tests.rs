use super::*;

#[test]
fn variants_have_their_names() {
    let id = NetConnId::fake(1);
    let named = [
        (NetCmd::Stop, "Stop"),
        (NetCmd::Unbind(id), "Unbind"),
        (NetCmd::RecvBytes(id, Bytes::new()), "RecvBytes"),
        (NetCmd::SendBytes(id, Bytes::new()), "SendBytes"),
        (NetCmd::RecvEnd(id), "RecvEnd"),
        (NetCmd::SendReady(id, 1), "SendReady"),
        (NetCmd::CloseConn(id, CloseReason::Flush), "CloseConn"),
        (
            NetCmd::SendPkt(id, SocketAddr::from(([127, 0, 0, 1], 1)), Bytes::new()),
            "SendPkt",
        ),
    ];
    for (command, name) in named {
        assert_eq!(NetCmd::VARIANTS[command.variant()], name);
        command.unhandled();
    }
}

#[test]
fn an_instruction_stays_small() {
    // It is moved through mailboxes for every read and every write.
    assert!(size_of::<NetCmd>() <= 128, "{} bytes", size_of::<NetCmd>());
}
