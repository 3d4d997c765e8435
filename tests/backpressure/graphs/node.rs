//! The machines of a graph, what they send, and the books that are kept about it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use d3::SendError;
use d3::prelude::*;

use crate::support::panics;
use crate::support::rng::Rng;

/// The books of one graph. SeqCst throughout: a test has no reason to be clever.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Instructions that exist.
    alive: AtomicI64,
    received: AtomicU64,
    /// Budgets that ended where nobody was left to send to.
    unspent: AtomicU64,
    /// Instructions dropped unread, and their weight.
    dropped: AtomicU64,
    dropped_weight: AtomicU64,
    /// Handed back by a send.
    returned: AtomicU64,
    returned_weight: AtomicU64,
    /// Received by a machine that panicked: the budget went nowhere.
    burned: AtomicU64,
    pub(super) over_capacity: AtomicU64,
    pub(super) futures_dropped: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Books {
    pub(super) fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push(fault);
    }

    pub(super) fn is_any_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst) != 0
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::SeqCst)
    }

    pub(super) fn returned(&self) -> u64 {
        self.returned.load(Ordering::SeqCst)
    }

    /// All that was put in, wherever it went.
    pub(super) fn weight(&self) -> u64 {
        [
            &self.received,
            &self.unspent,
            &self.dropped_weight,
            &self.returned_weight,
            &self.burned,
        ]
        .iter()
        .map(|weight| weight.load(Ordering::SeqCst))
        .sum()
    }

    pub(super) fn assert_no_faults(&self) {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(faults.is_empty(), "{} faults: {:#?}", faults.len(), faults);
    }

    pub(super) fn took_back(&self, mut token: Token) {
        self.returned.fetch_add(1, Ordering::SeqCst);
        self.returned_weight
            .fetch_add(token.settle(), Ordering::SeqCst);
    }
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Token {
    from: u32,
    /// Counts what `from` sent to this mailbox.
    seq: u32,
    /// How many instructions may follow from this one.
    budget: u32,
    settled: bool,
    books: Arc<Books>,
}

impl Token {
    pub(super) fn new(from: u32, seq: u32, budget: u32, books: &Arc<Books>) -> Self {
        books.alive.fetch_add(1, Ordering::SeqCst);
        Self {
            from,
            seq,
            budget,
            settled: false,
            books: Arc::clone(books),
        }
    }

    /// Somebody keeps books about this one; returns its weight.
    fn settle(&mut self) -> u64 {
        self.settled = true;
        1 + u64::from(self.budget)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if !self.settled {
            let weight = self.settle();
            self.books.dropped.fetch_add(1, Ordering::SeqCst);
            self.books
                .dropped_weight
                .fetch_add(weight, Ordering::SeqCst);
        }
        self.books.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Two instruction sets that mean the same.
#[derive(Debug, MachineImpl)]
pub(super) enum First {
    Wire(Vec<Door>),
    Token(Token),
}

#[derive(Debug, MachineImpl)]
pub(super) enum Second {
    Wire(Vec<Door>),
    Token(Token),
}

/// An instruction set that carries tokens.
pub(super) trait Carrier: MachineImpl {
    fn carry(token: Token) -> Self;
    fn token(self) -> Token;
}

macro_rules! carrier {
    ($set:ident) => {
        impl Carrier for $set {
            fn carry(token: Token) -> Self {
                Self::Token(token)
            }

            fn token(self) -> Token {
                match self {
                    Self::Token(token) => token,
                    Self::Wire(_) => panic!("wiring never comes back"),
                }
            }
        }
    };
}
carrier!(First);
carrier!(Second);

/// The way into a mailbox of either set.
#[derive(Debug, Clone)]
pub(super) enum Door {
    First(Sender<First>),
    Second(Sender<Second>),
}

impl Door {
    pub(super) fn wire(&self, doors: Vec<Door>) {
        let wired = match self {
            Self::First(sender) => sender.send(First::Wire(doors)).is_ok(),
            Self::Second(sender) => sender.send(Second::Wire(doors)).is_ok(),
        };
        assert!(wired, "a machine that was just connected lives");
    }

    pub(super) fn handle(&self) -> MachineHandle {
        match self {
            Self::First(sender) => sender.handle(),
            Self::Second(sender) => sender.handle(),
        }
    }

    fn send(&self, token: Token) -> Result<(), SendError<Token>> {
        fn through<P: Carrier>(sender: &Sender<P>, token: Token) -> Result<(), SendError<Token>> {
            sender.send(P::carry(token)).map_err(unpack)
        }
        match self {
            Self::First(sender) => through(sender, token),
            Self::Second(sender) => through(sender, token),
        }
    }
}

/// The same error about the token alone.
pub(super) fn unpack<P: Carrier>(error: SendError<P>) -> SendError<Token> {
    match error {
        SendError::Disconnected(back) => SendError::Disconnected(back.token()),
        error => SendError::Limit(error.into_inner().token()),
    }
}

/// Looks at what arrives in one mailbox: order per sender, and the bound.
pub(super) struct Gatekeeper {
    index: usize,
    capacity: usize,
    bound: Option<usize>,
    next: HashMap<u32, u32>,
    books: Arc<Books>,
}

impl Gatekeeper {
    pub(super) fn new(
        index: usize,
        capacity: usize,
        bound: Option<usize>,
        books: &Arc<Books>,
    ) -> Self {
        Self {
            index,
            capacity,
            bound,
            next: HashMap::new(),
            books: Arc::clone(books),
        }
    }

    /// `length`: of the mailbox, read by its only reader, so that it is exact; None where that cannot be had.
    pub(super) fn admit(&mut self, token: &mut Token, length: Option<usize>) {
        self.books.received.fetch_add(1, Ordering::SeqCst);
        token.settle();
        let due = self.next.entry(token.from).or_default();
        if *due != token.seq {
            self.books.fault(format!(
                "mailbox {}: {} came from {}, due was {due}",
                self.index, token.seq, token.from
            ));
        }
        *due = token.seq + 1;
        let (Some(length), Some(bound)) = (length, self.bound) else {
            return;
        };
        if length > self.capacity {
            self.books.over_capacity.fetch_add(1, Ordering::SeqCst);
        }
        if length > bound {
            self.books.fault(format!(
                "mailbox {} of {}: holds {length}, its bound is {bound}",
                self.index, self.capacity
            ));
        }
    }

    /// For a reader that sends nothing on.
    pub(super) fn consume(&mut self, mut token: Token, length: usize) {
        self.admit(&mut token, Some(length));
        self.books
            .unspent
            .fetch_add(token.budget.into(), Ordering::SeqCst);
    }
}

/// One mailbox's machine.
pub(super) struct Node {
    pub(super) gatekeeper: Gatekeeper,
    pub(super) burst: usize,
    pub(super) rng: Rng,
    doors: Vec<Door>,
    /// How many it sent through each door.
    sent: Vec<u32>,
}

impl Node {
    pub(super) fn new(gatekeeper: Gatekeeper, burst: usize, rng: Rng) -> Self {
        Self {
            gatekeeper,
            burst,
            rng,
            doors: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn wire(&mut self, doors: Vec<Door>) {
        self.sent = vec![0; doors.len()];
        self.doors = doors;
    }

    fn admit<P: Carrier>(&mut self, token: &mut Token) {
        let me = this_machine::sender::<P>().expect("receive runs in this machine");
        let length = me.upgrade().map(|me| me.len());
        self.gatekeeper.admit(token, length);
    }

    /// Sends on what the token's budget allows, to one door after another so that one `receive` meets several full ones.
    fn pass_on(&mut self, token: &Token) {
        let books = Arc::clone(&self.gatekeeper.books);
        if self.doors.is_empty() {
            books
                .unspent
                .fetch_add(token.budget.into(), Ordering::SeqCst);
            return;
        }
        let count = token.budget.min(self.rng.within(1, self.burst) as u32);
        if count == 0 {
            return;
        }
        let left = token.budget - count;
        let share = if self.rng.one_in(2) { left / count } else { 0 };
        let mut rest = left - share * (count - 1);
        let start = self.rng.below(self.doors.len());
        for nth in 0..count as usize {
            let door = (start + nth) % self.doors.len();
            let budget = std::mem::replace(&mut rest, share);
            let token = Token::new(
                self.gatekeeper.index as u32,
                self.sent[door],
                budget,
                &books,
            );
            match self.doors[door].send(token) {
                Ok(()) => self.sent[door] += 1,
                Err(SendError::Disconnected(back)) => books.took_back(back),
                Err(error) => {
                    books.fault(format!("mailbox {}: {error}", self.gatekeeper.index));
                    books.took_back(error.into_inner());
                }
            }
        }
    }
}

impl MachineMut<First> for Node {
    fn receive(&mut self, instruction: First) {
        match instruction {
            First::Wire(doors) => self.wire(doors),
            First::Token(mut token) => {
                self.admit::<First>(&mut token);
                self.pass_on(&token);
            }
        }
    }
}

/// A machine with two instruction sets under one run token: a node for each, and no lock.
pub(super) struct Duo(pub(super) [Node; 2]);

impl MachineMut<First> for Duo {
    fn receive(&mut self, instruction: First) {
        self.0[0].receive(instruction);
    }
}

impl MachineMut<Second> for Duo {
    fn receive(&mut self, instruction: Second) {
        let node = &mut self.0[1];
        match instruction {
            Second::Wire(doors) => node.wire(doors),
            Second::Token(mut token) => {
                node.admit::<Second>(&mut token);
                node.pass_on(&token);
            }
        }
    }
}

/// A value with two instruction sets that run on their own: two mailboxes and a node for each.
pub(super) struct Pair {
    pub(super) nodes: [Mutex<Node>; 2],
    /// Whoever receives next, panics.
    pub(super) fuse: Arc<AtomicBool>,
}

impl Pair {
    fn receive<P: Carrier>(&self, side: usize, mut token: Token) {
        // Each mailbox runs once at a time, and each has a node of its own: nobody ever waits for this lock.
        let mut node = self.nodes[side]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        node.admit::<P>(&mut token);
        if self.fuse.load(Ordering::SeqCst) {
            let books = Arc::clone(&node.gatekeeper.books);
            books
                .burned
                .fetch_add(token.budget.into(), Ordering::SeqCst);
            drop(node);
            panics::on_purpose("a partner of a parked machine");
        }
        node.pass_on(&token);
    }

    fn wire(&self, side: usize, doors: Vec<Door>) {
        let node = self.nodes[side].lock();
        node.unwrap_or_else(PoisonError::into_inner).wire(doors);
    }
}

impl Machine<First> for Pair {
    fn receive(&self, instruction: First) {
        match instruction {
            First::Wire(doors) => self.wire(0, doors),
            First::Token(token) => Pair::receive::<First>(self, 0, token),
        }
    }
}

impl Machine<Second> for Pair {
    fn receive(&self, instruction: Second) {
        match instruction {
            Second::Wire(doors) => self.wire(1, doors),
            Second::Token(token) => Pair::receive::<Second>(self, 1, token),
        }
    }
}
