//! What the system says about this process and its machine. Read from `/proc`, so only Linux knows; elsewhere everything is
//! `None`, and people read "unknown".

mod memory;
mod parse;

use std::fs;

pub(crate) use memory::{available_bytes, total_bytes};

/// Resident memory of this process, in bytes.
pub(crate) fn rss_bytes() -> Option<u64> {
    parse::kilobytes(&status()?, "VmRSS")
}

/// The most resident memory that this process ever had, in bytes.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    parse::kilobytes(&status()?, "VmHWM")
}

/// Threads of this process.
pub(crate) fn threads() -> Option<u64> {
    parse::number(&status()?, "Threads")
}

/// The names of this process's threads, as the system cut them: to 15 bytes.
pub(crate) fn thread_names() -> Option<Vec<String>> {
    let threads = fs::read_dir("/proc/self/task").ok()?.flatten();
    // One that has just ended has no name any more.
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    Some(names.map(|name| name.trim_end().to_owned()).collect())
}

/// Open descriptors of this process, but for the one that this look needs.
pub(crate) fn descriptors() -> Option<u64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(open.saturating_sub(1))
}

/// The name of the processor.
pub(crate) fn processor() -> Option<String> {
    parse::processor(&fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The machine in one line, for tables and drawings.
pub(crate) fn machine_line() -> String {
    let processor = processor().unwrap_or_else(|| "a processor of unknown name".into());
    let memory = total_bytes().map_or_else(|| "unknown".into(), crate::output::bytes);
    let cores = cores();
    let word = if cores == 1 { "core" } else { "cores" };
    let system = std::env::consts::OS;
    format!("{processor}, {cores} {word}, memory {memory}, {system}")
}

/// The machine for programs.
pub(crate) fn machine_json() -> serde_json::Value {
    serde_json::json!({
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": total_bytes(),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    })
}

fn status() -> Option<String> {
    fs::read_to_string("/proc/self/status").ok()
}

#[cfg(test)]
mod tests;
