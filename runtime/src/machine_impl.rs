//! d3 0.1.3's module of machine types: a thin line over the crate root.

pub use crate::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use crate::machine::{Machine, MachineImpl};
pub use crate::receiver::Receiver;
pub use crate::sender::Sender;
pub use crate::stats::ExecutorStats;

/// A channel without a bound.
pub fn channel<P: Send + 'static>() -> (Sender<P>, Receiver<P>) {
    crate::unbounded()
}

/// A channel of at most `capacity` instructions; 0 counts as 1.
pub fn channel_with_capacity<P: Send + 'static>(capacity: usize) -> (Sender<P>, Receiver<P>) {
    crate::bounded(capacity)
}
