//! The feature `Forwarder`: the classic drivers of d3, run on the runtime of the server while it serves.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use d3::Runtime;
use d3::components::Settings;
use forwarder::{Plan, PlanError};

/// The name of the feature.
pub const FORWARDER: &str = "Forwarder";

/// The feature is switched on, and its settings will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriversError {
    /// No driver is named.
    NothingToRun,
    /// A field makes no sense.
    Plan(PlanError),
}

impl fmt::Display for DriversError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToRun => write!(
                f,
                "features: {FORWARDER} is switched on, and additional.Forwarder.run names no driver"
            ),
            Self::Plan(error) => write!(f, "additional.Forwarder: {error}"),
        }
    }
}

impl Error for DriversError {}

/// What the settings want the drivers to do, in order; nothing if the feature is not switched on.
///
/// # Errors
/// [`DriversError`] if they name no driver, or a field of theirs makes no sense.
pub fn plans(settings: &Settings) -> Result<Vec<Plan>, DriversError> {
    if !settings.has_feature(FORWARDER) {
        return Ok(Vec::new());
    }
    let section = settings
        .forwarder()
        .filter(|section| !section.run().is_empty());
    let section = section.ok_or(DriversError::NothingToRun)?;
    let plan = |&test| Plan::of(test, &section.fields(test)).map_err(DriversError::Plan);
    section.run().iter().map(plan).collect()
}

/// Runs the drivers, one after another, and prints what each did.
///
/// # Errors
/// The first failure, in words.
pub fn drive(runtime: &Runtime, plans: &[Plan]) -> Result<(), String> {
    for plan in plans {
        let test = plan.test.as_str();
        tracing::info!(driver = test, ?plan, "begins");
        let mut observe = |moment: forwarder::Moment| {
            if plan.debug {
                let (iteration, of) = (moment.iteration, moment.iterations);
                tracing::info!(driver = test, iteration, of, "iteration done");
            }
        };
        let report = forwarder::run(runtime, plan, &mut observe)
            .map_err(|failure| format!("{test}: {failure}"))?;
        // Nobody may be reading, which is no reason to end.
        let _ = writeln!(io::stdout().lock(), "{report}");
    }
    Ok(())
}
