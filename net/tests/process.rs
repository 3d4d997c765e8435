//! The process-wide network. In one test, because the process has only one.
mod common;

use common::*;
use d3_net::{
    NetCmd, default_network, get_network_sender, start_network, stop_network, try_start_network,
};
use d3_runtime::{MachineImpl, executor, unbounded};

#[derive(MachineImpl)]
enum Do {
    StopNetwork,
}

#[test]
fn the_default_network_starts_nests_and_starts_again() {
    assert!(get_network_sender().is_disconnected());
    stop_network();
    for _ in 0..3 {
        start_network();
        try_start_network().unwrap();
        let net = get_network_sender();
        let (sender, inbox) = unbounded();
        net.send(NetCmd::BindListener(loopback(), sender)).unwrap();
        let NetCmd::Bound(_, _, address) = next(&inbox) else {
            panic!("not bound")
        };
        stop_network();
        assert!(
            !net.is_disconnected(),
            "the first start has not been stopped"
        );
        drop(connect(address));
        assert!(matches!(next(&inbox), NetCmd::NewConn(..)));
        stop_network();
        assert!(net.is_disconnected());
        assert!(default_network().is_none());
        assert!(get_network_sender().is_disconnected());
    }

    // A machine does not wait for the end, which comes all the same, also where somebody else has a handle.
    start_network();
    let (net, other) = (get_network_sender(), default_network());
    let (tell, told) = std::sync::mpsc::channel();
    let (_machine, sender) = executor::connect(move |Do::StopNetwork: Do| {
        stop_network();
        tell.send(()).unwrap();
    });
    sender.send(Do::StopNetwork).unwrap();
    told.recv_timeout(DEADLINE).unwrap();
    until("the network ends", || net.is_disconnected());
    assert!(default_network().is_none());
    drop(other);
}
