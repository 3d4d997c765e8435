//! The books of a swarm: what every oracle counts, and what it finds wrong.
//!
//! Each mailbox (or `Receiver`) has an [`Account`]. An instruction is booked when it is made, and booked out by exactly one of three:
//! whoever receives it, whoever gets it back from a refused send, or its own destructor when it is dropped at a machine's end.
//!
//! * **Nothing leaks**: `made = received + returned + dead`.
//! * **Conservation**: `accepted = received + dead`, where a send that returned `Ok` was accepted.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use d3::{EndReason, MachineHandle, MachineId};

use super::plan::Kind;
use super::visit::Visit;

/// A counter of many writers; relaxed, since it is compared when all of them are done.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add_one(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened at one mailbox.
#[derive(Debug)]
pub(crate) struct Account {
    /// What people see: the plan's name for it.
    pub(crate) label: String,
    pub(crate) kind: Kind,
    /// Whether a machine is behind it, or a `Receiver`.
    pub(crate) is_machine: bool,
    /// Whether a machine connected it while the swarm ran: a runtime that ends may refuse it.
    pub(crate) is_child: bool,
    /// Whether what comes here says no more than "look again": it comes while all else stands still.
    pub(crate) is_poked: bool,
    pub(crate) made: Count,
    pub(crate) accepted: Count,
    pub(crate) received: Count,
    pub(crate) returned: Count,
    pub(crate) dead: Count,
    /// Of the dead: those that panicked.
    pub(crate) exploded: Count,
    pub(crate) connected: Count,
    pub(crate) disconnected: Count,
    /// The account of the mailbox that was accepted first, where several share one run token: its machine's, with the hooks of all.
    first: Option<Arc<Account>>,
    /// Whether a `receive` or a hook runs right now, on which worker, and since when: see [`Visit`]. 0: none does.
    inside: AtomicU64,
    handle: OnceLock<MachineHandle>,
}

impl Account {
    fn new(label: String, kind: Kind, is_machine: bool, is_child: bool) -> Self {
        Self {
            label,
            kind,
            is_machine,
            is_child,
            is_poked: false,
            made: Count::default(),
            accepted: Count::default(),
            received: Count::default(),
            returned: Count::default(),
            dead: Count::default(),
            exploded: Count::default(),
            connected: Count::default(),
            disconnected: Count::default(),
            first: None,
            inside: AtomicU64::new(0),
            handle: OnceLock::new(),
        }
    }

    pub(crate) fn set_handle(&self, handle: MachineHandle) {
        // Set once, by who connected it.
        let _ = self.handle.set(handle);
    }

    pub(crate) fn handle(&self) -> Option<&MachineHandle> {
        self.handle.get()
    }

    /// The account that the machine's hooks are booked in: this one, but for a further mailbox under one run token.
    pub(crate) fn machine(&self) -> &Self {
        self.first.as_deref().unwrap_or(self)
    }

    /// Marks that user code of this mailbox, or of another one under the same run token, runs; None: it runs already, on another thread.
    #[must_use]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let inside = &self.machine().inside;
        // AcqRel: two visits that follow each other see each other's writes even if the runtime would not order them, so
        // that this check finds overlap and nothing else.
        (inside.swap(Visit::now().word(), Ordering::AcqRel) == 0).then_some(Inside(inside))
    }

    /// The `receive` or hook that runs right now.
    pub(crate) fn visit(&self) -> Option<Visit> {
        Visit::of_word(self.inside.load(Ordering::Relaxed))
    }

    fn moved(&self) -> u64 {
        [
            &self.made,
            &self.accepted,
            &self.received,
            &self.returned,
            &self.dead,
            &self.connected,
            &self.disconnected,
        ]
        .into_iter()
        .map(Count::get)
        .sum()
    }
}

/// User code of one mailbox runs.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a AtomicU64);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// A machine's value: dropped exactly once.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) label: String,
    pub(crate) dropped: Count,
}

/// Faults beyond these are counted and not kept: one that repeats must not fill the memory.
const FAULTS_KEPT: usize = 20;

/// All that is written down about one swarm.
#[derive(Debug, Default)]
pub(crate) struct Books {
    accounts: Mutex<Vec<Arc<Account>>>,
    values: Mutex<Vec<Arc<Value>>>,
    faults: Mutex<Vec<String>>,
    fault_count: AtomicUsize,
    /// Who sends, by number.
    streams: Mutex<Vec<String>>,
    /// Panics as planned.
    pub(crate) panics: Count,
    pub(crate) stops: Count,
    pub(crate) births: Count,
    /// Instructions that machines took from channels.
    pub(crate) polled: Count,
    /// Threads outside that are done.
    pub(crate) done: Count,
    /// How far the one has come that runs the swarm.
    pub(crate) phase: Count,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books {
    pub(crate) fn open_account(
        &self,
        label: String,
        kind: Kind,
        is_machine: bool,
        is_child: bool,
    ) -> Arc<Account> {
        let account = Arc::new(Account::new(label, kind, is_machine, is_child));
        lock(&self.accounts).push(Arc::clone(&account));
        account
    }

    /// The account of a further mailbox of the machine whose first one is `first`, under the same run token.
    pub(crate) fn open_further(
        &self,
        label: String,
        kind: Kind,
        first: &Arc<Account>,
    ) -> Arc<Account> {
        let account = Arc::new(Account {
            first: Some(Arc::clone(first)),
            ..Account::new(label, kind, true, false)
        });
        lock(&self.accounts).push(Arc::clone(&account));
        account
    }

    /// The account of a machine that is told to look elsewhere: the instructions that say so are no work, and no movement.
    pub(crate) fn open_poked(&self, label: String) -> Arc<Account> {
        let account = Arc::new(Account {
            is_poked: true,
            ..Account::new(label, Kind::Small, true, false)
        });
        lock(&self.accounts).push(Arc::clone(&account));
        account
    }

    pub(crate) fn open_value(&self, label: String) -> Arc<Value> {
        let value = Arc::new(Value {
            label,
            dropped: Count::default(),
        });
        lock(&self.values).push(Arc::clone(&value));
        value
    }

    /// The number of one who sends: what it sends to one mailbox arrives in order.
    pub(crate) fn open_stream(&self, name: impl Into<String>) -> u32 {
        let mut streams = lock(&self.streams);
        streams.push(name.into());
        streams.len() as u32 - 1
    }

    /// An arrival, checked for its order by its receiver.
    pub(crate) fn check_order(&self, to: &Account, order: &mut Order, stream: u32, sequence: u64) {
        if let Some(fault) = order.note(stream, sequence) {
            let streams = lock(&self.streams);
            let from = streams
                .get(stream as usize)
                .map_or("nobody", String::as_str);
            let what = format!("{}: from {from}: {fault}", to.label);
            drop(streams);
            self.fault(what);
        }
    }

    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        lock(&self.accounts).clone()
    }

    pub(crate) fn values(&self) -> Vec<Arc<Value>> {
        lock(&self.values).clone()
    }

    pub(crate) fn fault(&self, what: String) {
        if self.fault_count.fetch_add(1, Ordering::Relaxed) < FAULTS_KEPT {
            lock(&self.faults).push(what);
        }
    }

    /// What was found wrong so far, and how much more there was.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = lock(&self.faults).clone();
        let count = self.fault_count.load(Ordering::Relaxed);
        if count > faults.len() {
            faults.push(format!("and {} more", count - faults.len()));
        }
        faults
    }

    pub(crate) fn received(&self) -> u64 {
        let accounts = lock(&self.accounts);
        let work = accounts.iter().filter(|account| !account.is_poked);
        work.map(|account| account.received.get()).sum()
    }

    /// A figure that changes whenever anything happens.
    pub(crate) fn moved(&self) -> u64 {
        let accounts = lock(&self.accounts);
        let work = accounts.iter().filter(|account| !account.is_poked);
        let accounts: u64 = work.map(|account| account.moved()).sum();
        let values: u64 = lock(&self.values).iter().map(|v| v.dropped.get()).sum();
        accounts
            + values
            + self.panics.get()
            + self.stops.get()
            + self.births.get()
            + self.done.get()
            + self.phase.get()
    }

    /// Whether every instruction that was accepted has been received or has died.
    pub(crate) fn balanced(&self, empty_dead: u64) -> bool {
        self.imbalances(empty_dead).is_empty()
    }

    /// Where the books do not balance. `empty_dead`: instructions without bytes that were dropped unread, which cannot
    /// know their account; they balance in all.
    pub(crate) fn imbalances(&self, empty_dead: u64) -> Vec<String> {
        let mut found = Vec::new();
        let (mut made, mut accepted, mut received, mut returned) = (0, 0, 0, 0);
        for account in lock(&self.accounts).iter() {
            if account.kind == Kind::Empty {
                made += account.made.get();
                accepted += account.accepted.get();
                received += account.received.get();
                returned += account.returned.get();
                continue;
            }
            let sums = Sums {
                made: account.made.get(),
                accepted: account.accepted.get(),
                received: account.received.get(),
                returned: account.returned.get(),
                dead: account.dead.get(),
            };
            found.extend(sums.imbalance(&account.label));
        }
        let empty = Sums {
            made,
            accepted,
            received,
            returned,
            dead: empty_dead,
        };
        found.extend(empty.imbalance("all instructions without bytes"));
        found
    }

    /// Hooks that were not called exactly once, values that were not dropped exactly once.
    pub(crate) fn hook_faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let accounts = lock(&self.accounts);
        let first = |account: &&Arc<Account>| account.is_machine && account.first.is_none();
        for account in accounts.iter().filter(first) {
            let (connected, disconnected) = (account.connected.get(), account.disconnected.get());
            let refused = account.is_child && connected == 0 && account.received.get() == 0;
            if connected != disconnected || (connected != 1 && !refused) {
                found.push(format!(
                    "{}: connected {connected} times, disconnected {disconnected} times",
                    account.label
                ));
            }
        }
        for value in lock(&self.values).iter() {
            let dropped = value.dropped.get();
            if dropped != 1 {
                found.push(format!(
                    "{}: its value was dropped {dropped} times",
                    value.label
                ));
            }
        }
        found
    }

    /// Cells of machines that the handles in these books keep in memory.
    pub(crate) fn cells_kept(&self) -> usize {
        let accounts = lock(&self.accounts);
        // A machine that was refused by a runtime that ends never had one.
        let machines = accounts
            .iter()
            .filter(|account| account.is_machine && account.machine().connected.get() > 0);
        let ids: HashSet<MachineId> = machines
            .filter_map(|account| account.handle().map(MachineHandle::id))
            .collect();
        ids.len()
    }

    /// Machines that read to the end, and still left something unread.
    pub(crate) fn lost_at_a_quiet_end(&self) -> Vec<String> {
        let accounts = lock(&self.accounts);
        let lost = accounts.iter().filter(|account| {
            let reason = account.handle().and_then(MachineHandle::end_reason);
            account.is_machine && account.dead.get() > 0 && reason == Some(EndReason::NoSenders)
        });
        lost.map(|account| {
            format!(
                "{}: ended because no sender was left, with {} instructions unread",
                account.label,
                account.dead.get()
            )
        })
        .collect()
    }

    /// The plan's name of a mailbox.
    pub(crate) fn label_of(&self, id: MachineId) -> String {
        let accounts = lock(&self.accounts);
        let account = accounts
            .iter()
            .find(|account| account.handle().is_some_and(|handle| handle.id() == id));
        account.map_or_else(|| id.to_string(), |account| account.label.clone())
    }
}

/// The sums of one account, to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) made: u64,
    pub(crate) accepted: u64,
    pub(crate) received: u64,
    pub(crate) returned: u64,
    pub(crate) dead: u64,
}

impl Sums {
    /// What does not add up.
    #[must_use]
    pub(crate) fn imbalance(&self, label: &str) -> Option<String> {
        let conserved = self.accepted == self.received + self.dead;
        let gone = self.made == self.received + self.returned + self.dead;
        if conserved && gone {
            return None;
        }
        let Self {
            made,
            accepted,
            received,
            returned,
            dead,
        } = self;
        let law = if conserved { "a leak" } else { "not conserved" };
        Some(format!(
            "{label}: {law}: made {made}, accepted {accepted}, received {received}, dropped unread {dead}, handed back {returned}"
        ))
    }
}

/// The order oracle of one mailbox: what one sender sent comes in the order sent, nothing twice. Gaps are sends that were refused.
#[derive(Debug, Default)]
pub(crate) struct Order {
    last: HashMap<u32, u64>,
}

impl Order {
    /// Notes an arrival; what is wrong with it comes back.
    pub(crate) fn note(&mut self, stream: u32, sequence: u64) -> Option<String> {
        let last = self.last.insert(stream, sequence)?;
        (sequence <= last).then(|| format!("number {sequence} came after number {last}"))
    }
}
