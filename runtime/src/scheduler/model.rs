//! loom models of the two slots that a worker shares with whoever helps it when it is stuck.
//!
//! The deques are crossbeam's and not seen by loom. A token is a cell of `cell/model.rs`; what its waker wrote lies in a loom cell, so that
//! two turns at once, or one that does not see what was written before, are reported.

use std::sync::Arc;

use ::loom::thread;
use crossbeam_deque::Worker as Deque;

use super::Remote;
use crate::cell::Scheduled;
use crate::cell::model::{Subject, Tally, count_turn, touch};
use crate::sync::model;

fn remote() -> Arc<Remote> {
    Arc::new(Remote::new(&Deque::new_fifo()))
}

/// Machines whose tokens are the model's.
fn machines<const N: usize>() -> [Subject; N] {
    std::array::from_fn(|_| Subject::new(1, false, false))
}

/// The token of a machine, by whoever made it runnable: what it writes is for the machine's next turn to see.
fn woken(machine: &Subject) -> Scheduled {
    touch(machine.header());
    // SAFETY: the model has the token, and hands it over here.
    unsafe { Scheduled::new(machine.header().in_cell()) }
}

/// Every machine had the one turn that it was made runnable for.
fn assert_each_ran_once<const N: usize>(machines: [Subject; N]) {
    for machine in machines {
        assert_eq!(Tally::is(&machine.tally.received), 1, "turns of a machine");
        machine.end().assert_gone();
    }
}

/// The worker fills its slot, displaces what is in it and takes from it, while another worker helps itself, twice.
#[test]
fn model_next_up_and_watch() {
    model("scheduler/next_up_and_watch", None, || {
        let (remote, machines) = (remote(), machines::<3>());
        let watched = Arc::clone(&remote);
        let watch = thread::spawn(move || {
            for _ in 0..2 {
                watched.take_next_up().into_iter().for_each(count_turn);
            }
        });
        for machine in &machines {
            let displaced = remote.put_next_up(woken(machine));
            displaced.into_iter().for_each(count_turn);
        }
        remote.take_next_up().into_iter().for_each(count_turn);
        watch.join().unwrap();
        assert!(!remote.has_next_up(), "a machine is left in the slot");
        assert_each_ran_once(machines);
    });
}

/// One machine after another lingers on its worker, which then looks at the last; another worker helps itself meanwhile.
#[test]
fn model_lingering_and_watch() {
    model("scheduler/lingering_and_watch", None, || {
        let (remote, machines) = (remote(), machines::<2>());
        let watched = Arc::clone(&remote);
        let watch = thread::spawn(move || {
            for _ in 0..2 {
                let found = watched.swap_lingering(None);
                found.into_iter().for_each(count_turn);
            }
        });
        for machine in &machines {
            let before = remote.swap_lingering(Some(woken(machine)));
            before.into_iter().for_each(count_turn);
        }
        if remote.has_lingering() {
            let last = remote.swap_lingering(None);
            last.into_iter().for_each(count_turn);
        }
        watch.join().unwrap();
        assert!(!remote.has_lingering(), "a machine is left in the slot");
        assert_each_ran_once(machines);
    });
}
