//! Whether there is memory enough, before it is too late to say so.

use crate::output::bytes;
use crate::process;

/// Refuses what the machine has no memory for. Where the system does not say how much there is, nothing is refused.
///
/// # Errors
/// Names the flag to change, what is needed and what there is.
pub(crate) fn check(flag: &str, needed: u64, force: bool) -> Result<(), String> {
    match process::available_bytes() {
        Some(available) if needed > available && !force => Err(short(flag, needed, available)),
        _ => Ok(()),
    }
}

fn short(flag: &str, needed: u64, available: u64) -> String {
    format!(
        "memory is too short: this needs about {}, and {} are free; choose a smaller {flag}, or --force it",
        bytes(needed),
        bytes(available)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_flag_and_figures() {
        let text = short("--count", 3 << 30, 1 << 30);
        assert_eq!(
            text,
            "memory is too short: this needs about 3.00 GiB, and 1.00 GiB are free; choose a smaller --count, or --force it"
        );
    }

    #[test]
    fn only_what_is_too_much_is_refused() {
        assert_eq!(check("--count", 1, false), Ok(()));
        assert_eq!(check("--count", u64::MAX, true), Ok(()));
        let known = process::available_bytes().is_some();
        assert_eq!(check("--count", u64::MAX, false).is_err(), known);
    }
}
