//! Delivery from the I/O thread to a machine, which must never make the thread wait.
//!
//! An outbox hands an instruction over with `try_send`. If the machine's mailbox is full it keeps exactly that one
//! instruction, as a `send_async` future that stands in the mailbox's line of waiters; its waker names the socket.
//! Until the future has resolved the socket produces nothing more: a connection is not read, so that TCP carries the
//! back-pressure to its peer, a listener does not accept. Other sockets are not concerned.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use d3_runtime::{SendFuture, TrySendError};

use crate::command::{NetCmd, NetSender};
use crate::id::NetConnId;
use crate::io::Io;

/// What became of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Delivery {
    /// It is in the mailbox.
    Delivered,
    /// The mailbox is full; it stands in line.
    Held,
    /// The machine has ended; the instruction was dropped.
    Gone,
}

pub(crate) struct Outbox {
    /// None when the machine has gone.
    sender: Option<NetSender>,
    held: Option<SendFuture<NetCmd>>,
    waker: Option<Waker>,
}

impl Outbox {
    pub(crate) fn new(sender: NetSender) -> Self {
        Self {
            sender: Some(sender),
            held: None,
            waker: None,
        }
    }

    /// Nothing stands in line: the next instruction may be delivered.
    pub(crate) fn is_clear(&self) -> bool {
        self.held.is_none()
    }

    /// Nothing stands in line and the machine has taken all that was delivered.
    pub(crate) fn is_consumed(&self) -> bool {
        self.is_clear() && self.sender.as_ref().is_none_or(NetSender::is_empty)
    }

    /// The machine has ended. (A held instruction learns that by itself.)
    pub(crate) fn is_disconnected(&self) -> bool {
        self.sender.as_ref().is_none_or(NetSender::is_disconnected)
    }

    /// A sender to the same machine.
    pub(crate) fn sender(&self) -> Option<NetSender> {
        self.sender.clone()
    }

    /// Hands an instruction over. Only while the outbox is clear.
    pub(crate) fn deliver(&mut self, io: &Io, id: NetConnId, cmd: NetCmd) -> Delivery {
        debug_assert!(
            self.is_clear(),
            "an instruction would overtake the one in line"
        );
        let Some(sender) = &self.sender else {
            return Delivery::Gone;
        };
        match sender.try_send(cmd) {
            Ok(()) => Delivery::Delivered,
            Err(TrySendError::Disconnected(_)) => self.gone(io),
            Err(full) => {
                io.counters.machines_full.one();
                self.held = Some(sender.send_async(full.into_inner()));
                self.settle(io, id)
            }
        }
    }

    /// Looks whether the instruction in line has been taken.
    pub(crate) fn settle(&mut self, io: &Io, id: NetConnId) -> Delivery {
        let Some(held) = &mut self.held else {
            return Delivery::Delivered;
        };
        let waker = self.waker.get_or_insert_with(|| io.wake.for_socket(id));
        match Pin::new(held).poll(&mut Context::from_waker(waker)) {
            Poll::Pending => Delivery::Held,
            Poll::Ready(Ok(())) => {
                self.held = None;
                Delivery::Delivered
            }
            // Disconnected. Any other refusal would leave a hole in a stream of bytes, so it counts as gone, too.
            Poll::Ready(Err(_)) => self.gone(io),
        }
    }

    /// From now on another machine. What stands in line goes to it.
    pub(crate) fn rebind(&mut self, io: &Io, id: NetConnId, sender: NetSender) -> Delivery {
        let in_line = self.held.take().and_then(SendFuture::into_inner);
        self.sender = Some(sender);
        match in_line {
            Some(cmd) => self.deliver(io, id, cmd),
            None => Delivery::Delivered,
        }
    }

    /// Lets go of the machine.
    pub(crate) fn close(&mut self) {
        self.held = None;
        self.sender = None;
    }

    fn gone(&mut self, io: &Io) -> Delivery {
        io.counters.machines_gone.one();
        self.close();
        Delivery::Gone
    }
}
