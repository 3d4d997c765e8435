//! Faults on purpose, so that tests see the oracles find them, from the swarm to the exit code.

use std::sync::Arc;

use d3::{MachineMut, Runtime};

use super::arguments::Sabotage;
use super::books::Books;
use super::load::{Load, Order, Small};
use super::plan::Kind;

/// Breaks a swarm that runs.
pub(crate) fn commit(how: Sabotage, runtime: &Runtime, books: &Arc<Books>) {
    match how {
        Sabotage::Lose => lose(books),
        Sabotage::Hang => hang(runtime),
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

struct Sleeper;

impl MachineMut<Small> for Sleeper {
    fn receive(&mut self, _: Small) {
        loop {
            std::thread::park();
        }
    }
}

/// A machine that keeps its worker for ever.
fn hang(runtime: &Runtime) {
    let books = Arc::<Books>::default();
    let account = books.open_account("the sleeper".into(), Kind::Small, true, false);
    let order = Order {
        stream: 0,
        sequence: 1,
        fuel: 0,
        explosive: false,
    };
    let sleeper = runtime
        .machine(Sleeper)
        .name("the sleeper")
        .accepts::<Small>()
        .connect();
    // A runtime that has ended already hands it back, and nothing hangs.
    let _ = sleeper.send(Small::load(&account, &order));
}
