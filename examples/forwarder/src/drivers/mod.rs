//! The drivers, and what they have in common.

mod chaos_monkey;
mod daisy_chain;
mod fanout_fanin;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use d3::components::settings::ForwarderTest;
use d3::{Receiver, RecvTimeoutError, Runtime, SendTimeoutError, Sender, bounded};

use crate::{Arrived, Failure, Forwarder, Plan, Shared, TestMessage};

/// Where a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// Iterations that are done.
    pub iteration: usize,
    /// Iterations in all.
    pub iterations: usize,
    /// Instructions that have been received so far, those of the setup left out.
    pub instructions: u64,
}

/// A driver that ran, with everything received that should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What it did.
    pub plan: Plan,
    /// Instructions that machines received, those of the setup left out: counted by them, and equal to what was due.
    pub instructions: u64,
    /// How long it took to connect and wire the machines.
    pub setup: Duration,
    /// How long all iterations took.
    pub run: Duration,
    /// How long it took until the last machine had been told its end, by `disconnected`.
    pub teardown: Duration,
}

impl Report {
    /// Instructions received in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.instructions as f64 / self.run.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} machines, {} iterations, all {} instructions received in {:.3} s, {:.3} M a second",
            self.plan.test.as_str(),
            self.plan.machines,
            self.plan.iterations,
            self.instructions,
            self.run.as_secs_f64(),
            self.rate() / 1e6
        )
    }
}

/// A shape of machines that one iteration after another is sent through.
trait Shape {
    /// Connects and wires the machines. Gives what one iteration is sent into.
    fn set_up(&mut self, bench: &Bench<'_>) -> Result<(), Failure>;
    /// Sends what one iteration sends, and says what has to arrive.
    fn send(&mut self, bench: &Bench<'_>, iteration: u64) -> Result<Arrived, Failure>;
    /// Lets go of the machines, so that they end.
    fn let_go(&mut self, bench: &Bench<'_>) -> Result<(), Failure>;
}

/// Runs a driver on a runtime, which may be doing other things as well. Calls `observe` after each iteration. Not for machines: it
/// waits.
///
/// # Errors
/// Any [`Failure`]. Machines may be left running then, until the runtime ends.
pub fn run(
    runtime: &Runtime,
    plan: &Plan,
    observe: &mut dyn FnMut(Moment),
) -> Result<Report, Failure> {
    let due = plan.instructions()?;
    let (notify, notices) = bounded(1);
    let bench = Bench {
        runtime,
        plan,
        shared: Arc::default(),
        notify,
        notices,
    };
    let mut shape: Box<dyn Shape> = match plan.test {
        ForwarderTest::FanoutFanin => Box::new(fanout_fanin::Fan::default()),
        ForwarderTest::ChaosMonkey => Box::new(chaos_monkey::Net::default()),
        _ => Box::new(daisy_chain::Chain::default()),
    };
    let begun = Instant::now();
    shape.set_up(&bench)?;
    let set_up = begun.elapsed();
    let begun = Instant::now();
    for iteration in 0..plan.iterations {
        let due_now = shape.send(&bench, iteration as u64)?;
        bench.wait_for(iteration, due_now)?;
        observe(Moment {
            iteration: iteration + 1,
            iterations: plan.iterations,
            instructions: due / plan.iterations as u64 * (iteration as u64 + 1),
        });
    }
    let run = begun.elapsed();
    let begun = Instant::now();
    shape.let_go(&bench)?;
    drop(shape);
    bench.wait_for_the_end()?;
    let received = bench.shared.received();
    if received != due {
        return Err(Failure::Count { received, due });
    }
    bench.no_faults()?;
    Ok(Report {
        plan: *plan,
        instructions: received,
        setup: set_up,
        run,
        teardown: begun.elapsed(),
    })
}

/// What the shapes are built with.
struct Bench<'a> {
    runtime: &'a Runtime,
    plan: &'a Plan,
    shared: Arc<Shared>,
    notify: Sender<Arrived>,
    notices: Receiver<Arrived>,
}

impl Bench<'_> {
    /// Connects a machine.
    fn connect(&self, id: usize) -> Sender<TestMessage> {
        let machine = self.runtime.machine(Forwarder::new(id, &self.shared));
        let machine = machine.accepts::<TestMessage>();
        if self.plan.unbound_queue {
            machine.unbounded().connect()
        } else {
            machine.connect()
        }
    }

    /// Connects the machine where everything comes together.
    fn connect_fanin(&self, id: usize) -> Sender<TestMessage> {
        match self.plan.fanin_capacity {
            Some(capacity) if !self.plan.unbound_queue => self
                .runtime
                .machine(Forwarder::new(id, &self.shared))
                .capacity(capacity)
                .accepts::<TestMessage>()
                .connect(),
            _ => self.connect(id),
        }
    }

    /// Sends from outside, and waits for room.
    fn send(&self, sender: &Sender<TestMessage>, message: TestMessage) -> Result<(), Failure> {
        match sender.send_timeout(message, self.plan.timeout) {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Timeout(_)) => Err(self.timeout("room in a mailbox")),
            Err(_) => Err(self.gone()),
        }
    }

    /// Waits until what was sent in an iteration has arrived, and compares.
    fn wait_for(&self, iteration: usize, due: Arrived) -> Result<(), Failure> {
        let what = || format!("iteration {}", iteration + 1);
        match self.notices.recv_timeout(self.plan.timeout) {
            Ok(arrived) if arrived == due => self.no_faults(),
            Ok(arrived) => Err(self.no_faults().err().unwrap_or(Failure::Wrong {
                what: what(),
                arrived,
                due,
            })),
            Err(RecvTimeoutError::Timeout) => Err(self
                .no_faults()
                .err()
                .unwrap_or_else(|| self.timeout(&what()))),
            Err(_) => Err(self.gone()),
        }
    }

    /// Waits until every machine of this driver has been told its end. The runtime counts it for a moment more.
    fn wait_for_the_end(&self) -> Result<(), Failure> {
        let machines = self.machines();
        let begun = Instant::now();
        while self.shared.ended() < machines {
            if begun.elapsed() > self.plan.timeout {
                let ended = self.shared.ended();
                return Err(
                    self.timeout(&format!("the end of all machines ({ended} of {machines})"))
                );
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Machines that the shape has connected.
    fn machines(&self) -> u64 {
        let home = u64::from(self.plan.test == ForwarderTest::ChaosMonkey);
        self.plan.machines as u64 + home
    }

    fn no_faults(&self) -> Result<(), Failure> {
        self.shared
            .faults()
            .map_or(Ok(()), |faults| Err(Failure::Faults(faults)))
    }

    /// A machine that should live does not.
    fn gone(&self) -> Failure {
        if self.runtime.is_shut_down() {
            return Failure::Stopped;
        }
        self.no_faults()
            .err()
            .unwrap_or_else(|| Failure::Faults("a machine has ended before its time".into()))
    }

    fn timeout(&self, what: &str) -> Failure {
        // Few drivers have more machines that are not at rest than anybody reads.
        let restless = self.runtime.machines().into_iter().filter(|it| !it.at_rest);
        let mut state = self.runtime.stats().to_string();
        for machine in restless.take(10) {
            state.push_str(&format!("{machine}\n"));
        }
        Failure::Timeout {
            what: what.to_owned(),
            timeout: self.plan.timeout,
            state,
        }
    }
}
