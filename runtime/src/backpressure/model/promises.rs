//! Room that was promised: used or not, passed on, and by how many.

use ::loom::thread;

use super::{assert_no_waiters, assert_resumed_once, clean_up, machine, park_on, parker, receiver};
use crate::backpressure::{Parked, Promise};
use crate::cell::EndCode;
use crate::cell::model::{Subject, Tally};
use crate::sync::model;

/// A channel's reader takes what is there and never comes by again, while two machines wait or come to wait, and neither has more to send:
/// the one that was promised the room passes it on.
#[test]
fn model_unused_promise() {
    model("backpressure/unused_promise", None, || {
        let r = Subject::channel(1);
        r.fill();
        let machines = unused_promise(&r);
        r.end().assert_gone();
        clean_up(machines, None);
    });
}

/// Takes what fills `r` while one machine waits for its room and another comes to: both go on, though neither sends anything.
fn unused_promise(r: &Subject) -> [Subject; 2] {
    let (m, n) = (machine(), machine());
    let first = park_on(m.reference(), r.reference());
    assert_eq!(first, Parked::Waiting);
    let parker = parker(&n, r);
    r.receive_once();
    assert_resumed_once(&m, first);
    let second = parker.join().unwrap();
    assert_resumed_once(&n, second);
    assert_no_waiters(r);
    [m, n]
}

/// A machine that is about to be parked reads what is there, and comes by no more, while two machines wait or come to wait: the same.
#[test]
fn model_unused_promise_of_a_machine() {
    model("backpressure/unused_promise_of_a_machine", None, || {
        let r = receiver(1);
        let machines = unused_promise(&r);
        r.consume();
        clean_up(machines, Some(r));
    });
}

/// A machine that was promised room has its turn, and uses it, while the consumer makes room for one more: one more is resumed, whoever of both
/// sees to it, and not two.
fn promise_and_room(r: &Subject) -> [Subject; 3] {
    let machines = [machine(), machine(), machine()];
    let outcomes = machines
        .each_ref()
        .map(|machine| park_on(machine.reference(), r.reference()));
    assert_eq!(outcomes, [Parked::Waiting; 3]);
    r.receive_once();
    let [m, n, o] = &machines;
    assert_eq!(Tally::is(&m.tally.wakes), 1);
    let (me, receiver) = (m.reference(), r.in_hands_of_another());
    let turn = thread::spawn(move || {
        let promise = Promise::of(&me);
        receiver.fill();
        drop(promise);
    });
    r.receive_once();
    turn.join().unwrap();
    assert_eq!(Tally::is(&n.tally.wakes), 1, "there is room");
    assert_eq!(Tally::is(&o.tally.wakes), 0, "there is no room for it");
    // Both have had their turn, used nothing, and let the last one go.
    for machine in [n, o] {
        assert_resumed_once(machine, Parked::Waiting);
    }
    assert_no_waiters(r);
    machines
}

#[test]
fn model_promise_and_room_in_a_channel() {
    model("backpressure/promise_and_room_in_a_channel", None, || {
        let r = Subject::channel(2);
        (0..2).for_each(|_| r.fill());
        let machines = promise_and_room(&r);
        r.end().assert_gone();
        clean_up(machines, None);
    });
}

#[test]
fn model_promise_and_room_in_a_machine() {
    model("backpressure/promise_and_room_in_a_machine", None, || {
        let r = Subject::new(2, false, true);
        (0..2).for_each(|_| r.fill());
        let machines = promise_and_room(&r);
        r.consume();
        clean_up(machines, Some(r));
    });
}

/// Behind a receiver whose crowd came back, so that it lets them go one at a time, the promise of one of several that came back is not passed on: that of the last is.
#[test]
fn model_promises_follow_the_crowd() {
    const ROOM: u64 = 2;
    model("backpressure/promises_follow_the_crowd", None, || {
        let r = Subject::new(ROOM, false, true);
        let machines: [_; ROOM as usize + 1] = std::array::from_fn(|_| machine());
        let fill = || (0..=ROOM).for_each(|_| r.fill());
        let wait = |machine: &Subject| {
            let parked = park_on(machine.reference(), r.reference());
            assert_eq!(parked, Parked::Waiting);
        };
        let resumed = |machine: &Subject| Tally::is(&machine.tally.wakes);
        // The first one comes back.
        fill();
        wait(&machines[0]);
        r.drain();
        let promise = Promise::of(machines[0].header());
        fill();
        machines.iter().for_each(wait);
        drop(promise);
        r.drain();
        assert_eq!(machines.each_ref().map(resumed), [2, 0, 0]);
        // About to be parked, it counts every slot.
        r.receive_once();
        assert_eq!(machines.each_ref().map(resumed), [2, 1, 0]);
        for machine in &machines[..ROOM as usize] {
            assert_eq!(
                resumed(&machines[ROOM as usize]),
                0,
                "others have their turn to come"
            );
            let mut promise = Promise::of(machine.header()).unwrap();
            promise.note_wait(&r.reference());
            drop(promise);
        }
        assert_resumed_once(&machines[ROOM as usize], Parked::Waiting);
        assert_no_waiters(&r);
        r.consume();
        clean_up(machines, Some(r));
    });
}

/// The same while another thread stops the machine that was promised the room.
#[test]
fn model_unused_promise_and_stop() {
    model("backpressure/unused_promise_and_stop", None, || {
        let (m, n, r) = (machine(), machine(), Subject::channel(1));
        r.fill();
        let outcomes = [&m, &n].map(|machine| park_on(machine.reference(), r.reference()));
        assert_eq!(outcomes, [Parked::Waiting; 2]);
        let stopped = m.reference();
        let stopper = thread::spawn(move || stopped.ask_to_end(EndCode::Stopped));
        r.receive_once();
        stopper.join().unwrap();
        assert_resumed_once(&m, outcomes[0]);
        assert_resumed_once(&n, outcomes[1]);
        assert_no_waiters(&r);
        r.end().assert_gone();
        clean_up([m, n], None);
    });
}
