//! The queue against a plain model, with odd instruction types, and with threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;

use super::word::{BARE, CONTROL, IDLE, WAITERS};
use super::{Announce, Bound, Popped, Queue, Refused, Rest, UNBOUNDED, Wake};

fn pop<P>(queue: &Queue<P>) -> Option<P> {
    // SAFETY: these tests have one consumer.
    match unsafe { queue.pop() } {
        Popped::Item(value) => Some(value),
        Popped::Empty => None,
        Popped::Unwritten => panic!("no push is in progress"),
    }
}

fn rest<P>(queue: &Queue<P>) -> Rest {
    // SAFETY: these tests have one consumer.
    unsafe { queue.rest() }
}

/// What a push obliges its caller to: who is to be scheduled, and whether the bound was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pushed {
    wake: Wake,
    over: bool,
}

/// A push whose instruction comes back with the refusal.
fn push<P>(queue: &Queue<P>, value: P, bound: Bound) -> Result<Pushed, (Refused, P)> {
    match queue.claim(bound) {
        Ok(claim) => {
            let over = claim.over;
            let wake = claim.write(value);
            Ok(Pushed { wake, over })
        }
        Err(refused) => Err((refused, value)),
    }
}

fn must_push<P: std::fmt::Debug>(queue: &Queue<P>, value: P) -> Wake {
    push(queue, value, Bound::Capacity)
        .expect("there is room")
        .wake
}

#[test]
fn a_fresh_queue_rests_without_storage() {
    let queue = Queue::<u64>::new(4, true);
    assert!(queue.tail().has(IDLE) && queue.tail().has(BARE));
    assert_eq!(must_push(&queue, 7), Wake::Schedule);
    assert!(!queue.tail().has(IDLE) && !queue.tail().has(BARE));
    assert_eq!(must_push(&queue, 8), Wake::Nothing);
    assert_eq!(
        (pop(&queue), pop(&queue), pop(&queue)),
        (Some(7), Some(8), None)
    );
    assert_eq!(rest(&queue), Rest::Rested);
    assert!(queue.tail().has(BARE), "storage goes back at rest");
}

#[test]
fn the_bound_holds_for_those_who_may_not_exceed_it() {
    let queue = Queue::<u64>::new(2, false);
    let _ = must_push(&queue, 0);
    let _ = must_push(&queue, 1);
    assert!(matches!(
        push(&queue, 2, Bound::Capacity),
        Err((Refused::Full, 2))
    ));
    assert!(push(&queue, 2, Bound::Overflow(3)).is_ok_and(|pushed| pushed.over));
    assert!(matches!(
        push(&queue, 3, Bound::Overflow(3)),
        Err((Refused::Limit, 3))
    ));
    assert_eq!(pop(&queue), Some(0));
    assert!(
        matches!(push(&queue, 3, Bound::Capacity), Err((Refused::Full, 3))),
        "room is room once it is published"
    );
    assert!(matches!(
        push(&queue, 3, Bound::Below(queue.next_limit())),
        Err((Refused::Full, 3))
    ));
    assert_eq!(pop(&queue), Some(1));
    queue.publish_limit();
    assert!(push(&queue, 3, Bound::Capacity).is_ok_and(|pushed| !pushed.over));
    assert_eq!(queue.len(), 2);
}

#[test]
fn a_closed_queue_keeps_what_it_has_and_takes_no_more() {
    let queue = Queue::<u64>::new(4, true);
    assert_eq!(must_push(&queue, 1), Wake::Schedule);
    assert_eq!(
        queue.close(),
        Wake::Nothing,
        "the push took the duty to schedule"
    );
    assert!(matches!(
        push(&queue, 2, Bound::Capacity),
        Err((Refused::Closed, 2))
    ));
    assert!(matches!(
        push(&queue, 2, Bound::Overflow(9)),
        Err((Refused::Closed, 2))
    ));
    assert_eq!(queue.post_control(), None);
    assert_eq!(pop(&queue), Some(1));
    assert_eq!(rest(&queue), Rest::Closed);
    assert_eq!(Queue::<u64>::new(4, true).close(), Wake::Schedule);
}

/// A machine may exceed the capacity, but not the end.
#[test]
fn a_full_queue_that_is_closed_takes_no_more_from_anybody() {
    let queue = Queue::<u64>::new(1, false);
    let _ = must_push(&queue, 1);
    assert!(push(&queue, 2, Bound::Overflow(9)).is_ok_and(|pushed| pushed.over));
    assert_eq!(queue.close(), Wake::Nothing);
    for bound in [Bound::Capacity, Bound::Overflow(9), Bound::Below(9)] {
        assert!(matches!(push(&queue, 3, bound), Err((Refused::Closed, 3))));
    }
    assert_eq!(
        (pop(&queue), pop(&queue), pop(&queue)),
        (Some(1), Some(2), None)
    );
}

#[test]
fn a_control_post_wakes_once_and_forbids_rest() {
    let queue = Queue::<u64>::new(4, true);
    assert_eq!(queue.post_control(), Some(Wake::Schedule));
    assert_eq!(queue.post_control(), Some(Wake::Nothing));
    assert_eq!(rest(&queue), Rest::Control);
    queue.clear_control();
    assert!(
        !queue.tail().has(CONTROL) && queue.tail().has(BARE),
        "only a push clears BARE"
    );
    assert_eq!(rest(&queue), Rest::Rested);
}

#[test]
fn who_waits_forbids_rest() {
    let queue = Queue::<u64>::new(1, true);
    assert_eq!(
        queue.announce_waiter(0),
        Announce::Room,
        "a resting consumer has room"
    );
    assert_eq!(must_push(&queue, 1), Wake::Schedule);
    assert_eq!(
        queue.announce_waiter(1),
        Announce::Room,
        "not above low water"
    );
    assert_eq!(queue.announce_waiter(0), Announce::Announced);
    assert_eq!(queue.announce_waiter_at_limit(), Announce::Announced);
    assert_eq!(pop(&queue), Some(1));
    assert_eq!(rest(&queue), Rest::Waiters);
    queue.clear_waiters();
    assert!(!queue.tail().has(WAITERS));
    assert_eq!(rest(&queue), Rest::Rested);
    let _ = queue.close();
    assert_eq!(queue.announce_waiter(0), Announce::Closed);
    assert_eq!(queue.announce_waiter_at_limit(), Announce::Closed);
}

/// Instructions of every awkward layout go through block borders unharmed.
#[test]
fn odd_types() {
    #[derive(Debug, PartialEq, Clone, Copy)]
    #[repr(align(128))]
    struct Aligned(u8);

    fn through<P: Clone + PartialEq + std::fmt::Debug>(value: P) {
        let queue = Queue::<P>::new(UNBOUNDED, false);
        for _ in 0..200 {
            let _ = must_push(&queue, value.clone());
        }
        for _ in 0..200 {
            assert_eq!(pop(&queue).as_ref(), Some(&value));
        }
        assert_eq!(pop(&queue), None);
        assert_eq!(rest(&queue), Rest::Rested);
    }
    through(());
    through(Aligned(3));
    through([7u8; 20_000]);
    through(1u8);
    through((1u8, u128::MAX));
    through(Box::new("text".to_owned()));
}

/// What is left in a queue is dropped with it, once.
#[test]
fn unread_instructions_are_dropped_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let queue = Queue::new(UNBOUNDED, false);
    for _ in 0..100 {
        assert!(push(&queue, Counted(Arc::clone(&drops)), Bound::Capacity).is_ok());
    }
    for _ in 0..37 {
        drop(pop(&queue));
    }
    assert_eq!(drops.load(Ordering::Relaxed), 37);
    drop(queue);
    assert_eq!(drops.load(Ordering::Relaxed), 100);
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Overflow(u64),
    Pop,
    Publish,
    Rest,
    Control,
    ClearControl,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Push),
        2 => (1..40u64).prop_map(Step::Overflow),
        6 => Just(Step::Pop),
        1 => Just(Step::Publish),
        2 => Just(Step::Rest),
        1 => Just(Step::Control),
        1 => Just(Step::ClearControl),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any sequence of steps behaves as a plain queue with a published limit does.
    #[test]
    fn like_a_plain_queue(capacity in 1..20u64, steps in prop::collection::vec(step(), 1..400)) {
        let queue = Queue::<u64>::new(capacity, false);
        let mut plain = VecDeque::new();
        let (mut next, mut head, mut limit) = (0u64, 0u64, capacity);
        let (mut idle, mut control) = (false, false);
        for step in steps {
            match step {
                Step::Push | Step::Overflow(_) => {
                    let bound = if let Step::Overflow(hard) = step { Bound::Overflow(hard) } else { Bound::Capacity };
                    let index = head + plain.len() as u64;
                    let over = index >= limit;
                    let refused = over && match bound {
                        Bound::Overflow(hard) => plain.len() as u64 >= hard,
                        _ => true,
                    };
                    match push(&queue, next, bound) {
                        Ok(pushed) => {
                            prop_assert!(!refused);
                            prop_assert_eq!(pushed.over, over);
                            prop_assert_eq!(pushed.wake == Wake::Schedule, idle);
                            plain.push_back(next);
                            idle = false;
                        }
                        Err((Refused::Full | Refused::Limit, back)) => {
                            prop_assert!(refused);
                            prop_assert_eq!(back, next);
                        }
                        Err((Refused::Closed, _)) => prop_assert!(false, "nobody closed"),
                    }
                    next += 1;
                }
                Step::Pop => {
                    let expected = plain.pop_front();
                    head += u64::from(expected.is_some());
                    prop_assert_eq!(pop(&queue), expected);
                }
                Step::Publish => {
                    limit = queue.publish_limit();
                    prop_assert_eq!(limit, head + capacity);
                }
                Step::Rest if idle => {}
                Step::Rest => {
                    let outcome = rest(&queue);
                    if outcome == Rest::Rested {
                        limit = head + capacity;
                    }
                    let expected = if !plain.is_empty() {
                        Rest::Busy
                    } else if control {
                        Rest::Control
                    } else {
                        Rest::Rested
                    };
                    prop_assert_eq!(outcome, expected);
                    idle = outcome == Rest::Rested;
                }
                Step::Control => {
                    let expected = if idle { Wake::Schedule } else { Wake::Nothing };
                    prop_assert_eq!(queue.post_control(), Some(expected));
                    (idle, control) = (false, true);
                }
                Step::ClearControl => {
                    queue.clear_control();
                    control = false;
                }
            }
            prop_assert_eq!(queue.len(), plain.len() as u64);
        }
    }
}

/// Four producers and a consumer that rests whenever it can: exactly once, in order per producer, one wake per rest.
#[test]
fn threads() {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = if cfg!(miri) { 50 } else { 20_000 };
    let queue = Arc::new(Queue::<(u64, u64)>::new(UNBOUNDED, true));
    let token = Arc::new(AtomicBool::new(false));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (queue, token) = (Arc::clone(&queue), Arc::clone(&token));
            std::thread::spawn(move || {
                for n in 0..EACH {
                    if must_push(&queue, (producer, n)) == Wake::Schedule {
                        assert!(
                            !token.swap(true, Ordering::AcqRel),
                            "two wakes for one rest"
                        );
                    }
                }
            })
        })
        .collect();
    let mut next = [0; PRODUCERS as usize];
    let mut received = 0;
    while received < PRODUCERS * EACH {
        if !token.swap(false, Ordering::AcqRel) {
            std::thread::yield_now();
            continue;
        }
        loop {
            // SAFETY: the token makes this thread the consumer.
            match unsafe { queue.pop() } {
                Popped::Item((producer, n)) => {
                    assert_eq!(n, next[producer as usize]);
                    next[producer as usize] += 1;
                    received += 1;
                }
                Popped::Unwritten => std::thread::yield_now(),
                Popped::Empty if rest(&queue) == Rest::Rested => break,
                Popped::Empty => {}
            }
        }
    }
    for producer in producers {
        producer.join().expect("no producer panics");
    }
    assert_eq!(next, [EACH; PRODUCERS as usize]);
}

/// A reader that is kept while others push, from every place where it may begin, and over the ends of blocks.
#[test]
fn a_reader_keeps_its_place() {
    fn run<P: Clone + PartialEq + std::fmt::Debug>(make: impl Fn(usize) -> P) {
        for before in if cfg!(miri) { 3..5 } else { 0..9 } {
            for burst in [1, if cfg!(miri) { 9 } else { 40 }] {
                // Awake and bare at first.
                let queue = Queue::<P>::new(UNBOUNDED, false);
                let (mut pushed, mut read) = (0, 0);
                for _ in 0..before {
                    let _ = must_push(&queue, make(pushed));
                    pushed += 1;
                }
                for _ in 0..before / 2 {
                    assert_eq!(pop(&queue), Some(make(read)));
                    read += 1;
                }
                // SAFETY: this thread is the consumer.
                let mut reader = unsafe { queue.reader() };
                for _ in 0..3 {
                    // SAFETY: as above.
                    while let Some(value) = unsafe { reader.take() } {
                        assert_eq!(value, make(read));
                        read += 1;
                        assert_eq!((reader.head(), queue.head()), (read as u64, read as u64));
                        if pushed % 7 != 0 {
                            let _ = must_push(&queue, make(pushed));
                            pushed += 1;
                        }
                    }
                    assert!(reader.is_at_end());
                    assert_eq!(read, pushed);
                    for _ in 0..burst {
                        let _ = must_push(&queue, make(pushed));
                        pushed += 1;
                    }
                    assert!(!reader.is_at_end());
                }
            }
        }
    }
    run(|n| n);
    run(|n| n as u8);
    run(|_| ());
    run(|n| vec![n; 2]);
    run(|n| [n; 40]);
    #[derive(Clone, PartialEq, Debug)]
    #[repr(align(256))]
    struct Aligned(usize);
    run(Aligned);
}

/// Claims of several threads are written in any order; the reader waits for the oldest.
#[test]
fn a_reader_waits_for_the_oldest_claim() {
    let queue = Queue::<Box<u64>>::new(UNBOUNDED, true);
    let claims: Vec<_> = (0..20)
        .map(|_| queue.claim(Bound::Capacity).expect("open"))
        .collect();
    // SAFETY: this thread is the consumer.
    let mut reader = unsafe { queue.reader() };
    let mut claims: Vec<_> = claims.into_iter().enumerate().collect();
    let first = claims.remove(0);
    for (n, claim) in claims.into_iter().rev() {
        let _ = claim.write(Box::new(n as u64));
        // SAFETY: as above.
        assert_eq!(unsafe { reader.take() }, None);
        assert!(!reader.is_at_end());
    }
    assert_eq!(first.1.write(Box::new(0)), Wake::Schedule);
    for n in 0..20 {
        // SAFETY: as above.
        assert_eq!(unsafe { reader.take() }, Some(Box::new(n)));
    }
    // SAFETY: as above.
    assert_eq!(unsafe { reader.take() }, None);
    assert!(reader.is_at_end());
}
