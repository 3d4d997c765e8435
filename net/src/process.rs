//! The process-wide network over the default runtime: d3's names.

use std::sync::{Mutex, MutexGuard, PoisonError};

use d3_runtime::{bounded, executor, this_machine};

use crate::command::{NetCmd, NetSender};
use crate::error::NetError;
use crate::network::Network;

/// The network, and how many starts have not been stopped.
static DEFAULT: Mutex<(Option<Network>, usize)> = Mutex::new((None, 0));

fn default() -> MutexGuard<'static, (Option<Network>, usize)> {
    DEFAULT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the process-wide network, for machines of the default runtime; if it could not, says so in the log.
///
/// Starts nest: the network runs until it was stopped as often as it was started. It can be started again after that.
///
/// ```
/// use d3_net::{get_network_sender, start_network, stop_network};
///
/// start_network();
/// assert!(!get_network_sender().is_disconnected());
/// stop_network();
/// assert!(get_network_sender().is_disconnected());
/// ```
pub fn start_network() {
    if let Err(error) = try_start_network() {
        tracing::error!(%error, "the network does not start");
    }
}

/// As [`start_network`], with the error.
///
/// # Errors
/// As for [`Network::start`], and if the default runtime cannot be started or was stopped.
pub fn try_start_network() -> Result<(), NetError> {
    let mut guard = default();
    if guard.0.is_none() {
        guard.0 = Some(Network::start(
            &executor::runtime().map_err(|_| NetError::Stopped)?,
        )?);
    }
    guard.1 += 1;
    Ok(())
}

/// Stops the process-wide network if this is the stop for its first start, and waits for its end. Inside a machine it
/// does not wait. Without a running network it does nothing.
pub fn stop_network() {
    let network = {
        let mut guard = default();
        guard.1 = guard.1.saturating_sub(1);
        if guard.1 > 0 { None } else { guard.0.take() }
    };
    let Some(network) = network else { return };
    if this_machine::id().is_some() {
        // Others may have handles: the end of this one would not be the network's.
        network.ask_to_stop();
        tracing::debug!("the network was told to stop by a machine, which does not wait for it");
    } else if let Err(error) = network.stop() {
        tracing::error!(%error, "the network does not stop");
    }
}

/// The sender of commands to the process-wide network. If none runs, the sender is disconnected.
#[must_use]
pub fn get_network_sender() -> NetSender {
    match &default().0 {
        Some(network) => network.sender(),
        None => {
            tracing::warn!("no network is running; its sender is disconnected");
            bounded::<NetCmd>(1).0
        }
    }
}

/// A handle of the process-wide network, if it runs.
#[must_use]
pub fn default_network() -> Option<Network> {
    default().0.clone()
}
