//! That the books find what does not add up.

use std::sync::Arc;

use super::order;
use crate::swarm::books::{Books, Order as OrderOracle, Sums};
use crate::swarm::load::{Load, Small, withdraw};
use crate::swarm::plan::Kind;
use crate::swarm::sabotage;

#[test]
fn sums_that_do_not_add_up() {
    let good = Sums {
        made: 10,
        accepted: 8,
        received: 6,
        returned: 2,
        dead: 2,
    };
    assert_eq!(good.imbalance("x"), None);
    let lost = Sums {
        received: 5,
        ..good
    };
    assert!(
        lost.imbalance("x")
            .is_some_and(|text| text.contains("not conserved"))
    );
    let twice = Sums {
        received: 7,
        ..good
    };
    assert!(twice.imbalance("x").is_some());
    let leaked = Sums { made: 11, ..good };
    assert!(
        leaked
            .imbalance("x")
            .is_some_and(|text| text.contains("a leak"))
    );
}

#[test]
fn the_ledger_follows_each_instruction() {
    let books = Arc::<Books>::default();
    let account = books.open_account("mailbox".into(), Kind::Small, false, false);
    // Received, dropped unread, handed back, and withdrawn with its future.
    let received = Small::load(&account, &order(1));
    account.accepted.add_one();
    account.received.add_one();
    assert!(received.open().intact);
    account.accepted.add_one();
    drop(Small::load(&account, &order(2)));
    Small::load(&account, &order(3)).take_back(&account);
    let withdrawn = Small::load(&account, &order(4));
    assert!(withdraw(|| drop(withdrawn)));
    account.returned.add_one();
    assert!(!withdraw(|| ()), "nothing was in it");
    assert_eq!(books.imbalances(0), Vec::<String>::new());
    assert_eq!((account.made.get(), account.dead.get()), (4, 1));
    // One that vanishes.
    sabotage::lose(&books);
    let found = books.imbalances(0);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("the lost one: not conserved"),
        "{found:?}"
    );
    assert!(!books.balanced(0));
}

#[test]
fn instructions_without_bytes_are_counted_in_all() {
    let books = Books::default();
    let account = books.open_account("mailbox".into(), Kind::Empty, false, false);
    account.made.add_one();
    account.accepted.add_one();
    assert!(books.balanced(1));
    assert!(!books.balanced(0));
    account.received.add_one();
    assert!(books.balanced(0));
    assert!(!books.balanced(1));
}

#[test]
fn order_is_checked_per_sender() {
    let mut order = OrderOracle::default();
    let mut note = |stream, sequence| order.note(stream, sequence);
    assert_eq!(note(1, 1), None);
    assert_eq!(note(2, 1), None);
    assert_eq!(note(1, 5), None, "a gap is a send that was refused");
    assert!(note(1, 4).is_some_and(|text| text.contains("number 4 came after number 5")));
    assert_eq!(note(2, 2), None);
    assert!(note(2, 2).is_some(), "twice");
}

#[test]
fn hooks_are_checked() {
    let books = Books::default();
    let account = |label: &str, connected, disconnected, is_child| {
        let account = books.open_account(label.into(), Kind::Small, true, is_child);
        (0..connected).for_each(|_| {
            account.connected.add_one();
        });
        (0..disconnected).for_each(|_| {
            account.disconnected.add_one();
        });
    };
    account("good", 1, 1, false);
    account("refused child", 0, 0, true);
    assert_eq!(books.hook_faults(), Vec::<String>::new());
    account("never connected", 0, 0, false);
    account("never disconnected", 1, 0, false);
    account("disconnected twice", 1, 2, true);
    let value = books.open_value("value".into());
    let faults = books.hook_faults();
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[3].contains("value: its value was dropped 0 times"));
    value.dropped.add_one();
    assert_eq!(books.hook_faults().len(), 3);
    value.dropped.add_one();
    assert_eq!(books.hook_faults().len(), 4);
}

#[test]
fn two_at_a_time_are_seen() {
    let books = Books::default();
    let account = books.open_account("mailbox".into(), Kind::Small, true, false);
    let first = account.enter();
    assert!(first.is_some());
    assert!(account.enter().is_none());
    drop(first);
    assert!(account.enter().is_some());
}

#[test]
fn the_mailboxes_of_one_token_run_one_at_a_time() {
    let books = Books::default();
    let first = books.open_account("first".into(), Kind::Small, true, false);
    let second = books.open_further("second".into(), Kind::Empty, &first);
    let inside = first.enter();
    assert!(inside.is_some());
    assert!(second.enter().is_none());
    drop(inside);
    assert!(second.enter().is_some());
    // The hooks are one machine's.
    first.connected.add_one();
    first.disconnected.add_one();
    assert_eq!(books.hook_faults(), Vec::<String>::new());
}

#[test]
fn faults_do_not_fill_the_memory() {
    let books = Books::default();
    (0..1_000).for_each(|number| books.fault(format!("fault {number}")));
    let faults = books.faults();
    assert_eq!(faults.len(), 21);
    assert_eq!(faults[20], "and 980 more");
}

#[test]
fn a_machine_that_is_told_to_look_again_has_not_moved() {
    let books = Books::default();
    let poked = books.open_poked("poller".into());
    let (moved, received) = (books.moved(), books.received());
    let poke = Small::load(&poked, &order(1));
    poked.accepted.add_one();
    assert_eq!(books.imbalances(0).len(), 1, "one that is on its way");
    poked.received.add_one();
    assert!(poke.open().intact);
    assert_eq!(books.imbalances(0), Vec::<String>::new());
    assert_eq!((books.moved(), books.received()), (moved, received));
    // Work does move them.
    let work = books.open_account("mailbox".into(), Kind::Small, true, false);
    work.received.add_one();
    assert_ne!((books.moved(), books.received()), (moved, received));
}
