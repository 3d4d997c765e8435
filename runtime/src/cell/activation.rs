//! One run of a machine: control lane, instructions, parking, rest. Its end is told in `ending.rs`.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{
    Body, ControlMessage, EndCode, Header, LazyBox, MailboxCell, MemRef, RegistrySlot, Scheduled,
    Turn, VTable, expose,
};
use crate::backpressure::{self, Parked};
use crate::id::MachineId;
use crate::mailbox::{Popped, Queue, Rest, word};
use crate::scheduler::{InMachine, Pool, has_noted, take_noted};
use crate::stats::MachineInfo;
use crate::sync::Ordering;
use crate::unwind;

/// How far a machine's life has come. Known to the holder of the token only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// `connected` was not called yet.
    Fresh,
    /// It reads instructions.
    Alive,
    /// The value is gone; claims in flight are still to be waited for.
    Leaving,
}

/// What only the holder of the run token touches.
pub(super) struct Private<B> {
    pub(super) stage: Stage,
    /// Whether the machine was parked when it gave its token away, for the statistics.
    was_parked: bool,
    /// Full receivers that are still to be parked on: the rest of a `receive` that met several.
    #[allow(
        clippy::box_collection,
        reason = "one word in a cell that rarely needs it"
    )]
    pub(super) still_full: Option<Box<Vec<MemRef>>>,
    pub(super) body: MaybeUninit<B>,
}

/// A machine's cell: what its senders see, then what its worker sees.
#[repr(C)]
pub(crate) struct MachineCell<P, B> {
    mailbox: MailboxCell<P>,
    /// The address of a value that other mailboxes may share, and whether this one joined it later; null: owned.
    pub(super) shared_value: *const (),
    pub(super) joined: bool,
    private: UnsafeCell<Private<B>>,
}

/// What became of the token.
#[must_use]
pub(crate) enum After {
    /// The machine rests, is parked or has ended: the worker must not touch it.
    Gone,
    /// It has more to do: to the back of the queue with it.
    Again(Scheduled),
}

impl<P: Send + 'static, B: Body<P>> MachineCell<P, B> {
    const VTABLE: VTable = VTable {
        is_machine: true,
        run: Self::run,
        wake: Self::wake,
        park_on: backpressure::park_on::<P>,
        unlink_waiter: backpressure::unlink_machine::<P>,
        free: Self::free,
        machine_type: B::type_name,
        instruction_set: std::any::type_name::<P>,
        instruction_set_id: std::any::TypeId::of::<P>,
        shared_value: Self::shared_value,
    };

    /// Allocates a cell whose token is the caller's: `connected` is still to be called.
    pub(crate) fn allocate(
        pool: Arc<Pool>,
        id: MachineId,
        slot: RegistrySlot,
        capacity: u64,
        body: B,
        joined: bool,
    ) -> NonNull<MailboxCell<P>> {
        let hard_limit = capacity.saturating_mul(pool.config.hard_limit as u64);
        let cell = Box::new(Self {
            mailbox: MailboxCell {
                header: Header::new(const { &Self::VTABLE }, Some(pool), id, slot),
                queue: Queue::new(capacity, false),
                waiters: LazyBox::new(),
                hard_limit,
            },
            shared_value: body.shared_value(),
            joined,
            private: UnsafeCell::new(Private {
                stage: Stage::Fresh,
                was_parked: false,
                still_full: None,
                body: MaybeUninit::new(body),
            }),
        });
        expose(cell).cast()
    }

    unsafe fn wake(cell: NonNull<Header>) {
        // SAFETY: the caller took IDLE away, so the token is its to queue.
        crate::scheduler::schedule(unsafe { Scheduled::new(cell) });
    }

    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: allocated by `allocate` as a box of this type, and the last reference is gone. The body was dropped at
        // the machine's end: the token's reference goes only then.
        drop(unsafe { Box::from_raw(cell.cast::<Self>().as_ptr()) });
    }

    unsafe fn shared_value(cell: NonNull<Header>) -> *const () {
        // SAFETY: the caller keeps the cell alive, and the field never changes.
        unsafe { cell.cast::<Self>().as_ref() }.shared_value
    }

    unsafe fn run(token: Scheduled, turn: &mut Turn<'_>) -> After {
        let cell = token.into_cell();
        // SAFETY: the token keeps the cell alive; it is a cell of this type, as its table says.
        let this = unsafe { cell.cast::<Self>().as_ref() };
        let gone = {
            let _inside = InMachine::enter(&this.mailbox.header);
            let mut run = Activation { cell: this, turn };
            run.run()
        };
        if has_noted() {
            // Noted by a destructor or a waker after the machine was done with: nobody is there to be parked for it.
            drop(take_noted());
        }
        match gone {
            Outcome::Gone => After::Gone,
            // SAFETY: the activation kept the token.
            Outcome::Again => After::Again(unsafe { Scheduled::new(cell) }),
            Outcome::Ended => {
                // SAFETY: the token's own reference, given up once.
                drop(unsafe { MemRef::from_raw(cell) });
                After::Gone
            }
        }
    }
}

/// What an activation did with the token.
pub(super) enum Outcome {
    /// Gave it away: the cell may be running elsewhere, or be freed.
    Gone,
    /// Kept it, and wants another turn.
    Again,
    /// Ended the machine: the token is void.
    Ended,
}

pub(super) struct Activation<'a, 'turn, P, B> {
    pub(super) cell: &'a MachineCell<P, B>,
    pub(super) turn: &'a mut Turn<'turn>,
}

impl<P: Send + 'static, B: Body<P>> Activation<'_, '_, P, B> {
    /// The private part. Each caller lets go of it before it gives the token away.
    #[inline]
    #[allow(
        clippy::mut_from_ref,
        reason = "the run token is the exclusive right; see SAFETY"
    )]
    pub(super) fn private(&mut self) -> &mut Private<B> {
        // SAFETY: an activation holds the one run token, and `&mut self` makes this the only borrow through it.
        unsafe { &mut *self.cell.private.get() }
    }

    pub(super) fn mailbox(&self) -> &MailboxCell<P> {
        &self.cell.mailbox
    }

    pub(super) fn header(&self) -> &Header {
        &self.cell.mailbox.header
    }

    fn run(&mut self) -> Outcome {
        if self.private().was_parked {
            self.note_resume();
            if self.private().stage == Stage::Alive && self.header().is_asked_to_end() {
                // Resumed to end, not for room: what it would send next finds no room either.
                return self.end();
            }
        }
        if self.private().stage == Stage::Leaving {
            return self.drain_rest();
        }
        if self.private().stage == Stage::Fresh
            && let Err(outcome) = self.connect()
        {
            return outcome;
        }
        if let Some(outcome) = self.park_on_full() {
            return outcome;
        }
        self.read()
    }

    /// The loop over instructions.
    fn read(&mut self) -> Outcome {
        if self.mailbox().queue.tail().has(word::CONTROL) {
            self.serve_control();
        }
        loop {
            if self.header().is_asked_to_end() && !self.reads_to_the_end() {
                return self.end();
            }
            // SAFETY: the token makes us the consumer.
            match unsafe { self.mailbox().queue.pop_patiently() } {
                Popped::Item(instruction) => {
                    if let Err(message) = self.receive(instruction) {
                        self.fail_with(EndCode::Panicked, message);
                        return self.end();
                    }
                    if self.mailbox().queue.limit_is_stale() {
                        self.make_room();
                    }
                    if has_noted()
                        && let Some(outcome) = self.park_on_noted()
                    {
                        return outcome;
                    }
                    if self.turn.is_over() {
                        self.turn.counters.exhausted.add(1);
                        self.make_room_now();
                        return Outcome::Again;
                    }
                }
                Popped::Unwritten => {
                    self.turn.counters.unwritten.add(1);
                    self.turn.waits_for_others = true;
                    self.make_room_now();
                    return Outcome::Again;
                }
                Popped::Empty => {
                    if let Some(outcome) = self.rest() {
                        return outcome;
                    }
                }
            }
        }
    }

    /// A shutdown whose machines had all become quiet closes the mailboxes and lets them be read: what a thread sent at the
    /// last moment was accepted, so it is received. Past the deadline it is dropped and counted.
    #[cold]
    fn reads_to_the_end(&self) -> bool {
        self.header().end_code() == EndCode::Shutdown && !self.turn.pool.is_overdue()
    }

    #[inline]
    fn receive(&mut self, instruction: P) -> Result<(), Arc<str>> {
        self.turn.counters.instructions.add(1);
        // SAFETY: the stage is Alive, so the body is there.
        let body = unsafe { self.private().body.assume_init_mut() };
        unwind::user_code(|| body.receive(instruction))
    }

    fn rest(&mut self) -> Option<Outcome> {
        // SAFETY: the token makes us the consumer, and the mailbox was found empty.
        match unsafe { self.mailbox().queue.rest() } {
            Rest::Rested => Some(Outcome::Gone),
            Rest::Closed => Some(self.end()),
            Rest::Waiters => {
                self.make_room_now();
                // Some of them, at most its capacity, are released; the others get their turn when these have sent.
                Some(Outcome::Again)
            }
            Rest::Control => {
                self.serve_control();
                None
            }
            // The loop finds what came.
            Rest::Busy => None,
        }
    }

    /// Publishes the room that was made; those who wait come first.
    fn make_room(&mut self) {
        // SAFETY: the token makes us the consumer.
        unsafe { backpressure::make_room(self.mailbox()) };
    }

    /// The same at the end of an activation, where every slot counts.
    fn make_room_now(&mut self) {
        // SAFETY: the token makes us the consumer.
        unsafe { backpressure::make_room_now(self.mailbox()) };
    }

    fn serve_control(&mut self) {
        // Clear first, look second: see the README.
        self.mailbox().queue.clear_control();
        for message in self.header().take_control() {
            match message {
                ControlMessage::Report(to) => {
                    // Who asked may have gone.
                    let _ = to.try_send(MachineInfo::of(self.header()));
                }
            }
        }
    }

    // ---- hooks and parking ----

    fn connect(&mut self) -> Result<(), Outcome> {
        self.private().stage = Stage::Alive;
        let id = self.header().id.as_uuid();
        // SAFETY: the body was there when the cell was made, and is dropped at the end only.
        let body = unsafe { self.private().body.assume_init_mut() };
        let result = unwind::user_code(|| body.connected(id));
        if let Err(message) = result {
            self.fail_with(EndCode::Panicked, message);
            return Err(self.end());
        }
        if has_noted()
            && let Some(outcome) = self.park_on_noted()
        {
            return Err(outcome);
        }
        Ok(())
    }

    #[cold]
    fn park_on_noted(&mut self) -> Option<Outcome> {
        // Who waits for this machine's room may be whom it is about to wait for. Before the notes are taken: a waker in there may
        // send, and note.
        self.make_room_now();
        self.private().still_full = Some(Box::new(take_noted()));
        self.park_on_full()
    }

    /// Parks on each receiver that the last `receive` found full and that still is, one after another.
    fn park_on_full(&mut self) -> Option<Outcome> {
        while let Some(receiver) = self.next_full() {
            // A reference of our own: from PARKED on the machine may run, end and be freed elsewhere.
            let me = MemRef::of(self.header());
            // Relaxed: written by the holder of the token; readers want a figure.
            me.side()
                .parked_since_ns
                .store(self.turn.pool.now_ns(), Ordering::Relaxed);
            self.private().was_parked = true;
            let counters = self.turn.counters;
            // From here on the private part is not touched unless the machine turns out not to be parked.
            // SAFETY: the token is ours, and everything that touches the machine is finished.
            match unsafe { backpressure::park(&me, &receiver) } {
                Parked::Waiting => {
                    counters.parks.add(1);
                    // Relaxed: a figure. Through a reference of our own: the machine may be running again.
                    me.side().parks.fetch_add(1, Ordering::Relaxed);
                    // Before our own cell may go: dropping a receiver's cell may run user code that asks which machine it is in.
                    drop(receiver);
                    return Some(Outcome::Gone);
                }
                Parked::NotNeeded => self.private().was_parked = false,
                Parked::GaveWay => {
                    counters.ring_breaks.add(1);
                    self.private().was_parked = false;
                    self.make_room_now();
                    return Some(Outcome::Again);
                }
                Parked::AskedToEnd => {
                    self.private().was_parked = false;
                    return Some(self.end());
                }
            }
        }
        None
    }

    fn next_full(&mut self) -> Option<MemRef> {
        let still_full = &mut self.private().still_full;
        let next = still_full
            .as_mut()
            .and_then(|full| (!full.is_empty()).then(|| full.remove(0)));
        if still_full.as_ref().is_some_and(|full| full.is_empty()) {
            *still_full = None;
        }
        next
    }

    fn note_resume(&mut self) {
        self.private().was_parked = false;
        if let Some(side) = self.header().side_if_any() {
            let since = side.parked_since_ns.swap(0, Ordering::Relaxed);
            let parked = self.turn.pool.now_ns().saturating_sub(since);
            // Relaxed: as above.
            side.parked_ns.fetch_add(parked, Ordering::Relaxed);
        }
    }
}
