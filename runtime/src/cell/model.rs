//! loom models of this folder's protocol, and the cell that the models of `backpressure/` use too.
//!
//! A model's cell belongs to no pool. Who is told to wake it runs its consumer at once, on the same thread, or only notes
//! the token, as the model asks. What the consumer knows lies in a loom cell, so that two consumers at a time, or one that does not
//! see what the last one wrote, are reported. Counting is done with std's atomics, which loom does not see.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, AtomicUsize as Count, Ordering::Relaxed};

use ::loom::thread::{self, JoinHandle};

use super::{
    ControlMessage, EndCode, Header, MailboxCell, MemRef, RegistrySlot, Scheduled, Turn, VTable,
    cell_of, expose, next_free_id,
};
use crate::backpressure::{self, ComesBy, make_room, make_room_now};
use crate::mailbox::{Bound, Popped, Rest, UNBOUNDED, word};
use crate::sender::Sender;
use crate::sync::{UnsafeCell, model, yield_now};

/// An instruction that is counted while it exists.
#[derive(Debug)]
pub(crate) struct Item(Arc<Tally>);

impl Item {
    pub(crate) fn new(tally: &Arc<Tally>) -> Self {
        tally.items.fetch_add(1, Relaxed);
        Self(Arc::clone(tally))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.items.fetch_sub(1, Relaxed);
    }
}

/// What happened to one cell, in numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Instructions for it that exist.
    pub(crate) items: Count,
    pub(crate) received: Count,
    /// How often the token was handed to somebody who queues it.
    pub(crate) wakes: Count,
    pub(crate) control: Count,
    pub(crate) ended: Count,
    pub(crate) freed: Count,
    /// The consumer gave way and still has the token.
    again: Flag,
}

impl Tally {
    pub(crate) fn is(count: &Count) -> usize {
        count.load(Relaxed)
    }

    /// The end of every model: ended and freed once, and nothing is left of it.
    pub(crate) fn assert_gone(&self) {
        assert_eq!(
            (Self::is(&self.ended), Self::is(&self.freed)),
            (1, 1),
            "{self:?}"
        );
        assert_eq!(Self::is(&self.items), 0, "an instruction was leaked");
    }
}

/// What only the consumer touches.
#[derive(Default)]
struct Notes {
    turns: usize,
}

#[repr(C)]
pub(crate) struct ModelCell {
    mailbox: MailboxCell<Item>,
    notes: UnsafeCell<Notes>,
    /// Read by who holds a reference, written by the free: so that loom sees an access that the free overtakes.
    memory: UnsafeCell<()>,
    tally: Arc<Tally>,
    /// Whether who wakes it runs it; else the token is only counted.
    runs: bool,
    /// Whether it lingers before it rests, as on a worker whose turns are short.
    lingers: bool,
}

/// A model's handle to a cell: the senders' reference, as a real sender, and the tally.
pub(crate) struct Subject {
    pub(crate) sender: Sender<Item>,
    pub(crate) tally: Arc<Tally>,
}

impl ModelCell {
    const MACHINE: VTable = Self::table(true);
    /// A receiver in a thread's hands: it may never come by again.
    const CHANNEL: VTable = Self::table(false);

    const fn table(is_machine: bool) -> VTable {
        VTable {
            is_machine,
            is_port: false,
            ports: super::PortsAt::NOWHERE,
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
        }
    }

    unsafe fn run(token: Scheduled, _turn: &mut Turn<'_>) -> super::After {
        let _ = token.into_cell();
        super::After::Again
    }

    unsafe fn rest(token: Scheduled) -> Option<Scheduled> {
        let cell = token.into_cell();
        // SAFETY: the token keeps the cell alive, and is ours.
        unsafe { cell_of::<Self>(cell).as_ref().mailbox.rest(cell) }
    }

    unsafe fn wake(cell: NonNull<Header>) {
        // SAFETY: the caller hands the token over, which keeps the cell alive.
        let this = unsafe { cell_of::<Self>(cell).as_ref() };
        this.tally.wakes.fetch_add(1, Relaxed);
        this.note_turn();
        // Who resumes a machine has taken its edge and its node out before.
        assert!(
            this.mailbox.header().waits_for().is_none(),
            "queued with an edge"
        );
        if this.runs {
            // SAFETY: the token is ours.
            unsafe { consume(cell) };
        }
    }

    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: allocated by `Subject::new` as a box of this type, and the last reference is gone.
        let cell = unsafe { Box::from_raw(cell_of::<Self>(cell).as_ptr()) };
        cell.memory
            .with_mut(|_| cell.tally.freed.fetch_add(1, Relaxed));
    }

    /// A turn begins or ends: nobody else may be in one.
    fn note_turn(&self) {
        // SAFETY: the caller has the token, as loom checks.
        self.notes.with_mut(|notes| unsafe { (*notes).turns += 1 });
    }

    fn serve_control(&self) {
        self.tally
            .control
            .fetch_add(self.mailbox.header().serve_control().len(), Relaxed);
    }
}

/// What the holder of the token of a [`ModelCell`] does: it touches what is its own.
pub(crate) fn touch(cell: &Header) {
    // SAFETY: a model's cell, and alive: it is borrowed.
    unsafe { cell_of::<ModelCell>(cell.in_cell()).as_ref() }.note_turn();
}

/// One turn of a machine that was made runnable: it is counted as an instruction, and the token is the model's again.
pub(crate) fn count_turn(token: Scheduled) {
    let cell = token.into_cell();
    // SAFETY: a model's cell; the token keeps it alive.
    let this = unsafe { cell_of::<ModelCell>(cell).as_ref() };
    this.note_turn();
    this.tally.received.fetch_add(1, Relaxed);
}

/// What the holder of a reference to a [`ModelCell`] does: it reads.
fn read_memory(cell: &Header) {
    // SAFETY: a model's cell, and alive: it is borrowed.
    let this = unsafe { cell_of::<ModelCell>(cell.in_cell()).as_ref() };
    this.memory.with(|_| ());
}

/// The consumer: what an activation does, without user code, until it rests, gives way or has ended.
///
/// # Safety
/// The caller has the token of `cell`, which is a [`ModelCell`].
pub(crate) unsafe fn consume(cell: NonNull<Header>) {
    // SAFETY: the token keeps the cell alive.
    let this = unsafe { cell_of::<ModelCell>(cell).as_ref() };
    let queue = &this.mailbox.queue;
    this.note_turn();
    loop {
        if queue.tail().has(word::CONTROL) {
            this.serve_control();
        }
        if this.mailbox.header().is_asked_to_end() {
            // SAFETY: the token is ours.
            return unsafe { end(cell) };
        }
        // SAFETY: the token makes us the consumer.
        match unsafe { queue.pop_patiently() } {
            Popped::Item(_) => {
                this.tally.received.fetch_add(1, Relaxed);
                if queue.head() > queue.stale_at() {
                    // SAFETY: as above.
                    unsafe { make_room(&this.mailbox) };
                }
            }
            Popped::Unwritten => {
                this.tally.again.store(true, Relaxed);
                return;
            }
            Popped::Empty => {
                this.note_turn();
                if this.lingers && queue.linger() {
                    // Here its worker runs others. Then, as in `Worker::end_lingering`:
                    if !queue.needs_turn() {
                        let rest = this.mailbox.header().vtable.rest;
                        // SAFETY: the token is ours, and comes back where the machine does not rest.
                        let Some(token) = (unsafe { rest(Scheduled::new(cell)) }) else {
                            return;
                        };
                        token.into_cell();
                    }
                    continue;
                }
                // SAFETY: as above, and the mailbox was found empty.
                match unsafe { queue.rest() } {
                    Rest::Rested => return,
                    // SAFETY: the token is ours.
                    Rest::Closed => return unsafe { end(cell) },
                    Rest::Waiters => {
                        // SAFETY: as above.
                        unsafe { make_room_now(&this.mailbox, ComesBy::NextTurn) };
                        // Who won a resume from us has yet to unlink: a machine goes to the back of the queue.
                        yield_now();
                    }
                    Rest::Busy | Rest::Control => {}
                }
            }
        }
    }
}

/// The end of a machine: closed first, then everybody let go, then drained; the token's reference last.
///
/// # Safety
/// As for [`consume`].
pub(crate) unsafe fn end(cell: NonNull<Header>) {
    // SAFETY: the token keeps the cell alive.
    let this = unsafe { cell_of::<ModelCell>(cell).as_ref() };
    let _ = this.mailbox.queue.close();
    backpressure::release_all(&this.mailbox);
    // SAFETY: the token makes us the consumer.
    while let Popped::Item(_) = unsafe { this.mailbox.queue.pop_patiently() } {}
    if this.mailbox.queue.len() != 0 {
        // Claimed and not written: another turn.
        this.tally.again.store(true, Relaxed);
        return;
    }
    this.note_turn();
    this.mailbox.header().freeze_end_code();
    this.mailbox.header().held.end();
    this.tally.ended.fetch_add(1, Relaxed);
    // SAFETY: the token's own reference, given up once.
    drop(unsafe { MemRef::from_raw(cell) });
}

impl Subject {
    /// A cell at rest (`idle`), or one whose token is the caller's.
    pub(crate) fn new(capacity: u64, idle: bool, runs: bool) -> Self {
        Self::with_table(const { &ModelCell::MACHINE }, capacity, idle, runs, false)
    }

    /// A cell whose token is the caller's, and which lingers before it rests.
    pub(crate) fn lingering(capacity: u64) -> Self {
        Self::with_table(const { &ModelCell::MACHINE }, capacity, false, true, true)
    }

    /// A cell whose consumer is a thread, the caller's.
    pub(crate) fn channel(capacity: u64) -> Self {
        Self::with_table(const { &ModelCell::CHANNEL }, capacity, false, true, false)
    }

    fn with_table(
        table: &'static VTable,
        capacity: u64,
        idle: bool,
        runs: bool,
        lingers: bool,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let cell = Box::new(ModelCell {
            mailbox: MailboxCell::new(
                Header::new(table, None, next_free_id(), RegistrySlot::NONE),
                capacity,
                idle,
            ),
            notes: UnsafeCell::new(Notes::default()),
            memory: UnsafeCell::new(()),
            tally: Arc::clone(&tally),
            runs,
            lingers,
        });
        // SAFETY: a new cell has one strong sender, which is this one.
        let sender = unsafe { Sender::from_raw(expose(cell).cast()) };
        Self { sender, tally }
    }

    pub(crate) fn header(&self) -> &Header {
        self.sender.cell().header()
    }

    pub(crate) fn reference(&self) -> MemRef {
        MemRef::of(self.header())
    }

    /// A handle for another thread.
    pub(crate) fn in_hands_of_another(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            tally: Arc::clone(&self.tally),
        }
    }

    /// Puts one instruction in, beyond the capacity where need be; the consumer is awake.
    pub(crate) fn fill(&self) {
        let claim = self.sender.cell().queue.claim(Bound::Overflow(UNBOUNDED));
        let wake = claim.expect("open").write(Item::new(&self.tally));
        self.header().wake(wake);
    }

    /// Runs the consumer. The caller has the token.
    pub(crate) fn consume(&self) {
        // SAFETY: the model has the token; the sender keeps the memory.
        unsafe { consume(self.header().in_cell()) }
    }

    /// Reads and serves as a running machine does, and keeps the token.
    pub(crate) fn drain(&self) {
        // SAFETY: a model's cell, kept by the sender.
        let this = unsafe { cell_of::<ModelCell>(self.header().in_cell()).as_ref() };
        this.note_turn();
        // SAFETY: the model has the token.
        while let Popped::Item(_) = unsafe { this.mailbox.queue.pop() } {
            this.tally.received.fetch_add(1, Relaxed);
            // SAFETY: as above.
            unsafe { make_room(&this.mailbox) };
        }
    }

    /// Takes one instruction as a `Receiver` does, and may never come by again.
    pub(crate) fn receive_once(&self) {
        // SAFETY: a model's cell, kept by the sender.
        let this = unsafe { cell_of::<ModelCell>(self.header().in_cell()).as_ref() };
        this.note_turn();
        // SAFETY: the model is the consumer.
        if let Popped::Item(_) = unsafe { this.mailbox.queue.pop_patiently() } {
            this.tally.received.fetch_add(1, Relaxed);
        }
        // SAFETY: as above.
        unsafe { make_room_now(&this.mailbox, ComesBy::NobodyKnowsWhen) };
    }

    /// Whether the consumer gave way: the token is the caller's.
    pub(crate) fn has_token(&self) -> bool {
        self.tally.again.swap(false, Relaxed)
    }

    /// Ends the machine. The caller has the token.
    pub(crate) fn end(self) -> Arc<Tally> {
        // SAFETY: the model has the token; the sender keeps the memory.
        unsafe { end(self.header().in_cell()) };
        self.tally
    }

    /// The turns that the consumer gave away, once the producers are done.
    pub(crate) fn finish(&self, others: impl IntoIterator<Item = JoinHandle<()>>) {
        for other in others {
            other.join().unwrap();
        }
        while self.has_token() {
            self.consume();
        }
    }
}

fn report() -> ControlMessage {
    ControlMessage::Report(std::sync::mpsc::sync_channel(1).0)
}

/// The last sender against a weak one that upgrades, pushes and lets go: one end, one free, nothing lost.
#[test]
fn model_last_sender_and_weak() {
    model("cell/last_sender_and_weak", None, || {
        let Subject { sender, tally } = Subject::new(UNBOUNDED, true, true);
        let weak = sender.downgrade();
        let memory = MemRef::of(sender.cell().header());
        let sent = Arc::new(Count::new(0));
        let a = thread::spawn(move || drop(sender));
        let (counted, items) = (Arc::clone(&sent), Arc::clone(&tally));
        let b = thread::spawn(move || {
            if let Some(sender) = weak.upgrade() {
                sender
                    .try_send(Item::new(&items))
                    .expect("a sender is left, so it is open");
                counted.fetch_add(1, Relaxed);
            }
        });
        a.join().unwrap();
        b.join().unwrap();
        if tally.again.swap(false, Relaxed) {
            // SAFETY: the consumer gave way, so the token is ours.
            unsafe { consume(memory.as_ptr()) };
        }
        assert_eq!(Tally::is(&tally.received), sent.load(Relaxed));
        drop(memory);
        tally.assert_gone();
    });
}

/// Two senders that push and go, on a machine that rests: it ends once, behind both.
#[test]
fn model_two_senders_go() {
    model("cell/two_senders_go", Some(2), || {
        let Subject { sender, tally } = Subject::new(UNBOUNDED, true, true);
        let memory = MemRef::of(sender.cell().header());
        let senders = [sender.clone(), sender].map(|sender| {
            let items = Arc::clone(&tally);
            thread::spawn(move || sender.try_send(Item::new(&items)).expect("open"))
        });
        for sender in senders {
            sender.join().unwrap();
        }
        if tally.again.swap(false, Relaxed) {
            // SAFETY: the consumer gave way, so the token is ours.
            unsafe { consume(memory.as_ptr()) };
        }
        assert_eq!(Tally::is(&tally.received), 2);
        drop(memory);
        tally.assert_gone();
    });
}

/// Memory references let go of on two threads, and an end on a third: one free, behind every access.
#[test]
fn model_memory_references() {
    model("cell/memory_references", None, || {
        let subject = Subject::new(UNBOUNDED, false, false);
        let holders = [subject.reference(), subject.reference()].map(|memory| {
            thread::spawn(move || {
                let second = memory.clone();
                read_memory(&memory);
                drop(memory);
                read_memory(&second);
            })
        });
        let tally = subject.end();
        for holder in holders {
            holder.join().unwrap();
        }
        tally.assert_gone();
    });
}

/// Two posts, one of them while the machine serves the other and rests: no message stays in the lane.
#[test]
fn model_control_lane() {
    model("cell/control_lane", None, || {
        let subject = Subject::new(UNBOUNDED, false, true);
        assert!(subject.header().post(report()).is_ok());
        let memory = subject.reference();
        let poster = thread::spawn(move || assert!(memory.post(report()).is_ok()));
        subject.consume();
        subject.finish([poster]);
        assert_eq!(
            Tally::is(&subject.tally.control),
            2,
            "a message is left in the lane"
        );
        let tally = Arc::clone(&subject.tally);
        drop(subject);
        tally.assert_gone();
    });
}

/// A stop, a post and a consumer that rests: the machine ends once, whoever wakes it.
#[test]
fn model_stop_rest_and_post() {
    model("cell/stop_rest_and_post", Some(3), || {
        let subject = Subject::new(UNBOUNDED, false, true);
        let memory = subject.reference();
        let stopper = thread::spawn(move || memory.ask_to_end(EndCode::Stopped));
        let memory = subject.reference();
        let poster = thread::spawn(move || drop(memory.post(report())));
        subject.consume();
        subject.finish([stopper, poster]);
        assert_eq!(subject.header().end_code(), EndCode::Stopped);
        let tally = Arc::clone(&subject.tally);
        drop(subject);
        tally.assert_gone();
    });
}

/// A stop against a push and a rest: what was accepted is dropped or received, never leaked, and the machine ends once.
#[test]
fn model_stop_rest_and_push() {
    model("cell/stop_rest_and_push", Some(3), || {
        let subject = Subject::new(UNBOUNDED, false, true);
        // The push finds a block, or the consumer at rest: else stop and end would both spin on LOCK, without end.
        subject.fill();
        let memory = subject.reference();
        let stopper = thread::spawn(move || memory.ask_to_end(EndCode::Stopped));
        let (sender, items) = (subject.sender.clone(), Arc::clone(&subject.tally));
        let producer = thread::spawn(move || drop(sender.try_send(Item::new(&items))));
        subject.consume();
        subject.finish([stopper, producer]);
        let tally = Arc::clone(&subject.tally);
        drop(subject);
        tally.assert_gone();
    });
}

/// A machine that lingers, and rests in the end, against a push and a control post: neither is missed, though neither schedules it.
#[test]
fn model_linger_push_and_post() {
    model("cell/linger_push_and_post", Some(2), || {
        let subject = Subject::lingering(UNBOUNDED);
        let (sender, items) = (subject.sender.clone(), Arc::clone(&subject.tally));
        let producer = thread::spawn(move || sender.try_send(Item::new(&items)).expect("open"));
        let memory = subject.reference();
        let poster = thread::spawn(move || assert!(memory.post(report()).is_ok()));
        subject.consume();
        subject.finish([producer, poster]);
        let tally = Arc::clone(&subject.tally);
        assert_eq!(
            (Tally::is(&tally.received), Tally::is(&tally.control)),
            (1, 1)
        );
        assert!(subject.header().queue().tail().has(word::IDLE));
        drop(subject);
        tally.assert_gone();
    });
}

/// A machine that lingers against its last sender, which pushes and goes: it ends, once, and behind the push.
#[test]
fn model_linger_and_last_sender() {
    model("cell/linger_and_last_sender", Some(3), || {
        let Subject { sender, tally } = Subject::lingering(UNBOUNDED);
        let memory = MemRef::of(sender.cell().header());
        let items = Arc::clone(&tally);
        let last = thread::spawn(move || sender.try_send(Item::new(&items)).expect("open"));
        // SAFETY: the token is ours, and the reference keeps the cell.
        unsafe { consume(memory.as_ptr()) };
        last.join().unwrap();
        if tally.again.swap(false, Relaxed) {
            // SAFETY: the consumer gave way, so the token is ours.
            unsafe { consume(memory.as_ptr()) };
        }
        assert_eq!(Tally::is(&tally.received), 1);
        drop(memory);
        tally.assert_gone();
    });
}

/// A machine that lingers is neither at rest nor parked: a stop is seen by its worker, which looks again.
#[test]
fn model_linger_and_stop() {
    model("cell/linger_and_stop", Some(3), || {
        let subject = Subject::lingering(UNBOUNDED);
        subject.fill();
        let memory = subject.reference();
        let stopper = thread::spawn(move || memory.ask_to_end(EndCode::Stopped));
        let (sender, items) = (subject.sender.clone(), Arc::clone(&subject.tally));
        let producer = thread::spawn(move || drop(sender.try_send(Item::new(&items))));
        subject.consume();
        subject.finish([stopper, producer]);
        let tally = Arc::clone(&subject.tally);
        drop(subject);
        tally.assert_gone();
    });
}
