//! Senders: the way into a mailbox.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use crate::backpressure::{self, SendFuture};
use crate::cell::{MailboxCell, MemRef, cell_of};
use crate::error::{SendError, SendTimeoutError, TrySendError};
use crate::handle::MachineHandle;
use crate::id::MachineId;
use crate::mailbox::word::{self, Tail};
use crate::mailbox::{Bound, Claim, Refused, UNBOUNDED};
use crate::scheduler::{self, Phase};
use crate::stats::MailboxInfo;
use crate::sync::Ordering;

/// The way into one mailbox: one pointer, cheap to clone.
///
/// A machine lives as long as it has senders. Two senders are equal if they lead to the same mailbox.
///
/// ```
/// let (sender, receiver) = d3_runtime::bounded(2);
/// sender.send("one")?;
/// assert_eq!(sender.len(), 1);
/// assert_eq!(sender.capacity(), Some(2));
/// assert_eq!(receiver.recv()?, "one");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sender<P>(NonNull<MailboxCell<P>>);

const _: () = assert!(size_of::<Option<Sender<u8>>>() == size_of::<usize>());

// SAFETY: a sender moves instructions of type P to another thread, and shares nothing else that is bound to one.
unsafe impl<P: Send> Send for Sender<P> {}
// SAFETY: as above: every method may be called from many threads at once.
unsafe impl<P: Send> Sync for Sender<P> {}
impl<P> Unpin for Sender<P> {}
impl<P> std::panic::UnwindSafe for Sender<P> {}
impl<P> std::panic::RefUnwindSafe for Sender<P> {}

impl<P> Sender<P> {
    /// # Safety
    /// The caller hands over one counted strong sender of a cell that is alive.
    pub(crate) unsafe fn from_raw(cell: NonNull<MailboxCell<P>>) -> Self {
        Self(cell)
    }

    pub(crate) fn cell(&self) -> &MailboxCell<P> {
        // SAFETY: the strong senders together hold a memory reference.
        unsafe { self.0.as_ref() }
    }

    /// Instructions in the mailbox that are not read yet. While others send and read it is the length of a moment that has passed, or a
    /// little less; never more than the mailbox held.
    pub fn len(&self) -> usize {
        self.cell().queue.len() as usize
    }

    /// Whether the mailbox is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the mailbox holds its capacity, so that [`try_send`](Self::try_send) would likely refuse.
    pub fn is_full(&self) -> bool {
        self.cell().queue.len() >= self.cell().queue.capacity()
    }

    /// How many instructions the mailbox holds before it is full; None: no bound.
    pub fn capacity(&self) -> Option<usize> {
        let capacity = self.cell().queue.capacity();
        (capacity < UNBOUNDED).then_some(capacity as usize)
    }

    /// Whether no instruction will ever be taken again.
    pub fn is_disconnected(&self) -> bool {
        self.cell().queue.tail().has(word::CLOSED) || self.refused_from_here()
    }

    /// The mailbox at this moment, with its figures: how long it was, and who waits for its room.
    pub fn info(&self) -> MailboxInfo {
        MailboxInfo::of(self.cell().header())
    }

    /// A sender that does not keep the machine alive.
    pub fn downgrade(&self) -> WeakSender<P> {
        WeakSender {
            cell: MemRef::of(self.cell().header()),
            kind: std::marker::PhantomData,
        }
    }

    /// A handle to the machine, without the type of its instructions.
    pub fn handle(&self) -> MachineHandle {
        MachineHandle::new(MemRef::of(self.cell().header().machine()))
    }

    /// The id of the mailbox and its machine.
    pub fn id(&self) -> MachineId {
        self.cell().header().id
    }

    /// d3 0.1.3's name for [`id`](Self::id).
    #[deprecated(since = "0.2.0", note = "use `id`")]
    pub fn get_id(&self) -> MachineId {
        self.id()
    }

    /// A runtime that drains takes instructions from its own machines only.
    #[inline]
    fn refused_from_here(&self) -> bool {
        match self.cell().header().pool() {
            Some(pool) => pool.phase() != Phase::Running && !scheduler::is_worker_of(pool),
            None => self.cell().header().vtable.is_port && self.port_is_refused_from_here(),
        }
    }

    /// A port belongs to the pool of its machine.
    fn port_is_refused_from_here(&self) -> bool {
        self.cell()
            .header()
            .machine()
            .pool()
            .is_some_and(|pool| pool.phase() != Phase::Running && !scheduler::is_worker_of(pool))
    }
}

impl<P: Send + 'static> Sender<P> {
    /// Sends an instruction.
    ///
    /// A machine never waits here: if the mailbox is full the instruction is enqueued all the same, and the machine is parked
    /// when its `receive` returns, until there is room. A thread waits until there is room.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] if the machine has ended or the runtime takes nothing from outside any more;
    /// [`SendError::Limit`] if a machine sends and the mailbox holds its hard limit. The instruction comes back.
    #[inline(always)]
    pub fn send(&self, instruction: P) -> Result<(), SendError<P>> {
        match self.claim_within() {
            Ok(claim) => {
                self.fulfil(claim, instruction);
                Ok(())
            }
            Err(seen) => self.send_first(instruction, seen),
        }
    }

    /// The claim that meets nothing in its way. Err: it is for [`Queue::claim_first`](crate::mailbox::Queue::claim_first) or
    /// [`claim_slowly`](Self::claim_slowly).
    #[inline(always)]
    fn claim_within(&self) -> Result<Claim<P>, Tail> {
        let takes_from_all = match self.cell().header().pool() {
            Some(pool) => pool.phase() == Phase::Running,
            None => !self.refused_from_here(),
        };
        if !takes_from_all {
            // It has to be asked where the instruction comes from.
            return Err(Tail::UNSEEN);
        }
        self.cell().queue.claim_within()
    }

    /// The send that wakes a machine from its rest. Not inlined, as the one before it is: what follows takes longer than a call.
    #[inline(never)]
    fn send_first(&self, instruction: P, seen: Tail) -> Result<(), SendError<P>> {
        match self.cell().queue.claim_first(seen) {
            Some(claim) => {
                self.fulfil(claim, instruction);
                Ok(())
            }
            None => self.send_slowly(instruction),
        }
    }

    /// The same for all other cases.
    fn claim_slowly(&self, bound: Bound) -> Result<Claim<P>, Refused> {
        if self.refused_from_here() {
            return Err(Refused::Closed);
        }
        self.cell().queue.claim_slowly(bound)
    }

    /// Delivers the instruction that a slot was claimed for.
    #[inline]
    fn fulfil(&self, claim: Claim<P>, instruction: P) {
        let wake = claim.write(instruction);
        self.cell().header().wake(wake);
    }

    #[cold]
    fn send_slowly(&self, instruction: P) -> Result<(), SendError<P>> {
        let in_machine = scheduler::in_machine();
        let claimed = if in_machine {
            // It keeps its call where there is no room, and is parked afterwards.
            self.claim_beyond()
        } else {
            self.claim_slowly(Bound::Capacity)
        };
        match claimed {
            Ok(claim) => {
                let over = claim.over;
                self.fulfil(claim, instruction);
                if over {
                    scheduler::note(self.cell().header());
                }
                Ok(())
            }
            Err(Refused::Closed) => Err(SendError::Disconnected(instruction)),
            Err(Refused::Full | Refused::Limit) if in_machine => {
                self.tell_limit();
                Err(SendError::Limit(instruction))
            }
            Err(Refused::Full | Refused::Limit) => {
                backpressure::block_on_send(SendFuture::new(self.clone(), instruction))
            }
        }
    }

    /// A machine's claim, whatever the capacity. One that exceeds it says so, and the machine is to be parked.
    fn claim_beyond(&self) -> Result<Claim<P>, Refused> {
        let hard = self.cell().hard_limit();
        if !self.refused_from_here()
            && let Some(claim) = self.cell().queue.claim_over(hard)
        {
            return Ok(claim);
        }
        self.claim_slowly(Bound::Overflow(hard))
    }

    /// Says who met the hard limit of whom: once, until the mailbox is half as full, since a ring that multiplies instructions meets it
    /// all the time.
    fn tell_limit(&self) {
        let header = self.cell().header();
        if header.side().at_limit.swap(true, Ordering::Relaxed) {
            return;
        }
        let sender = scheduler::machine().map(MachineHandle::new);
        tracing::warn!(
            sender = sender.as_ref().map(tracing::field::display),
            receiver = %self.handle(),
            len = self.len(),
            limit = self.cell().hard_limit(),
            "a mailbox is at its hard limit: instructions go back to the machine that sends them; do machines multiply them in a ring?"
        );
    }

    /// Sends an instruction if there is room. Never waits, never exceeds the capacity, in a machine or outside.
    ///
    /// # Errors
    /// [`TrySendError::Full`] if the mailbox holds its capacity, [`TrySendError::Disconnected`] as for [`send`](Self::send).
    #[inline]
    pub fn try_send(&self, instruction: P) -> Result<(), TrySendError<P>> {
        match self.claim_within() {
            Ok(claim) => {
                self.fulfil(claim, instruction);
                Ok(())
            }
            Err(seen) => self.try_send_first(instruction, seen),
        }
    }

    /// As [`send_first`](Self::send_first).
    #[inline(never)]
    fn try_send_first(&self, instruction: P, seen: Tail) -> Result<(), TrySendError<P>> {
        let claimed = match self.cell().queue.claim_first(seen) {
            Some(claim) => Ok(claim),
            None => self.claim_slowly(Bound::Capacity),
        };
        match claimed {
            Ok(claim) => {
                self.fulfil(claim, instruction);
                Ok(())
            }
            Err(Refused::Full) => Err(TrySendError::Full(instruction)),
            Err(Refused::Limit) => Err(TrySendError::Limit(instruction)),
            Err(Refused::Closed) => Err(TrySendError::Disconnected(instruction)),
        }
    }

    /// Sends an instruction, waiting for room at most `timeout`. In a machine, which never waits, this is [`send`](Self::send).
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`] if there was no room in time; otherwise as for [`send`](Self::send).
    pub fn send_timeout(
        &self,
        instruction: P,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<P>> {
        if scheduler::in_machine() {
            return self.send(instruction).map_err(timeout_error);
        }
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return self.send(instruction).map_err(timeout_error);
        };
        let future = SendFuture::new(self.clone(), instruction);
        match backpressure::block_on_send_until(future, deadline) {
            Ok(None) => Ok(()),
            Ok(Some(back)) => Err(SendTimeoutError::Timeout(back)),
            Err(error) => Err(timeout_error(error)),
        }
    }

    /// Sends an instruction when there is room: a future for any executor.
    ///
    /// It takes its place among those who wait when it is first polled. Dropped before it resolved it takes the
    /// instruction back.
    pub fn send_async(&self, instruction: P) -> SendFuture<P> {
        SendFuture::new(self.clone(), instruction)
    }
}

fn timeout_error<P>(error: SendError<P>) -> SendTimeoutError<P> {
    match error {
        SendError::Disconnected(back) => SendTimeoutError::Disconnected(back),
        SendError::Limit(back) => SendTimeoutError::Limit(back),
    }
}

impl<P> Clone for Sender<P> {
    fn clone(&self) -> Self {
        self.cell().add_sender();
        Self(self.0)
    }
}

impl<P> Drop for Sender<P> {
    fn drop(&mut self) {
        // SAFETY: this sender is counted, and given up here.
        unsafe { MailboxCell::remove_sender(self.0) }
    }
}

impl<P> PartialEq for Sender<P> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<P> Eq for Sender<P> {}

impl<P> Hash for Sender<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<P> fmt::Debug for Sender<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("id", &self.id())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep the machine alive.
///
/// ```
/// let (sender, _receiver) = d3_runtime::bounded::<u8>(1);
/// let weak = sender.downgrade();
/// assert_eq!(weak.upgrade(), Some(sender.clone()));
/// drop(sender);
/// assert_eq!(weak.upgrade(), None);
/// assert_eq!(weak.upgrade(), None);
/// ```
pub struct WeakSender<P> {
    cell: MemRef,
    kind: std::marker::PhantomData<fn(P)>,
}

impl<P> WeakSender<P> {
    /// # Safety
    /// The cell is a `MailboxCell<P>`.
    pub(crate) unsafe fn from_cell(cell: MemRef) -> Self {
        Self {
            cell,
            kind: std::marker::PhantomData,
        }
    }

    /// A strong sender; None once the last one is gone.
    pub fn upgrade(&self) -> Option<Sender<P>> {
        // SAFETY: of this type by construction.
        let cell = unsafe { cell_of::<MailboxCell<P>>(self.cell.as_ptr()) };
        // SAFETY: the memory reference keeps the cell.
        let counted = unsafe { cell.as_ref() }.try_add_sender();
        // Not `then_some`: it would make, and drop, a sender that was never counted.
        counted.then(|| Sender(cell))
    }

    /// The id of the mailbox and its machine.
    pub fn id(&self) -> MachineId {
        self.cell.id
    }
}

impl<P> Clone for WeakSender<P> {
    fn clone(&self) -> Self {
        Self {
            cell: self.cell.clone(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<P> fmt::Debug for WeakSender<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Sends an instruction, and reports its loss instead of returning it: d3 0.1.3's `send_cmd`.
///
/// A loss is counted in the receiving runtime's statistics and written to the log.
pub fn send_cmd<P: Send + 'static>(sender: &Sender<P>, instruction: P) {
    if let Err(error) = sender.send(instruction) {
        if let Some(pool) = sender.cell().header().machine().pool() {
            pool.lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        tracing::info!(machine = %sender.id(), %error, "an instruction was not sent");
    }
}
