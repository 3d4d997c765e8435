//! Faults on purpose, so that tests see the oracles find them, from the swarm to the exit code.

use std::sync::Arc;

use d3::{MachineMut, Runtime};

use super::arguments::Sabotage;
use super::books::{Account, Books};
use super::load::{Load, Order, Small};
use super::plan::Kind;

/// Breaks a swarm that runs.
pub(crate) fn commit(how: Sabotage, runtime: &Runtime, books: &Arc<Books>) {
    match how {
        Sabotage::Lose => lose(books),
        Sabotage::Hang => hang(runtime, books),
        Sabotage::Crash => std::process::abort(),
    }
}

/// As if a send had said that it was accepted, and nobody ever saw the instruction again.
pub(crate) fn lose(books: &Arc<Books>) {
    let account = books.open_account("the lost one".into(), Kind::Small, false, false);
    let order = Order {
        stream: books.open_stream("the one who loses"),
        sequence: 1,
        fuel: 0,
        explosive: false,
    };
    std::mem::forget(Small::load(&account, &order));
    account.accepted.add_one();
}

struct Sleeper(Arc<Account>);

impl MachineMut<Small> for Sleeper {
    fn receive(&mut self, _: Small) {
        let _inside = self.0.enter();
        loop {
            std::thread::park();
        }
    }
}

/// A machine that keeps its worker for ever.
fn hang(runtime: &Runtime, books: &Books) {
    // As a machine that another one connects: the runtime may have ended already, and refuse it.
    let account = books.open_account("the sleeper".into(), Kind::Small, true, true);
    let order = Order {
        stream: 0,
        sequence: 1,
        fuel: 0,
        explosive: false,
    };
    let sleeper = runtime
        .machine(Sleeper(Arc::clone(&account)))
        .name("the sleeper")
        .accepts::<Small>()
        .connect();
    // A runtime that has ended already hands it back, and nothing hangs.
    if let Err(error) = sleeper.send(Small::load(&account, &order)) {
        error.into_inner().take_back(&account);
    }
}
