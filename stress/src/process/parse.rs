//! The texts of `/proc` and of control groups.

/// The text behind `key:` on the line that begins with it.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = |line: &'a str| line.strip_prefix(key)?.trim_start().strip_prefix(':');
    text.lines().find_map(rest).map(str::trim)
}

/// A number, from a line such as `Threads: 3`.
pub(super) fn number(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.parse().ok()
}

/// Bytes, from a line such as `VmRSS: 1234 kB`.
pub(super) fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let number = value(text, key)?.strip_suffix("kB")?.trim();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

/// The name of the first processor of `/proc/cpuinfo`; x86 says `model name`, some others `Processor` or `cpu`.
pub(super) fn processor(text: &str) -> Option<String> {
    let name = ["model name", "Processor", "cpu"]
        .iter()
        .find_map(|key| value(text, key))?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The path of the control group of version 2, from `/proc/self/cgroup`.
pub(super) fn control_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// A limit of a control group: a number, or `max`, which is none.
pub(super) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A number of `memory.stat`, whose lines are `name number`.
pub(super) fn statistic(text: &str, name: &str) -> Option<u64> {
    let rest = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    };
    text.lines().find_map(rest)
}
