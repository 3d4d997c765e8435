#![doc = include_str!("README.md")]

mod activation;
mod body;
mod control;
mod edge;
mod ending;
mod entries;
mod follow;
mod held;
mod lazy;
mod partners;
mod port;
mod receive;
mod reference;
mod registry;
mod several;
mod side;
mod slice;
mod stage;
mod turn;

#[cfg(all(test, loom))]
pub(crate) mod model;
#[cfg(all(test, loom))]
mod port_model;

use std::ptr::NonNull;
use std::sync::Arc;

use crate::backpressure::Waiters;
use crate::id::MachineId;
use crate::mailbox::{Queue, Rest, Wake, word};
use crate::protocol::Point;
use crate::scheduler::Pool;
use crate::sync::{AtomicU8, AtomicU32, Ordering, fence};

pub(crate) use activation::{After, MachineCell};
pub(crate) use body::{Body, Owned, Receives, Shared, Sharing};
pub(crate) use control::ControlMessage;
pub(crate) use edge::Edge;
pub(crate) use held::{Held, Resumed};
pub(crate) use lazy::LazyBox;
pub(crate) use partners::Partners;
pub(crate) use port::{Port, PortsAt, Rotation};
pub(crate) use reference::{MemRef, Scheduled, expose};
pub(crate) use registry::{Registry, RegistrySlot, next_free_id};
pub(crate) use several::Several;
pub(crate) use side::Side;
pub(crate) use stage::{Stage, StageByte};
pub(crate) use turn::Turn;

/// What can be done with a cell without knowing its types.
pub(crate) struct VTable {
    /// Whether a run token exists: false for cells whose consumer is a thread or a future.
    pub(crate) is_machine: bool,
    /// Whether this is one of the further mailboxes of a machine: see `port.rs`.
    pub(crate) is_port: bool,
    /// Where the further mailboxes of a machine lie.
    pub(crate) ports: PortsAt,
    /// Runs the machine once. Only for machines, only by the holder of the token.
    pub(crate) run: unsafe fn(Scheduled, &mut Turn<'_>) -> After,
    /// Lets a machine rest that lingered on its worker; if something came, it is returned. Only for machines, only by the holder of
    /// the token.
    pub(crate) rest: unsafe fn(Scheduled) -> Option<Scheduled>,
    /// The consumer was at rest and has something to look at.
    pub(crate) wake: unsafe fn(NonNull<Header>),
    /// Parks a machine (the second argument) on this mailbox.
    pub(crate) park_on: unsafe fn(NonNull<Header>, NonNull<Header>) -> crate::mailbox::Announce,
    /// Takes a machine's node out of this mailbox's waiter list.
    pub(crate) unlink_waiter: unsafe fn(NonNull<Header>, u32),
    /// Lets the next machine go that waits here, if there is room: one that was promised some has had its turn, and waits here again
    /// (true) or does not.
    pub(crate) pass_on: unsafe fn(NonNull<Header>, bool),
    /// Lets go who waits here and need not: the machine that reads it has been parked, or a channel was stopped.
    pub(crate) let_go: unsafe fn(NonNull<Header>),
    /// Who waits for room here, for people.
    pub(crate) waits: unsafe fn(NonNull<Header>) -> crate::backpressure::Waits,
    /// Frees the cell. The last memory reference is gone.
    pub(crate) free: unsafe fn(NonNull<Header>),
    /// The names of machine and instruction set, for people.
    pub(crate) machine_type: fn() -> &'static str,
    pub(crate) instruction_set: fn() -> &'static str,
    pub(crate) instruction_set_id: fn() -> std::any::TypeId,
    /// Where the value shared by several mailboxes lives; null for a value of one mailbox.
    pub(crate) shared_value: unsafe fn(NonNull<Header>) -> *const (),
}

/// The untyped part of every cell: words that are read at every send and activation, and seldom written. It stands between the
/// words of the producers and those of the consumer.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) vtable: &'static VTable,
    /// The runtime that runs this machine; None for a `Receiver`.
    pool: Option<Arc<Pool>>,
    pub(crate) id: MachineId,
    side: LazyBox<Side>,
    refs: AtomicU32,
    senders: AtomicU32,
    pub(crate) slot: RegistrySlot,
    pub(crate) held: Held,
    /// Why the machine ends: an `EndCode`, 0 while nobody asked. Stored before CLOSED.
    end_code: AtomicU8,
    /// How far the machine's life has come. Touched by the holder of the run token only.
    pub(crate) stage: StageByte,
}

/// What stands in the middle of a cell's queue.
#[repr(C)]
pub(crate) struct Middle<P> {
    header: Header,
    waiters: LazyBox<Waiters<P>>,
}

/// A cell as its senders see it.
#[repr(C)]
pub(crate) struct MailboxCell<P> {
    pub(crate) queue: Queue<P, Middle<P>>,
}

const _: () = {
    // A cell that grows by accident is a decision to take, not to find out: with eight bytes of state a machine takes 128.
    assert!(cfg!(loom) || size_of::<MailboxCell<u64>>() == 120);
    // With `block_end` behind it, 64 bytes lie between the producers' words and the consumer's.
    assert!(cfg!(loom) || (HEADER_AT == 32 && size_of::<Middle<u64>>() == 56));
};

impl<P> MailboxCell<P> {
    pub(crate) fn new(header: Header, capacity: u64, idle: bool) -> Self {
        let middle = Middle {
            header,
            waiters: LazyBox::new(),
        };
        Self {
            queue: Queue::around(middle, capacity, idle),
        }
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        &self.queue.middle.header
    }

    pub(crate) fn waiters(&self) -> &LazyBox<Waiters<P>> {
        &self.queue.middle.waiters
    }

    /// Lets a machine rest that lingered; None: it does, and is not the caller's any more. Some: there is something to look at.
    ///
    /// # Safety
    /// The caller has the token of `cell`, which is this one.
    unsafe fn rest(&self, cell: NonNull<Header>) -> Option<Scheduled> {
        // SAFETY: the token makes the caller the consumer; if the mailbox is not empty the step says so.
        match unsafe { self.queue.rest() } {
            Rest::Rested => None,
            // SAFETY: the step failed, so that the token is still the caller's.
            _ => Some(unsafe { Scheduled::new(cell) }),
        }
    }

    /// Instructions beyond which a machine's `send` hands its instruction back.
    pub(crate) fn hard_limit(&self) -> u64 {
        self.header().hard_limit()
    }
}

/// Where the header lies in a cell: the same for every instruction set.
pub(crate) const HEADER_AT: usize = Queue::<(), Middle<()>>::MIDDLE_AT;

/// The header of the cell that a pointer to its start leads to.
pub(crate) fn header_of<C>(cell: NonNull<C>) -> NonNull<Header> {
    // SAFETY: every cell begins with a `MailboxCell`, which holds a header at this offset.
    unsafe { cell.cast::<u8>().add(HEADER_AT).cast() }
}

/// The cell that a header stands in, as the type that the caller knows it to be.
///
/// # Safety
/// `header` was made by `header_of`, or by [`Header::in_cell`], from a cell of type `C`, which begins with a `MailboxCell`.
#[inline]
pub(crate) unsafe fn cell_of<C>(header: NonNull<Header>) -> NonNull<C> {
    // SAFETY: by the caller's word, there are so many bytes before it.
    unsafe { header.cast::<u8>().sub(HEADER_AT).cast() }
}

/// The reasons for an end, as stored in a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum EndCode {
    None = 0,
    /// Nobody asked: the last sender is gone.
    NoSenders = 1,
    Stopped = 2,
    Shutdown = 3,
    Failed = 4,
    Panicked = 5,
    Partner = 6,
}

/// Set with the code when the machine has ended: it does not change any more.
const END_CODE_FROZEN: u8 = 0x80;

/// A bit of these: somebody asked. One look at memory, as it is taken before every instruction.
const END_CODE_ASKED: u8 = !(END_CODE_FROZEN | EndCode::NoSenders as u8);

impl EndCode {
    fn from_byte(byte: u8) -> Self {
        match byte & !END_CODE_FROZEN {
            1 => Self::NoSenders,
            2 => Self::Stopped,
            3 => Self::Shutdown,
            4 => Self::Failed,
            5 => Self::Panicked,
            6 => Self::Partner,
            _ => Self::None,
        }
    }

    /// A failure says more than a stop, and a stop more than the shutdown that it comes in.
    fn rank(self) -> u8 {
        match self {
            Self::None => 0,
            Self::NoSenders | Self::Shutdown => 1,
            Self::Stopped | Self::Partner => 2,
            Self::Failed => 3,
            Self::Panicked => 4,
        }
    }
}

impl Header {
    /// A header with one strong sender, and with the memory references that senders and token hold.
    pub(crate) fn new(
        vtable: &'static VTable,
        pool: Option<Arc<Pool>>,
        id: MachineId,
        slot: RegistrySlot,
    ) -> Self {
        Self {
            vtable,
            pool,
            id,
            side: LazyBox::new(),
            refs: AtomicU32::new(2),
            senders: AtomicU32::new(1),
            slot,
            held: Held::new(),
            end_code: AtomicU8::new(0),
            stage: StageByte::new(),
        }
    }

    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        self.pool.as_ref()
    }

    /// The cell is about to be freed.
    fn note_freed(&self) {
        if let Some(pool) = &self.pool {
            pool.registry.note_freed(self.slot);
        }
    }

    pub(crate) fn side(&self) -> &Side {
        self.side.get_or_init(Side::default)
    }

    pub(crate) fn side_if_any(&self) -> Option<&Side> {
        self.side.get()
    }

    /// A reference to the machine whose room this machine waits for, if it is parked; whichever of its mailboxes it is.
    pub(crate) fn waits_for(&self) -> Option<MemRef> {
        self.side_if_any()
            .and_then(|side| side.edge.follow())
            .map(MemRef::into_machine)
    }

    /// A pointer that leads to the whole cell, not just to the header's bytes: what references and tokens are made from.
    #[inline]
    pub(crate) fn in_cell(&self) -> NonNull<Self> {
        let address = std::ptr::from_ref(self).addr();
        let cell = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the address of a reference is not null. Both places that allocate cells expose the provenance of the allocation.
        unsafe { NonNull::new_unchecked(cell) }
    }

    /// The mailbox without its type: for the steps that touch the words and no instruction.
    pub(crate) fn queue(&self) -> &Queue<(), Middle<()>> {
        // SAFETY: every header stands in a `MailboxCell<P>`; `MailboxCell`, `Queue` and `Middle` are repr(C) and name P
        // behind pointers only, so that the layout is the same for every P. The callers (all in
        // this crate: `tail`, `len`, `head`, `note_length`, `needs_turn`, `close`, `post_control`, `peak`, `capacity`, `clear_control`) read and write the words and follow no
        // block pointer.
        unsafe { &cell_of::<MailboxCell<()>>(self.in_cell()).as_ref().queue }
    }

    /// As [`MailboxCell::hard_limit`].
    pub(crate) fn hard_limit(&self) -> u64 {
        // Relaxed: written before anybody else saw this cell.
        let own = self
            .side_if_any()
            .map_or(0, |side| side.hard_limit.load(Ordering::Relaxed));
        let multiple = match self.machine().pool() {
            _ if own > 0 => own,
            Some(pool) => pool.config.hard_limit,
            None => crate::tuning::HARD_LIMIT_DEFAULT,
        };
        self.queue().capacity().saturating_mul(multiple as u64)
    }

    /// A machine's `receive` has sent so many instructions here beyond the capacity.
    pub(crate) fn overflowed(&self, instructions: u32) {
        let side = self.side();
        // Relaxed, all: figures, and whether to say something once more.
        side.overflows
            .fetch_add(u64::from(instructions), Ordering::Relaxed);
        if side.at_limit.load(Ordering::Relaxed) && self.queue().len() < self.hard_limit() / 2 {
            side.at_limit.store(false, Ordering::Relaxed);
        }
    }

    /// Whether this machine has nothing to do until somebody else does something: it rests, with all its mailboxes, or is parked, or has ended.
    pub(crate) fn is_quiet(&self) -> bool {
        self.held.has_ended()
            || self.held.is_parked()
            || self
                .mailboxes()
                .all(|mailbox| mailbox.queue().tail().has(word::IDLE))
    }

    /// Wakes the consumer if the step before took its IDLE away.
    #[inline]
    pub(crate) fn wake(&self, owed: Wake) {
        if owed != Wake::Schedule {
            return;
        }
        if self.pool.is_some() {
            // SAFETY: the header is alive, and this caller took IDLE away: it owns the token.
            crate::scheduler::schedule(unsafe { Scheduled::new(self.in_cell()) });
        } else {
            // SAFETY: the same; a cell without a pool is woken by its table.
            unsafe { (self.vtable.wake)(self.in_cell()) }
        }
    }

    pub(crate) fn end_code(&self) -> EndCode {
        // Acquire: pairs with the Release in `set_end_code`.
        EndCode::from_byte(self.end_code.load(Ordering::Acquire))
    }

    /// Records why the machine is to end. A stronger reason replaces a weaker one until the machine has ended; false: the
    /// reason that was there stays.
    pub(crate) fn set_end_code(&self, code: EndCode) -> bool {
        let mut byte = self.end_code.load(Ordering::Relaxed);
        while byte & END_CODE_FROZEN == 0 && code.rank() > EndCode::from_byte(byte).rank() {
            // Release: pairs with the Acquire in `end_code`. Relaxed on failure: the byte is looked at again.
            match self.end_code.compare_exchange(
                byte,
                code as u8,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => byte = now,
            }
        }
        false
    }

    /// The machine has ended: its reason is final. Where nobody asked, the last sender was gone.
    pub(crate) fn freeze_end_code(&self) {
        self.set_end_code(EndCode::NoSenders);
        // Release: as in `set_end_code`.
        self.end_code.fetch_or(END_CODE_FROZEN, Ordering::AcqRel);
    }

    /// Stops the machine: after its current instruction it reads no more, wherever it is now.
    pub(crate) fn ask_to_end(&self, code: EndCode) {
        self.set_end_code(code);
        // Before the machine's own: who finds that one closed finds these frozen.
        self.close_ports();
        let wake = self.queue().close();
        if wake == Wake::Schedule {
            self.wake(wake);
            return;
        }
        if !self.vtable.is_machine {
            // The reader of a channel may be away for ever, and there will be no room.
            // SAFETY: alive, and its table fits its type.
            return unsafe { (self.vtable.let_go)(self.in_cell()) };
        }
        crate::sync::point(Point::AskedToEnd);
        // SeqCst: pairs with the fence in `backpressure::park`: either this load sees PARKED, or the parker sees CLOSED
        // and its reason. Anything weaker lets both look past each other, and the machine would stay parked.
        fence(Ordering::SeqCst);
        crate::backpressure::resume_by_other(self);
    }

    /// True once the machine has ended or will end without reading more.
    #[inline]
    pub(crate) fn is_asked_to_end(&self) -> bool {
        // Acquire: as in `end_code`.
        self.end_code.load(Ordering::Acquire) & END_CODE_ASKED != 0
    }
}
