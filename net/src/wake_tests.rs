use std::task::{Context, Poll};
use std::time::Duration;

use d3_runtime::unbounded;

use super::*;

fn poll_and_waker() -> (mio::Poll, Arc<PollWaker>, Arc<Counters>) {
    let poll = mio::Poll::new().unwrap();
    let counters = Arc::new(Counters::default());
    let waker = Arc::new(PollWaker::new(poll.registry(), Arc::clone(&counters)).unwrap());
    (poll, waker, counters)
}

#[test]
fn a_burst_into_an_empty_mailbox_is_one_wake() {
    let (mut poll, wake, counters) = poll_and_waker();
    let waker = Waker::from(Arc::clone(&wake));
    let mut context = Context::from_waker(&waker);
    let (sender, mut receiver) = unbounded::<u32>();
    for round in 1..=3 {
        wake.awake();
        assert!(receiver.poll_recv(&mut context).is_pending());
        assert!(wake.may_sleep());
        for n in 0..1000 {
            sender.send(n).unwrap();
        }
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(5)))
            .unwrap();
        assert_eq!(events.iter().filter(|e| e.token() == WAKE).count(), 1);
        assert_eq!(counters.wakes.get(), round);
        for n in 0..1000 {
            assert_eq!(receiver.poll_recv(&mut context), Poll::Ready(Some(n)));
        }
    }
}

#[test]
fn a_notice_while_awake_forbids_the_sleep_and_costs_nothing() {
    let (_poll, wake, counters) = poll_and_waker();
    wake.awake();
    wake.notify();
    assert!(!wake.may_sleep());
    wake.awake();
    assert!(wake.may_sleep());
    assert_eq!(counters.wakes.get(), 0);
}

#[test]
fn a_socket_waker_names_its_socket() {
    let (_poll, wake, _) = poll_and_waker();
    let id = NetConnId::new(1, 3, 4);
    wake.for_socket(id).wake();
    let mut woken = Vec::new();
    wake.take_sockets(&mut woken);
    assert_eq!(woken, [id]);
    assert!(!wake.may_sleep());
}
