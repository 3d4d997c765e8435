//! The control lane, seen from outside.

mod common;

use std::sync::mpsc::channel;
use std::time::Duration;

use d3_runtime::MachineImpl;

use common::{PATIENCE, runtime};

#[derive(MachineImpl)]
enum Cmd {
    Block,
}

/// A post that comes while the machine is inside `receive` is served when it returns, and the machine rests afterwards.
#[test]
fn a_post_during_an_activation_is_served() {
    let runtime = runtime(1);
    let (entered, is_inside) = channel();
    let (release, may_go) = channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let (_, sender) = runtime.connect(move |Cmd::Block: Cmd| {
        entered.send(()).expect("the test waits");
        may_go
            .lock()
            .expect("one machine")
            .recv()
            .expect("the test lets it go");
    });
    sender.send(Cmd::Block).expect("it lives");
    is_inside.recv().expect("it runs");

    // It cannot answer now, so it is described from outside, and the post stays in its lane.
    let reports = runtime
        .machine_reports(Duration::from_millis(10))
        .expect("no machine calls this");
    assert_eq!(reports.len(), 1);
    assert!(!reports[0].at_rest);

    release.send(()).expect("it waits");
    runtime
        .wait_idle(PATIENCE)
        .expect("it serves the post and rests");
    let reports = runtime
        .machine_reports(PATIENCE)
        .expect("no machine calls this");
    assert_eq!(
        (reports.len(), reports[0].len, reports[0].id),
        (1, 0, sender.id())
    );
}

/// Each machine reports itself once, also when it is at rest.
#[test]
fn every_machine_reports() {
    let runtime = runtime(2);
    let senders: Vec<_> = (0..100).map(|_| runtime.connect(|_: Cmd| ()).1).collect();
    let mut ids: Vec<_> = runtime
        .machine_reports(PATIENCE)
        .expect("no machine calls this")
        .iter()
        .map(|info| info.id)
        .collect();
    let mut expected: Vec<_> = senders.iter().map(|sender| sender.id()).collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
}
