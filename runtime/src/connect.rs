//! Joining the collective.

mod several;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::cell::{
    Body, Header, MachineCell, MailboxCell, Owned, Scheduled, Shared, Sharing, cell_of,
};
use crate::channel::checked;
use crate::error::BuildError;
use crate::machine::{Machine, MachineImpl, MachineMut};
use crate::mailbox::UNBOUNDED;
use crate::protocol::Point;
use crate::receiver::{at_least_one, bounded};
use crate::runtime::Runtime;
use crate::scheduler::{self, Phase, Pool};
use crate::sender::Sender;
use crate::sync::lock;

/// Enters a body into the pool and queues it, so that `connected` is called. The body comes back if the pool has ended.
fn enter<P, B>(
    pool: &Arc<Pool>,
    body: B,
    capacity: u64,
    name: Option<String>,
    joined: bool,
) -> Result<Sender<P>, B>
where
    P: Send + 'static,
    B: Body<P>,
{
    if pool.phase() > Phase::Draining
        || (pool.phase() == Phase::Draining && !scheduler::is_worker_of(pool))
    {
        return Err(body);
    }
    let mut body = Some(body);
    let shared_value = body
        .as_ref()
        .map_or(std::ptr::null(), |body| body.sharing(joined).value());
    if joined {
        pool.partners.join(shared_value);
    }
    let entered = pool.registry.enter(|id, slot| {
        // Taken once: `enter` calls this at most once.
        let body = body.take().unwrap_or_else(|| unreachable!("built once"));
        MachineCell::<P, B>::allocate(Arc::clone(pool), id, slot, capacity, body, joined)
    });
    let Some(cell) = entered else {
        if joined {
            pool.partners.leave(shared_value);
        }
        return Err(body.unwrap_or_else(|| unreachable!("not built")));
    };
    // SAFETY: just allocated; the token is ours until it is queued below, and keeps the cell alive.
    let header: &Header = unsafe { cell.as_ref() };
    if let Some(name) = name {
        *lock(&header.side().name) = Some(Arc::from(name));
    }
    // SAFETY: the header was made with one strong sender.
    let sender = unsafe { Sender::from_raw(cell_of::<MailboxCell<P>>(cell)) };
    crate::sync::point(Point::Connected);
    // SAFETY: the cell was made with its token in our hands.
    scheduler::schedule(unsafe { Scheduled::new(cell) });
    Ok(sender)
}

/// A sender whose machine never came to be.
fn disconnected<P: Send + 'static>() -> Sender<P> {
    tracing::warn!(
        instruction_set = std::any::type_name::<P>(),
        "a machine was connected to a runtime that has ended; its sender is disconnected"
    );
    bounded(1).0
}

impl Runtime {
    fn default_capacity(&self) -> u64 {
        at_least_one(self.pool().config.mailbox_capacity)
    }

    fn connect_shared<T, P>(&self, machine: &Arc<T>, capacity: u64, joined: bool) -> Sender<P>
    where
        T: Machine<P> + ?Sized + 'static,
        P: MachineImpl,
    {
        enter(
            self.pool(),
            Shared(Arc::clone(machine)),
            capacity,
            None,
            joined,
        )
        .unwrap_or_else(|_| disconnected())
    }

    /// The first mailbox of a shared value, for the default runtime, whose capacity is a setting of its own.
    pub(crate) fn first_connect<T, P>(&self, machine: &Arc<T>, capacity: Option<usize>) -> Sender<P>
    where
        T: Machine<P> + ?Sized + 'static,
        P: MachineImpl,
    {
        self.connect_shared(machine, capacity.map_or(UNBOUNDED, at_least_one), false)
    }

    /// Connects a machine: it gets a mailbox of the default capacity, and lives until its last sender is gone.
    ///
    /// Connecting to a runtime that has ended gives a disconnected sender and calls no hook.
    pub fn connect<T, P>(&self, machine: T) -> (Arc<T>, Sender<P>)
    where
        T: Machine<P> + 'static,
        P: MachineImpl,
    {
        let machine = Arc::new(machine);
        let sender = self.connect_shared(&machine, self.default_capacity(), false);
        (machine, sender)
    }

    /// As [`connect`](Self::connect), with a mailbox of `capacity` instructions; 0 counts as 1, with a warning.
    pub fn connect_with_capacity<T, P>(&self, machine: T, capacity: usize) -> (Arc<T>, Sender<P>)
    where
        T: Machine<P> + 'static,
        P: MachineImpl,
    {
        let machine = Arc::new(machine);
        let sender = self.connect_shared(&machine, at_least_one(capacity), false);
        (machine, sender)
    }

    /// As [`connect`](Self::connect), with a mailbox without a bound.
    pub fn connect_unbounded<T, P>(&self, machine: T) -> (Arc<T>, Sender<P>)
    where
        T: Machine<P> + 'static,
        P: MachineImpl,
    {
        let machine = Arc::new(machine);
        let sender = self.connect_shared(&machine, UNBOUNDED, false);
        (machine, sender)
    }

    /// One more instruction set for a value: a mailbox and a run of its own, side by side with the others. (For sets that take turns, without
    /// a lock, see [`MachineBuilder::accepts`].) If the value fails behind one of its mailboxes it
    /// ends behind all of them in this runtime; a value that is connected to two runtimes is two machines.
    pub fn and_connect<T, P>(&self, machine: &Arc<T>) -> Sender<P>
    where
        T: Machine<P> + ?Sized + 'static,
        P: MachineImpl,
    {
        self.connect_shared(machine, self.default_capacity(), true)
    }

    /// As [`and_connect`](Self::and_connect), with a mailbox of `capacity` instructions; 0 counts as 1, with a warning.
    pub fn and_connect_with_capacity<T, P>(&self, machine: &Arc<T>, capacity: usize) -> Sender<P>
    where
        T: Machine<P> + ?Sized + 'static,
        P: MachineImpl,
    {
        self.connect_shared(machine, at_least_one(capacity), true)
    }

    /// As [`and_connect`](Self::and_connect), with a mailbox without a bound.
    pub fn and_connect_unbounded<T, P>(&self, machine: &Arc<T>) -> Sender<P>
    where
        T: Machine<P> + ?Sized + 'static,
        P: MachineImpl,
    {
        self.connect_shared(machine, UNBOUNDED, true)
    }

    /// Connects a machine that owns its state; it lives in one allocation with its mailbox. For a machine of several instruction sets see
    /// [`MachineBuilder::accepts`].
    pub fn connect_mut<T, P>(&self, machine: T) -> Sender<P>
    where
        T: MachineMut<P> + 'static,
        P: MachineImpl,
    {
        enter(
            self.pool(),
            Owned(machine),
            self.default_capacity(),
            None,
            false,
        )
        .unwrap_or_else(|_| disconnected())
    }

    /// Connects a machine that owns its state, with settings of its own.
    ///
    /// ```
    /// use d3_runtime::{MachineImpl, MachineMut, Runtime};
    /// #[derive(MachineImpl)]
    /// enum Tick { Tick }
    /// struct Clock(u64);
    /// impl MachineMut<Tick> for Clock {
    ///     fn receive(&mut self, _: Tick) { self.0 += 1; }
    /// }
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let clock = runtime.machine(Clock(0)).capacity(32).name("clock").accepts::<Tick>().connect();
    /// assert_eq!(clock.capacity(), Some(32));
    /// assert_eq!(clock.handle().name().as_deref(), Some("clock"));
    /// # let _ = clock.send(Tick::Tick);
    /// # Ok::<(), d3_runtime::BuildError>(())
    /// ```
    pub fn machine<T>(&self, machine: T) -> MachineBuilder<'_, T> {
        MachineBuilder {
            runtime: self,
            machine,
            capacity: Capacity::Default,
            name: None,
            accepts: PhantomData,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Capacity {
    Default,
    Bounded(usize),
    Unbounded,
}

/// The settings of one machine: see [`Runtime::machine`]. `A` is the instruction set it accepts, or a tuple of several.
#[must_use = "a machine is connected by `connect`"]
pub struct MachineBuilder<'a, T, A = ()> {
    runtime: &'a Runtime,
    machine: T,
    capacity: Capacity,
    name: Option<String>,
    accepts: PhantomData<fn(A)>,
}

impl<'a, T, A> MachineBuilder<'a, T, A> {
    /// What the mailbox, or each of several, holds before it is full.
    pub fn capacity(mut self, instructions: usize) -> Self {
        self.capacity = Capacity::Bounded(instructions);
        self
    }

    /// A mailbox without a bound.
    pub fn unbounded(mut self) -> Self {
        self.capacity = Capacity::Unbounded;
        self
    }

    /// A name for people: in statistics, in logs, in the handle's text.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn instructions(&self) -> u64 {
        match self.capacity {
            Capacity::Default => self.runtime.default_capacity(),
            Capacity::Bounded(instructions) => at_least_one(instructions),
            Capacity::Unbounded => UNBOUNDED,
        }
    }

    fn checked_instructions(&self) -> Result<u64, BuildError> {
        match self.capacity {
            Capacity::Bounded(instructions) => checked(instructions),
            Capacity::Default | Capacity::Unbounded => Ok(self.instructions()),
        }
    }
}

impl<'a, T> MachineBuilder<'a, T, ()> {
    /// The instruction set that the machine accepts. Called again, up to four times, it adds a mailbox for one more set, and `connect`
    /// returns a tuple of senders, in this order.
    ///
    /// All mailboxes of a machine are read under one run token: the `receive`s of its sets never run at the same time, so the state that they
    /// share needs no lock. (Mailboxes that are added by [`and_connect`](Runtime::and_connect) run on their own.) Each mailbox is bounded
    /// and keeps the order of each of its senders; between mailboxes there is no order, and they are read in turn. The machine is one: one id, one
    /// handle, one name; a full receiver parks it with all its mailboxes; it lives until the last sender of all its mailboxes
    /// is gone, and a stop or a panic closes them all. `connected` and `disconnected` are called once, those of the set that was accepted first.
    ///
    /// ```
    /// use d3_runtime::{MachineImpl, MachineMut, Runtime, Sender, bounded};
    ///
    /// #[derive(MachineImpl)]
    /// enum Read { Total(Sender<u64>) }
    /// #[derive(MachineImpl)]
    /// enum Write { Add(u64) }
    ///
    /// #[derive(Default)]
    /// struct Account { total: u64 }
    /// impl MachineMut<Write> for Account {
    ///     fn receive(&mut self, Write::Add(n): Write) { self.total += n; }
    /// }
    /// impl MachineMut<Read> for Account {
    ///     fn receive(&mut self, Read::Total(to): Read) { let _ = to.send(self.total); }
    /// }
    ///
    /// let runtime = Runtime::builder().workers(2).build()?;
    /// let (write, read) = runtime.machine(Account::default()).accepts::<Write>().accepts::<Read>().connect();
    /// write.send(Write::Add(2)).expect("the machine lives");
    /// runtime.wait_idle(std::time::Duration::from_secs(10))?;
    /// let (to, total) = bounded(1);
    /// read.send(Read::Total(to)).expect("the machine lives");
    /// assert_eq!(total.recv(), Ok(2));
    /// assert_eq!(write.handle(), read.handle());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accepts<P>(self) -> MachineBuilder<'a, T, P>
    where
        T: MachineMut<P> + 'static,
        P: MachineImpl,
    {
        let Self {
            runtime,
            machine,
            capacity,
            name,
            accepts: _,
        } = self;
        MachineBuilder {
            runtime,
            machine,
            capacity,
            name,
            accepts: PhantomData,
        }
    }
}

impl<T, P> MachineBuilder<'_, T, P>
where
    T: MachineMut<P> + 'static,
    P: MachineImpl,
{
    /// Connects the machine. A capacity of 0 counts as 1, with a warning; a runtime that has ended gives a disconnected
    /// sender. [`try_connect`](Self::try_connect) makes errors of both.
    pub fn connect(self) -> Sender<P> {
        let capacity = self.instructions();
        enter(
            self.runtime.pool(),
            Owned(self.machine),
            capacity,
            self.name,
            false,
        )
        .unwrap_or_else(|_| disconnected())
    }

    /// Connects the machine.
    ///
    /// # Errors
    /// [`BuildError::ZeroCapacity`] or [`BuildError::CapacityTooLarge`], or [`BuildError::Stopped`] if the runtime has ended. The machine is dropped then.
    pub fn try_connect(self) -> Result<Sender<P>, BuildError> {
        let capacity = self.checked_instructions()?;
        enter(
            self.runtime.pool(),
            Owned(self.machine),
            capacity,
            self.name,
            false,
        )
        .map_err(|_| BuildError::Stopped)
    }
}

impl<T, A> fmt::Debug for MachineBuilder<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineBuilder")
            .field("machine", &std::any::type_name::<T>())
            .field("capacity", &self.capacity)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
