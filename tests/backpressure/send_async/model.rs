//! Random sends, polls, drops and receives on a channel, against a plain model of what should happen.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use d3::SendFuture;
use d3::prelude::*;

use super::{Cargo, poll};
use crate::support::probe::{Counted, read};
use crate::support::rng::Rng;

/// What the receiver of a channel should do with random sends, polls, drops and receives: as plain as can be.
struct Model {
    capacity: usize,
    mailbox: VecDeque<usize>,
    /// In order of their first poll.
    waiting: VecDeque<usize>,
}

impl Model {
    fn room(&self) -> bool {
        self.mailbox.len() < self.capacity
    }

    fn receive(&mut self) -> Option<usize> {
        let first = self.mailbox.pop_front();
        // Who waits gets the room at once.
        if self.room() {
            self.mailbox.extend(self.waiting.pop_front());
        }
        first
    }
}

fn follows_the_model(seed: u64) {
    let mut rng = Rng::new(seed);
    let capacity = rng.within(1, 5);
    let (sender, receiver) = bounded(capacity);
    let mut model = Model {
        capacity,
        mailbox: VecDeque::new(),
        waiting: VecDeque::new(),
    };
    let ends = Arc::<AtomicUsize>::default();
    let mut futures: Vec<(usize, SendFuture<Cargo>)> = Vec::new();
    let mut made = 0;
    for _ in 0..200 {
        let what = rng.below(6);
        match what {
            0 | 1 if futures.len() < 8 => {
                made += 1;
                let mut future = sender.send_async(Cargo::Item(made, Counted::new(&ends)));
                let sent = poll(&mut future).is_ready();
                assert_eq!(sent, model.room(), "seed {seed}: the first poll of {made}");
                if sent {
                    model.mailbox.push_back(made);
                } else {
                    model.waiting.push_back(made);
                    futures.push((made, future));
                }
            }
            2 => {
                made += 1;
                let sent = sender.try_send(Cargo::Item(made, Counted::new(&ends)));
                assert_eq!(
                    sent.is_ok(),
                    model.room(),
                    "seed {seed}: try_send of {made}"
                );
                if sent.is_ok() {
                    model.mailbox.push_back(made);
                }
            }
            3 => {
                let received = receiver
                    .try_recv()
                    .ok()
                    .map(|Cargo::Item(number, _)| number);
                assert_eq!(received, model.receive(), "seed {seed}: received");
            }
            4 if !futures.is_empty() => {
                let nth = rng.below(futures.len());
                let waits = model.waiting.contains(&futures[nth].0);
                let sent = poll(&mut futures[nth].1).is_ready();
                assert_eq!(
                    sent, !waits,
                    "seed {seed}: a later poll of {}",
                    futures[nth].0
                );
                if sent {
                    drop(futures.swap_remove(nth));
                }
            }
            5 if !futures.is_empty() => {
                let (number, future) = futures.swap_remove(rng.below(futures.len()));
                let waited = model.waiting.contains(&number);
                model.waiting.retain(|other| *other != number);
                let back = future.into_inner().is_some();
                assert_eq!(back, waited, "seed {seed}: {number} was given up");
            }
            _ => {}
        }
        assert_eq!(receiver.len(), model.mailbox.len(), "seed {seed}");
        assert!(
            model.waiting.is_empty() || !model.room(),
            "seed {seed}: the model itself"
        );
    }
    drop(futures);
    model.waiting.clear();
    let rest: Vec<_> = receiver
        .try_iter()
        .map(|Cargo::Item(number, _)| number)
        .collect();
    assert_eq!(rest, Vec::from(model.mailbox), "seed {seed}: the rest");
    assert_eq!(read(&ends), made, "seed {seed}: each ends once");
}

#[test]
fn a_channel_with_waiting_futures_follows_a_plain_model() {
    for seed in 0..500 {
        follows_the_model(seed);
    }
}
