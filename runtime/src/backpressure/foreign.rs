//! Threads and futures as waiters: their instruction waits in their node, and the receiver takes it from there.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::waiters::{Waiters, Who};
use crate::error::{SendError, TrySendError};
use crate::mailbox::{Announce, word};
use crate::protocol::Point;
use crate::sender::Sender;
use crate::tuning::{
    LONG_WAIT, ROOM_WAIT_MAX_NS, ROOM_WAIT_MIN_NS, ROOM_WAIT_RETRY, ROOM_WAIT_TRIES,
    SPINS_BEFORE_YIELD,
};

/// The future of [`Sender::send_async`].
///
/// It takes its place in the order of arrival when it is first polled. Dropped before it resolved it takes its instruction
/// back: the instruction has then either been delivered, or is dropped with the future, never both.
#[must_use = "futures do nothing unless polled"]
pub struct SendFuture<P: Send + 'static> {
    sender: Sender<P>,
    state: State<P>,
}

/// An instruction that was taken back from the list of those who wait.
enum TakenBack<P> {
    /// It was still waiting.
    InTime(P),
    /// The mailbox had closed before.
    Closed(P),
}

enum State<P> {
    Fresh(P),
    Waiting(u32),
    Done,
}

impl<P: Send + 'static> Unpin for SendFuture<P> {}

impl<P: Send + 'static> SendFuture<P> {
    pub(crate) fn new(sender: Sender<P>, instruction: P) -> Self {
        Self {
            sender,
            state: State::Fresh(instruction),
        }
    }

    /// Gives up and takes the instruction back; None if it was delivered, or handed back already.
    pub fn into_inner(mut self) -> Option<P> {
        match self.take_back() {
            Some(TakenBack::InTime(instruction) | TakenBack::Closed(instruction)) => {
                Some(instruction)
            }
            None => None,
        }
    }

    fn take_back(&mut self) -> Option<TakenBack<P>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Fresh(instruction) => Some(TakenBack::InTime(instruction)),
            State::Waiting(key) => {
                let cell = self.sender.cell();
                let waiters = cell.waiters().get()?;
                let mut list = waiters.lock();
                let who = list.remove(key);
                if list.is_unlinked() {
                    cell.queue.clear_waiters();
                }
                drop(list);
                match who {
                    Who::Waiting(instruction, ..) => Some(TakenBack::InTime(instruction)),
                    Who::Returned(instruction) => Some(TakenBack::Closed(instruction)),
                    Who::Machine(_) | Who::Delivered => None,
                }
            }
            State::Done => None,
        }
    }

    fn start(&mut self, mut instruction: P, to_wake: &Waker) -> Poll<Result<(), SendError<P>>> {
        loop {
            instruction = match self.stand_behind_others(instruction, to_wake) {
                Some(back) => back,
                None => return Poll::Pending,
            };
            instruction = match self.sender.try_send(instruction) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TrySendError::Disconnected(back)) => {
                    return Poll::Ready(Err(SendError::Disconnected(back)));
                }
                Err(TrySendError::Limit(back)) => return Poll::Ready(Err(SendError::Limit(back))),
                Err(TrySendError::Full(back)) => back,
            };
            let waker;
            (instruction, waker) = self.clone_waker(to_wake, instruction);
            let cell = self.sender.cell();
            let mut list = cell.waiters().get_or_init(Waiters::new).lock();
            match cell.queue.announce_waiter_at_limit() {
                Announce::Announced => {
                    crate::sync::point(Point::ForeignEnlists);
                    self.state = State::Waiting(list.link_foreign(instruction, waker));
                    return Poll::Pending;
                }
                Announce::Closed => return Poll::Ready(Err(SendError::Disconnected(instruction))),
                Announce::Room => {}
                Announce::RoomAfterAll => {
                    if list.is_unlinked() {
                        cell.queue.clear_waiters();
                    }
                }
            }
        }
    }

    /// Waits behind threads and futures that wait already, whatever room there is: it was made for them. None: done.
    ///
    /// Without this a future could overtake one that was polled before it: room is published to everybody when the consumer has
    /// looked for waiters and found none, and the first may have come in between.
    fn stand_behind_others(&mut self, instruction: P, to_wake: &Waker) -> Option<P> {
        if !self.sender.cell().queue.tail().has(word::WAITERS) {
            return Some(instruction);
        }
        // A runtime that drains takes no more from here, or those who wait would never come to an end.
        if self.sender.is_disconnected() {
            return Some(instruction);
        }
        let (instruction, waker) = self.clone_waker(to_wake, instruction);
        let Some(waiters) = self.sender.cell().waiters().get() else {
            return Some(instruction);
        };
        let mut list = waiters.lock();
        if !list.has_foreign() {
            drop(list);
            return Some(instruction);
        }
        // WAITERS stays set while somebody is linked, and whoever serves the first serves the next.
        self.state = State::Waiting(list.link_foreign(instruction, waker));
        None
    }

    /// Before the lock, since a waker is the user's code; which may panic: the future keeps its instruction meanwhile.
    fn clone_waker(&mut self, waker: &Waker, instruction: P) -> (P, Waker) {
        self.state = State::Fresh(instruction);
        let waker = waker.clone();
        match std::mem::replace(&mut self.state, State::Done) {
            State::Fresh(instruction) => (instruction, waker),
            State::Waiting(_) | State::Done => unreachable!("nobody else changes the state"),
        }
    }

    fn look(&mut self, key: u32, waker: &Waker) -> Poll<Result<(), SendError<P>>> {
        // Also where the user's waker panics it keeps its place.
        self.state = State::Waiting(key);
        let Some(waiters) = self.sender.cell().waiters().get() else {
            return Poll::Pending;
        };
        // Cloned before the lock, and the old one dropped after it: a waker is the user's code.
        let fresh = waker.clone();
        let mut list = waiters.lock();
        let (waits, unused) = match list.who(key) {
            Who::Waiting(_, stored, _) => (true, std::mem::replace(stored, fresh)),
            _ => (false, fresh),
        };
        drop(list);
        drop(unused);
        if waits {
            return Poll::Pending;
        }
        let mut list = waiters.lock();
        self.state = State::Done;
        match list.remove(key) {
            Who::Returned(instruction) => Poll::Ready(Err(SendError::Disconnected(instruction))),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<P: Send + 'static> Future for SendFuture<P> {
    type Output = Result<(), SendError<P>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Fresh(instruction) => self.start(instruction, context.waker()),
            State::Waiting(key) => self.look(key, context.waker()),
            // Polled after it resolved: a future may do anything but misbehave; it never resolves again.
            State::Done => Poll::Pending,
        }
    }
}

impl<P: Send + 'static> Drop for SendFuture<P> {
    fn drop(&mut self) {
        drop(self.take_back());
    }
}

impl<P: Send + 'static> fmt::Debug for SendFuture<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fresh(_) => "fresh",
            State::Waiting(_) => "waiting",
            State::Done => "done",
        };
        f.debug_struct("SendFuture")
            .field("sender", &self.sender)
            .field("state", &state)
            .finish()
    }
}

/// Wakes a blocked thread.
struct Unparker(std::thread::Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn thread_waker() -> Waker {
    Waker::from(Arc::new(Unparker(std::thread::current())))
}

/// Says that a thread waits long, when it does: first after [`LONG_WAIT`], then each time that it has waited twice as long.
struct LongWait {
    begun: Instant,
    tell_after: Duration,
}

impl LongWait {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            tell_after: LONG_WAIT,
        }
    }

    /// Sleeps until somebody unparks this thread, or there is something to tell, or `deadline`.
    fn sleep<P: Send + 'static>(&mut self, sender: &Sender<P>, deadline: Option<Instant>) {
        let waited = self.begun.elapsed();
        if waited >= self.tell_after {
            self.tell_after = waited.saturating_mul(2);
            tell_long_wait(sender, waited);
        }
        let silence = self.tell_after.saturating_sub(waited);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        std::thread::park_timeout(left.map_or(silence, |left| left.min(silence)));
    }
}

/// At most one event in [`LONG_WAIT`] for a mailbox, however many wait.
#[cold]
fn tell_long_wait<P: Send + 'static>(sender: &Sender<P>, waited: Duration) {
    let Some(waiters) = sender.cell().waiters().get() else {
        return;
    };
    let waits = {
        let mut list = waiters.lock();
        if !list.may_tell(LONG_WAIT) {
            return;
        }
        list.waits()
    };
    tracing::warn!(
        receiver = %sender.handle(),
        ?waited,
        len = sender.len(),
        capacity = sender.capacity(),
        threads_and_futures = waits.foreign,
        machines = waits.machines,
        "a thread waits long for room in a mailbox: is its reader slow, or does it wait for this thread?"
    );
}

/// Blocks the calling thread, which is no worker, until the instruction is taken or the mailbox closed.
pub(crate) fn block_on_send<P: Send + 'static>(
    mut future: SendFuture<P>,
) -> Result<(), SendError<P>> {
    wait_a_moment(&future.sender);
    let waker = thread_waker();
    let mut context = Context::from_waker(&waker);
    let mut long_wait = LongWait::new();
    loop {
        if let Poll::Ready(result) = Pin::new(&mut future).poll(&mut context) {
            return result;
        }
        long_wait.sleep(&future.sender, None);
    }
}

thread_local! {
    /// How often in a row this thread has looked for room in vain.
    static IN_VAIN: Cell<u32> = const { Cell::new(0) };
}

/// How long to look for room before a thread sleeps: as long as may be, but before a slow machine, where that was in vain a few times, almost not at all.
/// Now and then it is long all the same: where each finds the other asleep, short waits keep finding it asleep.
fn room_wait(in_vain: u32) -> Duration {
    Duration::from_nanos(
        if in_vain < ROOM_WAIT_TRIES || in_vain.is_multiple_of(ROOM_WAIT_RETRY) {
            ROOM_WAIT_MAX_NS
        } else {
            ROOM_WAIT_MIN_NS
        },
    )
}

/// A short wait for a consumer that runs at this moment, or is being woken: putting a thread to sleep and waking it takes microseconds of
/// both.
fn wait_a_moment<P>(sender: &Sender<P>) {
    let queue = &sender.cell().queue;
    for _ in 0..SPINS_BEFORE_YIELD {
        if queue.seems_to_have_room() {
            return;
        }
        std::hint::spin_loop();
    }
    // A thread whose locals are destroyed sleeps at once.
    let _ = IN_VAIN.try_with(|in_vain| {
        let (begun, limit) = (Instant::now(), room_wait(in_vain.get()));
        let mut found_room = false;
        while !found_room && begun.elapsed() < limit {
            // Not a busy wait: on a machine with few cores the consumer may need this one.
            std::thread::yield_now();
            found_room = queue.seems_to_have_room();
        }
        in_vain.set(if found_room {
            0
        } else {
            in_vain.get().wrapping_add(1)
        });
    });
}

/// As [`block_on_send`] until `deadline`; then the instruction comes back as `Ok(Some(..))`.
pub(crate) fn block_on_send_until<P: Send + 'static>(
    mut future: SendFuture<P>,
    deadline: Instant,
) -> Result<Option<P>, SendError<P>> {
    let waker = thread_waker();
    let mut context = Context::from_waker(&waker);
    let mut long_wait = LongWait::new();
    loop {
        if let Poll::Ready(result) = Pin::new(&mut future).poll(&mut context) {
            return result.map(|()| None);
        }
        if Instant::now() >= deadline {
            return match future.take_back() {
                Some(TakenBack::InTime(instruction)) => Ok(Some(instruction)),
                Some(TakenBack::Closed(instruction)) => Err(SendError::Disconnected(instruction)),
                None => Ok(None),
            };
        }
        long_wait.sleep(&future.sender, Some(deadline));
    }
}
