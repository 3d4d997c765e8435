//! Giving up while the reader runs: the outcome is not known beforehand, but it is one of two.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread;

use d3::prelude::*;

use super::{Cargo, poll};
use crate::support::probe::{Counted, read};
use crate::support::rng::Rng;
use crate::support::{PATIENCE, runtime, wait_until, wait_until_or};

/// Threads that poll once or twice and give up, against a reader that never stops and threads that wait for ever: nothing is lost or doubled,
/// and those who wait get through.
fn giving_up_races_with_the_reader(sender: &Sender<Cargo>, received: impl Fn() -> Vec<usize>) {
    const THREADS: usize = 3;
    const EACH: usize = 400;
    let ends = Arc::<AtomicUsize>::default();
    let threads: Vec<_> = (0..=THREADS)
        .map(|nth| {
            let (sender, ends) = (sender.clone(), Arc::clone(&ends));
            thread::spawn(move || {
                let mut sent = Vec::new();
                let mut rng = Rng::new(nth as u64);
                for number in nth * EACH..(nth + 1) * EACH {
                    let item = Cargo::Item(number, Counted::new(&ends));
                    // The last one waits each time.
                    if nth == THREADS {
                        sender.send(item).expect("the reader lives");
                        sent.push(number);
                        continue;
                    }
                    let mut future = sender.send_async(item);
                    for _ in 0..rng.below(4) {
                        if poll(&mut future).is_ready() {
                            break;
                        }
                        thread::yield_now();
                    }
                    // None: delivered, whether or not a poll said so.
                    if future.into_inner().is_none() {
                        sent.push(number);
                    }
                }
                sent
            })
        })
        .collect();
    let mut sent: Vec<usize> = Vec::new();
    for thread in threads {
        wait_until("nobody is starved", || thread.is_finished());
        sent.extend(thread.join().expect("no thread panics"));
    }
    wait_until_or(
        "all that was sent arrives",
        || received().len() >= sent.len(),
        || format!("{} of {}", received().len(), sent.len()),
    );
    let mut received = received();
    received.sort_unstable();
    assert_eq!(received, sent, "what was not handed back is received, once");
    wait_until("each ends once", || read(&ends) == (THREADS + 1) * EACH);
}

#[test]
fn giving_up_races_with_a_machine() {
    for capacity in [1, 4] {
        let runtime = runtime(2);
        let received = Arc::<Mutex<Vec<usize>>>::default();
        let (_, sender) = {
            let received = Arc::clone(&received);
            runtime.connect_with_capacity(
                move |Cargo::Item(number, _): Cargo| received.lock().unwrap().push(number),
                capacity,
            )
        };
        giving_up_races_with_the_reader(&sender, || received.lock().unwrap().clone());
        runtime.shutdown(PATIENCE);
    }
}

#[test]
fn giving_up_races_with_a_receiver() {
    for capacity in [1, 4] {
        let (sender, receiver) = bounded(capacity);
        let received = Arc::<Mutex<Vec<usize>>>::default();
        let reader = {
            let received = Arc::clone(&received);
            thread::spawn(move || {
                for Cargo::Item(number, _) in receiver.iter() {
                    received.lock().unwrap().push(number);
                }
            })
        };
        giving_up_races_with_the_reader(&sender, || received.lock().unwrap().clone());
        drop(sender);
        reader.join().expect("it ends with the last sender");
    }
}
