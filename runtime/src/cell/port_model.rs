//! loom models of a machine with two mailboxes under one run token: the ports, their senders, rest and the end. Those of who lingers stand in
//! `port_model/lingers.rs`, of who waits in `port_model/waits.rs`.
//!
//! As in `model.rs`: the cell belongs to no pool, and who is told to wake it runs its consumer at once, on the same thread. The consumer does what
//! `run_several` does, without user code; the way to rest, wake, senders and references are the real ones.

mod lingers;
mod waits;

use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, AtomicUsize as Count, Ordering::Relaxed};

use ::loom::thread::{self, JoinHandle};

use super::model::{Item, Tally};
use super::port::PortCell;
use super::several::{Inbox, Resting, rest_in_order};
use super::{
    After, ControlMessage, EndCode, Header, MailboxCell, MemRef, PortsAt, Receives, RegistrySlot,
    Scheduled, Turn, VTable, cell_of, expose, next_free_id,
};
use crate::backpressure::{self, ComesBy, make_room, make_room_now};
use crate::mailbox::{Popped, Queue, Rest, word};
use crate::sender::Sender;
use crate::sync::{AtomicU64, Ordering, UnsafeCell, model, yield_now};

/// The value of such a machine: what the list of its ports is typed by.
struct Reader;

impl Receives<Item> for Reader {
    fn receive(&mut self, instruction: Item) {
        drop(instruction);
    }
}

/// A machine with a second mailbox.
#[repr(C)]
struct TwoCell {
    mailbox: MailboxCell<Item>,
    port: PortCell<Item>,
    /// What only the holder of the token touches: both mailboxes' instructions change it.
    notes: UnsafeCell<usize>,
    /// Read by who holds a reference, written by the free.
    memory: UnsafeCell<()>,
    /// Whether it lingers before it rests.
    lingers: bool,
    shared: Shared,
}

/// What outlives the cell.
#[derive(Clone, Default)]
struct Shared {
    tally: Arc<Tally>,
    /// The consumer gave way and still has the token.
    again: Arc<Flag>,
    window: Arc<Window>,
}

/// The consumer's moment before its step of rest, and a thread's moment after all it did. loom (0.7.3) knows the last access to a word
/// only: where a thread loads a word and then exchanges it, it does not try that thread before another one's earlier load. Both sides change this
/// word, so that it does.
struct Window(AtomicU64);

impl Default for Window {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Window {
    fn pass(&self) {
        // Relaxed: it must order nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl TwoCell {
    const VTABLE: VTable = VTable {
        is_machine: true,
        is_port: false,
        ports: PortsAt {
            distance: offset_of!(TwoCell, port),
            count: 1,
        },
        run: Self::run,
        rest: Self::rest,
        wake: Self::wake,
        park_on: backpressure::park_on::<Item>,
        unlink_waiter: backpressure::unlink_machine::<Item>,
        pass_on: backpressure::pass_on::<Item>,
        let_go: backpressure::let_go::<Item>,
        waits: backpressure::waits::<Item>,
        free: Self::free,
        machine_type: || "model",
        instruction_set: std::any::type_name::<Item>,
        instruction_set_id: std::any::TypeId::of::<Item>,
        shared_value: |_| std::ptr::null(),
    };

    unsafe fn run(token: Scheduled, _turn: &mut Turn<'_>) -> After {
        let _ = token.into_cell();
        After::Again
    }

    unsafe fn rest(token: Scheduled) -> Option<Scheduled> {
        let cell = token.into_cell();
        // SAFETY: the token keeps the cell alive, and is ours.
        unsafe { cell_of::<Self>(cell).as_ref().mailbox.rest(cell) }
    }

    unsafe fn wake(cell: NonNull<Header>) {
        // SAFETY: the token is handed over.
        unsafe { consume(cell) };
    }

    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: allocated by `Two::new` as a box of this type, and the last reference is gone.
        let cell = unsafe { Box::from_raw(cell_of::<Self>(cell).as_ptr()) };
        // Nothing is counted too often or too seldom.
        for header in [cell.mailbox.header(), cell.port.mailbox.header()] {
            let left = (header.refs.load(Relaxed), header.senders.load(Relaxed));
            assert_eq!(left, (0, 0), "references and senders that are left");
        }
        cell.memory
            .with_mut(|_| cell.shared.tally.freed.fetch_add(1, Relaxed));
    }

    fn note(&self) {
        // SAFETY: the caller has the token, as loom checks.
        self.notes.with_mut(|notes| unsafe { *notes += 1 });
    }

    /// Reads one mailbox; true: the next instruction is claimed and not written.
    fn read(&self, mailbox: &MailboxCell<Item>) -> bool {
        loop {
            // SAFETY: the token makes us the consumer.
            match unsafe { mailbox.queue.pop_patiently() } {
                Popped::Item(_) => {
                    self.note();
                    self.shared.tally.received.fetch_add(1, Relaxed);
                    if mailbox.queue.head() > mailbox.queue.stale_at() {
                        // SAFETY: as above.
                        unsafe { make_room(mailbox) };
                    }
                }
                Popped::Empty => return false,
                Popped::Unwritten => return true,
            }
        }
    }

    /// What the consumer does where somebody waits for room.
    fn serve_waiters(&self) {
        for mailbox in [&self.mailbox, &self.port.mailbox] {
            if !mailbox.queue.tail().has(word::IDLE) {
                // SAFETY: the token makes us the consumer.
                unsafe { make_room_now(mailbox, ComesBy::NextTurn) };
            }
        }
        // Who won a resume from us has yet to unlink.
        yield_now();
    }

    /// Whether it ends without reading more. A shutdown lets it read what was accepted.
    fn is_stopped(&self) -> bool {
        let header = self.mailbox.header();
        header.is_asked_to_end() && header.end_code() != EndCode::Shutdown
    }
}

fn is_read(queue: &Queue<Item, super::Middle<Item>>) -> bool {
    queue.tail().index() == queue.head()
}

/// The consumer: `Activation::run_several` without user code.
///
/// # Safety
/// The caller has the token of `cell`, which is a [`TwoCell`].
unsafe fn consume(cell: NonNull<Header>) {
    // SAFETY: the token keeps the cell alive.
    let this = unsafe { cell_of::<TwoCell>(cell).as_ref() };
    let (first, port) = (&this.mailbox, &this.port.mailbox);
    this.note();
    loop {
        if first.queue.tail().has(word::CONTROL) {
            let messages = first.header().serve_control().len();
            this.shared.tally.control.fetch_add(messages, Relaxed);
        }
        if this.is_stopped() {
            // SAFETY: the token is ours.
            return unsafe { end(cell) };
        }
        let mut unwritten = this.read(first);
        if !port.queue.tail().has(word::IDLE) {
            unwritten |= this.read(port);
        }
        if unwritten {
            this.shared.again.store(true, Relaxed);
            return;
        }
        let ports = std::iter::once(port as &dyn Inbox<Reader>);
        let before_the_last_step = || {
            this.note();
            this.shared.window.pass();
            this.lingers && first.queue.linger()
        };
        // SAFETY: the token makes us the consumer of both.
        match unsafe { rest_in_order(first, ports, before_the_last_step) } {
            Resting::Lingers => {
                // Here its worker runs others. Then, as in `Worker::end_lingering`:
                if !first.queue.needs_turn() {
                    let rest = first.header().vtable.rest;
                    // SAFETY: the token is ours, and comes back where the machine does not rest.
                    let Some(token) = (unsafe { rest(Scheduled::new(cell)) }) else {
                        return;
                    };
                    token.into_cell();
                }
            }
            Resting::Tried(Rest::Rested) => return,
            // SAFETY: the token is ours.
            Resting::Tried(Rest::Closed) => return unsafe { end(cell) },
            Resting::Tried(Rest::Waiters) => this.serve_waiters(),
            Resting::Tried(Rest::Busy | Rest::Control) => {}
        }
    }
}

/// The end: all closed first, then everybody let go, then drained; the references last.
///
/// # Safety
/// As for [`consume`].
unsafe fn end(cell: NonNull<Header>) {
    // SAFETY: the token keeps the cell alive.
    let this = unsafe { cell_of::<TwoCell>(cell).as_ref() };
    let header = this.mailbox.header();
    let _ = this.mailbox.queue.close();
    header.close_ports();
    for mailbox in [&this.mailbox, &this.port.mailbox] {
        backpressure::release_all(mailbox);
        // SAFETY: the token makes us the consumer.
        while let Popped::Item(_) = unsafe { mailbox.queue.pop_patiently() } {}
        if !is_read(&mailbox.queue) {
            this.shared.again.store(true, Relaxed);
            return;
        }
    }
    this.note();
    header.freeze_end_code();
    header.held.end();
    this.shared.tally.ended.fetch_add(1, Relaxed);
    // SAFETY: given up once; the token's own reference keeps the memory.
    unsafe { header.let_go_of_ports() };
    // SAFETY: the token's own reference, given up once.
    drop(unsafe { MemRef::from_raw(cell) });
}

/// A model's handle to such a machine: a sender for each mailbox.
struct Two {
    a: Sender<Item>,
    b: Sender<Item>,
    shared: Shared,
}

impl Two {
    /// A machine at rest (`idle`), or one whose token is the caller's.
    fn new(capacity: u64, idle: bool) -> Self {
        Self::with(capacity, idle, false)
    }

    /// A machine whose token is the caller's, and which lingers before it rests.
    fn lingering(capacity: u64) -> Self {
        Self::with(capacity, false, true)
    }

    fn with(capacity: u64, idle: bool, lingers: bool) -> Self {
        let shared = Shared::default();
        let id = next_free_id();
        let header = Header::new(const { &TwoCell::VTABLE }, None, id, RegistrySlot::NONE);
        header.will_have_ports(1);
        let table = const { &PortCell::<Item>::table(|| "model") };
        let cell = expose(Box::new(TwoCell {
            mailbox: MailboxCell::new(header, capacity, idle),
            port: PortCell::new(table, id, offset_of!(TwoCell, port), capacity),
            notes: UnsafeCell::new(0),
            memory: UnsafeCell::new(()),
            lingers,
            shared: shared.clone(),
        }));
        // SAFETY: new, and kept by its senders.
        let port = NonNull::from(unsafe { &cell.as_ref().port.mailbox });
        // The provenance of the whole cell, as `take_sender` has it.
        let port = std::ptr::with_exposed_provenance_mut(port.addr().get());
        Self {
            // SAFETY: a new cell has one strong sender, which is this one.
            a: unsafe { Sender::from_raw(cell.cast()) },
            // SAFETY: so has a new port.
            b: unsafe { Sender::from_raw(NonNull::new(port).expect("not null")) },
            shared,
        }
    }

    fn header(&self) -> &Header {
        self.a.cell().header()
    }

    fn reference(&self) -> MemRef {
        MemRef::of(self.header())
    }

    fn item(&self) -> Item {
        Item::new(&self.shared.tally)
    }

    /// Lets go of both senders; what the machine gave away is run to its end.
    fn drop_senders(self) -> Arc<Tally> {
        let memory = self.reference();
        let Self { a, b, shared } = self;
        drop((a, b));
        finish(&memory, &shared, []);
        shared.tally
    }
}

/// Runs the turns that the consumer gave away, once the others are done.
fn finish(machine: &MemRef, shared: &Shared, others: impl IntoIterator<Item = JoinHandle<()>>) {
    for other in others {
        other.join().unwrap();
    }
    while shared.again.swap(false, Relaxed) {
        // SAFETY: the consumer gave way, so the token is ours.
        unsafe { consume(machine.as_ptr()) };
    }
}

fn report() -> ControlMessage {
    ControlMessage::Report(std::sync::mpsc::sync_channel(1).0)
}

/// Two producers, one for each mailbox of a machine at rest, that push and go: nothing is lost, there is one consumer at a time, and
/// the machine ends once, behind both.
#[test]
fn model_two_mailboxes() {
    model("cell/two_mailboxes", Some(3), || {
        let two = Two::new(4, true);
        let memory = two.reference();
        let Two { a, b, shared } = two;
        let senders = [a, b].map(|sender| {
            let items = Arc::clone(&shared.tally);
            thread::spawn(move || sender.try_send(Item::new(&items)).expect("open"))
        });
        finish(&memory, &shared, senders);
        assert_eq!(
            Tally::is(&shared.tally.received),
            2,
            "an instruction is lost"
        );
        drop(memory);
        shared.tally.assert_gone();
    });
}

/// A push to each mailbox of a machine that is about to rest: whoever comes late wakes it.
#[test]
fn model_two_mailboxes_and_rest() {
    model("cell/two_mailboxes_and_rest", Some(2), || {
        let two = Two::new(4, false);
        let memory = two.reference();
        let senders = [two.a.clone(), two.b.clone()].map(|sender| {
            let items = Arc::clone(&two.shared.tally);
            thread::spawn(move || sender.try_send(Item::new(&items)).expect("open"))
        });
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &two.shared, senders);
        assert_eq!(Tally::is(&two.shared.tally.received), 2, "nobody wakes it");
        drop(memory);
        two.drop_senders().assert_gone();
    });
}

/// A port that was read comes to rest with its machine while it is pushed to again: the second push wakes the machine as the first did.
#[test]
fn model_second_port_push_and_rest() {
    model("cell/second_port_push_and_rest", None, || {
        let two = Two::new(4, false);
        let memory = two.reference();
        two.b.try_send(two.item()).expect("open");
        let (b, item) = (two.b.clone(), two.item());
        let window = Arc::clone(&two.shared.window);
        let producer = thread::spawn(move || {
            b.try_send(item).expect("open");
            window.pass();
        });
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &two.shared, [producer]);
        assert_eq!(Tally::is(&two.shared.tally.received), 2, "nobody wakes it");
        drop(memory);
        two.drop_senders().assert_gone();
    });
}

/// The last sender of all pushes to the port and goes, while the machine is about to rest: it finds itself closed with an instruction
/// left in a port that it has let rest.
#[test]
fn model_last_sender_behind_a_port_push() {
    model("cell/last_sender_behind_a_port_push", None, || {
        let two = Two::new(4, false);
        let memory = two.reference();
        let Two { a, b, shared } = two;
        let (items, window) = (Arc::clone(&shared.tally), Arc::clone(&shared.window));
        let producer = thread::spawn(move || {
            drop(a);
            b.try_send(Item::new(&items)).expect("open");
            drop(b);
            window.pass();
        });
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &shared, [producer]);
        assert_eq!(Tally::is(&shared.tally.received), 1, "it ended too early");
        drop(memory);
        shared.tally.assert_gone();
    });
}

/// Rests while `others` push to the port and post a report: so many instructions and one report come through, and it rests in the end.
fn pushes_and_report_come_through(
    two: Two,
    memory: MemRef,
    pushes: usize,
    others: impl IntoIterator<Item = JoinHandle<()>>,
) {
    // SAFETY: the model has the token.
    unsafe { consume(memory.as_ptr()) };
    finish(&memory, &two.shared, others);
    let tally = &two.shared.tally;
    assert_eq!(
        (Tally::is(&tally.received), Tally::is(&tally.control)),
        (pushes, 1)
    );
    assert!(two.header().queue().tail().has(word::IDLE));
    drop(memory);
    two.drop_senders().assert_gone();
}

/// A report and a push to the port, which use the same bit, against a machine that is about to rest.
#[test]
fn model_port_control_and_rest() {
    model("cell/port_control_and_rest", Some(3), || {
        let two = Two::new(4, false);
        let memory = two.reference();
        let (b, item) = (two.b.clone(), two.item());
        let producer = thread::spawn(move || b.try_send(item).expect("open"));
        let posted = two.reference();
        let poster = thread::spawn(move || assert!(posted.post(report()).is_ok()));
        pushes_and_report_come_through(two, memory, 1, [producer, poster]);
    });
}

/// The same by one thread, the push first, so that the report finds the bit set: smaller, and exhaustive.
#[test]
fn model_port_then_control_and_rest() {
    model("cell/port_then_control_and_rest", None, || {
        let two = Two::new(4, false);
        let memory = two.reference();
        let posted = two.reference();
        let (b, item) = (two.b.clone(), two.item());
        let poster = thread::spawn(move || {
            b.try_send(item).expect("open");
            assert!(posted.post(report()).is_ok());
        });
        pushes_and_report_come_through(two, memory, 1, [poster]);
    });
}

/// The last sender of one mailbox goes while the other mailbox, which has none left, gets new ones from two weak senders: the machine ends
/// once, behind the last of them, and what they sent is received.
#[test]
fn model_senders_of_two_mailboxes() {
    model("cell/senders_of_two_mailboxes", Some(2), || {
        let two = Two::new(4, true);
        let memory = two.reference();
        let Two { a, b, shared } = two;
        let sent = Arc::new(Count::new(0));
        let mut others = Vec::new();
        for weak in [b.downgrade(), b.downgrade()] {
            let (items, sent) = (Arc::clone(&shared.tally), Arc::clone(&sent));
            others.push(thread::spawn(move || {
                if let Some(sender) = weak.upgrade() {
                    sender
                        .try_send(Item::new(&items))
                        .expect("a sender is left");
                    sent.fetch_add(1, Relaxed);
                }
            }));
        }
        drop(b);
        drop(a);
        finish(&memory, &shared, others);
        assert_eq!(Tally::is(&shared.tally.received), sent.load(Relaxed));
        drop(memory);
        shared.tally.assert_gone();
    });
}

/// A stop against a push to the port of a machine at rest: what was accepted is dropped or received, never leaked; it ends once.
#[test]
fn model_stop_and_port_push() {
    model("cell/stop_and_port_push", Some(3), || {
        let two = Two::new(4, true);
        let memory = two.reference();
        let (b, item) = (two.b.clone(), two.item());
        let producer = thread::spawn(move || drop(b.try_send(item)));
        let stopped = two.reference();
        let stopper = thread::spawn(move || stopped.ask_to_end(EndCode::Stopped));
        finish(&memory, &two.shared, [producer, stopper]);
        assert_eq!(two.header().end_code(), EndCode::Stopped);
        drop(memory);
        two.drop_senders().assert_gone();
    });
}

/// A shutdown against a push to the port: what was accepted is received, since a machine that finds itself closed finds a port that
/// takes no more.
#[test]
fn model_shutdown_and_port_push() {
    model("cell/shutdown_and_port_push", Some(2), || {
        let two = Two::new(4, false);
        let memory = two.reference();
        let accepted = Arc::new(Count::new(0));
        let (b, item, counted) = (two.b.clone(), two.item(), Arc::clone(&accepted));
        let window = Arc::clone(&two.shared.window);
        let producer = thread::spawn(move || {
            counted.fetch_add(usize::from(b.try_send(item).is_ok()), Relaxed);
            window.pass();
        });
        let asked = two.reference();
        let shutdown = thread::spawn(move || asked.ask_to_end(EndCode::Shutdown));
        // SAFETY: the model has the token.
        unsafe { consume(memory.as_ptr()) };
        finish(&memory, &two.shared, [producer, shutdown]);
        assert_eq!(
            Tally::is(&two.shared.tally.received),
            accepted.load(Relaxed),
            "accepted, and dropped"
        );
        drop(memory);
        two.drop_senders().assert_gone();
    });
}
