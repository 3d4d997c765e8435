//! The way down for want of a thread that could wait, which no test can bring about from outside.

use std::sync::{Arc, Mutex, mpsc};

use d3_runtime::{MachineImpl, Runtime};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(MachineImpl)]
enum Do {
    TellAll,
}

#[test]
fn without_a_thread_all_are_told_and_everything_ends() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (heard, hears) = mpsc::channel();
    let listener = |name| {
        let heard = heard.clone();
        let machine = move |cmd: ComponentCmd| heard.send((name, cmd)).unwrap();
        runtime.connect(machine).1
    };
    let (part, coordinator) = (listener("part"), listener("coordinator"));
    let network = Network::start(&runtime).unwrap();
    let net = network.sender();
    let parts = Parts {
        network,
        settings: Arc::default(),
        board: Arc::default(),
        components: vec![ComponentInfo::new("Part", part.clone())],
        coordinators: vec![CoordinatorInfo::new(
            "ACoordinator",
            "AService",
            coordinator.clone(),
        )],
        contexts: Vec::new(),
        runtime,
    };
    let outer = Runtime::builder().workers(1).build().unwrap();
    let parts = Mutex::new(Some(parts));
    let (_machine, sender) = outer.connect(move |Do::TellAll: Do| {
        tell_all(parts.lock().unwrap().take().unwrap());
    });
    sender.send(Do::TellAll).unwrap();
    let mut told = [(); 2].map(|()| {
        let (who, cmd) = hears.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(cmd, ComponentCmd::Stop));
        who
    });
    told.sort_unstable();
    assert_eq!(told, ["coordinator", "part"]);
    // Nobody else has a sender of them any more.
    for sender in [part, coordinator] {
        let machine = sender.handle();
        drop(sender);
        machine.wait(PATIENCE).unwrap();
    }
    let begun = Instant::now();
    while !net.is_disconnected() {
        assert!(begun.elapsed() < PATIENCE, "the net ends");
        thread::yield_now();
    }
    outer.shutdown(PATIENCE);
}
