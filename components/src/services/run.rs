//! `run`: start, wait for a reason to end, stop.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use d3_runtime::{Runtime, this_machine};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Running, Services, Stopped, start};
use crate::{ServiceName, ServiceState, ServicesError, Settings};

/// How long the listeners may take to be bound.
const READY: Duration = Duration::from_secs(30);
/// How long the way down may take.
const STOP: Duration = Duration::from_secs(10);
/// How often a look is taken at whether services have ended.
const LOOK: Duration = Duration::from_secs(1);
/// How often, while there is work whose end is waited for as well.
const LOOK_AT_WORK: Duration = Duration::from_millis(50);
/// How long work may take to notice that the runtime has ended.
const NOTICE: Duration = Duration::from_secs(5);

/// Runs a server until Ctrl-C, SIGTERM or the end of `test_server_duration`: the whole of a `main`.
///
/// Logging is set up at `log_level` if the program has not set up any (feature `logging`). The
/// services and their addresses are printed once they are ready, and how it ended at the end. A
/// second signal during the way down ends the process at once.
///
/// # Errors
/// What [`start`] and [`Running::wait_ready`] fail with, after the server was taken down again, and
/// [`ServicesError::Failed`] once no service is left that works. [`ServicesError::InsideMachine`] in a machine, which may not
/// wait: nothing is started then.
pub fn run(settings: Settings, services: Services) -> Result<Stopped, ServicesError> {
    serve(settings, services, None)
}

/// As [`run`], with work of the program's own on the server's runtime: once all services are ready, `work` is called on a thread
/// of its own, which may wait. The server goes on when it returns, and `test_server_duration` counts from there. If it fails the
/// server is taken down. If the server is told to end first, the runtime ends under the work, which is given a few seconds to
/// notice.
///
/// ```no_run
/// # use d3_components::{Services, Settings, services};
/// let answer = |runtime: d3_runtime::Runtime| {
///     let (ask, answers) = d3_runtime::bounded(1);
///     let (_machine, sender) = runtime.connect(move |Ask::Now: Ask| drop(ask.send(42)));
///     sender.send(Ask::Now).map_err(|error| error.to_string())?;
///     answers.recv().map(drop).map_err(|error| error.to_string())
/// };
/// # #[derive(d3_runtime::MachineImpl)] enum Ask { Now }
/// services::run_with(Settings::load()?, Services::new(), "Answer", answer)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`run`], and [`ServicesError::Failed`] under `name` if the work fails or panics, or if there is no thread for it.
pub fn run_with<W>(
    settings: Settings,
    services: Services,
    name: &str,
    work: W,
) -> Result<Stopped, ServicesError>
where
    W: FnOnce(Runtime) -> Result<(), String> + Send + 'static,
{
    let work = Box::new(work);
    serve(settings, services, Some((name, work)))
}

/// What a program does on the server's runtime.
type Task = Box<dyn FnOnce(Runtime) -> Result<(), String> + Send>;

fn serve(
    settings: Settings,
    services: Services,
    task: Option<(&str, Task)>,
) -> Result<Stopped, ServicesError> {
    if this_machine::id().is_some() {
        return Err(ServicesError::InsideMachine);
    }
    set_up_logging(&settings);
    // Before the start, so that a signal during it is not lost.
    let signals = Signals::install().map_err(|error| ServicesError::Signals(Arc::new(error)))?;
    let duration = settings.test_server_duration();
    let sources: Vec<String> = settings.sources().iter().map(ToString::to_string).collect();
    tracing::info!(settings = sources.join(", "), "starting");
    let running = start(settings, services)?;
    if let Err(error) = running.wait_ready(READY) {
        running.stop(STOP);
        return Err(error);
    }
    if running.services().is_empty() {
        tracing::warn!("the settings enable no service");
    }
    print(&running.table());
    let mut work = match task.map(|(name, task)| Work::start(name, task, &running)) {
        None => None,
        Some(Ok(work)) => Some(work),
        Some(Err(error)) => {
            running.stop(STOP);
            return Err(error);
        }
    };
    let outcome = wait(&running, &signals, duration, &mut work);
    match &outcome {
        Ok(reason) => tracing::info!(?reason, "stopping"),
        Err(error) => tracing::error!(%error, "stopping"),
    }
    let stopped = running.stop(STOP);
    if let Some(work) = work {
        work.abandon();
    }
    print(&format!("{stopped}\n"));
    outcome.map(|_reason| stopped)
}

/// The thread of a program's own work.
struct Work {
    name: ServiceName,
    thread: JoinHandle<Result<(), String>>,
}

impl Work {
    fn start(name: &str, task: Task, running: &Running) -> Result<Self, ServicesError> {
        let service = ServiceName::from(name);
        let runtime = running.runtime().clone();
        let thread = thread::Builder::new().name(name.to_owned());
        match thread.spawn(move || task(runtime)) {
            Ok(thread) => Ok(Self {
                name: service,
                thread,
            }),
            Err(error) => Err(ServicesError::Failed {
                service,
                problem: format!("no thread for it: {error}"),
            }),
        }
    }

    fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// How it ended. Waits if it has not.
    fn outcome(self) -> Result<(), ServicesError> {
        let problem = match self.thread.join() {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(problem)) => problem,
            Err(_) => "it panicked".to_owned(),
        };
        Err(ServicesError::Failed {
            service: self.name,
            problem,
        })
    }

    /// Waits a while for it, and goes on without it.
    fn abandon(self) {
        let begun = Instant::now();
        while !self.is_done() {
            if begun.elapsed() > NOTICE {
                tracing::warn!(name = %self.name, "was still at work at the end");
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if let Err(error) = self.outcome() {
            tracing::info!(%error, "cut off by the end");
        }
    }
}

/// Why a server ends in order.
#[derive(Debug)]
enum Reason {
    Signal,
    Duration,
}

/// Waits for a reason to end; reports, once each, services and components that ended before.
fn wait(
    running: &Running,
    signals: &Signals,
    duration: Option<Duration>,
    work: &mut Option<Work>,
) -> Result<Reason, ServicesError> {
    let mut begun = Instant::now();
    let mut reported = Vec::new();
    loop {
        if let Some(done) = work.take_if(|work| work.is_done()) {
            done.outcome()?;
            begun = Instant::now();
        }
        // The duration begins when the work is done.
        let duration = duration.filter(|_| work.is_none());
        let look = if work.is_some() { LOOK_AT_WORK } else { LOOK };
        let left = duration.map(|duration| duration.saturating_sub(begun.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Reason::Duration);
        }
        if signals.wait(left.unwrap_or(look).min(look)) {
            return Ok(Reason::Signal);
        }
        let mut report = |name: &str| {
            if !reported.iter().any(|known| known == name) {
                tracing::error!(name, "has ended while the server runs");
                reported.push(name.to_owned());
            }
        };
        running.ended_components().into_iter().for_each(&mut report);
        let services = running.services();
        let dead =
            |state: &ServiceState| matches!(state, ServiceState::Ended | ServiceState::Failed(_));
        for it in services.iter().filter(|it| dead(&it.state)) {
            report(&it.service);
        }
        if !services.is_empty() && services.iter().all(|it| dead(&it.state)) {
            let service = services[0].service.clone();
            let problem = "has ended, and no other service is left".to_owned();
            return Err(ServicesError::Failed { service, problem });
        }
    }
}

/// The signals that end a server, as bytes in a socket pair: a wait for one needs no thread and
/// has a timeout.
struct Signals {
    reader: UnixStream,
    ids: Vec<SigId>,
}

impl Signals {
    fn install() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        let mut signals = Self {
            reader,
            ids: Vec::new(),
        };
        let seen = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down and raises it, so only a second
            // one, during the way down, does what it does to other programs.
            let second = signal_hook::flag::register_conditional_default(signal, seen.clone())?;
            signals.ids.push(second);
            signals
                .ids
                .push(signal_hook::flag::register(signal, seen.clone())?);
            let writer = writer.try_clone()?;
            signals
                .ids
                .push(signal_hook::low_level::pipe::register(signal, writer)?);
        }
        Ok(signals)
    }

    /// Whether a signal came within `timeout`, which is not zero.
    fn wait(&self, timeout: Duration) -> bool {
        // Neither fails on a socket that is ours, but if it does, ending beats not hearing.
        if self.reader.set_read_timeout(Some(timeout)).is_err() {
            return true;
        }
        match (&self.reader).read_exact(&mut [0; 1]) {
            Ok(()) => true,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
            ),
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Prints for the operator. Nobody may be reading, which is no reason to end.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(feature = "logging")]
fn set_up_logging(settings: &Settings) {
    let level = tracing::level_filters::LevelFilter::from(settings.log_level());
    // Fails where the program has set up its own, which is then what counts.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_writer(io::stderr)
        .try_init();
}

#[cfg(not(feature = "logging"))]
fn set_up_logging(_settings: &Settings) {}
