//! Statistics: counters that cost a plain store, and snapshots of them.

mod core_stats;
mod counters;
mod info;
mod snapshot;

pub use core_stats::{CoreStatsMessage, CoreStatsSender, ExecutorStats, SchedStats};
pub(crate) use core_stats::{Observers, collect_reports};
pub(crate) use counters::Counters;
pub use info::{MachineInfo, MailboxInfo};
pub use snapshot::{RuntimeStats, WorkerState, WorkerStats};
