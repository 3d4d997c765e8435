//! The machines of a swarm: they check what they receive, and make trouble by plan.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use d3::{Machine, MachineMut, Runtime, Sender, Uuid, this_machine};

use super::books::{Account, Books, Order as OrderOracle, Value};
use super::jitter::Jitter;
use super::load::{Load, Order, Small};
use super::panics;
use super::plan::{FaultPlan, Forward, Kind, MachinePlan};
use super::random::Random;
use super::target::{Routed, Sent, Target};

/// Whom a machine may send to and stop: known once all are connected, so that graphs may have cycles.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    pub(crate) out: Vec<Target>,
    pub(crate) victim: Option<d3::MachineHandle>,
}

/// What all mailboxes of one value share.
pub(crate) struct Node {
    books: Arc<Books>,
    value: Arc<Value>,
    wiring: Arc<OnceLock<Wiring>>,
    forward: Forward,
    faults: FaultPlan,
    births: u32,
    talks_in_hooks: bool,
    keeps_until: Option<u64>,
    /// The last handle of the runtime, maybe.
    keeps: Mutex<Option<Runtime>>,
    jitter: Jitter,
}

impl Node {
    pub(crate) fn new(
        plan: &MachinePlan,
        label: String,
        books: &Arc<Books>,
        wiring: &Arc<OnceLock<Wiring>>,
        jitter: Jitter,
        keeps: Option<Runtime>,
    ) -> Self {
        Self {
            books: Arc::clone(books),
            value: books.open_value(label),
            wiring: Arc::clone(wiring),
            forward: plan.forward,
            faults: plan.faults.clone(),
            births: plan.births,
            talks_in_hooks: plan.talks_in_hooks,
            keeps_until: plan.keeps_runtime_until,
            keeps: Mutex::new(keeps),
            jitter,
        }
    }

    /// A machine that another one connects.
    fn child(&self, number: u64) -> Self {
        Self {
            books: Arc::clone(&self.books),
            value: self
                .books
                .open_value(format!("{}'s child {number}", self.value.label)),
            wiring: Arc::clone(&self.wiring),
            forward: Forward::One,
            faults: FaultPlan::default(),
            births: 0,
            talks_in_hooks: false,
            keeps_until: None,
            keeps: Mutex::new(None),
            jitter: self.jitter,
        }
    }

    pub(super) fn fault(&self, what: &str) {
        self.books.fault(format!("{}: {what}", self.value.label));
    }

    fn panic_by_plan(&self) -> ! {
        self.books.panics.add_one();
        panics::planned();
    }

    fn let_go_of_the_runtime(&self) {
        let kept = self
            .keeps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(kept);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.value.dropped.add_one();
        // Outside of a machine nobody would catch it.
        if self.faults.panic_in_drop && this_machine::id().is_some() && !std::thread::panicking() {
            self.panic_by_plan();
        }
    }
}

/// How often the instructions without bytes of one mailbox are passed on: they carry no fuel of their own.
const EMPTY_FUEL: u32 = 64;

/// One mailbox as its machine sees it.
pub(crate) struct Mailbox {
    account: Arc<Account>,
    stream: u32,
    sequence: u64,
    random: Random,
    order: OrderOracle,
    received: u64,
    births: u32,
    empty_fuel: u32,
}

impl Mailbox {
    pub(crate) fn new(account: &Arc<Account>, books: &Books, seed: u64) -> Self {
        let stream = books.open_stream(account.label.clone());
        Self {
            account: Arc::clone(account),
            stream,
            sequence: 0,
            random: Random::of_party(seed, u64::from(stream)),
            order: OrderOracle::default(),
            received: 0,
            births: 0,
            empty_fuel: EMPTY_FUEL,
        }
    }

    pub(super) fn fault(&self, node: &Node, what: &str) {
        node.books.fault(format!("{}: {what}", self.account.label));
    }

    // ---- what the runtime calls ----

    pub(super) fn connected(&mut self, node: &Node) {
        let account = Arc::clone(&self.account);
        let Some(_inside) = account.enter() else {
            return self.fault(node, "connected while it ran elsewhere");
        };
        if account.connected.add_one() > 1 {
            self.fault(node, "connected a second time");
        }
        node.jitter.at(&mut self.random);
        if node.talks_in_hooks {
            self.pass_on(node, 2);
        }
        if node.faults.panic_in_connected {
            node.panic_by_plan();
        }
    }

    pub(super) fn disconnected(&mut self, node: &Node) {
        let account = Arc::clone(&self.account);
        let Some(_inside) = account.enter() else {
            return self.fault(node, "disconnected while it ran elsewhere");
        };
        if account.connected.get() == 0 {
            self.fault(node, "disconnected before it was connected");
        }
        if account.disconnected.add_one() > 1 {
            self.fault(node, "disconnected a second time");
        }
        if this_machine::end_reason().is_none() {
            self.fault(node, "disconnected without a reason");
        }
        node.jitter.at(&mut self.random);
        if node.talks_in_hooks {
            self.pass_on(node, 2);
        }
        if node.faults.panic_in_disconnected {
            node.panic_by_plan();
        }
    }

    pub(super) fn receive<P: Load>(&mut self, node: &Node, instruction: P) {
        let account = Arc::clone(&self.account);
        account.received.add_one();
        let opened = instruction.open();
        let Some(_inside) = account.enter() else {
            return self.fault(node, "received while it ran elsewhere");
        };
        self.received += 1;
        if account.machine().connected.get() == 0 {
            self.fault(node, "received before it was connected");
        }
        if account.machine().disconnected.get() > 0 {
            self.fault(node, "received after it was disconnected");
        }
        if !opened.intact {
            self.fault(node, "received damaged bytes");
        }
        if let Some((stream, sequence)) = opened.from {
            node.books
                .check_order(&account, &mut self.order, stream, sequence);
        }
        node.jitter.at(&mut self.random);
        let fuel = if account.kind == Kind::Empty {
            let fuel = u32::from(self.empty_fuel > 0) * 2;
            self.empty_fuel = self.empty_fuel.saturating_sub(1);
            fuel
        } else {
            opened.fuel
        };
        self.pass_on(node, fuel);
        self.make_trouble(node);
    }

    // ---- what it does ----

    /// Sends on what `fuel` is left after this hop.
    fn pass_on(&mut self, node: &Node, fuel: u32) {
        let Some(wiring) = node.wiring.get() else {
            return;
        };
        let fuel = fuel.saturating_sub(1);
        if fuel == 0 || wiring.out.is_empty() {
            return;
        }
        let (parts, one_target) = match node.forward {
            Forward::One => (1, true),
            Forward::Split(parts) => (parts, false),
            Forward::Burst(parts) => (parts, true),
        };
        let parts = (parts as u32).min(fuel);
        let mut at = self.random.below(wiring.out.len());
        for part in 0..parts {
            let share = fuel / parts + u32::from(part < fuel % parts);
            if !one_target {
                at = (at + 1) % wiring.out.len();
            }
            self.send(node, &wiring.out[at], share);
        }
    }

    fn send(&mut self, node: &Node, to: &Target, fuel: u32) -> Sent {
        self.sequence += 1;
        let order = Order {
            stream: self.stream,
            sequence: self.sequence,
            fuel,
            explosive: node
                .faults
                .explosive_one_in
                .is_some_and(|n| self.random.below(n) == 0),
        };
        // A machine may use any of them, and never waits.
        match self.random.below(16) {
            0 => to.try_send(&order),
            1 => to.send_timeout(&order, std::time::Duration::from_secs(3_600)),
            _ => to.send(&order),
        }
    }

    fn make_trouble(&mut self, node: &Node) {
        let now = Some(self.received);
        if self.births < node.births {
            self.births += 1;
            self.give_birth(node);
        }
        if node.keeps_until == now {
            node.let_go_of_the_runtime();
        }
        if let Some((at, _)) = node.faults.stop_other_at
            && at == self.received
            && let Some(victim) = node.wiring.get().and_then(|wiring| wiring.victim.as_ref())
        {
            node.books.stops.add_one();
            victim.stop();
        }
        if node.faults.stop_at == now {
            node.books.stops.add_one();
            if this_machine::stop().is_err() {
                self.fault(node, "a machine was told that it is none");
            }
        }
        if node.faults.fail_at == now && this_machine::fail("by plan").is_err() {
            self.fault(node, "a machine was told that it is none");
        }
        if node.faults.panic_at == now {
            node.panic_by_plan();
        }
    }

    /// Connects a machine, sends it something and lets go of it: it must receive it all.
    fn give_birth(&mut self, node: &Node) {
        // The last handle of the runtime may be gone.
        let Ok(runtime) = this_machine::runtime() else {
            return;
        };
        let number = node.books.births.add_one();
        let child = node.child(number);
        let label = child.value.label.clone();
        let account = node.books.open_account(label, Kind::Small, true, true);
        let mailbox = Mailbox::new(&account, &node.books, number);
        let sender: Sender<Small> = runtime
            .machine(Owned {
                node: child,
                mailbox,
            })
            .capacity(self.random.sized(1..=16))
            .accepts::<Small>()
            .connect();
        let target = Routed::target(account, sender);
        for _ in 0..self.random.sized(1..=32) {
            if self.send(node, &target, 2) == Sent::Gone {
                break;
            }
        }
    }
}

/// A machine that owns its state.
pub(crate) struct Owned {
    pub(crate) mailbox: Mailbox,
    pub(crate) node: Node,
}

impl<P: Load> MachineMut<P> for Owned {
    fn receive(&mut self, instruction: P) {
        self.mailbox.receive(&self.node, instruction);
    }

    fn connected(&mut self, _: Uuid) {
        self.mailbox.connected(&self.node);
    }

    fn disconnected(&mut self) {
        self.mailbox.disconnected(&self.node);
    }
}

/// A machine that is shared by its mailboxes, one per instruction set.
pub(crate) struct Shared {
    pub(crate) mailboxes: Vec<(Kind, Mutex<Mailbox>)>,
    pub(crate) node: Node,
}

impl Shared {
    fn with<P: Routed>(&self, visit: impl FnOnce(&mut Mailbox)) {
        let mailbox = self.mailboxes.iter().find(|(kind, _)| *kind == P::KIND);
        // One at a time is the runtime's promise, so nobody can have the lock; a panic may have poisoned it.
        match mailbox.map(|(_, mailbox)| mailbox.try_lock()) {
            Some(Ok(mut mailbox)) => visit(&mut mailbox),
            Some(Err(std::sync::TryLockError::Poisoned(poisoned))) => {
                visit(&mut poisoned.into_inner());
            }
            Some(Err(std::sync::TryLockError::WouldBlock)) => {
                self.node.fault("a mailbox ran twice at once");
            }
            None => {
                self.node.fault("an instruction of another set");
            }
        }
    }
}

impl<P: Routed> Machine<P> for Shared {
    fn receive(&self, instruction: P) {
        self.with::<P>(|mailbox| mailbox.receive(&self.node, instruction));
    }

    fn connected(&self, _: Uuid) {
        self.with::<P>(|mailbox| mailbox.connected(&self.node));
    }

    fn disconnected(&self) {
        self.with::<P>(|mailbox| mailbox.disconnected(&self.node));
    }
}
