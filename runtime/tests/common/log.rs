//! What the runtime logs, for tests that look for a text of their own.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span;

/// Keeps the text of each event, of level DEBUG and above.
#[derive(Default)]
pub(crate) struct Listener(Mutex<Vec<String>>);

/// The one listener of this process. It hears what comes after the first call.
pub(crate) fn listener() -> &'static Listener {
    static LISTENER: OnceLock<Arc<Listener>> = OnceLock::new();
    LISTENER.get_or_init(|| {
        let listener = Arc::<Listener>::default();
        tracing::subscriber::set_global_default(Arc::clone(&listener)).expect("the only one");
        listener
    })
}

impl Listener {
    /// The events that have this in their text, oldest first.
    pub(crate) fn told(&self, what: &str) -> Vec<String> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = events.iter().filter(|text| text.contains(what));
        ours.cloned().collect()
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::DEBUG
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(text.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}
