//! One run of a machine: control lane, instructions, parking, rest. The loop over instructions stands in `receive.rs`, the end in `ending.rs`.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use super::port::Ports;
use super::receive::{Pause, receive_from};
use super::{
    Body, ControlMessage, EndCode, Header, MailboxCell, MemRef, PortsAt, RegistrySlot, Scheduled,
    Sharing, Stage, Turn, VTable, cell_of, expose, header_of,
};
use crate::backpressure::{self, ComesBy, Parked, Promise};
use crate::id::MachineId;
use crate::mailbox::{Rest, word};
use crate::protocol::Point;
use crate::scheduler::{InMachine, Pool, has_noted, take_noted};
use crate::stats::MachineInfo;
use crate::sync::{Ordering, lock};
use crate::unwind;

/// A machine's cell: what its senders see, then what its worker sees.
#[repr(C)]
pub(crate) struct MachineCell<P, B: Body<P>> {
    pub(super) mailbox: MailboxCell<P>,
    /// Nothing for a machine of one instruction set.
    pub(super) ports: B::Ports,
    /// Nothing for a value of one mailbox.
    pub(super) sharing: B::Sharing,
    /// Touched by the holder of the run token only. There until the machine ends.
    pub(super) body: UnsafeCell<MaybeUninit<B>>,
}

/// What became of the token that a run was given.
#[must_use]
pub(crate) enum After {
    /// The machine rests, is parked or has ended: the worker must not touch it.
    Gone,
    /// The token is the worker's again. The machine has more to do: to the back of the queue with it.
    Again,
    /// The token is the worker's again. The machine has read everything, or all but the last of a stream, and keeps it for a moment: see `scheduler/README.md`.
    Lingers,
}

impl<P: Send + 'static, B: Body<P>> MachineCell<P, B> {
    const VTABLE: VTable = VTable {
        is_machine: true,
        is_port: false,
        ports: Self::PORTS,
        run: Self::run,
        rest: Self::rest,
        wake: Self::wake,
        park_on: backpressure::park_on::<P>,
        unlink_waiter: backpressure::unlink_machine::<P>,
        pass_on: backpressure::pass_on::<P>,
        let_go: backpressure::let_go::<P>,
        waits: backpressure::waits::<P>,
        free: Self::free,
        machine_type: B::type_name,
        instruction_set: std::any::type_name::<P>,
        instruction_set_id: std::any::TypeId::of::<P>,
        shared_value: Self::shared_value,
    };

    const PORTS: PortsAt = PortsAt {
        distance: std::mem::offset_of!(Self, ports),
        count: <B::Ports as Ports<B>>::COUNT,
    };

    /// Allocates a cell whose token is the caller's: `connected` is still to be called.
    pub(crate) fn allocate(
        pool: Arc<Pool>,
        id: MachineId,
        slot: RegistrySlot,
        capacity: u64,
        body: B,
        joined: bool,
    ) -> NonNull<Header> {
        let header = Header::new(const { &Self::VTABLE }, Some(pool), id, slot);
        if Self::PORTS.count > 0 {
            header.will_have_ports(Self::PORTS.count);
        }
        let cell = Box::new(Self {
            mailbox: MailboxCell::new(header, capacity, false),
            ports: B::Ports::new(id, Self::PORTS.distance, capacity),
            sharing: body.sharing(joined),
            body: UnsafeCell::new(MaybeUninit::new(body)),
        });
        header_of(expose(cell))
    }

    unsafe fn rest(token: Scheduled) -> Option<Scheduled> {
        let cell = token.into_cell();
        // SAFETY: the token keeps the cell alive; it is a cell of this type, as its table says.
        let this = unsafe { cell_of::<Self>(cell).as_ref() };
        // SAFETY: the token is ours.
        unsafe { this.mailbox.rest(cell) }
    }

    unsafe fn wake(cell: NonNull<Header>) {
        // SAFETY: the caller took IDLE away, so the token is its to queue.
        crate::scheduler::schedule(unsafe { Scheduled::new(cell) });
    }

    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: allocated, and not freed before the next line.
        unsafe { cell.as_ref() }.note_freed();
        // SAFETY: allocated by `allocate` as a box of this type, and the last reference is gone. The body was dropped at
        // the machine's end: the token's reference goes only then.
        drop(unsafe { Box::from_raw(cell_of::<Self>(cell).as_ptr()) });
    }

    unsafe fn shared_value(cell: NonNull<Header>) -> *const () {
        // SAFETY: the caller keeps the cell alive, and the field never changes.
        unsafe { cell_of::<Self>(cell).as_ref() }.sharing.value()
    }

    unsafe fn run(token: Scheduled, turn: &mut Turn<'_>) -> After {
        let cell = token.into_cell();
        // SAFETY: the token keeps the cell alive; it is a cell of this type, as its table says.
        let this = unsafe { cell_of::<Self>(cell).as_ref() };
        let outcome = {
            let _inside = InMachine::enter(this.mailbox.header());
            let mut activation = Activation { cell: this, turn };
            let outcome = activation.run();
            if turn.owes.is_some() {
                // In here, as it may wake others: their wakers are as good as code of this machine's.
                turn.pass_on();
            }
            outcome
        };
        if has_noted() {
            // Noted by a destructor or a waker after the machine was done with: nobody is there to be parked for it.
            drop(take_noted());
        }
        match outcome {
            Outcome::Gone => After::Gone,
            Outcome::Again => After::Again,
            Outcome::Lingers => After::Lingers,
            Outcome::Ended => {
                // SAFETY: the token's own reference, given up once.
                drop(unsafe { MemRef::from_raw(cell) });
                After::Gone
            }
        }
    }
}

/// What an activation did with the token.
pub(crate) enum Outcome {
    /// Gave it away: the cell may be running elsewhere, or be freed.
    Gone,
    /// Kept it, and wants another turn.
    Again,
    /// Kept it for a moment, having read everything, or all but the last of a stream.
    Lingers,
    /// Ended the machine: the token is void.
    Ended,
}

pub(super) struct Activation<'a, 'turn, P, B: Body<P>> {
    pub(super) cell: &'a MachineCell<P, B>,
    pub(super) turn: &'a mut Turn<'turn>,
}

impl<P: Send + 'static, B: Body<P>> Activation<'_, '_, P, B> {
    /// The machine's value. Each caller lets go of it before it gives the token away.
    #[inline]
    pub(super) fn body(&mut self) -> &mut MaybeUninit<B> {
        // SAFETY: an activation holds the one run token, and `&mut self` makes this the only borrow through it.
        unsafe { &mut *self.cell.body.get() }
    }

    pub(super) fn mailbox(&self) -> &MailboxCell<P> {
        &self.cell.mailbox
    }

    pub(super) fn header(&self) -> &Header {
        self.cell.mailbox.header()
    }

    #[inline(always)]
    fn run(&mut self) -> Outcome {
        let stage = self.header().stage.get();
        if stage != Stage::Alive
            && let Some(outcome) = self.begin(stage)
        {
            return outcome;
        }
        let tail = self.mailbox().queue.tail();
        self.mailbox().queue.note_length(tail);
        if tail.has(word::CONTROL) {
            self.serve_control();
        }
        if Self::PORTS > 0 {
            return self.run_several();
        }
        loop {
            match self.receive_some() {
                Pause::Drained if self.turn.may_linger => {
                    self.mailbox().queue.begin_to_linger();
                    return Outcome::Lingers;
                }
                Pause::Empty if self.turn.may_linger && self.lingers() => return Outcome::Lingers,
                Pause::Drained | Pause::Empty => {
                    if let Some(outcome) = self.rest() {
                        return outcome;
                    }
                    // What came meanwhile may take long; and the instruction before it may have been the last of this turn's share.
                    self.make_room();
                    if self.turn.is_over() {
                        return self.give_way();
                    }
                }
                Pause::Noted => {
                    // Room first: it may be this machine's receivers that wait for it.
                    if let Some(outcome) = self.park_on_noted() {
                        return outcome;
                    }
                    if self.turn.is_over() {
                        return self.stops();
                    }
                }
                Pause::Stretch => {
                    if self.turn.is_over() {
                        return self.stops();
                    }
                    // Where stretches are of one instruction each this is all that thinks of room.
                    if self.turn.wants_room(&self.mailbox().queue) {
                        self.think_of_room();
                    }
                }
                Pause::Room => self.think_of_room(),
                Pause::LetCome(claimed) => {
                    // No room is published: that line is the producer's, and the next turn comes by for it.
                    crate::sync::point(Point::Lingers);
                    self.turn.left_at = claimed;
                    return Outcome::Lingers;
                }
                Pause::Unwritten => {
                    self.turn.counters.unwritten.add(1);
                    self.turn.waits_for_others = true;
                    self.make_room_now(ComesBy::NextTurn);
                    return Outcome::Again;
                }
                Pause::AskedToEnd => return self.end(),
                Pause::Panicked(message) => {
                    self.fail_with(EndCode::Panicked, message);
                    return self.end();
                }
            }
        }
    }

    #[inline(always)]
    fn receive_some(&mut self) -> Pause {
        let cell = self.cell;
        // SAFETY: an activation holds the one run token, and the stage is Alive, so the body is there.
        let body = unsafe { (*cell.body.get()).assume_init_mut() };
        // SAFETY: as above.
        unsafe { receive_from(cell.mailbox.header(), &cell.mailbox, body, self.turn) }
    }

    /// Whether the machine may keep its token though its mailbox is empty: nobody waits for anything of it.
    #[inline]
    pub(super) fn lingers(&self) -> bool {
        self.mailbox().queue.linger()
    }

    /// The turn is over. It may have read all there was with its share: then it is not queued behind others only to find that out.
    fn stops(&mut self) -> Outcome {
        if self.mailbox().queue.needs_turn() {
            return self.give_way();
        }
        if self.turn.may_linger {
            self.mailbox().queue.begin_to_linger();
            return Outcome::Lingers;
        }
        match self.rest() {
            Some(outcome) => outcome,
            None => self.give_way(),
        }
    }

    pub(super) fn give_way(&mut self) -> Outcome {
        self.turn.counters.exhausted.add(1);
        self.make_room_now(ComesBy::NextTurn);
        Outcome::Again
    }

    #[inline]
    fn rest(&mut self) -> Option<Outcome> {
        // SAFETY: the token makes us the consumer, and the mailbox was found empty.
        let rest = unsafe { self.mailbox().queue.rest() };
        self.after(rest)
    }

    /// What follows from a step of rest. None: there is something to look at.
    #[inline]
    pub(super) fn after(&mut self, rest: Rest) -> Option<Outcome> {
        match rest {
            Rest::Rested => Some(Outcome::Gone),
            Rest::Closed => Some(self.end()),
            Rest::Waiters => {
                self.make_room_now(ComesBy::NextTurn);
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
    pub(super) fn make_room(&mut self) {
        // SAFETY: the token makes us the consumer.
        unsafe { backpressure::make_room(self.mailbox()) };
    }

    /// The same in the middle of a turn; it may be put off.
    fn think_of_room(&mut self) {
        self.make_room();
        self.turn.no_room_before = self.mailbox().queue.stale_again_at();
    }

    /// The same at the end of an activation, or where the machine is about to park.
    pub(super) fn make_room_now(&mut self, comes_by: ComesBy) {
        // SAFETY: the token makes us the consumer.
        unsafe { backpressure::make_room_now(self.mailbox(), comes_by) };
        self.make_room_at_ports(comes_by);
    }

    pub(super) fn serve_control(&mut self) {
        for message in self.header().serve_control() {
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
        self.header().stage.set(Stage::Alive);
        let id = self.header().id.as_uuid();
        // SAFETY: the body was there when the cell was made, and is dropped at the end only.
        let body = unsafe { self.body().assume_init_mut() };
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

    /// What comes before reading in all turns but the common one. Some: nothing is to be read in this one.
    #[cold]
    fn begin(&mut self, stage: Stage) -> Option<Outcome> {
        match stage {
            Stage::Alive => None,
            Stage::Fresh => self.connect().err(),
            Stage::Parked => {
                // A reference of our own: the machine may have gone elsewhere, and ended, when the promise is passed on.
                let me = MemRef::of(self.header());
                self.turn.owes = Promise::of(&me).map(|promise| (promise, me));
                self.come_back()
            }
            Stage::Leaving => Some(self.drain_rest()),
        }
    }

    /// The machine was parked, or gave way in a ring with full receivers left.
    fn come_back(&mut self) -> Option<Outcome> {
        self.header().stage.set(Stage::Alive);
        let side = self.header().side();
        // Relaxed: figures.
        let since = side.parked_since_ns.swap(0, Ordering::Relaxed);
        if since != 0 {
            let parked = self.turn.pool.now_ns().saturating_sub(since);
            side.parked_ns.fetch_add(parked, Ordering::Relaxed);
            self.turn.counters.parked_ns.add(parked);
        }
        if self.header().is_asked_to_end() {
            // Resumed to end, not for room: what it would send next finds no room either.
            return Some(self.end());
        }
        self.park_on_full()
    }

    #[cold]
    pub(super) fn park_on_noted(&mut self) -> Option<Outcome> {
        // Who waits for this machine's room may be whom it is about to wait for. Before the notes are taken: a waker in there may
        // send, and note.
        self.make_room_now(ComesBy::NobodyKnowsWhen);
        let mut noted = take_noted();
        let mut last = noted.next()?;
        let mut others = Vec::new();
        for next in noted {
            others.push(std::mem::replace(&mut last, next));
        }
        if !others.is_empty() {
            *lock(&self.header().side().still_full) = others;
        }
        match self.park_on(last) {
            Some(outcome) => Some(outcome),
            None => self.park_on_full(),
        }
    }

    /// Parks on each receiver that the last `receive` found full and that still is, one after another, the last one met first: it was filled last, so that most
    /// likely it is the last to have room again, and there is no need to wait for the others then.
    fn park_on_full(&mut self) -> Option<Outcome> {
        loop {
            let next = lock(&self.header().side().still_full).pop()?;
            if let Some(outcome) = self.park_on(next) {
                return Some(outcome);
            }
        }
    }

    /// Parks on one receiver; None: there is room again, the machine goes on.
    fn park_on(&mut self, receiver: MemRef) -> Option<Outcome> {
        // A reference of our own: from PARKED on the machine may run, end and be freed elsewhere.
        let me = MemRef::of(self.header());
        // Relaxed: written by the holder of the token; readers want a figure.
        me.side()
            .parked_since_ns
            .store(self.turn.pool.now_ns(), Ordering::Relaxed);
        me.stage.set(Stage::Parked);
        let counters = self.turn.counters;
        // From here on nothing of the token's is touched unless the machine turns out not to be parked.
        // SAFETY: the token is ours, and everything that touches the machine is finished.
        match unsafe { backpressure::park(&me, &receiver) } {
            Parked::Waiting => {
                counters.parks.add(1);
                if let Some((promise, _)) = &mut self.turn.owes {
                    promise.note_wait(&receiver);
                }
                // Relaxed: a figure. Through a reference of our own: the machine may be running again.
                me.side().parks.fetch_add(1, Ordering::Relaxed);
                // Before our own cell may go: dropping a receiver's cell may run user code that asks which machine it is in.
                drop(receiver);
                Some(Outcome::Gone)
            }
            Parked::NotNeeded => {
                self.stays();
                None
            }
            Parked::GaveWay => {
                counters.ring_breaks.add(1);
                self.stays();
                if !lock(&me.side().still_full).is_empty() {
                    // The others come first when it is its turn again.
                    me.stage.set(Stage::Parked);
                }
                self.make_room_now(ComesBy::NobodyKnowsWhen);
                Some(Outcome::Again)
            }
            Parked::AskedToEnd => {
                self.stays();
                Some(self.end())
            }
        }
    }

    /// It was not parked after all.
    fn stays(&mut self) {
        self.header().stage.set(Stage::Alive);
        self.header()
            .side()
            .parked_since_ns
            .store(0, Ordering::Relaxed);
    }
}
