//! Panics that a test causes on purpose: they are told apart from real ones, and do not litter the output.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;

const EXPECTED: &str = "expected panic: ";

/// Panics on purpose. The test calls [`quiet`] first.
pub(crate) fn on_purpose(what: &str) -> ! {
    panic!("{EXPECTED}{what}");
}

/// A panic payload that panics once more when it is dropped: whoever catches panics must survive it.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        on_purpose("a payload that panics in its drop");
    }
}

/// From now on expected panics of this process are not printed; all others are.
pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_expected(info) {
                previous(info);
            }
        }));
    });
}

fn is_expected(info: &PanicHookInfo<'_>) -> bool {
    info.payload().is::<Bomb>()
        || info
            .payload_as_str()
            .is_some_and(|message| message.starts_with(EXPECTED))
}
