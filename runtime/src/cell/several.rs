//! The activation of a machine with several instruction sets: one run token, a turn for each mailbox.

use std::marker::PhantomData;

use uuid::Uuid;

use super::activation::{Activation, Outcome};
use super::body::Alone;
use super::ending::drop_unread;
use super::port::Ports;
use super::receive::{Pause, receive_from};
use super::{Body, EndCode, Header, MailboxCell, Receives, Turn};
use crate::backpressure::{self, ComesBy};
use crate::machine::MachineMut;
use crate::mailbox::{Rest, word};
use crate::protocol::Point;

/// A `MachineMut` for several instruction sets, by value. `List` are its ports: the sets behind the first.
pub(crate) struct Several<T, List>(T, PhantomData<fn() -> List>);

impl<T, List> Several<T, List> {
    pub(crate) fn new(machine: T) -> Self {
        Self(machine, PhantomData)
    }
}

impl<P, T: MachineMut<P>, List> Receives<P> for Several<T, List> {
    #[inline]
    fn receive(&mut self, instruction: P) {
        MachineMut::<P>::receive(&mut self.0, instruction);
    }
}

/// The hooks are those of the first instruction set.
impl<P, T, List> Body<P> for Several<T, List>
where
    T: MachineMut<P> + 'static,
    List: Ports<Self>,
{
    fn connected(&mut self, id: Uuid) {
        MachineMut::<P>::connected(&mut self.0, id);
    }

    fn disconnected(&mut self) {
        MachineMut::<P>::disconnected(&mut self.0);
    }

    type Sharing = Alone;

    fn sharing(&self, _joined: bool) -> Alone {
        Alone
    }

    type Ports = List;

    fn type_name() -> &'static str {
        std::any::type_name::<T>()
    }
}

/// One mailbox of a machine whose value is `B`, whatever its instruction set is. Called for a stretch of instructions, not for each.
///
/// # Safety
/// Of all unsafe functions: the caller holds the machine's run token.
pub(crate) trait Inbox<B> {
    fn header(&self) -> &Header;
    /// Hands instructions to `body`, the value of `machine`, until something else is to be done.
    unsafe fn receive_some(&self, machine: &Header, body: &mut B, turn: &mut Turn<'_>) -> Pause;
    /// Lets this mailbox rest; it was found empty.
    unsafe fn rest(&self) -> Rest;
    unsafe fn make_room(&self);
    unsafe fn make_room_now(&self, comes_by: ComesBy);
    fn release_all(&self);
    /// Drops what a closed mailbox still holds; false: another turn is needed.
    unsafe fn drop_unread(&self, turn: &mut Turn<'_>) -> bool;
}

impl<P: Send + 'static, B: Receives<P>> Inbox<B> for MailboxCell<P> {
    fn header(&self) -> &Header {
        self.header()
    }

    unsafe fn receive_some(&self, machine: &Header, body: &mut B, turn: &mut Turn<'_>) -> Pause {
        // SAFETY: the caller holds the token.
        unsafe { receive_from(machine, self, body, turn) }
    }

    unsafe fn rest(&self) -> Rest {
        // SAFETY: the token makes the caller the consumer.
        unsafe { self.queue.rest() }
    }

    unsafe fn make_room(&self) {
        // SAFETY: as above.
        unsafe { backpressure::make_room(self) };
    }

    unsafe fn make_room_now(&self, comes_by: ComesBy) {
        // SAFETY: as above.
        unsafe { backpressure::make_room_now(self, comes_by) };
    }

    fn release_all(&self) {
        backpressure::release_all(self);
    }

    unsafe fn drop_unread(&self, turn: &mut Turn<'_>) -> bool {
        // SAFETY: as above.
        unsafe { drop_unread(self, turn) }
    }
}

/// Whether a port rests: then there is nothing in it, and nobody waits for its room.
fn is_at_rest(port: &Header) -> bool {
    port.queue().tail().has(word::IDLE)
}

/// How far all mailboxes of a machine came on their way to rest.
#[must_use]
pub(super) enum Resting {
    /// The ports rest, and the machine lingers.
    Lingers,
    /// The verdict of the step that failed, or of the last. Closed: all mailboxes are read to the end, and stay so.
    Tried(Rest),
}

/// Rests the ports one by one, then the machine's own mailbox: in this order, see the README. `lingers` is asked in between. The models call it too.
///
/// After [`Rest::Rested`] the caller touches nothing of the cell.
///
/// # Safety
/// The caller holds the run token and found all mailboxes empty.
pub(super) unsafe fn rest_in_order<'a, P, B: 'a>(
    machine: &MailboxCell<P>,
    ports: impl Iterator<Item = &'a dyn Inbox<B>>,
    lingers: impl FnOnce() -> bool,
) -> Resting {
    for port in ports {
        if is_at_rest(port.header()) {
            continue;
        }
        // SAFETY: the token makes the caller the consumer of all mailboxes.
        match unsafe { port.rest() } {
            // A closed one stays as it is: the machine will find itself closed too.
            Rest::Rested | Rest::Closed => {}
            // Nobody posts to a port.
            rest @ (Rest::Busy | Rest::Control | Rest::Waiters) => return Resting::Tried(rest),
        }
    }
    crate::sync::point(Point::PortsRest);
    if lingers() {
        // A port that is pushed to now posts to the machine, which is what its worker looks for.
        return Resting::Lingers;
    }
    // SAFETY: as above.
    match unsafe { machine.queue.rest() } {
        // No port will get more by now; but there may be something left in one.
        Rest::Closed if !ports_are_read(machine.header()) => Resting::Tried(Rest::Busy),
        rest => Resting::Tried(rest),
    }
}

/// Whether all ports of a machine that finds itself closed were read to the end: nothing will be pushed to them any more.
fn ports_are_read(machine: &Header) -> bool {
    machine.ports().all(|port| {
        let queue = port.queue();
        queue.tail().index() == queue.head()
    })
}

impl<'a, P: Send + 'static, B: Body<P>> Activation<'a, '_, P, B> {
    pub(super) const PORTS: usize = <B::Ports as Ports<B>>::COUNT;

    const MAILBOXES: usize = 1 + Self::PORTS;

    pub(super) fn ports(&self) -> impl Iterator<Item = &'a dyn Inbox<B>> + use<'a, P, B> {
        let ports = &self.cell.ports;
        (0..Self::PORTS).map(|index| ports.inbox(index))
    }

    fn inbox(&self, index: usize) -> &'a dyn Inbox<B> {
        match index.checked_sub(1) {
            None => &self.cell.mailbox,
            Some(port) => self.cell.ports.inbox(port),
        }
    }

    /// The loop over mailboxes: a stretch of instructions from each in turn, and rest when all were found empty one after another.
    ///
    /// Whose turn it is outlives the activation: with a budget of one instruction each mailbox is still read.
    pub(super) fn run_several(&mut self) -> Outcome {
        let rotation = self.cell.ports.rotation();
        let mut index = rotation.get();
        // What is left in one mailbox would be let come while another is read: a stop for each instruction.
        self.turn.follows = false;
        // How many in a row had nothing to read, and whether one of them waits for its producer.
        let (mut in_vain, mut unwritten) = (0, false);
        loop {
            if in_vain == Self::MAILBOXES {
                if unwritten {
                    self.turn.counters.unwritten.add(1);
                    self.turn.waits_for_others = true;
                    self.make_room_now(ComesBy::NextTurn);
                    return Outcome::Again;
                }
                if let Some(outcome) = self.rest_all() {
                    return outcome;
                }
                in_vain = 0;
            }
            let inbox = self.inbox(index);
            let pause = self.receive_at(inbox);
            if let Pause::Room = pause {
                // SAFETY: the token makes us the consumer.
                unsafe { inbox.make_room() };
                self.turn.no_room_before = inbox.header().queue().stale_again_at();
                (in_vain, unwritten) = (0, false);
                continue;
            }
            // Each mailbox counts for itself.
            self.turn.no_room_before = 0;
            if let Pause::Drained | Pause::Stretch = pause {
                // The next mailbox may hold many instructions, or a long one.
                let queue = inbox.header().queue();
                if self.turn.wants_room(queue) {
                    // SAFETY: the token makes us the consumer.
                    unsafe { inbox.make_room() };
                }
            }
            // Stored before the token may go.
            index = (index + 1) % Self::MAILBOXES;
            rotation.set(index);
            match pause {
                Pause::Empty => {
                    in_vain += 1;
                    continue;
                }
                Pause::Drained => {
                    in_vain += 1;
                    // It was one instruction, and may have been the last of this turn's share.
                    if self.turn.is_over() {
                        return self.stops_several();
                    }
                    continue;
                }
                Pause::Unwritten => {
                    in_vain += 1;
                    unwritten = true;
                    continue;
                }
                Pause::AskedToEnd => return self.end(),
                Pause::Panicked(message) => {
                    self.fail_with(EndCode::Panicked, message);
                    return self.end();
                }
                Pause::Noted => {
                    if let Some(outcome) = self.park_on_noted() {
                        return outcome;
                    }
                }
                Pause::Stretch | Pause::Room | Pause::LetCome(_) => {}
            }
            (in_vain, unwritten) = (0, false);
            if self.turn.is_over() {
                return self.stops_several();
            }
        }
    }

    /// As `stops`, for all mailboxes.
    fn stops_several(&mut self) -> Outcome {
        if !self.mailbox().queue.needs_turn()
            && ports_are_read(self.header())
            && let Some(outcome) = self.rest_all()
        {
            return outcome;
        }
        self.give_way()
    }

    fn receive_at(&mut self, inbox: &'a dyn Inbox<B>) -> Pause {
        let queue = inbox.header().queue();
        let tail = queue.tail();
        if tail.has(word::IDLE) {
            return Pause::Empty;
        }
        queue.note_length(tail);
        let cell = self.cell;
        // SAFETY: an activation holds the one run token, and the stage is Alive, so the body is there.
        let body = unsafe { (*cell.body.get()).assume_init_mut() };
        // SAFETY: as above.
        unsafe { inbox.receive_some(cell.mailbox.header(), body, self.turn) }
    }

    /// Lets all mailboxes rest. None: something came meanwhile.
    fn rest_all(&mut self) -> Option<Outcome> {
        let may_linger = self.turn.may_linger;
        // SAFETY: the token makes us the consumer of all mailboxes, which were found empty.
        let resting = unsafe {
            rest_in_order(self.mailbox(), self.ports(), || {
                may_linger && self.lingers()
            })
        };
        match resting {
            Resting::Lingers => Some(Outcome::Lingers),
            Resting::Tried(rest) => self.after(rest),
        }
    }

    /// Room in the ports, where the machine may not come by again soon.
    pub(super) fn make_room_at_ports(&mut self, comes_by: ComesBy) {
        for port in self.ports() {
            if !is_at_rest(port.header()) {
                // SAFETY: the token makes us the consumer of all mailboxes.
                unsafe { port.make_room_now(comes_by) };
            }
        }
    }

    /// The machine has ended, and so have its ports.
    pub(super) fn let_go_of_ports(&mut self) {
        // SAFETY: the activation's last act, and it holds the token's reference.
        unsafe { self.header().let_go_of_ports() };
    }
}
