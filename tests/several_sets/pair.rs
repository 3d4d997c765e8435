//! The machine of most tests here: one with two sets, that does what it is told and keeps books about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use d3::prelude::*;
use d3::{MachineMut, Runtime};

use crate::support::probe::{Gate, bump, read};
use crate::support::{panics, wait_in, wait_until};

/// What happened to one machine, for the test to see.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) connected: AtomicUsize,
    pub(crate) disconnected: AtomicUsize,
    pub(crate) other_hooks: AtomicUsize,
    received: [AtomicUsize; 2],
    /// Instructions that exist.
    pub(crate) alive: AtomicUsize,
    inside: AtomicBool,
    pub(crate) overlaps: AtomicUsize,
    pub(crate) out_of_order: AtomicUsize,
}

impl Books {
    pub(crate) fn received(&self) -> [usize; 2] {
        [read(&self.received[0]), read(&self.received[1])]
    }
}

/// Counted while it exists.
#[derive(Debug)]
pub(crate) struct Item(Arc<Books>);

impl Item {
    fn new(books: &Arc<Books>) -> Self {
        bump(&books.alive);
        Self(Arc::clone(books))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) enum Do {
    Nothing,
    /// The nth instruction of a sender.
    Numbered(usize, u64),
    /// Waits until the gate is open.
    Hold(Arc<Gate>),
    /// Sends as many to a channel.
    Fill(Sender<u64>, u64),
    /// Sends itself as many to the mailboxes of both sets.
    SendSelf(u64),
    Panic,
}

/// Which of the two sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    A,
    B,
}

#[derive(MachineImpl)]
pub(crate) enum A {
    Do(Do, Item),
}

impl A {
    pub(crate) fn new(books: &Arc<Books>, what: Do) -> Self {
        Self::Do(what, Item::new(books))
    }
}

#[derive(MachineImpl)]
pub(crate) enum B {
    Do(Do, Item),
}

impl B {
    pub(crate) fn new(books: &Arc<Books>, what: Do) -> Self {
        Self::Do(what, Item::new(books))
    }
}

pub(crate) struct Both {
    books: Arc<Books>,
    /// Touched by both sets without a lock.
    last: HashMap<(usize, usize), u64>,
}

impl Both {
    pub(crate) fn new(books: &Arc<Books>) -> Self {
        Self {
            books: Arc::clone(books),
            last: HashMap::new(),
        }
    }

    fn receive(&mut self, set: Set, what: Do) {
        let set = set as usize;
        if self.books.inside.swap(true, Ordering::SeqCst) {
            bump(&self.books.overlaps);
        }
        match what {
            Do::Nothing => {}
            Do::Numbered(sender, number) => {
                let last = self.last.insert((set, sender), number);
                if last.map_or(0, |last| last + 1) != number {
                    bump(&self.books.out_of_order);
                }
            }
            Do::Hold(gate) => gate.pass(),
            Do::Fill(channel, count) => {
                for number in 0..count {
                    channel.send(number).expect("the channel is open");
                }
            }
            Do::SendSelf(count) => {
                let a = this_machine::sender::<A>().expect("a set of this machine");
                let b = this_machine::sender::<B>().expect("a set of this machine");
                if let (Some(a), Some(b), Some(left)) =
                    (a.upgrade(), b.upgrade(), count.checked_sub(1))
                {
                    // Refused once the machine was stopped.
                    let _ = a.send(A::new(&self.books, Do::SendSelf(left)));
                    let _ = b.send(B::new(&self.books, Do::Nothing));
                }
            }
            Do::Panic => {
                self.books.inside.store(false, Ordering::SeqCst);
                panics::on_purpose("one of two sets")
            }
        }
        bump(&self.books.received[set]);
        self.books.inside.store(false, Ordering::SeqCst);
    }
}

impl MachineMut<A> for Both {
    fn receive(&mut self, A::Do(what, _item): A) {
        Both::receive(self, Set::A, what);
    }

    fn connected(&mut self, id: Uuid) {
        assert_eq!(this_machine::id().map(|id| id.as_uuid()), Some(id));
        bump(&self.books.connected);
    }

    fn disconnected(&mut self) {
        bump(&self.books.disconnected);
    }
}

impl MachineMut<B> for Both {
    fn receive(&mut self, B::Do(what, _item): B) {
        Both::receive(self, Set::B, what);
    }

    fn connected(&mut self, _id: Uuid) {
        bump(&self.books.other_hooks);
    }

    fn disconnected(&mut self) {
        bump(&self.books.other_hooks);
    }
}

/// A machine with two sets, its senders, and what happens to it.
pub(crate) struct Pair {
    pub(crate) books: Arc<Books>,
    pub(crate) a: Sender<A>,
    pub(crate) b: Sender<B>,
}

impl Pair {
    pub(crate) fn new(runtime: &Runtime, capacity: usize) -> Self {
        let books = Arc::<Books>::default();
        let (a, b) = runtime
            .machine(Both::new(&books))
            .capacity(capacity)
            .name("both")
            .accepts::<A>()
            .accepts::<B>()
            .connect();
        Self { books, a, b }
    }

    pub(crate) fn a(&self, what: Do) -> A {
        A::new(&self.books, what)
    }

    pub(crate) fn b(&self, what: Do) -> B {
        B::new(&self.books, what)
    }

    /// Sends to the mailbox of that set; the machine must live.
    pub(crate) fn send(&self, set: Set, what: Do) {
        let sent = match set {
            Set::A => self.a.send(self.a(what)).is_ok(),
            Set::B => self.b.send(self.b(what)).is_ok(),
        };
        assert!(sent, "the machine lives");
    }

    /// Keeps the machine inside `receive` of its first set until the gate that is returned is opened. The slot that this took is
    /// not published as room before.
    pub(crate) fn hold(&self) -> Arc<Gate> {
        let gate = Gate::new();
        self.send(Set::A, Do::Hold(Arc::clone(&gate)));
        wait_until("the machine runs", || gate.came() == 1);
        gate
    }

    /// A thread that sends as many to the second mailbox, which are more than it has room for: it waits there when this returns.
    /// The machine must be the only one. The thread tells in the end how many were taken.
    pub(crate) fn waits_for_room(&self, runtime: &Runtime, count: usize) -> JoinHandle<usize> {
        let (b, books) = (self.b.clone(), Arc::clone(&self.books));
        let taken = move |_: &usize| b.send(B::new(&books, Do::Nothing)).is_ok();
        let thread = thread::spawn(move || (0..count).take_while(taken).count());
        wait_until("somebody waits", || runtime.machines()[0].has_waiters);
        thread
    }

    /// Waits until no instruction is left, received or not.
    pub(crate) fn wait_for_all(&self, runtime: &Runtime) {
        wait_in(runtime, "all is read", || read(&self.books.alive) == 0);
    }
}
