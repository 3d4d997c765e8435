//! The parts of the load. Each counts what it sent and what came, so that a soak finds a loss too.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use d3::{EndReason, MachineImpl, MachineMut, Receiver, Runtime, Sender, TrySendError, bounded};

use crate::swarm::{self, Random};

use super::echo::Echo;

/// What everything is done within, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the parts have in common.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) runtime: Runtime,
    pub(super) echo: Echo,
    walkers: Vec<Sender<Walk>>,
}

/// Machines that live as long as the soak.
const WALKERS: usize = 1_000;
/// Instructions that go through them at a time, and how far.
const WALKS: usize = 200;
const STEPS: u32 = 200;

impl Setting {
    pub(super) fn new(runtime: Runtime, echo: Echo) -> Self {
        let all = Arc::<OnceLock<Vec<Sender<Walk>>>>::default();
        let walkers: Vec<_> = (0..WALKERS)
            .map(|number| {
                let walker = Walker {
                    all: Arc::clone(&all),
                    random: Random::new(number as u64),
                };
                runtime
                    .machine(walker)
                    .capacity(16)
                    .accepts::<Walk>()
                    .connect()
            })
            .collect();
        // Set once, here.
        let _ = all.set(walkers.clone());
        Self {
            runtime,
            echo,
            walkers,
        }
    }
}

/// Waits for so many words, and says how many are missing.
fn expect<P: Send + 'static>(from: &Receiver<P>, words: usize) -> Result<(), String> {
    for came in 0..words {
        from.recv_timeout(PATIENCE)
            .map_err(|error| format!("{came} of {words} came: {error}"))?;
    }
    Ok(())
}

fn refused(error: impl std::fmt::Display) -> String {
    format!("a send was refused: {error}")
}

// ---- machines that live for ever ----

#[derive(MachineImpl)]
enum Walk {
    Step { left: u32, home: Sender<()> },
}

#[derive(Debug)]
struct Walker {
    all: Arc<OnceLock<Vec<Sender<Walk>>>>,
    random: Random,
}

impl MachineMut<Walk> for Walker {
    fn receive(&mut self, Walk::Step { left, home }: Walk) {
        let next = self.all.get().filter(|_| left > 0);
        let Some(next) = next.map(|all| &all[self.random.below(all.len())]) else {
            // The walk is missed at home if this fails.
            let _ = home.send(());
            return;
        };
        // As above: an instruction that is lost does not come home.
        let _ = next.send(Walk::Step {
            left: left - 1,
            home,
        });
    }
}

/// Instructions that walk from machine to machine at random.
pub(super) fn walk(setting: &Setting) -> Result<(), String> {
    let (home, came_home) = bounded(WALKS);
    for number in 0..WALKS {
        let step = Walk::Step {
            left: STEPS,
            home: home.clone(),
        };
        setting.walkers[number % WALKERS]
            .send(step)
            .map_err(refused)?;
    }
    expect(&came_home, WALKS)
}

// ---- machines that live for a moment ----

#[derive(MachineImpl)]
enum Count {
    One,
    /// Something that takes memory of its own.
    Some(#[allow(dead_code, reason = "it is only to be carried and freed")] Box<[u8]>),
}

/// Counts, and tells at its end.
struct Counter {
    count: usize,
    panics_at: usize,
    tell: Sender<usize>,
}

impl MachineMut<Count> for Counter {
    fn receive(&mut self, _: Count) {
        self.count += 1;
        if self.count == self.panics_at {
            swarm::planned();
        }
    }

    fn disconnected(&mut self) {
        // Its word is missed if this fails.
        let _ = self.tell.send(self.count);
    }
}

/// Machines that are connected, told something, and forgotten.
pub(super) fn churn(setting: &Setting) -> Result<(), String> {
    const MACHINES: usize = 200;
    const EACH: usize = 10;
    let (tell, told) = bounded(MACHINES);
    for number in 0..MACHINES {
        let counter = Counter {
            count: 0,
            panics_at: 0,
            tell: tell.clone(),
        };
        let machine = setting.runtime.machine(counter).capacity(1 + number % 32);
        let sender = machine.accepts::<Count>().connect();
        for at in 0..EACH {
            let instruction = if at % 2 == 0 {
                Count::One
            } else {
                Count::Some(vec![0; number * 16].into())
            };
            sender.send(instruction).map_err(refused)?;
        }
    }
    for _ in 0..MACHINES {
        match told.recv_timeout(PATIENCE) {
            Ok(EACH) => {}
            Ok(count) => return Err(format!("a machine received {count} of {EACH}")),
            Err(error) => return Err(format!("a machine did not end: {error}")),
        }
    }
    Ok(())
}

/// Machines that panic with half of their instructions unread.
pub(super) fn panic(setting: &Setting) -> Result<(), String> {
    const MACHINES: usize = 20;
    const EACH: usize = 10;
    let (tell, told) = bounded(MACHINES);
    let mut handles = Vec::new();
    for _ in 0..MACHINES {
        let counter = Counter {
            count: 0,
            panics_at: EACH / 2,
            tell: tell.clone(),
        };
        let machine = setting.runtime.machine(counter).capacity(EACH);
        let sender = machine.accepts::<Count>().connect();
        handles.push(sender.handle());
        for _ in 0..EACH {
            // It may be gone by now, which hands the instruction back.
            let _ = sender.send(Count::Some(vec![0; 4_096].into()));
        }
    }
    expect(&told, MACHINES)?;
    for handle in handles {
        match handle.wait(PATIENCE) {
            Ok(EndReason::Panicked(_)) => {}
            other => return Err(format!("a machine that panicked ended with {other:?}")),
        }
    }
    Ok(())
}

// ---- full mailboxes ----

/// Says when it has received so many.
struct Till {
    left: usize,
    tell: Sender<()>,
}

impl MachineMut<Count> for Till {
    fn receive(&mut self, _: Count) {
        self.left -= 1;
        if self.left == 0 {
            // Its word is missed if this fails.
            let _ = self.tell.send(());
        }
    }
}

fn till(setting: &Setting, expects: usize, capacity: usize) -> (Sender<Count>, Receiver<()>) {
    let (tell, told) = bounded(1);
    let till = Till {
        left: expects,
        tell,
    };
    let till = setting.runtime.machine(till).capacity(capacity);
    (till.accepts::<Count>().connect(), told)
}

#[derive(MachineImpl)]
enum Shop {
    /// Goes to the till so often.
    Pay(usize),
}

struct Customer(Sender<Count>);

impl MachineMut<Shop> for Customer {
    fn receive(&mut self, Shop::Pay(times): Shop) {
        for _ in 0..times {
            // The till misses it if this fails.
            let _ = self.0.send(Count::One);
        }
    }
}

/// Machines that send more than there is room for, and are parked.
pub(super) fn crowd(setting: &Setting) -> Result<(), String> {
    const CUSTOMERS: usize = 20;
    const TIMES: usize = 10;
    const EACH: usize = 10;
    let (till, told) = till(setting, CUSTOMERS * TIMES * EACH, 8);
    for _ in 0..CUSTOMERS {
        let customer = setting.runtime.machine(Customer(till.clone())).capacity(4);
        let customer = customer.accepts::<Shop>().connect();
        for _ in 0..TIMES {
            customer.send(Shop::Pay(EACH)).map_err(refused)?;
        }
    }
    expect(&told, 1)
}

/// A way to send.
type Way = fn(&Sender<Count>) -> Result<(), String>;

/// Threads that send in all ways there are.
pub(super) fn outside(setting: &Setting) -> Result<(), String> {
    const EACH: usize = 500;
    let (till, told) = till(setting, 4 * EACH, 16);
    let ways: [Way; 4] = [
        |till| till.send(Count::One).map_err(refused),
        |till| till.send_timeout(Count::One, PATIENCE).map_err(refused),
        |till| swarm::block_on(&mut till.send_async(Count::One)).map_err(refused),
        |till| loop {
            match till.try_send(Count::One) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => std::thread::yield_now(),
                Err(error) => return Err(refused(error)),
            }
        },
    ];
    let till = &till;
    std::thread::scope(|scope| {
        let threads = ways.map(|way| scope.spawn(move || (0..EACH).try_for_each(|_| way(till))));
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".into()))
        })
    })?;
    expect(&told, 1)
}

// ---- the rest ----

/// A connection that comes and goes.
pub(super) fn visit(setting: &Setting) -> Result<(), String> {
    setting.echo.visit(64 * 1024)
}

/// A runtime that starts and ends.
pub(super) fn small_runtime(_: &Setting) -> Result<(), String> {
    let runtime = Runtime::builder()
        .workers(2)
        .build()
        .map_err(|error| error.to_string())?;
    let (tell, told) = bounded(1);
    let till = runtime.machine(Till { left: 1_000, tell }).capacity(32);
    let till = till.accepts::<Count>().connect();
    for _ in 0..1_000 {
        till.send(Count::One).map_err(refused)?;
    }
    expect(&told, 1)?;
    let report = runtime.shutdown(PATIENCE);
    if report.is_clean() {
        Ok(())
    } else {
        Err(format!("not a clean end: {report}"))
    }
}
