#![doc = include_str!("README.md")]

mod activation;
mod body;
mod control;
mod edge;
mod ending;
mod held;
mod lazy;
mod partners;
mod reference;
mod registry;
mod side;
mod turn;

#[cfg(all(test, loom))]
pub(crate) mod model;

use std::ptr::NonNull;
use std::sync::Arc;

use crate::backpressure::Waiters;
use crate::id::MachineId;
use crate::mailbox::{Queue, Wake};
use crate::scheduler::Pool;
use crate::sync::{AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};

pub(crate) use activation::{After, MachineCell};
pub(crate) use body::{Body, Owned, Shared};
pub(crate) use control::ControlMessage;
pub(crate) use edge::Edge;
pub(crate) use held::{Held, Resumed};
pub(crate) use lazy::LazyBox;
pub(crate) use partners::Partners;
pub(crate) use reference::{MemRef, Scheduled, expose};
pub(crate) use registry::{Registry, RegistrySlot, next_free_id};
pub(crate) use side::Side;
pub(crate) use turn::Turn;

/// What can be done with a cell without knowing its types.
pub(crate) struct VTable {
    /// Whether a run token exists: false for cells whose consumer is a thread or a future.
    pub(crate) is_machine: bool,
    /// Runs the machine once. Only for machines, only by the holder of the token.
    pub(crate) run: unsafe fn(Scheduled, &mut Turn<'_>) -> After,
    /// The consumer was at rest and has something to look at.
    pub(crate) wake: unsafe fn(NonNull<Header>),
    /// Parks a machine (the second argument) on this mailbox.
    pub(crate) park_on: unsafe fn(NonNull<Header>, NonNull<Header>) -> crate::mailbox::Announce,
    /// Takes a machine's node out of this mailbox's waiter list.
    pub(crate) unlink_waiter: unsafe fn(NonNull<Header>, u32),
    /// Frees the cell. The last memory reference is gone.
    pub(crate) free: unsafe fn(NonNull<Header>),
    /// The names of machine and instruction set, for people.
    pub(crate) machine_type: fn() -> &'static str,
    pub(crate) instruction_set: fn() -> &'static str,
    pub(crate) instruction_set_id: fn() -> std::any::TypeId,
    /// Where the value shared by several mailboxes lives; null for a value of one mailbox.
    pub(crate) shared_value: unsafe fn(NonNull<Header>) -> *const (),
}

/// The untyped first part of every cell.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) vtable: &'static VTable,
    refs: AtomicUsize,
    senders: AtomicUsize,
    /// The runtime that runs this machine; None for a `Receiver`.
    pool: Option<Arc<Pool>>,
    pub(crate) id: MachineId,
    pub(crate) edge: Edge,
    side: LazyBox<Side>,
    pub(crate) slot: RegistrySlot,
    /// The key of this machine's node in the waiter list that `edge` names. Written before PARKED, read after the resume.
    pub(crate) wait_key: AtomicU32,
    pub(crate) held: Held,
    /// Why the machine ends: an `EndCode`, 0 while nobody asked. Stored before CLOSED.
    end_code: AtomicU8,
}

/// A cell as its senders see it.
#[repr(C)]
pub(crate) struct MailboxCell<P> {
    pub(crate) header: Header,
    pub(crate) queue: Queue<P>,
    pub(crate) waiters: LazyBox<Waiters<P>>,
    /// Instructions beyond which a machine's `send` hands its instruction back.
    pub(crate) hard_limit: u64,
}

const _: () = {
    // One word per field group; a cell that grows by accident is a decision to take, not to find out.
    assert!(cfg!(loom) || size_of::<Header>() <= 72);
    assert!(cfg!(loom) || size_of::<MailboxCell<u64>>() <= 168);
};

/// The reasons for an end, as stored in a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum EndCode {
    None = 0,
    Stopped = 1,
    Shutdown = 2,
    Failed = 3,
    Panicked = 4,
    Partner = 5,
    /// Nobody asked: the last sender is gone.
    NoSenders = 6,
}

/// Set with the code when the machine has ended: it does not change any more.
const END_CODE_FROZEN: u8 = 0x80;

impl EndCode {
    fn from_byte(byte: u8) -> Self {
        match byte & !END_CODE_FROZEN {
            1 => Self::Stopped,
            2 => Self::Shutdown,
            3 => Self::Failed,
            4 => Self::Panicked,
            5 => Self::Partner,
            6 => Self::NoSenders,
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
            refs: AtomicUsize::new(2),
            senders: AtomicUsize::new(1),
            pool,
            id,
            edge: Edge::new(),
            side: LazyBox::new(),
            slot,
            wait_key: AtomicU32::new(0),
            held: Held::new(),
            end_code: AtomicU8::new(0),
        }
    }

    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        self.pool.as_ref()
    }

    pub(crate) fn side(&self) -> &Side {
        self.side.get_or_init(Side::default)
    }

    pub(crate) fn side_if_any(&self) -> Option<&Side> {
        self.side.get()
    }

    /// A pointer to the whole cell, not just to the header's bytes: what references and tokens are made from.
    pub(crate) fn cell(&self) -> NonNull<Self> {
        let address = std::ptr::from_ref(self).addr();
        let cell = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the address of a reference is not null. Both places that allocate cells expose the provenance of the allocation.
        unsafe { NonNull::new_unchecked(cell) }
    }

    /// The mailbox without its type: for the steps that touch the words and no instruction.
    pub(crate) fn queue(&self) -> &Queue<()> {
        let mailbox = self.cell().cast::<MailboxCell<()>>();
        // SAFETY: every header is the first field of a `MailboxCell<P>`; `MailboxCell` and `Queue` are repr(C) and name P
        // behind pointers only, so that the layout up to and with the queue is the same for every P. The callers (all in
        // this crate: `tail`, `len`, `close`, `post_control`, `capacity`, `clear_control`) read and write the words and follow no
        // block pointer.
        unsafe { &(*mailbox.as_ptr()).queue }
    }

    /// Wakes the consumer if the step before took its IDLE away.
    #[inline]
    pub(crate) fn wake(&self, owed: Wake) {
        if owed == Wake::Schedule {
            // SAFETY: the header is alive, and this caller took IDLE away: it owns the token.
            unsafe { (self.vtable.wake)(self.cell()) }
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
        let wake = self.queue().close();
        if wake == Wake::Schedule {
            self.wake(wake);
            return;
        }
        // SeqCst: pairs with the fence in `backpressure::park`: either this load sees PARKED, or the parker sees CLOSED
        // and its reason. Anything weaker lets both look past each other, and the machine would stay parked.
        fence(Ordering::SeqCst);
        crate::backpressure::resume_by_other(self);
    }

    /// True once the machine has ended or will end without reading more.
    pub(crate) fn is_asked_to_end(&self) -> bool {
        !matches!(self.end_code(), EndCode::None | EndCode::NoSenders)
    }
}
