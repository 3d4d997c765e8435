//! Building a channel: settings with their checks.

use std::fmt;
use std::marker::PhantomData;

use crate::error::BuildError;
use crate::mailbox::{BOUND_MAX, UNBOUNDED};
use crate::receiver::{Receiver, channel};
use crate::sender::Sender;
use crate::sync::Ordering;
use crate::tuning;

/// The settings of a channel: see [`Receiver::builder`].
///
/// ```
/// use d3_runtime::{BuildError, Receiver};
///
/// let (sender, receiver) = Receiver::builder().capacity(16).hard_limit(4).build()?;
/// sender.send("hello").expect("it is read");
/// assert_eq!((receiver.capacity(), receiver.recv()), (Some(16), Ok("hello")));
///
/// let refused = Receiver::<u8>::builder().capacity(0).build();
/// assert!(matches!(refused, Err(BuildError::ZeroCapacity)));
/// # Ok::<(), BuildError>(())
/// ```
#[must_use = "a channel is made by `build`"]
pub struct ChannelBuilder<P> {
    /// None: no bound.
    capacity: Option<usize>,
    hard_limit: Option<usize>,
    kind: PhantomData<fn(P)>,
}

impl<P: Send + 'static> ChannelBuilder<P> {
    pub(crate) fn new() -> Self {
        Self {
            capacity: Some(tuning::MAILBOX_CAPACITY_DEFAULT),
            hard_limit: None,
            kind: PhantomData,
        }
    }

    /// What the channel holds before it is full; 250 by default.
    pub fn capacity(mut self, instructions: usize) -> Self {
        self.capacity = Some(instructions);
        self
    }

    /// A channel without a bound: nothing ever waits, memory is the limit.
    pub fn unbounded(mut self) -> Self {
        self.capacity = None;
        self
    }

    /// The multiple of its capacity up to which machines may overfill the channel, each before it is parked; beyond it `send` hands the
    /// instruction back. 65,536 by default.
    pub fn hard_limit(mut self, multiple: usize) -> Self {
        self.hard_limit = Some(multiple);
        self
    }

    /// Makes the channel.
    ///
    /// # Errors
    /// [`BuildError::ZeroCapacity`], [`BuildError::CapacityTooLarge`] or [`BuildError::ZeroHardLimit`].
    pub fn build(self) -> Result<(Sender<P>, Receiver<P>), BuildError> {
        let capacity = self.capacity.map_or(Ok(UNBOUNDED), checked)?;
        if self.hard_limit == Some(0) {
            return Err(BuildError::ZeroHardLimit);
        }
        let (sender, receiver) = channel(capacity);
        if let Some(multiple) = self.hard_limit {
            let side = sender.cell().header().side();
            // Relaxed: nobody else has seen this channel.
            side.hard_limit.store(multiple, Ordering::Relaxed);
        }
        Ok((sender, receiver))
    }
}

/// A capacity as the queue wants it, where an error can be returned.
pub(crate) fn checked(capacity: usize) -> Result<u64, BuildError> {
    match capacity as u64 {
        0 => Err(BuildError::ZeroCapacity),
        wanted if wanted > BOUND_MAX => Err(BuildError::CapacityTooLarge {
            wanted: capacity,
            most: BOUND_MAX as usize,
        }),
        fits => Ok(fits),
    }
}

impl<P> fmt::Debug for ChannelBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder")
            .field("capacity", &self.capacity)
            .field("hard_limit", &self.hard_limit)
            .finish_non_exhaustive()
    }
}
