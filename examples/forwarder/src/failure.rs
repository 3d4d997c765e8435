//! What can go wrong while a driver runs.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::{Arrived, PlanError};

/// Why a driver has no [`Report`](crate::Report).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// What was asked for makes no sense.
    Plan(PlanError),
    /// Something did not happen in time.
    #[non_exhaustive]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        timeout: Duration,
        /// The runtime at that moment.
        state: String,
    },
    /// What arrived is not what was sent.
    #[non_exhaustive]
    Wrong {
        /// Where.
        what: String,
        /// What arrived.
        arrived: Arrived,
        /// What should have.
        due: Arrived,
    },
    /// So many instructions were received, in all, and so many should have been.
    #[non_exhaustive]
    Count {
        /// Received.
        received: u64,
        /// Due.
        due: u64,
    },
    /// Machines found faults: instructions out of order, or that could not be passed on.
    Faults(String),
    /// The runtime ended while the driver ran.
    Stopped,
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => write!(f, "{error}"),
            Self::Timeout {
                what,
                timeout,
                state,
            } => write!(f, "{what}: not within {timeout:?}\n{state}"),
            Self::Wrong { what, arrived, due } => write!(
                f,
                "{what}: {} instructions with the sum {} arrived, and {} with the sum {} were due",
                arrived.count, arrived.sum, due.count, due.sum
            ),
            Self::Count { received, due } => write!(
                f,
                "all machines together received {received} instructions, and {due} were due"
            ),
            Self::Faults(faults) => f.write_str(faults),
            Self::Stopped => f.write_str("the runtime was stopped while the driver ran"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Plan(error) => Some(error),
            _ => None,
        }
    }
}
