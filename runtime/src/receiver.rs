//! Receivers: a mailbox whose consumer is a thread or a future.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::backpressure::{self, ComesBy, thread_waker};
use crate::cell::{
    self, Header, MailboxCell, MemRef, Middle, RegistrySlot, Scheduled, Turn, VTable, cell_of,
    header_of,
};
use crate::channel::ChannelBuilder;
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::id::MachineId;
use crate::mailbox::{BOUND_MAX, Popped, Queue, Rest, UNBOUNDED, word};
use crate::sender::Sender;
use crate::stats::MailboxInfo;
use crate::sync::{Backoff, Mutex, lock};
use crate::{scheduler, unwind};

/// The cell of a receiver: what senders see, then the waker of whoever receives.
#[repr(C)]
struct ReceiverCell<P> {
    mailbox: MailboxCell<P>,
    waker: Registered,
}

/// The waker of who waits for an instruction. A waker is the user's code, which may panic or come back here: none of it runs under the lock.
struct Registered(Mutex<Option<Waker>>);

impl Registered {
    fn register(&self, waker: &Waker) {
        // It compares two pointers each. Who takes the known one away after this look wakes it, and it comes back.
        if (lock(&self.0).as_ref()).is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        let fresh = waker.clone();
        let before = lock(&self.0).replace(fresh);
        drop(before);
    }

    fn take(&self) -> Option<Waker> {
        lock(&self.0).take()
    }
}

impl<P: Send + 'static> ReceiverCell<P> {
    const VTABLE: VTable = VTable {
        is_machine: false,
        is_port: false,
        ports: cell::PortsAt::NOWHERE,
        run: Self::run,
        rest: Self::rest,
        wake: Self::wake,
        park_on: backpressure::park_on::<P>,
        unlink_waiter: backpressure::unlink_machine::<P>,
        pass_on: backpressure::pass_on::<P>,
        let_go: backpressure::let_go::<P>,
        waits: backpressure::waits::<P>,
        free: Self::free,
        machine_type: || "Receiver",
        instruction_set: std::any::type_name::<P>,
        instruction_set_id: std::any::TypeId::of::<P>,
        shared_value: |_| std::ptr::null(),
    };

    unsafe fn run(token: Scheduled, _: &mut Turn<'_>) -> cell::After {
        // A receiver has no token, so nobody can come here.
        drop(token);
        cell::After::Gone
    }

    unsafe fn rest(token: Scheduled) -> Option<Scheduled> {
        // As for `run`: nobody can come here.
        Some(token)
    }

    unsafe fn wake(cell: NonNull<Header>) {
        // SAFETY: the caller keeps the cell alive, and the table belongs to this type.
        let this = unsafe { cell_of::<Self>(cell).as_ref() };
        if let Some(waker) = this.waker.take()
            && let Err(message) = unwind::user_code(move || waker.wake())
        {
            tracing::error!(%message, "a waker panicked; the sender goes on");
        }
    }

    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: allocated by `channel` as a box of this type; the last reference is gone.
        drop(unsafe { Box::from_raw(cell_of::<Self>(cell).as_ptr()) });
    }
}

/// A channel of at most `capacity` instructions. A capacity of 0 counts as 1, with a warning in the log;
/// [`Receiver::builder`] makes an error of it, and has more settings.
///
/// A machine that sends to it when it is full is parked until there is room, a thread waits, a future waits.
///
/// ```
/// let (sender, receiver) = d3_runtime::bounded(16);
/// std::thread::spawn(move || for n in 0..100 { sender.send(n).expect("the receiver lives") });
/// assert_eq!(receiver.iter().sum::<i32>(), 4950);
/// ```
pub fn bounded<P: Send + 'static>(capacity: usize) -> (Sender<P>, Receiver<P>) {
    channel(at_least_one(capacity))
}

/// A channel without a bound: nothing ever waits, memory is the limit.
///
/// ```
/// let (sender, receiver) = d3_runtime::unbounded();
/// for n in 0..1000 { sender.send(n)?; }
/// drop(sender);
/// assert_eq!(receiver.iter().count(), 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn unbounded<P: Send + 'static>() -> (Sender<P>, Receiver<P>) {
    channel(UNBOUNDED)
}

/// The capacity as the queue wants it. Where no error can be returned, 0 counts as 1.
pub(crate) fn at_least_one(capacity: usize) -> u64 {
    if capacity == 0 {
        tracing::warn!("a mailbox capacity of 0 counts as 1");
    } else if capacity as u64 > BOUND_MAX {
        tracing::warn!(
            capacity,
            "a mailbox capacity beyond {BOUND_MAX} counts as that"
        );
    }
    (capacity.max(1) as u64).min(BOUND_MAX)
}

pub(crate) fn channel<P: Send + 'static>(capacity: u64) -> (Sender<P>, Receiver<P>) {
    let cell = Box::new(ReceiverCell {
        mailbox: MailboxCell::<P>::new(
            Header::new(
                const { &ReceiverCell::<P>::VTABLE },
                None,
                cell::next_free_id(),
                RegistrySlot::NONE,
            ),
            capacity,
            false,
        ),
        waker: Registered(Mutex::new(None)),
    });
    let cell = cell::expose(cell).cast::<MailboxCell<P>>();
    // SAFETY: the header was made with one strong sender, and with the reference that a machine's token would hold: it
    // is the receiver's.
    unsafe {
        (
            Sender::from_raw(cell),
            Receiver {
                cell: MemRef::from_raw(header_of(cell)),
                one_thread: PhantomData,
            },
        )
    }
}

/// The receiving end of a channel, for threads and for async code. One owner: `Send`, neither `Sync` nor `Clone`.
///
/// Dropping it closes the channel: what was not received is dropped, and whoever waits for room gets the instruction back.
pub struct Receiver<P: Send + 'static> {
    cell: MemRef,
    /// Not Sync: there is one consumer.
    one_thread: PhantomData<Cell<P>>,
}

impl<P: Send + 'static> Receiver<P> {
    /// A channel with settings of its own.
    pub fn builder() -> ChannelBuilder<P> {
        ChannelBuilder::new()
    }

    fn cell(&self) -> &ReceiverCell<P> {
        // SAFETY: the reference keeps the cell, which `channel` made of this type.
        unsafe { cell_of::<ReceiverCell<P>>(self.cell.as_ptr()).as_ref() }
    }

    fn queue(&self) -> &Queue<P, Middle<P>> {
        &self.cell().mailbox.queue
    }

    fn make_room(&self, comes_by: ComesBy) {
        // SAFETY: the receiver is the consumer.
        unsafe { backpressure::make_room_now(&self.cell().mailbox, comes_by) };
    }

    /// Takes an instruction if one is there.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if none is there now, [`TryRecvError::Disconnected`] if none will ever come.
    pub fn try_recv(&self) -> Result<P, TryRecvError> {
        let mut backoff = Backoff::new();
        loop {
            // SAFETY: the receiver is the consumer: it is neither Sync nor Clone.
            match unsafe { self.queue().pop_patiently() } {
                Popped::Item(instruction) => {
                    self.make_room(ComesBy::NobodyKnowsWhen);
                    return Ok(instruction);
                }
                // Its producer is a few instructions from done. What others sent after it counts as sent, so "empty"
                // would be a lie.
                Popped::Unwritten => backoff.wait(),
                Popped::Empty => {
                    self.make_room(ComesBy::NobodyKnowsWhen);
                    let tail = self.queue().tail();
                    if self.queue().len() == 0 {
                        if !tail.has(word::CLOSED) {
                            return Err(TryRecvError::Empty);
                        }
                        // Machines may still be parked here that have dropped their sender: nothing will move them again.
                        backpressure::release_all(&self.cell().mailbox);
                        return Err(TryRecvError::Disconnected);
                    }
                }
            }
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<P>> {
        loop {
            match self.try_recv() {
                Ok(instruction) => return Poll::Ready(Some(instruction)),
                Err(TryRecvError::Disconnected) => return Poll::Ready(None),
                Err(TryRecvError::Empty) => {}
            }
            // Registered before the mailbox says IDLE: who clears IDLE finds the waker.
            self.cell().waker.register(context.waker());
            // SAFETY: the receiver is the consumer, and the mailbox was empty.
            match unsafe { self.queue().rest() } {
                Rest::Rested => return Poll::Pending,
                // There is a place for one more, whatever was promised: who was promised room may be inside a long `receive`, or queued behind
                // this very call, and until nobody waits the poll does not end.
                Rest::Waiters => self.make_room(ComesBy::NextTurn),
                Rest::Busy | Rest::Control | Rest::Closed => {}
            }
        }
    }

    /// Takes an instruction, or arranges that the task is woken when one comes, once per burst. None: no sender is left.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<P>> {
        self.poll(context)
    }

    /// Waits for an instruction. None: no sender is left. Dropping the future loses nothing.
    pub async fn recv_async(&mut self) -> Option<P> {
        // Through `&mut self`: a future that held `&self` could not be sent to another thread.
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// Blocks the thread until an instruction comes.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] if none will ever come; [`RecvError::InsideMachine`] if none is there and the caller
    /// is a machine, which must not wait.
    pub fn recv(&self) -> Result<P, RecvError> {
        match self.wait(None) {
            Ok(instruction) => Ok(instruction),
            Err(RecvTimeoutError::InsideMachine) => Err(RecvError::InsideMachine),
            Err(_) => Err(RecvError::Disconnected),
        }
    }

    /// Blocks the thread until an instruction comes, at most for `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`RecvTimeoutError::Timeout`] if none came in time.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<P, RecvTimeoutError> {
        self.wait(Instant::now().checked_add(timeout))
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<P, RecvTimeoutError> {
        match self.try_recv() {
            Ok(instruction) => return Ok(instruction),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) if scheduler::in_machine() => {
                return Err(RecvTimeoutError::InsideMachine);
            }
            Err(TryRecvError::Empty) => {}
        }
        let waker = thread_waker();
        let mut context = Context::from_waker(&waker);
        loop {
            match self.poll(&mut context) {
                Poll::Ready(Some(instruction)) => return Ok(instruction),
                Poll::Ready(None) => return Err(RecvTimeoutError::Disconnected),
                Poll::Pending => {}
            }
            let Some(deadline) = deadline else {
                std::thread::park();
                continue;
            };
            let now = Instant::now();
            if now >= deadline {
                return Err(RecvTimeoutError::Timeout);
            }
            std::thread::park_timeout(deadline - now);
        }
    }

    /// Blocks for each instruction until no sender is left.
    pub fn iter(&self) -> Iter<'_, P> {
        Iter(self)
    }

    /// The instructions that are there now.
    pub fn try_iter(&self) -> TryIter<'_, P> {
        TryIter(self)
    }

    /// Instructions that are there now.
    pub fn len(&self) -> usize {
        self.queue().len() as usize
    }

    /// Whether no instruction is there now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many instructions the channel holds before it is full; None: no bound.
    pub fn capacity(&self) -> Option<usize> {
        let capacity = self.queue().capacity();
        (capacity < UNBOUNDED).then_some(capacity as usize)
    }

    /// Whether the channel holds its capacity.
    pub fn is_full(&self) -> bool {
        self.queue().len() >= self.queue().capacity()
    }

    /// The channel at this moment, with its figures: how long it was, and who waits for its room.
    pub fn info(&self) -> MailboxInfo {
        MailboxInfo::of(&self.cell)
    }

    /// The id of the channel.
    pub fn id(&self) -> MachineId {
        self.cell.id
    }

    /// d3 0.1.3's name for [`id`](Self::id).
    #[deprecated(since = "0.2.0", note = "use `id`")]
    pub fn get_id(&self) -> MachineId {
        self.id()
    }
}

impl<P: Send + 'static> Stream for Receiver<P> {
    type Item = P;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<P>> {
        self.poll(context)
    }
}

impl<P: Send + 'static> Unpin for Receiver<P> {}

impl<P: Send + 'static> Drop for Receiver<P> {
    fn drop(&mut self) {
        // CLOSED first, then the waiters: nobody can come to wait after this. The consumer needs no wake: it is this thread.
        let _ = self.queue().close();
        backpressure::release_all(&self.cell().mailbox);
        let mut backoff = Backoff::new();
        loop {
            // SAFETY: the receiver is the consumer.
            match unsafe { self.queue().pop_patiently() } {
                Popped::Item(instruction) => {
                    unwind::drop_user_value(instruction);
                }
                Popped::Unwritten => backoff.wait(),
                Popped::Empty => break,
            }
        }
        drop(self.cell().waker.take());
        self.cell.freeze_end_code();
        self.cell.held.end();
        // SeqCst: pairs with the fence in `Ended`.
        crate::sync::fence(crate::sync::Ordering::SeqCst);
        if let Some(side) = self.cell.side_if_any() {
            side.wake_watchers();
        }
    }
}

impl<P: Send + 'static> PartialEq for Receiver<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cell == other.cell
    }
}

impl<P: Send + 'static> Eq for Receiver<P> {}

impl<P: Send + 'static> fmt::Debug for Receiver<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("id", &self.id())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The iterator of [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, P: Send + 'static>(&'a Receiver<P>);

impl<P: Send + 'static> Iterator for Iter<'_, P> {
    type Item = P;

    fn next(&mut self) -> Option<P> {
        self.0.recv().ok()
    }
}

/// The iterator of [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, P: Send + 'static>(&'a Receiver<P>);

impl<P: Send + 'static> Iterator for TryIter<'_, P> {
    type Item = P;

    fn next(&mut self) -> Option<P> {
        self.0.try_recv().ok()
    }
}
