//! Handles: a machine without the type of its instructions.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::backpressure::thread_waker;
use crate::cell::{EndCode, MemRef};
use crate::error::{EndReason, WaitError};
use crate::id::MachineId;
use crate::scheduler;
use crate::sync::{Ordering, fence, lock};

/// A machine, or the receiver behind a channel, without the type of its instructions. Does not keep it alive.
///
/// ```
/// use d3_runtime::{EndReason, MachineImpl, Runtime};
/// #[derive(MachineImpl)]
/// enum Never {}
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let (_, sender) = runtime.connect(|_: Never| ());
/// let handle = sender.handle();
/// assert!(handle.is_alive());
/// handle.stop();
/// assert_eq!(handle.wait(std::time::Duration::from_secs(10))?, EndReason::Stopped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MachineHandle(MemRef);

impl MachineHandle {
    pub(crate) fn new(cell: MemRef) -> Self {
        Self(cell)
    }

    /// Stops the machine: it reads no instruction after the current one. What it leaves unread is dropped and counted.
    /// `disconnected` is called. Mailboxes that [`and_connect`](crate::Runtime::and_connect) added to the same value go on.
    ///
    /// A channel that is stopped takes no more, and who waits for its room goes on; what it holds can still be received.
    pub fn stop(&self) {
        self.0.ask_to_end(EndCode::Stopped);
    }

    /// Whether the machine has not ended yet.
    pub fn is_alive(&self) -> bool {
        !self.0.held.has_ended()
    }

    /// The name given by the machine builder.
    pub fn name(&self) -> Option<String> {
        self.0
            .side_if_any()
            .and_then(|side| side.name())
            .map(|name| name.to_string())
    }

    /// The id of the machine.
    pub fn id(&self) -> MachineId {
        self.0.id
    }

    /// Why the machine ended; None while it lives.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.0.held.has_ended().then(|| EndReason::of(&self.0))
    }

    /// A future that resolves when the machine has ended: hooks called, value dropped.
    pub fn ended(&self) -> Ended {
        Ended {
            handle: self.clone(),
            key: None,
        }
    }

    /// Waits until the machine has ended: hooks called, value dropped.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] if it lives on; [`WaitError::InsideMachine`] where waiting is not allowed.
    pub fn wait(&self, timeout: Duration) -> Result<EndReason, WaitError> {
        if scheduler::in_machine() {
            return self.end_reason().ok_or(WaitError::InsideMachine);
        }
        let deadline = Instant::now().checked_add(timeout);
        let waker = thread_waker();
        let mut ended = self.ended();
        loop {
            if let Poll::Ready(reason) = Pin::new(&mut ended).poll(&mut Context::from_waker(&waker))
            {
                return Ok(reason);
            }
            let Some(deadline) = deadline else {
                std::thread::park();
                continue;
            };
            let now = Instant::now();
            if now >= deadline {
                return Err(WaitError::Timeout);
            }
            std::thread::park_timeout(deadline - now);
        }
    }
}

impl Hash for MachineHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

impl fmt::Display for MachineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: Option<Arc<str>> = self.0.side_if_any().and_then(|side| side.name());
        match name {
            Some(name) => write!(f, "{name} ({})", self.id()),
            None => write!(f, "{} ({})", (self.0.vtable.machine_type)(), self.id()),
        }
    }
}

impl fmt::Debug for MachineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineHandle({self})")
    }
}

/// The future of [`MachineHandle::ended`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Ended {
    handle: MachineHandle,
    /// The place of our waker in the machine's list.
    key: Option<usize>,
}

impl Ended {
    /// Takes our waker out of the list; the machine takes the whole list when it ends.
    fn leave(&mut self) -> Option<Waker> {
        let key = self.key.take()?;
        let mut end = lock(&self.handle.0.side().end);
        end.watchers.try_remove(key)
    }
}

impl Future for Ended {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EndReason> {
        if let Some(reason) = self.handle.end_reason() {
            return Poll::Ready(reason);
        }
        // A waker is the user's code: cloned before the lock, and the old one dropped after it.
        let waker = context.waker().clone();
        drop(self.leave());
        let key = lock(&self.handle.0.side().end).watchers.insert(waker);
        self.key = Some(key);
        // SeqCst: pairs with the fence at a machine's end: either it finds this watcher, or we find that it has ended.
        fence(Ordering::SeqCst);
        match self.handle.end_reason() {
            Some(reason) => {
                drop(self.leave());
                Poll::Ready(reason)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
