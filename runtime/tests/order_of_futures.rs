//! The order of futures under fire: one that waits for room is not overtaken by one that the same thread polls first after it.
//!
//! The smallest form of what the swarm found: room was published to everybody by a receiver that had just looked for waiters in vain.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

#[test]
fn futures_of_one_thread_arrive_in_the_order_of_their_first_poll() {
    const MANY: u64 = 300_000;
    let (sender, receiver) = d3_runtime::bounded(2);
    let reader = std::thread::spawn(move || {
        let (mut last, mut wrong) = (0, Vec::new());
        for n in receiver.iter() {
            if n <= last {
                wrong.push((last, n));
            }
            last = n;
        }
        wrong
    });
    let mut next = 0;
    while next < MANY {
        let mut futures: Vec<_> = (0..8)
            .map(|_| {
                next += 1;
                sender.send_async(next)
            })
            .collect();
        while !futures.is_empty() {
            futures.retain_mut(|f| {
                match Pin::new(f).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(sent) => {
                        sent.expect("it lives");
                        false
                    }
                    Poll::Pending => true,
                }
            });
        }
    }
    drop(sender);
    let wrong = reader.join().expect("it reads");
    assert!(
        wrong.is_empty(),
        "{} of {MANY} overtaken, the first (before, after): {:?}",
        wrong.len(),
        wrong[0]
    );
}
