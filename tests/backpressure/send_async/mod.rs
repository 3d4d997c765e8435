//! `send_async`: a future may be polled any number of times and dropped at any moment. Its instruction has then either been delivered or
//! comes back, never both and never neither; the capacity is never exceeded; and the others who wait get their turn.

mod mailboxes;
mod model;
mod races;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};

use d3::SendFuture;
use d3::prelude::*;

use crate::support::futures::CountingWaker;
use crate::support::probe::{Counted, read};
use crate::support::{PATIENCE, runtime};
use mailboxes::{Channel, Mailbox, Stepped};

/// A number, and a value that counts its end.
#[derive(Debug, MachineImpl)]
enum Cargo {
    Item(
        usize,
        #[allow(dead_code, reason = "it counts its end")] Counted,
    ),
}

fn poll(future: &mut SendFuture<Cargo>) -> Poll<Result<(), SendError<Cargo>>> {
    let (_, waker) = CountingWaker::new();
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// What a scenario is about.
#[derive(Debug, Clone, Copy)]
struct Case {
    capacity: usize,
    /// Futures that wait besides the one that is looked at, and how many of them come before it.
    competitors: usize,
    ahead: usize,
    /// After how many polls the future is given up.
    polls: usize,
    /// Whether by a plain drop, or by taking the instruction back.
    by_drop: bool,
}

/// Fills the mailbox, lets all futures wait, reads one instruction after another and polls all. The one that is looked at is given up after
/// `case.polls` polls. Returns how often it was polled.
fn scenario(mailbox: &mut dyn Mailbox, case: Case) -> usize {
    const TARGET: usize = 1_000;
    let ends = Arc::<AtomicUsize>::default();
    let sender = mailbox.sender().clone();
    let mut full = 0;
    while sender
        .try_send(Cargo::Item(full, Counted::new(&ends)))
        .is_ok()
    {
        full += 1;
        // A machine takes the first in hand; its room is given out when it has received it.
        mailbox.begin();
    }

    let competitor = |number: usize| sender.send_async(Cargo::Item(number, Counted::new(&ends)));
    let mut others: Vec<_> = (0..case.competitors)
        .map(|nth| (2_000 + nth, Some(competitor(2_000 + nth))))
        .collect();
    let mut target = Some(competitor(TARGET));
    let (mut polled, mut delivered, mut came_back) = (0, false, false);
    let mut order = Vec::new();
    let mut rounds = 0;
    loop {
        for nth in 0..=others.len() {
            if nth == case.ahead
                && let Some(future) = &mut target
                && polled < case.polls
            {
                polled += 1;
                if polled == 1 {
                    order.push(TARGET);
                }
                if let Poll::Ready(result) = poll(future) {
                    result.expect("nobody ends here");
                    delivered = true;
                    target = None;
                }
            }
            if nth == case.ahead
                && polled == case.polls
                && let Some(future) = target.take()
            {
                if case.by_drop {
                    drop(future);
                } else {
                    came_back = future.into_inner().is_some();
                }
            }
            if let Some((number, slot @ Some(_))) = others.get_mut(nth) {
                if rounds == 0 {
                    order.push(*number);
                }
                if slot.as_mut().is_some_and(|future| poll(future).is_ready()) {
                    *slot = None;
                }
            }
        }
        assert!(sender.len() <= case.capacity, "{case:?}: over its capacity");
        let all_sent = target.is_none() && others.iter().all(|(_, future)| future.is_none());
        // One was refused when the mailbox was full.
        if all_sent && read(&ends) == full + case.competitors + 2 {
            break;
        }
        // Each round takes one: who waits longer than all that is before it is starved.
        assert!(
            rounds < 2 * (full + case.competitors + 3),
            "{case:?}: starved"
        );
        rounds += 1;
        mailbox.step();
    }

    let received = mailbox.received();
    let came = received.iter().filter(|number| **number == TARGET).count();
    assert!(came <= 1, "{case:?}: it came {came} times");
    assert!(!delivered || came == 1, "{case:?}: sent, and not received");
    assert!(
        !came_back || came == 0,
        "{case:?}: handed back, and received"
    );
    assert!(
        case.by_drop || delivered || came_back || came == 1,
        "{case:?}: lost"
    );
    order.retain(|number| *number != TARGET || came == 1);
    let due: Vec<_> = (0..full).chain(order).collect();
    assert_eq!(received, due, "{case:?}: in order of their first poll");
    polled
}

/// Every number of polls up to the end, for every place among those who wait.
fn every_number_of_polls(capacities: &[usize], make: &dyn Fn(usize) -> Box<dyn Mailbox>) {
    for &capacity in capacities {
        for competitors in 0..=3 {
            for ahead in 0..=competitors {
                for by_drop in [false, true] {
                    for polls in 0.. {
                        let case = Case {
                            capacity,
                            competitors,
                            ahead,
                            polls,
                            by_drop,
                        };
                        if scenario(&mut *make(capacity), case) < polls {
                            // It had resolved before it could be given up.
                            assert!(polls > 2, "{case:?}: it never waited");
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn given_up_after_every_number_of_polls_to_a_receiver() {
    every_number_of_polls(&[1, 2, 3, 4, 8], &|capacity| {
        Box::new(Channel::new(capacity))
    });
}

#[test]
fn given_up_after_every_number_of_polls_to_a_machine() {
    let runtime = runtime(1);
    every_number_of_polls(&[1, 2, 3, 5], &|capacity| {
        Box::new(Stepped::new(&runtime, capacity))
    });
    runtime.shutdown(PATIENCE);
}
