//! The flags that all modes have for their runtime.

use clap::Args;
use d3::{BuildError, Runtime};

/// How the runtime of a mode is built.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RuntimeArgs {
    /// Workers; 0: one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) workers: usize,
    /// Pins each worker to a core of its own
    #[arg(long)]
    pub(crate) pin: bool,
}

impl RuntimeArgs {
    /// Starts a runtime.
    ///
    /// # Errors
    /// What the builder found wrong, in words.
    pub(crate) fn start(&self) -> Result<Runtime, String> {
        self.build()
            .map_err(|error| format!("the runtime cannot start: {error}"))
    }

    fn build(&self) -> Result<Runtime, BuildError> {
        Runtime::builder()
            .workers(self.workers)
            .pin_workers(self.pin)
            .build()
    }
}
