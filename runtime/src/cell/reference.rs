//! References to cells: memory references, and the linear `Scheduled`.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

use super::{Header, MailboxCell, header_of, port};
use crate::mailbox::Wake;
use crate::protocol::Point;
use crate::sync::{AtomicU32, Ordering, fence};

/// Leaks a new cell. Its provenance is exposed: see [`Header::in_cell`].
pub(crate) fn expose<C>(cell: Box<C>) -> NonNull<C> {
    let cell = NonNull::from(Box::leak(cell));
    let _ = cell.as_ptr().expose_provenance();
    cell
}

/// A memory reference: keeps the cell's memory, not the machine's life.
pub(crate) struct MemRef(NonNull<Header>);

// SAFETY: the header is made of atomics, immutable fields and locks; what is typed behind it is reached through the table by
// the holder of the token only. Machines and instructions are Send by the bounds of `connect`.
unsafe impl Send for MemRef {}
// SAFETY: as above: `&MemRef` gives `&Header`.
unsafe impl Sync for MemRef {}

impl MemRef {
    /// One more reference to a cell that is alive.
    ///
    /// # Safety
    /// The cell is alive during the call.
    pub(crate) unsafe fn new(cell: NonNull<Header>) -> Self {
        // Relaxed: a new reference is made from an existing one, nothing is read on the strength of it.
        // SAFETY: alive by the caller's word.
        let before = unsafe { cell.as_ref() }
            .refs
            .fetch_add(1, Ordering::Relaxed);
        if before > i32::MAX as u32 {
            // Only a program that leaks references in a loop comes here; wrapping would free the cell under others.
            std::process::abort();
        }
        Self(cell)
    }

    pub(crate) fn of(header: &Header) -> Self {
        // SAFETY: a reference to a header exists only while its cell is alive.
        unsafe { Self::new(header.in_cell()) }
    }

    /// # Safety
    /// `cell` came from `into_raw`, or the caller owns a reference otherwise.
    pub(crate) unsafe fn from_raw(cell: NonNull<Header>) -> Self {
        Self(cell)
    }

    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    pub(crate) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// A reference to the machine that reads this mailbox: the same one, but for a port.
    pub(crate) fn into_machine(self) -> Self {
        if self.vtable.is_port {
            Self::of(self.machine())
        } else {
            self
        }
    }
}

impl Deref for MemRef {
    type Target = Header;

    fn deref(&self) -> &Header {
        // SAFETY: the reference keeps the cell's memory.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for MemRef {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

impl PartialEq for MemRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for MemRef {}

impl Drop for MemRef {
    fn drop(&mut self) {
        // SAFETY: this is the reference that is given up.
        unsafe { release(self.0) }
    }
}

/// Gives one memory reference up; the last one frees the cell.
///
/// # Safety
/// The caller owns the reference.
pub(super) unsafe fn release(cell: NonNull<Header>) {
    // Release: what this holder did happens before the free; pairs with the Acquire fence of the last one.
    // SAFETY: alive, since the caller's reference still counts.
    let header = unsafe { cell.as_ref() };
    if header.refs.fetch_sub(1, Ordering::Release) == 1 {
        // Acquire: see above; without it the free could run ahead of another holder's last access.
        fence(Ordering::Acquire);
        // SAFETY: no reference is left.
        unsafe { (header.vtable.free)(cell) }
    }
}

/// One more strong sender, unless there is none left.
pub(super) fn add_unless_zero(senders: &AtomicU32) -> bool {
    let mut count = senders.load(Ordering::Relaxed);
    while count != 0 {
        // Relaxed: the weak sender that asks keeps the memory, and the count guards nothing else.
        match senders.compare_exchange_weak(count, count + 1, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => return true,
            Err(now) => count = now,
        }
    }
    false
}

impl<P> MailboxCell<P> {
    /// One more strong sender.
    pub(crate) fn add_sender(&self) {
        // Relaxed: made from an existing one.
        if self.header().senders.fetch_add(1, Ordering::Relaxed) > i32::MAX as u32 {
            std::process::abort();
        }
    }

    /// One more strong sender, unless there is none left: zero is final. A port counts on those of its machine's other mailboxes.
    pub(crate) fn try_add_sender(&self) -> bool {
        let header = self.header();
        add_unless_zero(&header.senders)
            || (header.vtable.is_port && port::add_first_sender(header))
    }

    /// One strong sender less; the last one closes the mailbox, so that the machine drains it and ends. The last one of a port is
    /// one less of its machine's.
    ///
    /// # Safety
    /// The caller owns the sender; the cell may be gone afterwards.
    pub(crate) unsafe fn remove_sender(cell: NonNull<Self>) {
        // SAFETY: the senders' memory reference keeps the cell while one is counted.
        let this = unsafe { cell.as_ref() };
        // AcqRel: every sender's pushes happen before the close by the last one.
        if this.header().senders.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        if this.header().vtable.is_port {
            // SAFETY: the count fell to zero here, so that what the senders held together is given up here.
            return unsafe { port::last_sender_is_gone(header_of(cell)) };
        }
        crate::sync::point(Point::LastSender);
        let wake: Wake = this.queue.close();
        this.header().wake(wake);
        // SAFETY: the last sender gives up the reference that all senders held together.
        unsafe { release(header_of(cell)) };
    }
}

/// The one place of a cell in a run queue: the run token, travelling.
///
/// Linear: it is consumed by running it. Dropping one would lose a machine with all its instructions, so that is an error of
/// the runtime and aborts.
#[must_use]
pub(crate) struct Scheduled(NonNull<Header>);

// SAFETY: as for MemRef; the token carries the right to run the machine, which is Send.
unsafe impl Send for Scheduled {}

impl Scheduled {
    /// # Safety
    /// The caller owns the cell's run token.
    pub(crate) unsafe fn new(cell: NonNull<Header>) -> Self {
        Self(cell)
    }

    pub(crate) fn into_cell(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the token holds a memory reference until the machine has ended.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        eprintln!(
            "d3: a scheduled machine was dropped instead of run; aborting, since its instructions would be lost"
        );
        std::process::abort();
    }
}
