//! The way down.

use std::fmt;
use std::mem;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use d3_net::Network;
use d3_runtime::{ShutdownReport, WaitError, this_machine};

use super::running::Parts;
use crate::{
    ComponentCmd, ComponentInfo, ComponentSender, CoordinatorInfo, ServiceName, ServiceState,
};

/// How long a [`Running`](super::Running) that is dropped may take.
pub(super) const ON_DROP: Duration = Duration::from_secs(10);
/// How long the way down may take after a start that failed halfway.
pub(super) const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The longest wait for quiet after `Stop`. Clients that never pause must not use up the time that
/// the net needs to flush.
const QUIET: Duration = Duration::from_secs(1);

/// How a server ended.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Stopped {
    /// Components and coordinators that `Stop` did not reach: they had ended, or took no
    /// instruction in time.
    pub not_told: Vec<ServiceName>,
    /// Services that had failed or ended before the stop.
    pub failed: Vec<ServiceName>,
    /// Sessions that were still open when the runtime was shut down.
    pub open_sessions: usize,
    /// What the net could not end in order, if anything.
    pub net: Option<String>,
    /// Why the call did not wait for the end: it was made inside a machine. The server goes down in the background, and the
    /// log tells how that went.
    pub refused: Option<WaitError>,
    report: Option<ShutdownReport>,
}

impl Stopped {
    /// What the runtime says of its end.
    pub fn report(&self) -> Option<&ShutdownReport> {
        self.report.as_ref()
    }

    /// Whether every service worked until the end, and everything ended in time.
    pub fn is_clean(&self) -> bool {
        self.refused.is_none()
            && self.not_told.is_empty()
            && self.failed.is_empty()
            && self.open_sessions == 0
            && self.net.is_none()
            && self.report.as_ref().is_none_or(ShutdownReport::is_clean)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = self.refused {
            return write!(f, "goes down in the background: {reason}");
        }
        let list = |names: &[ServiceName]| {
            names
                .iter()
                .map(ServiceName::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !self.failed.is_empty() {
            writeln!(f, "failed before the end: {}", list(&self.failed))?;
        }
        if !self.not_told.is_empty() {
            writeln!(f, "not reached by Stop: {}", list(&self.not_told))?;
        }
        if self.open_sessions > 0 {
            writeln!(f, "sessions cut off: {}", self.open_sessions)?;
        }
        if let Some(problem) = &self.net {
            writeln!(f, "net: {problem}")?;
        }
        match &self.report {
            Some(report) => write!(f, "{report}"),
            None => write!(f, "nothing ran"),
        }
    }
}

/// Takes a server down within about `timeout`. Inside a machine, which may not wait, another thread does it.
pub(super) fn stop(parts: Parts, timeout: Duration) -> Stopped {
    if this_machine::id().is_none() {
        return take_down(parts, timeout);
    }
    tracing::warn!("a server is stopped inside a machine: it goes down in the background");
    let (give, take) = mpsc::sync_channel(1);
    let goes_down = thread::Builder::new()
        .name("d3-stop".to_owned())
        .spawn(move || {
            // Who gives the parts away does so at once.
            let Ok(parts) = take.recv() else { return };
            let stopped = take_down(parts, timeout);
            if stopped.is_clean() {
                tracing::info!(%stopped, "the server has gone down");
            } else {
                tracing::warn!(%stopped, "the server has gone down");
            }
        });
    match goes_down {
        // There is room for one, and this is the one.
        Ok(_detached) => drop(give.send(parts)),
        Err(error) => {
            tracing::error!(%error, "no thread takes the server down: it is only told to end");
            tell_all(parts);
        }
    }
    Stopped {
        refused: Some(WaitError::InsideMachine),
        ..Stopped::default()
    }
}

/// The way down by messages alone, for want of a thread that could wait. A send inside a machine does not wait.
fn tell_all(parts: Parts) {
    let coordinators = parts.coordinators.iter().map(CoordinatorInfo::sender);
    let components = parts.components.iter().map(ComponentInfo::sender);
    for sender in coordinators.chain(components) {
        // One that has ended needs no telling.
        let _ = sender.send(ComponentCmd::Stop);
    }
    for context in &parts.contexts {
        context.unbind();
    }
    let Parts {
        runtime, network, ..
    } = parts;
    // The last handle of the net has it flush and end. That of the runtime would end machines that have not read their Stop yet,
    // as nobody waits for them here: so it is kept for ever, and with it a few idle threads.
    drop(network);
    mem::forget(runtime);
}

/// The way down, step by step. It waits.
fn take_down(parts: Parts, timeout: Duration) -> Stopped {
    let begun = Instant::now();
    let left = || timeout.saturating_sub(begun.elapsed());
    let mut stopped = Stopped::default();
    for it in parts.board.snapshots() {
        if matches!(it.state, ServiceState::Failed(_) | ServiceState::Ended) {
            stopped.failed.push(it.service);
        }
    }
    // Each gets what is left: one that is stuck must not keep the others from hearing of it.
    for it in &parts.coordinators {
        if !tell(it.sender(), left() / 2) {
            stopped.not_told.push(ServiceName::from(it.name()));
        }
    }
    for it in &parts.components {
        if !tell(it.sender(), left() / 2) {
            stopped.not_told.push(ServiceName::from(it.name()));
        }
    }
    // Last words are on their way to the net once all is quiet. If it does not become quiet, the
    // net's own stop still flushes what it has.
    let _ = parts.runtime.wait_idle(QUIET.min(left() / 4));
    for context in &parts.contexts {
        context.unbind();
    }
    stopped.net = stop_net(parts.network.clone(), left() * 3 / 4).err();
    for context in &parts.contexts {
        if context.sessions().wait_empty(left() / 2).is_err() {
            stopped.open_sessions += context.sessions().len();
        }
    }
    // Their machines may now end for want of senders, as they would in a server that goes on.
    let Parts {
        runtime,
        components,
        coordinators,
        contexts,
        ..
    } = parts;
    drop((components, coordinators, contexts));
    stopped.report = Some(runtime.shutdown(left()));
    stopped
}

/// Stops the net, which has a time limit of its own, within ours. What it has not done by then, it
/// goes on with in the background.
fn stop_net(network: Network, patience: Duration) -> Result<(), String> {
    let (done, outcome) = mpsc::sync_channel(1);
    let waits = thread::Builder::new()
        .name("d3-net-stop".to_owned())
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = done.send(network.stop());
        });
    if let Err(error) = waits {
        return Err(format!("no thread to wait for its end: {error}"));
    }
    match outcome.recv_timeout(patience) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not stopped within {patience:?}")),
    }
}

/// Says `Stop` to one of them.
fn tell(sender: &ComponentSender, patience: Duration) -> bool {
    sender.send_timeout(ComponentCmd::Stop, patience).is_ok()
}

#[cfg(test)]
#[path = "stop_tests.rs"]
mod tests;
