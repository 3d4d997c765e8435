//! Instructions of all sizes, each of which knows what became of it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use d3::{MachineImpl, this_machine};

use super::books::Account;
use super::panics;
use super::random::Random;

thread_local! {
    /// While this thread drops a future: whether an instruction was dropped with it.
    static WITHDRAWN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Runs `drop_it`, which drops a future with an instruction in it or without. True: the instruction went with it, so it was not sent.
pub(crate) fn withdraw(drop_it: impl FnOnce()) -> bool {
    WITHDRAWN.set(Some(false));
    drop_it();
    WITHDRAWN.take() == Some(true)
}

/// For destructors of instructions: true while [`withdraw`] runs, which counts them instead.
fn is_withdrawn() -> bool {
    let withdrawing = WITHDRAWN.get().is_some();
    if withdrawing {
        WITHDRAWN.set(Some(true));
    }
    withdrawing
}

/// What an instruction carries for the oracles.
#[derive(Debug)]
pub(crate) struct Ticket {
    account: Arc<Account>,
    stream: u32,
    /// Hops that are left to it, and to all that follow from it.
    fuel: u32,
    sequence: u64,
    /// It panics if it is dropped unread.
    explosive: bool,
    accounted_for: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.accounted_for {
            return;
        }
        // Who withdraws one counts it.
        if is_withdrawn() {
            return;
        }
        self.account.dead.add_one();
        // Only where the runtime drops it: a panic in a panic would end the process, and rightly so.
        if self.explosive && !std::thread::panicking() && this_machine::id().is_some() {
            self.account.exploded.add_one();
            panics::planned();
        }
    }
}

/// What a receiver learns from an instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// Sender and number; None: it has no bytes to carry them.
    pub(crate) from: Option<(u32, u64)>,
    pub(crate) fuel: u32,
    /// Whether the bytes that came are those that were sent.
    pub(crate) intact: bool,
}

/// What an instruction is made of.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) stream: u32,
    pub(crate) sequence: u64,
    pub(crate) fuel: u32,
    pub(crate) explosive: bool,
}

/// An instruction of a swarm.
pub(crate) trait Load: MachineImpl + Sized {
    /// Makes it, and books it.
    fn load(account: &Arc<Account>, order: &Order) -> Self;
    /// Received: it is booked by who received it.
    fn open(self) -> Opened;
    /// Handed back by a send that was refused.
    fn take_back(self, account: &Account);
}

// ---- instructions with bytes ----

/// The bytes of an instruction.
pub(crate) trait Bytes: Send + 'static {
    fn filled(with: u64) -> Self;
    fn is_intact(&self, with: u64) -> bool;
}

impl<const N: usize> Bytes for [u64; N] {
    fn filled(with: u64) -> Self {
        [with; N]
    }

    fn is_intact(&self, with: u64) -> bool {
        self.iter().all(|word| *word == with)
    }
}

impl Bytes for Box<[u64]> {
    fn filled(with: u64) -> Self {
        let mut random = Random::new(with);
        vec![with; random.sized(1..=4_096)].into_boxed_slice()
    }

    fn is_intact(&self, with: u64) -> bool {
        self.len() == Random::new(with).sized(1..=4_096) && self.iter().all(|word| *word == with)
    }
}

/// The instruction set of a kind with bytes.
#[derive(Debug, MachineImpl)]
pub(crate) enum Carry<B> {
    /// The one instruction.
    Take(Ticket, B),
}

/// Kinds of instructions: see [`Kind`](super::plan::Kind).
pub(crate) type Small = Carry<[u64; 0]>;
pub(crate) type Medium = Carry<[u64; 26]>;
pub(crate) type Large = Carry<[u64; 1_250]>;
pub(crate) type Boxed = Carry<Box<[u64]>>;

const fn pattern(stream: u32, sequence: u64) -> u64 {
    ((stream as u64) << 40) ^ sequence ^ 0x5555_5555_5555_5555
}

impl<B: Bytes> Load for Carry<B> {
    fn load(account: &Arc<Account>, order: &Order) -> Self {
        account.made.add_one();
        let ticket = Ticket {
            account: Arc::clone(account),
            stream: order.stream,
            fuel: order.fuel,
            sequence: order.sequence,
            explosive: order.explosive,
            accounted_for: false,
        };
        Self::Take(ticket, B::filled(pattern(order.stream, order.sequence)))
    }

    fn open(self) -> Opened {
        let Self::Take(mut ticket, bytes) = self;
        ticket.accounted_for = true;
        Opened {
            from: Some((ticket.stream, ticket.sequence)),
            fuel: ticket.fuel,
            intact: bytes.is_intact(pattern(ticket.stream, ticket.sequence)),
        }
    }

    fn take_back(self, account: &Account) {
        let Self::Take(mut ticket, _) = self;
        ticket.accounted_for = true;
        account.returned.add_one();
    }
}

// ---- the instruction without bytes ----

/// Instructions without bytes that were dropped unread, in this process: they have no bytes for a pointer to a ledger.
static EMPTY_DEAD: AtomicU64 = AtomicU64::new(0);

/// How many instructions without bytes were dropped unread since the process began.
pub(crate) fn empty_dead() -> u64 {
    EMPTY_DEAD.load(Ordering::Relaxed)
}

/// Zero bytes that count their own end.
#[derive(Debug)]
pub(crate) struct Blank(());

impl Drop for Blank {
    fn drop(&mut self) {
        // Who withdraws one counts it.
        if !is_withdrawn() {
            EMPTY_DEAD.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The instruction set whose instruction has no bytes.
#[derive(Debug, MachineImpl)]
pub(crate) enum Empty {
    /// The one instruction.
    Take(Blank),
}

const _: () = assert!(size_of::<Empty>() == 0);

impl Load for Empty {
    fn load(account: &Arc<Account>, _: &Order) -> Self {
        account.made.add_one();
        Self::Take(Blank(()))
    }

    fn open(self) -> Opened {
        let Self::Take(blank) = self;
        std::mem::forget(blank);
        Opened {
            from: None,
            fuel: 0,
            intact: true,
        }
    }

    fn take_back(self, account: &Account) {
        let Self::Take(blank) = self;
        std::mem::forget(blank);
        account.returned.add_one();
    }
}
