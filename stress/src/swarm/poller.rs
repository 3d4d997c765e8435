//! Machines that read channels: user code inside a turn that polls, which must come back though whoever waits for room may be queued behind it.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use d3::{MachineMut, Receiver, RecvError, TryRecvError, Uuid, this_machine};

use super::books::{Account, Value};
use super::jitter::Jitter;
use super::load::{Load, Order, Small};
use super::plan::{GoesOn, Look, PollerPlan};
use super::random::Random;
use super::reader::Desk;
use super::target::{Sent, Target};

/// What a poller and those who poke it have in common.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    /// The poller's own sender, until it takes it: it is known once the machine is connected.
    pub(crate) own: Mutex<Option<Target>>,
    /// It reads no more.
    done: AtomicBool,
}

/// "Look again."
const POKE: Order = Order {
    stream: 0,
    sequence: 0,
    fuel: 0,
    explosive: false,
};

/// What a look into a channel came to.
enum Found<P> {
    One(P),
    Nothing,
    End,
}

impl<P> From<Poll<Option<P>>> for Found<P> {
    fn from(poll: Poll<Option<P>>) -> Self {
        match poll {
            Poll::Ready(Some(instruction)) => Self::One(instruction),
            Poll::Ready(None) => Self::End,
            Poll::Pending => Self::Nothing,
        }
    }
}

/// What follows from a turn.
enum Next {
    Again,
    Rest,
    Done,
}

/// A machine behind a `Receiver`.
pub(crate) struct Poller<P: Load> {
    pub(crate) plan: PollerPlan,
    pub(crate) gives_up_after: Option<u64>,
    /// None: it reads no more.
    pub(crate) receiver: Option<Receiver<P>>,
    /// Of the channel.
    pub(crate) desk: Desk,
    /// Of its own mailbox.
    pub(crate) account: Arc<Account>,
    pub(crate) value: Arc<Value>,
    pub(crate) strings: Arc<Strings>,
    /// Keeps it alive until it is done.
    pub(crate) own: Option<Arc<Target>>,
    pub(crate) jitter: Jitter,
    pub(crate) random: Random,
    /// Looks since anything was found.
    pub(crate) in_vain: usize,
}

impl<P: Load> Poller<P> {
    fn fault(&self, what: &str) {
        let label = &self.account.label;
        self.desk.books.fault(format!("{label}: {what}"));
    }

    fn waker(&self) -> Waker {
        match (&self.own, self.plan.goes_on) {
            (Some(own), GoesOn::Woken) => Arc::new(Again(Arc::downgrade(own))).into(),
            _ => Waker::noop().clone(),
        }
    }

    fn turn(&mut self) -> Next {
        let Some(mut receiver) = self.receiver.take() else {
            return Next::Done;
        };
        let waker = self.waker();
        for _ in 0..self.plan.batch {
            match self.look(&mut receiver, &waker) {
                Found::One(instruction) => self.take(instruction),
                Found::Nothing => {
                    self.receiver = Some(receiver);
                    self.in_vain += 1;
                    let patient = self.in_vain <= self.plan.in_vain;
                    return if patient { Next::Again } else { Next::Rest };
                }
                Found::End => return Next::Done,
            }
            if self.gives_up_after == Some(self.desk.count) {
                return Next::Done;
            }
        }
        self.receiver = Some(receiver);
        Next::Again
    }

    fn take(&mut self, instruction: P) {
        self.in_vain = 0;
        self.desk.take(instruction);
        self.desk.books.polled.add_one();
        self.jitter.at(&mut self.random);
    }

    fn look(&mut self, receiver: &mut Receiver<P>, waker: &Waker) -> Found<P> {
        let mut context = Context::from_waker(waker);
        let how = match self.plan.look {
            Look::Mixed => self
                .random
                .pick(&[Look::Poll, Look::Future, Look::TryRecv, Look::Recv]),
            how => how,
        };
        let found = match how {
            Look::Poll | Look::Mixed => return receiver.poll_recv(&mut context).into(),
            Look::Future => return pin!(receiver.recv_async()).poll(&mut context).into(),
            Look::TryRecv => match receiver.try_recv() {
                Ok(instruction) => Found::One(instruction),
                Err(TryRecvError::Empty) => Found::Nothing,
                Err(_) => Found::End,
            },
            Look::Recv => match receiver.recv() {
                Ok(instruction) => Found::One(instruction),
                Err(RecvError::InsideMachine) => Found::Nothing,
                Err(_) => Found::End,
            },
        };
        match found {
            // Only a poll leaves a waker behind.
            Found::Nothing if self.plan.goes_on == GoesOn::Woken => {
                receiver.poll_recv(&mut context).into()
            }
            found => found,
        }
    }

    /// It reads no more: nobody needs to poke it, and it ends.
    fn finish(&mut self) {
        self.strings.done.store(true, Ordering::Relaxed);
        self.own = None;
        if self.plan.stops_itself {
            self.desk.books.stops.add_one();
            if this_machine::stop().is_err() {
                self.fault("a machine was told that it is none");
            }
        }
    }
}

impl<P: Load> MachineMut<Small> for Poller<P> {
    fn receive(&mut self, poke: Small) {
        let account = Arc::clone(&self.account);
        account.received.add_one();
        poke.open();
        let Some(_inside) = account.enter() else {
            return self.fault("received while it ran elsewhere");
        };
        if account.connected.get() == 0 || account.disconnected.get() > 0 {
            self.fault("received before it was connected, or after it was disconnected");
        }
        self.jitter.at(&mut self.random);
        let own = self.strings.own.lock();
        if let Some(own) = own.unwrap_or_else(PoisonError::into_inner).take() {
            self.own = Some(Arc::new(own));
        }
        match self.turn() {
            Next::Again => {
                if let Some(own) = &self.own {
                    own.send(&POKE);
                }
            }
            Next::Rest => {}
            Next::Done => self.finish(),
        }
    }

    fn connected(&mut self, _: Uuid) {
        if self.account.connected.add_one() > 1 {
            self.fault("connected a second time");
        }
    }

    fn disconnected(&mut self) {
        let account = Arc::clone(&self.account);
        let Some(_inside) = account.enter() else {
            return self.fault("disconnected while it ran elsewhere");
        };
        if account.connected.get() == 0 || account.disconnected.add_one() > 1 {
            self.fault("disconnected before it was connected, or a second time");
        }
        if self.plan.drains
            && let Some(receiver) = self.receiver.take()
        {
            // Who waits for room comes in behind what is taken, and then finds the channel closed.
            receiver
                .try_iter()
                .for_each(|instruction| self.take(instruction));
        }
    }
}

impl<P: Load> Drop for Poller<P> {
    fn drop(&mut self) {
        // What is left in the channel is booked before the value.
        drop(self.receiver.take());
        self.strings.done.store(true, Ordering::Relaxed);
        self.value.dropped.add_one();
    }
}

/// Tells a machine to look again.
struct Again(Weak<Target>);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        // A waker may be called wherever anybody sends, so it must not wait: the mailbox has no bound.
        if let Some(own) = self.0.upgrade() {
            own.send(&POKE);
        }
    }
}

/// Pokes a machine now and then until it is done, or the swarm is over.
pub(crate) fn poke(poller: &Target, strings: &Strings, over: &AtomicBool, random: &mut Random) {
    let over = || strings.done.load(Ordering::Relaxed) || over.load(Ordering::Relaxed);
    while !over() {
        let patience = Duration::from_micros(random.sized(1..=500) as u64);
        let sent = match random.below(3) {
            0 => poller.send(&POKE),
            1 => poller.try_send(&POKE),
            _ => poller.send_timeout(&POKE, patience),
        };
        if sent == Sent::Gone {
            return;
        }
        std::thread::sleep(patience);
    }
}

/// The first one of all, in which the machine takes its own sender and leaves its waker.
pub(crate) fn first_poke(poller: &Target) {
    poller.send(&POKE);
}
