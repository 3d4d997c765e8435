//! How much memory there is for us: the machine's, or less where a control group (a container) says so.

use std::fs;
use std::path::{Path, PathBuf};

use super::parse;

const GROUPS: &str = "/sys/fs/cgroup";

/// Memory that can be had without pushing anything out, in bytes.
pub(crate) fn available_bytes() -> Option<u64> {
    let machine = parse::kilobytes(&meminfo()?, "MemAvailable")?;
    let left = groups().into_iter().filter_map(|group| left_in(&group));
    Some(left.fold(machine, u64::min))
}

/// The memory of the machine, or the limit of our control group if that is less, in bytes.
pub(crate) fn total_bytes() -> Option<u64> {
    let machine = parse::kilobytes(&meminfo()?, "MemTotal")?;
    let limits = groups().into_iter().filter_map(|group| limit_of(&group));
    Some(limits.fold(machine, u64::min))
}

fn meminfo() -> Option<String> {
    fs::read_to_string("/proc/meminfo").ok()
}

/// The folders of our control group and of all groups that it is in: each may have a limit.
fn groups() -> Vec<PathBuf> {
    let Ok(text) = fs::read_to_string("/proc/self/cgroup") else {
        return Vec::new();
    };
    let own = parse::control_group(&text).unwrap_or("/");
    let folder = Path::new(GROUPS).join(own.trim_start_matches('/'));
    folder
        .ancestors()
        .take_while(|folder| folder.starts_with(GROUPS))
        .map(Path::to_path_buf)
        .collect()
}

fn limit_of(group: &Path) -> Option<u64> {
    parse::limit(&fs::read_to_string(group.join("memory.max")).ok()?)
}

fn left_in(group: &Path) -> Option<u64> {
    let limit = limit_of(group)?;
    let used = parse::limit(&fs::read_to_string(group.join("memory.current")).ok()?)?;
    // File pages that nobody has used for a while go as soon as memory is wanted.
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let idle = parse::statistic(&statistics, "inactive_file").unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(idle)))
}
