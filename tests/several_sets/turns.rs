//! Which mailbox is read when: one instruction at a time, in order, each mailbox in its turn, and none overlooked.

use std::sync::Arc;
use std::thread;

use d3::{EndReason, Runtime};

use crate::pair::{A, B, Do, Pair, Set};
use crate::support::probe::{Gate, read};
use crate::support::{PATIENCE, runtime, wait_in};

#[test]
fn sets_are_received_one_at_a_time_and_in_order() {
    const EACH: u64 = 5_000;
    let runtime = runtime(4);
    let Pair { books, a, b } = Pair::new(&runtime, 8);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (books, a, b) = (Arc::clone(&books), a.clone(), b.clone());
            thread::spawn(move || {
                for number in 0..EACH {
                    let what = || Do::Numbered(sender, number);
                    a.send(A::new(&books, what())).expect("the machine lives");
                    b.send(B::new(&books, what())).expect("the machine lives");
                }
            })
        })
        .collect();
    wait_in(&runtime, "all are sent", || {
        senders.iter().all(|sender| sender.is_finished())
    });
    drop((a, b));
    wait_in(&runtime, "the machine ends", || {
        runtime.machine_count() == 0
    });
    assert_eq!(books.received(), [4 * EACH as usize; 2]);
    assert_eq!(read(&books.overlaps), 0, "two sets at a time");
    assert_eq!(read(&books.out_of_order), 0);
    assert_eq!(read(&books.alive), 0);
}

/// A sender that goes on only when all is read, so that the machine rests and is woken by either mailbox all the time.
#[test]
fn a_machine_at_rest_is_woken_by_each_of_its_mailboxes() {
    let runtime = runtime(4);
    let pair = Pair::new(&runtime, 4);
    for round in 0..3_000 {
        if round % 3 != 1 {
            pair.send(Set::A, Do::Nothing);
        }
        if round % 3 != 0 {
            pair.send(Set::B, Do::Nothing);
        }
        pair.wait_for_all(&runtime);
    }
    assert_eq!(pair.books.received(), [2_000, 2_000]);
}

/// A report and a push to the second mailbox set the same bit.
#[test]
fn a_report_and_an_instruction_for_any_mailbox_do_not_hide_each_other() {
    let runtime = runtime(2);
    let pair = Pair::new(&runtime, 4);
    for _ in 0..100 {
        pair.send(Set::B, Do::Nothing);
        let reports = runtime.machine_reports(PATIENCE).expect("outside");
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].id, pair.b.id());
    }
    pair.wait_for_all(&runtime);
}

#[test]
fn a_machine_finds_the_mailboxes_of_all_its_sets() {
    let runtime = runtime(2);
    let Pair { books, a, b } = Pair::new(&runtime, 4);
    let handle = a.handle();
    a.send(A::new(&books, Do::SendSelf(100))).expect("it lives");
    // Only the first set's senders are left: the other mailbox can still be reached from inside.
    drop(b);
    wait_in(&runtime, "all is received", || {
        books.received() == [101, 100]
    });
    drop(a);
    assert_eq!(handle.wait(PATIENCE), Ok(EndReason::NoSenders));
}

/// A mailbox that is never empty does not keep the others from being read, whatever the budget is.
#[test]
fn mailboxes_are_read_in_turn() {
    for budget in [1, 2, 256] {
        let runtime = Runtime::builder()
            .workers(1)
            .budget(budget)
            .build()
            .expect("a thread");
        let pair = Pair::new(&runtime, 1_000);
        pair.send(Set::A, Do::SendSelf(u64::MAX));
        for _ in 0..100 {
            pair.send(Set::B, Do::Nothing);
        }
        wait_in(&runtime, "the second is read too", || {
            pair.books.received()[1] > 1_000
        });
        pair.a.handle().stop();
        assert_eq!(pair.a.handle().wait(PATIENCE), Ok(EndReason::Stopped));
    }
}

/// A turn ends with its share, whichever of the mailboxes that was spent on, and though each of them was found empty.
#[test]
fn a_share_is_one_for_all_mailboxes() {
    let runtime = Runtime::builder()
        .workers(1)
        .budget(1)
        .build()
        .expect("a thread");
    let pair = Pair::new(&runtime, 4);
    let gate = pair.hold();
    pair.send(Set::A, Do::Nothing);
    pair.send(Set::B, Do::Nothing);
    gate.open();
    pair.wait_for_all(&runtime);
    runtime.wait_idle(PATIENCE).expect("outside");
    let workers = runtime.stats().total();
    assert_eq!(workers.instructions, 3);
    assert_eq!(
        workers.exhausted, 2,
        "each instruction was a turn's share, and there was more after two of them"
    );
}

/// One mailbox is read to its end, and the next instruction of the same turn, from the other one, takes long: meanwhile there is room in the first.
#[test]
fn room_of_one_mailbox_does_not_wait_for_the_other() {
    let runtime = runtime(1);
    let pair = Pair::new(&runtime, 1);
    // The only worker is kept away, so that both are there when the turn begins.
    let other = Pair::new(&runtime, 1);
    let first = other.hold();
    let second = Gate::new();
    pair.send(Set::A, Do::Nothing);
    pair.send(Set::B, Do::Hold(Arc::clone(&second)));
    first.open();
    wait_in(&runtime, "it holds in the other one", || second.came() == 1);
    let sent = pair.a.try_send(pair.a(Do::Nothing));
    second.open();
    assert!(sent.is_ok(), "the mailbox is empty");
    pair.wait_for_all(&runtime);
}

/// The same where a thread waits for that room, so that it is to be handed over, and the instruction was not the first of its turn.
#[test]
fn room_of_one_mailbox_is_given_to_who_waits_before_the_other_is_read() {
    let runtime = runtime(1);
    let pair = Pair::new(&runtime, 1);
    let other = Pair::new(&runtime, 1);
    let (first, second, third) = (other.hold(), Gate::new(), Gate::new());
    pair.send(Set::A, Do::Nothing);
    pair.send(Set::B, Do::Hold(Arc::clone(&second)));
    first.open();
    wait_in(&runtime, "it holds in the second", || second.came() == 1);
    pair.send(Set::A, Do::Hold(Arc::clone(&third)));
    let (b, books) = (pair.b.clone(), Arc::clone(&pair.books));
    let waits = thread::spawn(move || b.send(B::new(&books, Do::Nothing)).is_ok());
    wait_in(&runtime, "a thread waits", || pair.b.info().waiting > 0);
    second.open();
    wait_in(&runtime, "it holds in the first", || third.came() == 1);
    wait_in(&runtime, "the thread has sent", || waits.is_finished());
    third.open();
    assert!(waits.join().expect("it did not panic"));
    pair.wait_for_all(&runtime);
}
