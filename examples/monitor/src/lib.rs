//! Monitor: live statistics, each second, to everybody who is connected.
//!
//! ```text
//!  clock (thread) ──Tick──▶ Monitor ──NetCmd──▶ net ── TCP ── all readers
//!                             ▲
//!      Reader (one per connection): Enter, Gone
//! ```
//!
//! Read it in this order:
//!
//! 1. [`configure`] is what the server calls when its settings name `MonitorService`.
//! 2. `machines` has the machine that makes the reports, and the worker of a connection, which does nothing but say that
//!    a reader has come or gone.
//! 3. [`report`] says what a report looks like, and gathers what is in it: figures of the runtime's workers, what the
//!    server knows of its services, and what the services count themselves (the `tally` crate).
//!
//! **Slow readers.** A report is one piece of memory that all readers share. Who does not read has its reports queued in
//! the net, up to the net's write limit; then that connection, and no other, is closed. The monitor never waits for a
//! reader.
//!
//! Try it: `cargo run --release -p test-server`, then `nc 127.0.0.1 4000`. The time between two reports can be changed in
//! the settings:
//!
//! ```toml
//! [coordinator.MonitorCoordinator.kv]
//! interval_ms = 1000
//! ```

#![forbid(unsafe_code)]

mod clock;
mod machines;
pub mod report;

use std::time::Duration;

use d3::components::{
    ComponentError, ComponentInfo, ComponentSender, ServiceContext, Settings, listen,
};
use d3::net::NetCmd;

use crate::machines::{Monitor, MonitorCmd, Reader};

const INTERVAL_MS_USUAL: u64 = 1_000;
/// More often than this nobody can read, and a server has better things to do.
const INTERVAL_MS_MIN: u64 = 10;

/// Sets the service up: the coordinator of `MonitorService`.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the settings give it no `tcp_address`, or a `kv` table with anything but an
/// `interval_ms` of at least 10; [`ComponentError::Failed`] if the system refuses a thread for the clock.
pub fn configure(
    settings: &Settings,
    _components: &[ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    let kv = settings.require_coordinator(ctx.name())?.kv();
    kv.only(&["interval_ms"])?;
    let interval_ms = kv.unsigned("interval_ms")?.unwrap_or(INTERVAL_MS_USUAL);
    if interval_ms < INTERVAL_MS_MIN {
        return Err(kv
            .bad_value("interval_ms", format!("must be at least {INTERVAL_MS_MIN}"))
            .into());
    }
    let runtime = ctx.runtime().clone();
    let (alive, ended) = clock::pair();
    let monitor = Monitor::new(ctx.clone(), alive);
    let monitor = runtime
        .machine(monitor)
        .name("monitor")
        .accepts::<MonitorCmd>()
        .connect();
    clock::start(
        monitor.downgrade(),
        ended,
        Duration::from_millis(interval_ms),
    )
    .map_err(ComponentError::failed)?;
    listen::tcp(settings, ctx, move |session| {
        let reader = Reader::new(session, monitor.clone());
        Ok(runtime
            .machine(reader)
            .name("monitor reader")
            .capacity(16)
            .accepts::<NetCmd>()
            .connect())
    })
}
