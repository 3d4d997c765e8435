//! Panics by plan: told from all others by their payload, so that only the others are printed.

use std::panic;
use std::sync::Once;

/// The payload of a panic that the plan wanted.
#[derive(Debug)]
pub(crate) struct Planned;

/// Panics by plan.
pub(crate) fn planned() -> ! {
    panic::panic_any(Planned)
}

/// Silences the planned panics of this process; all others go on to the hook that was there.
pub(crate) fn silence_planned() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Planned>() {
                others(info);
            }
        }));
    });
}
