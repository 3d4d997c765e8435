//! A waker is the user's code, and may panic where it is cloned or dropped: the future keeps its place and its instruction.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

thread_local! {
    static PANICS: Cell<bool> = const { Cell::new(false) };
    /// Once: a second panic on the way of the first would abort.
    static PANICS_ONCE_DROPPED: Cell<bool> = const { Cell::new(false) };
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |_| {
        assert!(!PANICS.get(), "this waker may not be cloned now");
        RawWaker::new(ptr::null(), &TABLE)
    },
    |_| {},
    |_| {},
    |_| {
        assert!(
            !PANICS_ONCE_DROPPED.take(),
            "this waker may not be dropped now"
        )
    },
);

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    // SAFETY: the functions of the table touch no data, and may be called from any thread.
    let waker = unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &TABLE)) };
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

fn poll_with_a_panic<F: Future + Unpin>(future: &mut F) {
    PANICS.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| poll(future).is_pending()));
    PANICS.set(false);
    assert!(result.is_err(), "the waker was not cloned");
}

#[test]
fn at_the_first_poll_the_future_keeps_its_instruction() {
    let (sender, receiver) = d3_runtime::bounded(1);
    sender.send(1).unwrap();
    let mut future = sender.send_async(2);
    poll_with_a_panic(&mut future);
    assert!(poll(&mut future).is_pending(), "it takes its place now");
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(poll(&mut future), Poll::Ready(Ok(())));
}

#[test]
fn behind_others_the_future_keeps_its_instruction() {
    let (sender, receiver) = d3_runtime::bounded(1);
    sender.send(1).unwrap();
    let mut first = sender.send_async(2);
    assert!(poll(&mut first).is_pending());
    let mut second = sender.send_async(3);
    poll_with_a_panic(&mut second);
    assert_eq!(second.into_inner(), Some(3));
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv().ok(), None);
}

#[test]
fn at_a_later_poll_the_future_keeps_its_place() {
    let (sender, receiver) = d3_runtime::bounded(1);
    sender.send(1).unwrap();
    let mut future = sender.send_async(2);
    assert!(poll(&mut future).is_pending());
    poll_with_a_panic(&mut future);
    assert_eq!(future.into_inner(), Some(2));
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.try_recv().ok(), None);
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A receiver that was once polled with a waker that panicked is woken by the next one.
#[test]
fn a_receiver_goes_on_after_a_waker_that_may_not_be_cloned() {
    let (sender, mut receiver) = d3_runtime::bounded(1);
    poll_with_a_panic(&mut pin!(receiver.recv_async()));
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert!(receiver.poll_recv(&mut context).is_pending());
    sender.send(1).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "it is woken");
    assert_eq!(receiver.poll_recv(&mut context), Poll::Ready(Some(1)));
}

/// The outcome is not lost with the clone that was not needed for it.
#[test]
fn at_the_last_poll_the_future_keeps_its_outcome() {
    let (sender, receiver) = d3_runtime::bounded(1);
    sender.send(1).unwrap();
    let mut future = sender.send_async(2);
    assert!(poll(&mut future).is_pending());
    assert_eq!(receiver.recv(), Ok(1));
    PANICS_ONCE_DROPPED.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| poll(&mut future).is_pending()));
    assert!(result.is_err(), "no waker was dropped");
    assert_eq!(poll(&mut future), Poll::Ready(Ok(())));
}
