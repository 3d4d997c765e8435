//! The nodes of one workload: connected, wired, sent to in waves, ended, counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::collective::{Collective, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::tally::{Account, CountError, Tally, wait_for};

/// How long the nodes may take to find each other.
const WIRE_PATIENCE: Duration = Duration::from_secs(60);

/// Where the nodes of a workload find each other. Addresses cannot be there before the nodes are, so each node takes what it
/// needs when it receives [`Instruction::Wire`].
#[derive(Debug)]
pub struct Directory<A>(Arc<Entries<A>>);

#[derive(Debug)]
struct Entries<A> {
    all: Mutex<Option<Arc<Vec<A>>>>,
    readers: AtomicUsize,
}

impl<A> Clone for Directory<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> Default for Directory<A> {
    fn default() -> Self {
        Self(Arc::new(Entries {
            all: Mutex::new(None),
            readers: AtomicUsize::new(0),
        }))
    }
}

impl<A> Directory<A> {
    /// All addresses, in the order in which the nodes were made. Each node asks once.
    ///
    /// # Panics
    /// Before it is filled.
    pub fn all(&self) -> Arc<Vec<A>> {
        let entries = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.readers.fetch_add(1, Ordering::Relaxed);
        Arc::clone(
            entries
                .as_ref()
                .expect("the directory is filled before anybody is wired"),
        )
    }

    fn set(&self, entries: Option<Arc<Vec<A>>>) {
        let old = std::mem::replace(
            &mut *self.0.all.lock().unwrap_or_else(PoisonError::into_inner),
            entries,
        );
        // Outside of the lock: this may be what ends nodes, and on this very thread.
        drop(old);
    }

    /// How many nodes have asked.
    fn readers(&self) -> usize {
        self.0.readers.load(Ordering::Relaxed)
    }
}

/// What the nodes of a workload share.
pub struct Shared<A> {
    /// Where they find each other.
    pub directory: Directory<A>,
    /// Where they say that a wave is over.
    pub finish: Arc<Finish>,
    tally: Arc<Tally>,
}

impl<A> Shared<A> {
    /// An account for one node.
    pub fn account(&self) -> Account {
        Account::new(&self.tally)
    }
}

impl<A> Clone for Shared<A> {
    fn clone(&self) -> Self {
        Self {
            directory: self.directory.clone(),
            finish: Arc::clone(&self.finish),
            tally: Arc::clone(&self.tally),
        }
    }
}

impl<A> Default for Shared<A> {
    fn default() -> Self {
        Self {
            directory: Directory::default(),
            finish: Arc::default(),
            tally: Arc::default(),
        }
    }
}

/// A running collective with the nodes of one workload.
pub struct Group<C: Collective, N: Node<C>> {
    /// Who runs them.
    pub collective: C,
    /// The ways to them, in the order in which they were made.
    pub addresses: Vec<C::Address<N>>,
    /// What they share.
    pub shared: Shared<C::Address<N>>,
}

impl<C: Collective, N: Node<C>> Group<C, N> {
    /// Starts a collective and connects `count` nodes that need not find each other.
    pub fn connect(
        setup: &Setup,
        count: usize,
        make: impl Fn(usize, &Shared<C::Address<N>>) -> N + Send + 'static,
    ) -> Self {
        let collective = C::start(setup);
        let shared = Shared::default();
        let theirs = shared.clone();
        let addresses = collective.connect(count, move |index| make(index, &theirs));
        Self {
            collective,
            addresses,
            shared,
        }
    }

    /// As [`connect`](Self::connect), and wires them: each has found the others when this returns.
    ///
    /// # Panics
    /// If a node does not receive its first instruction within a minute.
    pub fn connect_wired(
        setup: &Setup,
        count: usize,
        make: impl Fn(usize, &Shared<C::Address<N>>) -> N + Send + 'static,
    ) -> Self {
        let group = Self::connect(setup, count, make);
        let directory = &group.shared.directory;
        directory.set(Some(Arc::new(group.addresses.to_vec())));
        group
            .collective
            .send_each(&group.addresses, Instruction::Wire);
        let wired = wait_for(WIRE_PATIENCE, || directory.readers() >= count);
        assert!(wired, "{} of {count} nodes are wired", directory.readers());
        group
    }

    /// Sends one token from outside.
    pub fn token(&self, to: usize, token: u64) {
        self.collective
            .send_many(&self.addresses[to], Instruction::Token(token), 1);
    }

    /// Ends all nodes, then the collective.
    ///
    /// # Errors
    /// [`CountError`] if the nodes did not receive `received` tokens in all, or did not all end. The collective is left as
    /// it is then, because it may not end either.
    pub fn end(self, received: u64) -> Result<(), CountError> {
        let machines = self.addresses.len() as u64;
        self.collective.send_each(&self.addresses, Instruction::Cut);
        self.shared.directory.set(None);
        self.collective.release(self.addresses);
        match self.shared.tally.settle(machines, received) {
            Ok(()) => {
                self.collective.stop();
                Ok(())
            }
            Err(error) => {
                std::mem::forget(self.collective);
                Err(error)
            }
        }
    }
}

/// What one wave came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// What the workload counts: hops, round trips, instructions.
    pub operations: u64,
    /// From the first send to the wake-up of the thread that waits for the end.
    pub elapsed: Duration,
}

impl Wave {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// What a wave of a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What is counted.
    pub(crate) operations: u64,
    /// Tokens that nodes receive.
    pub(crate) received: u64,
    /// Arrivals that end it.
    pub(crate) arrivals: u64,
}

/// What the thread outside does to begin a wave.
type Begin<C, N> = Box<dyn Fn(&Group<C, N>)>;

/// A workload that can be repeated with the same nodes.
pub struct Waves<C: Collective, N: Node<C>> {
    group: Group<C, N>,
    plan: Plan,
    begin: Begin<C, N>,
    waves: u64,
}

impl<C: Collective, N: Node<C>> Waves<C, N> {
    pub(crate) fn new(
        group: Group<C, N>,
        plan: Plan,
        begin: impl Fn(&Group<C, N>) + 'static,
    ) -> Self {
        Self {
            group,
            plan,
            begin: Box::new(begin),
            waves: 0,
        }
    }

    /// The operations of one wave.
    pub fn operations(&self) -> u64 {
        self.plan.operations
    }

    /// Runs one wave to its end.
    pub fn wave(&mut self) -> Wave {
        let finish = &self.group.shared.finish;
        finish.arm(self.plan.arrivals);
        let begun = Instant::now();
        (self.begin)(&self.group);
        finish.wait();
        let elapsed = begun.elapsed();
        self.waves += 1;
        Wave {
            operations: self.plan.operations,
            elapsed,
        }
    }

    /// Ends all nodes and compares what they received with what the waves sent.
    ///
    /// # Errors
    /// [`CountError`] if something was lost.
    pub fn end(self) -> Result<(), CountError> {
        self.group.end(self.plan.received * self.waves)
    }
}

impl<C: Collective, N: Node<C>> std::fmt::Debug for Waves<C, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waves")
            .field("plan", &self.plan)
            .field("waves", &self.waves)
            .finish_non_exhaustive()
    }
}
