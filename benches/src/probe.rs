//! What the system says about this process. Linux only; elsewhere there is no answer.

use std::fs;

pub use d3_counting::resident_bytes;

/// Processor time that all threads that are alive have used, but for the one that asks, in ns.
pub fn processor_ns_of_others() -> Option<u64> {
    // `PROCESS/task/THREAD`.
    let asking = fs::read_link("/proc/thread-self").ok()?;
    let mut total = 0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let thread = thread.ok()?;
        if Some(thread.file_name().as_os_str()) == asking.file_name() {
            continue;
        }
        let path = thread.path().join("schedstat");
        // A thread that ends while we look takes its time with it.
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        let running: u64 = text.split_whitespace().next()?.parse().ok()?;
        total += running;
    }
    Some(total)
}

/// The system's load over the last minute.
pub fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The name of the processor.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Bytes of memory in the machine.
pub fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The kernel's release.
pub fn kernel() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn the_time_of_others_is_seen() {
        let Some(before) = processor_ns_of_others() else {
            return; // Not on Linux.
        };
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut used = 0;
            while used < 5_000_000 && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
                used = processor_ns_of_others().unwrap_or(0).saturating_sub(before);
            }
            enough.store(true, Ordering::Relaxed);
            assert!(used >= 5_000_000, "{used} ns");
        });
    }
}
