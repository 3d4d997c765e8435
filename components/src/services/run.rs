//! `run`: start, wait for a reason to end, stop.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Running, Services, Stopped, start};
use crate::{ServiceState, ServicesError, Settings};

/// How long the listeners may take to be bound.
const READY: Duration = Duration::from_secs(30);
/// How long the way down may take.
const STOP: Duration = Duration::from_secs(10);
/// How often a look is taken at whether services have ended.
const LOOK: Duration = Duration::from_secs(1);

/// Runs a server until Ctrl-C, SIGTERM or the end of `test_server_duration`: the whole of a `main`.
///
/// Logging is set up at `log_level` if the program has not set up any (feature `logging`). The
/// services and their addresses are printed once they are ready, and how it ended at the end. A
/// second signal during the way down ends the process at once.
///
/// # Errors
/// What [`start`] and [`Running::wait_ready`] fail with, after the server was taken down again, and
/// [`ServicesError::Failed`] once no service is left that works.
pub fn run(settings: Settings, services: Services) -> Result<Stopped, ServicesError> {
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
    let outcome = wait(&running, &signals, duration);
    match &outcome {
        Ok(reason) => tracing::info!(?reason, "stopping"),
        Err(error) => tracing::error!(%error, "stopping"),
    }
    let stopped = running.stop(STOP);
    print(&format!("{stopped}\n"));
    outcome.map(|_reason| stopped)
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
) -> Result<Reason, ServicesError> {
    let begun = Instant::now();
    let mut reported = Vec::new();
    loop {
        let left = duration.map(|duration| duration.saturating_sub(begun.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Reason::Duration);
        }
        if signals.wait(left.unwrap_or(LOOK).min(LOOK)) {
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
