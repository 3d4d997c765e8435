//! The places that instructions are sent to, whatever their kind, and every way to send there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use d3::{MachineHandle, SendError, SendFuture, SendTimeoutError, Sender, TrySendError};

use super::books::Account;
use super::load::{self, Boxed, Empty, Large, Load, Medium, Order, Small};
use super::plan::Kind;

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Accepted,
    /// No room, or not in time: it came back.
    Full,
    /// Nobody will ever take it: it came back.
    Gone,
}

/// A sender of any kind of instruction.
#[derive(Clone, Debug)]
enum Way {
    Empty(Sender<Empty>),
    Small(Sender<Small>),
    Medium(Sender<Medium>),
    Large(Sender<Large>),
    Boxed(Sender<Boxed>),
}

macro_rules! each_way {
    ($way:expr, $sender:ident => $body:expr) => {
        match $way {
            Way::Empty($sender) => $body,
            Way::Small($sender) => $body,
            Way::Medium($sender) => $body,
            Way::Large($sender) => $body,
            Way::Boxed($sender) => $body,
        }
    };
}

/// A place that instructions are sent to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    account: Arc<Account>,
    way: Way,
}

/// A kind of instruction whose sender is one of the ways.
pub(crate) trait Routed: Load {
    /// The kind.
    const KIND: Kind;
    /// A target for senders of this kind. The account learns of the machine behind it.
    fn target(account: Arc<Account>, sender: Sender<Self>) -> Target;
}

macro_rules! routed {
    ($($kind:ident),+) => {$(
        impl Routed for $kind {
            const KIND: Kind = Kind::$kind;

            fn target(account: Arc<Account>, sender: Sender<Self>) -> Target {
                account.set_handle(sender.handle());
                Target { account, way: Way::$kind(sender) }
            }
        }
    )+};
}
routed!(Empty, Small, Medium, Large, Boxed);

/// Calls a generic function for the instruction set of a kind.
macro_rules! for_kind {
    ($kind:expr, $($path:ident).+ ($($argument:expr),* $(,)?)) => {
        match $kind {
            $crate::swarm::plan::Kind::Empty => $($path).+::<$crate::swarm::load::Empty>($($argument),*),
            $crate::swarm::plan::Kind::Small => $($path).+::<$crate::swarm::load::Small>($($argument),*),
            $crate::swarm::plan::Kind::Medium => $($path).+::<$crate::swarm::load::Medium>($($argument),*),
            $crate::swarm::plan::Kind::Large => $($path).+::<$crate::swarm::load::Large>($($argument),*),
            $crate::swarm::plan::Kind::Boxed => $($path).+::<$crate::swarm::load::Boxed>($($argument),*),
        }
    };
}
pub(crate) use for_kind;

impl Target {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn handle(&self) -> MachineHandle {
        each_way!(&self.way, sender => sender.handle())
    }

    fn accepted(&self) -> Sent {
        self.account.accepted.add_one();
        Sent::Accepted
    }

    pub(crate) fn send(&self, order: &Order) -> Sent {
        each_way!(&self.way, sender => match sender.send(Load::load(&self.account, order)) {
            Ok(()) => self.accepted(),
            Err(error) => self.refused(error),
        })
    }

    pub(crate) fn try_send(&self, order: &Order) -> Sent {
        each_way!(&self.way, sender => match sender.try_send(Load::load(&self.account, order)) {
            Ok(()) => self.accepted(),
            Err(error) => {
                let gone = matches!(error, TrySendError::Disconnected(_));
                error.into_inner().take_back(&self.account);
                if gone { Sent::Gone } else { Sent::Full }
            }
        })
    }

    pub(crate) fn send_timeout(&self, order: &Order, timeout: Duration) -> Sent {
        each_way!(&self.way, sender => match sender.send_timeout(Load::load(&self.account, order), timeout) {
            Ok(()) => self.accepted(),
            Err(error) => {
                let gone = matches!(error, SendTimeoutError::Disconnected(_));
                error.into_inner().take_back(&self.account);
                if gone { Sent::Gone } else { Sent::Full }
            }
        })
    }

    fn refused<P: Load>(&self, error: SendError<P>) -> Sent {
        let gone = matches!(error, SendError::Disconnected(_));
        error.into_inner().take_back(&self.account);
        if gone { Sent::Gone } else { Sent::Full }
    }

    pub(crate) fn send_async(&self, order: &Order) -> Box<dyn Sending> {
        each_way!(&self.way, sender => Box::new(InFlight {
            target: self.clone(),
            future: Some(sender.send_async(Load::load(&self.account, order))),
        }))
    }
}

/// A send that is awaited, of any kind of instruction.
pub(crate) trait Sending: Future<Output = Sent> + Unpin {
    /// Gives up: the future is dropped, or asked for its instruction.
    fn give_up(&mut self, ask: bool) -> Sent;
}

struct InFlight<P: Load> {
    target: Target,
    future: Option<SendFuture<P>>,
}

impl<P: Load> Future for InFlight<P> {
    type Output = Sent;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Sent> {
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        let result = std::task::ready!(Pin::new(future).poll(context));
        self.future = None;
        Poll::Ready(match result {
            Ok(()) => self.target.accepted(),
            Err(error) => self.target.refused(error),
        })
    }
}

impl<P: Load> Sending for InFlight<P> {
    fn give_up(&mut self, ask: bool) -> Sent {
        let Some(future) = self.future.take() else {
            return Sent::Gone;
        };
        if ask {
            return match future.into_inner() {
                Some(instruction) => {
                    instruction.take_back(&self.target.account);
                    Sent::Full
                }
                None => self.target.accepted(),
            };
        }
        if load::withdraw(|| drop(future)) {
            self.target.account.returned.add_one();
            Sent::Full
        } else {
            self.target.accepted()
        }
    }
}
