//! One round: a hundred machines of which most are stuck when the shutdown comes, as are the threads that send to them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use d3::{MachineImpl, MachineMut, Runtime, SendError, Sender, bounded};

use crate::soak::echo::Echo;

/// What everything is done within, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// Machines that send to the sink; with the sink and the relays, a hundred.
const FEEDERS: usize = 90;
const RELAYS: usize = 9;
const SINK_CAPACITY: usize = 8;
const EACH: usize = 2;
/// How often an instruction goes through the relays.
const LAPS: u32 = 20;

/// What rounds did.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) rounds: u64,
    pub(super) connections: u64,
    pub(super) instructions: u64,
    pub(super) dropped: u64,
    pub(super) parked: u64,
    pub(super) released_outside: u64,
}

impl Done {
    pub(super) fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.connections += other.connections;
        self.instructions += other.instructions;
        self.dropped += other.dropped;
        self.parked += other.parked;
        self.released_outside += other.released_outside;
    }
}

/// Each instruction and each machine has one: at the end there must be none left.
type Trace = Arc<()>;

#[derive(MachineImpl)]
enum Pour {
    In(Trace),
}

#[derive(MachineImpl)]
enum Feed {
    Now(Trace),
}

#[derive(MachineImpl)]
enum Lap {
    Run(u32, Trace),
}

/// Passes on to a receiver that nobody reads: it is parked, and its mailbox fills up.
struct Sink(Sender<Trace>);

impl MachineMut<Pour> for Sink {
    fn receive(&mut self, Pour::In(trace): Pour) {
        // Refused once the receiver is gone.
        let _ = self.0.send(trace);
    }
}

struct Feeder(Sender<Pour>);

impl MachineMut<Feed> for Feeder {
    fn receive(&mut self, Feed::Now(trace): Feed) {
        for _ in 0..EACH {
            // Refused once the sink has ended.
            let _ = self.0.send(Pour::In(Arc::clone(&trace)));
        }
    }
}

/// Passes on around a ring, and tells when it is done.
struct Relay {
    next: Option<Sender<Lap>>,
    done: Sender<()>,
}

impl MachineMut<Lap> for Relay {
    fn receive(&mut self, Lap::Run(left, trace): Lap) {
        match (&self.next, left) {
            (Some(next), left) if left > 0 => {
                // Who waits for the end of the laps misses it if this fails.
                let _ = next.send(Lap::Run(left - 1, trace));
            }
            _ => {
                let _ = self.done.send(());
            }
        }
    }
}

/// A round.
///
/// # Errors
/// What was not as it must be.
pub(super) fn round(workers: usize, connects: bool) -> Result<Done, String> {
    let runtime = Runtime::builder()
        .workers(workers)
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let trace = Trace::default();
    if connects {
        let echo = Echo::start(&runtime)?;
        echo.visit(5_000)?;
        echo.network.stop().map_err(|error| error.to_string())?;
    }
    relay(&runtime, &trace)?;
    let done = stuck(&runtime, &trace)?;
    let left = Arc::strong_count(&trace) - 1;
    if left > 0 {
        return Err(format!("{left} instructions were not dropped"));
    }
    Ok(Done {
        connections: u64::from(connects),
        ..done
    })
}

/// Work that is done: laps through a chain of machines.
fn relay(runtime: &Runtime, trace: &Trace) -> Result<(), String> {
    let (done, is_done) = bounded(LAPS as usize);
    let mut next = None;
    for _ in 0..RELAYS {
        let relay = Relay {
            next: next.take(),
            done: done.clone(),
        };
        next = Some(
            runtime
                .machine(relay)
                .capacity(4)
                .accepts::<Lap>()
                .connect(),
        );
    }
    let first = next.ok_or("no relay")?;
    for _ in 0..LAPS {
        let lap = Lap::Run(u32::MAX, Arc::clone(trace));
        first
            .send(lap)
            .map_err(|error| format!("the first relay is gone: {error}"))?;
    }
    for _ in 0..LAPS {
        is_done
            .recv_timeout(PATIENCE)
            .map_err(|error| format!("a lap was lost: {error}"))?;
    }
    // The relays end with their last sender, or by the shutdown: whichever comes first.
    Ok(())
}

/// A full mailbox, parked machines, waiting threads, a waiting future; and the shutdown in the middle of it.
fn stuck(runtime: &Runtime, trace: &Trace) -> Result<Done, String> {
    let (gate, closed_gate) = bounded(1);
    let sink = runtime
        .machine(Sink(gate))
        .capacity(SINK_CAPACITY)
        .accepts::<Pour>()
        .connect();
    let feeders: Vec<_> = (0..FEEDERS)
        .map(|_| {
            runtime
                .machine(Feeder(sink.clone()))
                .capacity(2)
                .accepts::<Feed>()
                .connect()
        })
        .collect();
    for feeder in &feeders {
        feeder
            .send(Feed::Now(Arc::clone(trace)))
            .map_err(|error| format!("a feeder is gone: {error}"))?;
    }
    // Everybody is parked or at rest.
    runtime
        .wait_idle(PATIENCE)
        .map_err(|error| format!("never quiet: {error}"))?;
    let parked = runtime
        .machines()
        .iter()
        .filter(|machine| machine.parked)
        .count();
    if parked <= FEEDERS / 2 || !sink.is_full() {
        return Err(format!(
            "{parked} machines are parked on a mailbox of {}",
            sink.len()
        ));
    }
    let mut future = sink.send_async(Pour::In(Arc::clone(trace)));
    let mut context = Context::from_waker(Waker::noop());
    if Pin::new(&mut future).poll(&mut context).is_ready() {
        return Err("a future found room in a full mailbox".into());
    }
    let released = std::thread::scope(|scope| {
        let waiting = [
            scope.spawn(|| sink.send(Pour::In(Arc::clone(trace)))),
            scope.spawn(
                || match sink.send_timeout(Pour::In(Arc::clone(trace)), PATIENCE) {
                    Ok(()) => Ok(()),
                    Err(error) => Err(SendError::Disconnected(error.into_inner())),
                },
            ),
        ];
        let report = runtime.shutdown(PATIENCE);
        let released = waiting.into_iter().map(|thread| thread.join());
        let released = released.filter(|sent| matches!(sent, Ok(Err(_)))).count();
        (report, released)
    });
    let (report, mut released) = released;
    released += usize::from(matches!(
        Pin::new(&mut future).poll(&mut context),
        Poll::Ready(Err(SendError::Disconnected(_)))
    ));
    if released != 3 {
        return Err(format!(
            "{released} of two threads and a future were released by the shutdown"
        ));
    }
    if report.left > 0 || !report.detached.is_empty() || !report.quiet {
        return Err(format!("not a clean end: {report:?}"));
    }
    if runtime.machine_count() > 0 {
        return Err(format!("{} machines are left", runtime.machine_count()));
    }
    drop(closed_gate);
    Ok(Done {
        rounds: 1,
        connections: 0,
        instructions: runtime.stats().total().instructions,
        dropped: report.dropped,
        parked: parked as u64,
        released_outside: released as u64,
    })
}
