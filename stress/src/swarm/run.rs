//! One swarm, from its plan to its verdict.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use d3::{Runtime, Sender};

use super::arguments::Sabotage;
use super::books::{Account, Books};
use super::delays;
use super::jitter::Jitter;
use super::load;
use super::machine::{Mailbox, Node, Owned, Shared, Wiring};
use super::outside::{self, Outsider};
use super::panics;
use super::plan::{Finish, Kind, MachinePlan, Plan};
use super::random::Random;
use super::sabotage;
use super::sets::{self, Several};
use super::state::Stage;
use super::target::{Routed, Target, for_kind};
use super::totals::Totals;
use super::verdict;
use super::watchdog::Watchdog;

/// Instructions without bytes are counted by the process, so only one swarm that has any may run in it at a time.
static EMPTY: Mutex<()> = Mutex::new(());

/// What is called with the state of a swarm in which nothing moves any more. It need not return.
pub(crate) type OnStuck = Box<dyn FnOnce(String) + Send>;

/// Runs a swarm. What it did comes back, or what was wrong with it.
pub(crate) fn run(
    plan: &Plan,
    patience: Duration,
    sabotage: Option<Sabotage>,
    on_stuck: OnStuck,
) -> Result<Totals, Vec<String>> {
    panics::silence_planned();
    let _empty = plan.has_empty().then(lock_empty);
    delays::arm(plan.seed, &plan.delays);
    let delayed_before = delays::delayed();
    let dead_before = load::empty_dead();
    let stage = Arc::<Stage>::default();
    let watchdog = watch(&stage, dead_before, patience, on_stuck)
        .map_err(|error| vec![format!("no watchdog: {error}")])?;
    let swarm = Swarm::start(plan, &stage).map_err(|problem| vec![problem])?;
    if let Some(how) = sabotage {
        sabotage::commit(how, &swarm.runtime, &stage.books);
    }
    let (end, totals) = swarm.finish(dead_before);
    let dead = load::empty_dead() - dead_before;
    let faults = verdict::faults(plan, &stage.books, &end, dead);
    if faults.is_empty() {
        let mut totals = totals.with_books(&stage.books, dead);
        totals.disturbed = u64::from(watchdog.was_disturbed());
        totals.delays = delays::delayed() - delayed_before;
        Ok(totals)
    } else {
        Err(faults)
    }
}

/// The name of one swarm's workers, short enough for the system to keep it whole: so that they are told from those of others.
fn fresh_thread_name() -> String {
    static SWARMS: AtomicUsize = AtomicUsize::new(0);
    format!("s{}", SWARMS.fetch_add(1, Ordering::Relaxed))
}

fn lock_empty() -> MutexGuard<'static, ()> {
    EMPTY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(
    stage: &Arc<Stage>,
    dead_before: u64,
    patience: Duration,
    on_stuck: OnStuck,
) -> std::io::Result<Watchdog> {
    let (watched, described) = (Arc::clone(stage), Arc::clone(stage));
    let moved = move || watched.books.moved() + load::empty_dead();
    Watchdog::start(patience, moved, move || {
        // On a thread of its own: what hangs may hold a lock that the description needs.
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _ = tell.send(described.describe(load::empty_dead() - dead_before));
        });
        let state = told
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or_else(|_| "its state cannot be read: somebody holds a lock for ever".into());
        on_stuck(state);
    })
}

/// A swarm that runs.
pub(super) struct Swarm<'a> {
    pub(super) plan: &'a Plan,
    pub(super) stage: Arc<Stage>,
    pub(super) books: Arc<Books>,
    pub(super) runtime: Runtime,
    /// The places: mailboxes of machines, then readers.
    pub(super) targets: Vec<Target>,
    pub(super) outsiders: Vec<JoinHandle<()>>,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) meddlers: Vec<JoinHandle<()>>,
    pub(super) over: Arc<AtomicBool>,
}

impl<'a> Swarm<'a> {
    fn start(plan: &'a Plan, stage: &Arc<Stage>) -> Result<Self, String> {
        let mut builder = Runtime::builder()
            .workers(plan.workers)
            .thread_name(fresh_thread_name())
            .budget(plan.budget)
            .time_slice(plan.time_slice);
        if let Some(times) = plan.hard_limit {
            builder = builder.hard_limit(times);
        }
        let runtime = builder.build().map_err(|error| error.to_string())?;
        // Where it matters who drops the last handle, nobody else has one.
        if !matches!(plan.finish, Finish::Dropped { .. } | Finish::Abandoned) {
            stage.show_runtime(Some(runtime.clone()));
        }
        let mut swarm = Self {
            plan,
            stage: Arc::clone(stage),
            books: Arc::clone(&stage.books),
            runtime,
            targets: Vec::new(),
            outsiders: Vec::new(),
            readers: Vec::new(),
            meddlers: Vec::new(),
            over: Arc::default(),
        };
        swarm.connect()?;
        swarm.send_and_meddle()?;
        Ok(swarm)
    }

    pub(super) fn jitter(&self) -> Jitter {
        Jitter(self.plan.jitter)
    }

    // ---- the start ----

    fn connect(&mut self) -> Result<(), String> {
        let mut wirings = Vec::new();
        for (number, machine) in self.plan.machines.iter().enumerate() {
            let wiring = Arc::<OnceLock<Wiring>>::default();
            self.connect_machine(number, machine, &wiring)?;
            wirings.push(wiring);
        }
        for (number, reader) in self.plan.readers.iter().enumerate() {
            for_kind!(reader.kind, self.open_channel(number, reader))?;
        }
        for (machine, wiring) in self.plan.machines.iter().zip(wirings) {
            let victim = machine.faults.stop_other_at;
            let wired = wiring.set(Wiring {
                out: machine
                    .out
                    .iter()
                    .map(|&place| self.targets[place].clone())
                    .collect(),
                victim: victim.map(|(_, place)| self.targets[place].handle()),
            });
            if wired.is_err() {
                return Err("a machine was wired twice".into());
            }
        }
        Ok(())
    }

    /// The accounts of a machine's mailboxes.
    fn open(&self, label: &str, plan: &MachinePlan) -> Vec<Arc<Account>> {
        let mut accounts: Vec<Arc<Account>> = Vec::new();
        for mailbox in &plan.mailboxes {
            let label = format!("{label} ({:?})", mailbox.kind);
            self.stage.show_place(label.clone());
            let books = &self.books;
            accounts.push(match accounts.first() {
                Some(first) if !plan.shared => books.open_further(label, mailbox.kind, first),
                _ => books.open_account(label, mailbox.kind, true, false),
            });
        }
        accounts
    }

    fn connect_machine(
        &mut self,
        number: usize,
        plan: &MachinePlan,
        wiring: &Arc<OnceLock<Wiring>>,
    ) -> Result<(), String> {
        let label = format!("machine {number}");
        let keeps = plan.keeps_runtime_until.map(|_| self.runtime.clone());
        let node = Node::new(
            plan,
            label.clone(),
            &self.books,
            wiring,
            self.jitter(),
            keeps,
        );
        let accounts = self.open(&label, plan);
        let mailbox_of =
            |account: &Arc<Account>| Mailbox::new(account, &self.books, self.plan.seed);
        if !plan.shared && accounts.len() > 1 {
            let mailboxes = accounts
                .iter()
                .map(|account| (account.kind, mailbox_of(account)))
                .collect();
            return self.connect_several(Several { mailboxes, node }, label, plan, accounts);
        }
        if !plan.shared {
            let owned = Owned {
                mailbox: mailbox_of(&accounts[0]),
                node,
            };
            let first = &plan.mailboxes[0];
            let account = Arc::clone(&accounts[0]);
            let target = for_kind!(
                first.kind,
                self.connect_owned(owned, account, first.capacity)
            );
            self.targets.push(target);
            return Ok(());
        }
        let shared = Shared {
            mailboxes: accounts
                .iter()
                .map(|account| (account.kind, Mutex::new(mailbox_of(account))))
                .collect(),
            node,
        };
        let first = &plan.mailboxes[0];
        let account = Arc::clone(&accounts[0]);
        let (shared, target) = for_kind!(
            first.kind,
            self.connect_shared(shared, account, first.capacity)
        );
        self.targets.push(target);
        for (mailbox, account) in plan.mailboxes.iter().zip(accounts).skip(1) {
            let target = for_kind!(
                mailbox.kind,
                self.connect_more(&shared, account, mailbox.capacity)
            );
            self.targets.push(target);
        }
        Ok(())
    }

    fn connect_several(
        &mut self,
        several: Several,
        label: String,
        plan: &MachinePlan,
        accounts: Vec<Arc<Account>>,
    ) -> Result<(), String> {
        let builder = self.runtime.machine(several).name(label);
        let builder = match plan.mailboxes[0].capacity {
            Some(capacity) => builder.capacity(capacity),
            None => builder.unbounded(),
        };
        let kinds: Vec<Kind> = accounts.iter().map(|account| account.kind).collect();
        let targets = sets::connect(builder, &kinds, accounts)
            .ok_or_else(|| format!("no machine accepts {kinds:?}"))?;
        self.targets.extend(targets);
        Ok(())
    }

    fn connect_owned<P: Routed>(
        &self,
        owned: Owned,
        account: Arc<Account>,
        capacity: Option<usize>,
    ) -> Target {
        let name = account.label.clone();
        let builder = self.runtime.machine(owned).name(name).accepts::<P>();
        let sender: Sender<P> = match capacity {
            Some(capacity) => builder.capacity(capacity).connect(),
            None => builder.unbounded().connect(),
        };
        P::target(account, sender)
    }

    fn connect_shared<P: Routed>(
        &self,
        shared: Shared,
        account: Arc<Account>,
        capacity: Option<usize>,
    ) -> (Arc<Shared>, Target) {
        let (shared, sender) = match capacity {
            Some(capacity) => self.runtime.connect_with_capacity::<_, P>(shared, capacity),
            None => self.runtime.connect_unbounded::<_, P>(shared),
        };
        (shared, P::target(account, sender))
    }

    fn connect_more<P: Routed>(
        &self,
        shared: &Arc<Shared>,
        account: Arc<Account>,
        capacity: Option<usize>,
    ) -> Target {
        let sender: Sender<P> = match capacity {
            Some(capacity) => self.runtime.and_connect_with_capacity(shared, capacity),
            None => self.runtime.and_connect_unbounded(shared),
        };
        P::target(account, sender)
    }

    fn send_and_meddle(&mut self) -> Result<(), String> {
        for (number, plan) in self.plan.outsiders.iter().enumerate() {
            let name = format!("sender {number} ({:?})", plan.sending);
            let targets = plan.targets.iter();
            let outsider = Outsider {
                plan: plan.clone(),
                targets: targets
                    .map(|&place| (place, self.targets[place].clone()))
                    .collect(),
                books: Arc::clone(&self.books),
                jitter: self.jitter(),
                random: Random::of_party(self.plan.seed, 2_000_000 + number as u64),
                doing: self.stage.enter(name.clone()),
            };
            self.outsiders.push(spawn(name, move || outsider.run())?);
        }
        if !self.plan.stops.is_empty() {
            let stops = self.plan.stops.iter();
            let stops = stops
                .map(|stop| (*stop, self.targets[stop.place].handle()))
                .collect();
            let (books, over) = (Arc::clone(&self.books), Arc::clone(&self.over));
            let stopper = move || outside::stop_machines(stops, &books, &over);
            self.meddlers.push(spawn("stopper".into(), stopper)?);
        }
        let shown = !matches!(self.plan.finish, Finish::Dropped { .. } | Finish::Abandoned);
        if self.plan.inspected && shown {
            let (books, over) = (Arc::clone(&self.books), Arc::clone(&self.over));
            let runtime = self.runtime.clone();
            let inspector = move || outside::inspect(&runtime, &books, &over);
            self.meddlers.push(spawn("inspector".into(), inspector)?);
        }
        Ok(())
    }
}

pub(super) fn spawn(
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, String> {
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .map_err(|error| format!("no thread: {error}"))
}
