//! The panic policy, in one place.
//!
//! User code (`receive`, the hooks, destructors, wakers) is caught here and ends one machine. A panic in the runtime's
//! own code means that an invariant is broken: it aborts the process, in every profile, since going on could lose
//! instructions in silence.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Runs user code; what it panicked with comes back as text.
///
/// `AssertUnwindSafe` holds because whatever the code touched is not used again: the machine ends, or the value that
/// was being dropped is gone.
#[inline(always)]
pub(crate) fn user_code<R>(code: impl FnOnce() -> R) -> Result<R, Arc<str>> {
    catch_unwind(AssertUnwindSafe(code)).map_err(describe)
}

/// Drops a user's value; a panic of its destructor is reported and goes no further.
pub(crate) fn drop_user_value<T>(value: T) -> bool {
    match user_code(move || drop(value)) {
        Ok(()) => true,
        Err(message) => {
            tracing::error!(%message, "a destructor panicked; the runtime goes on");
            false
        }
    }
}

#[cold]
#[inline(never)]
fn describe(payload: Box<dyn Any + Send>) -> Arc<str> {
    let text: Arc<str> = if let Some(text) = payload.downcast_ref::<&'static str>() {
        Arc::from(*text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Arc::from(text.as_str())
    } else {
        Arc::from("a panic whose payload is not text")
    };
    // The payload is the user's: its destructor may panic in turn, and then it is leaked rather than followed.
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(second);
    }
    text
}

/// Aborts the process if dropped while a panic unwinds through it.
#[must_use]
pub(crate) struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "d3: a panic in the runtime's own code; aborting, since instructions could be lost"
            );
            std::process::abort();
        }
    }
}
