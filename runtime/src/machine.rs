//! Machines and instruction sets.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// An instruction set: an enum with `#[derive(MachineImpl)]`.
///
/// The derive names the type and its variants for people; all behaviour is in this crate.
///
/// ```
/// use d3_runtime::MachineImpl;
///
/// #[derive(MachineImpl)]
/// enum Lamp { On, Off }
///
/// assert_eq!(Lamp::VARIANTS[Lamp::Off.variant()], "Off");
/// # let _ = Lamp::On;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an instruction set",
    label = "not an instruction set",
    note = "put `#[derive(MachineImpl)]` on the enum `{Self}`"
)]
pub trait MachineImpl: Send + 'static {
    /// The name of the enum.
    const NAME: &'static str;
    /// The names of its variants, in order.
    const VARIANTS: &'static [&'static str];
    /// The index of this value's variant in [`VARIANTS`](Self::VARIANTS).
    fn variant(&self) -> usize;
}

/// A machine whose value may be shared: with its creator, and between several mailboxes.
///
/// `receive` is called for one instruction of `P` at a time, in the order in which they were sent. Mailboxes of other instruction sets on the
/// same value ([`and_connect`](crate::Runtime::and_connect)) run on their own, so what they share needs locks or atomics;
/// [`MachineMut`] needs none.
///
/// Closures, `Arc`s of machines and mutexes around [`MachineMut`] are machines.
///
/// ```
/// use d3_runtime::{Machine, MachineImpl, Runtime};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[derive(MachineImpl)]
/// enum Count { Add(u32) }
///
/// #[derive(Default)]
/// struct Counter(AtomicU32);
/// impl Machine<Count> for Counter {
///     fn receive(&self, Count::Add(n): Count) { self.0.fetch_add(n, Ordering::Relaxed); }
/// }
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let (counter, sender) = runtime.connect(Counter::default());
/// sender.send(Count::Add(2)).expect("the machine lives");
/// runtime.wait_idle(std::time::Duration::from_secs(10))?;
/// assert_eq!(counter.0.load(Ordering::Relaxed), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a machine for the instruction set `{P}`",
    label = "does not implement `Machine<{P}>`",
    note = "implement `Machine<{P}>` for `{Self}`; a value with state of its own and one mailbox can implement `MachineMut<{P}>` and be connected with `connect_mut`"
)]
pub trait Machine<P>: Send + Sync {
    /// Takes one instruction.
    fn receive(&self, instruction: P);
    /// Called once, before the first instruction.
    fn connected(&self, _id: Uuid) {}
    /// Called once, after the last instruction: at the end of the last sender, a stop, a failure and a panic alike.
    /// [`this_machine::end_reason`](crate::this_machine::end_reason) tells which.
    fn disconnected(&self) {}
}

/// A machine that owns its state: no locks, one instruction at a time. It may accept several instruction sets, one at a time too: see
/// [`MachineBuilder::accepts`](crate::MachineBuilder::accepts).
///
/// ```
/// use d3_runtime::{MachineImpl, MachineMut, Runtime, bounded};
///
/// #[derive(MachineImpl)]
/// enum Sum { Add(u64), Tell }
///
/// struct Adder { total: u64, answers: d3_runtime::Sender<u64> }
/// impl MachineMut<Sum> for Adder {
///     fn receive(&mut self, instruction: Sum) {
///         match instruction {
///             Sum::Add(n) => self.total += n,
///             Sum::Tell => { let _ = self.answers.send(self.total); }
///         }
///     }
/// }
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let (answers, receiver) = bounded(1);
/// let adder = runtime.connect_mut(Adder { total: 0, answers });
/// for n in 1..=10 { adder.send(Sum::Add(n)).expect("the machine lives"); }
/// adder.send(Sum::Tell).expect("the machine lives");
/// assert_eq!(receiver.recv(), Ok(55));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a machine for the instruction set `{P}`",
    label = "does not implement `MachineMut<{P}>`",
    note = "implement `MachineMut<{P}>` for `{Self}`; a value that implements `Machine<{P}>` is connected with `connect`"
)]
pub trait MachineMut<P>: Send {
    /// Takes one instruction.
    fn receive(&mut self, instruction: P);
    /// Called once, before the first instruction.
    fn connected(&mut self, _id: Uuid) {}
    /// Called once, after the last instruction; see [`Machine::disconnected`].
    fn disconnected(&mut self) {}
}

impl<P, F: Fn(P) + Send + Sync> Machine<P> for F {
    fn receive(&self, instruction: P) {
        self(instruction);
    }
}

impl<P, T: Machine<P> + ?Sized> Machine<P> for Arc<T> {
    fn receive(&self, instruction: P) {
        (**self).receive(instruction);
    }

    fn connected(&self, id: Uuid) {
        (**self).connected(id);
    }

    fn disconnected(&self) {
        (**self).disconnected();
    }
}

/// The lock is waited for, never given up on: an instruction that finds it busy is late, not lost. A lock that a panic
/// poisoned is taken all the same: the panic has ended the machine that held it.
impl<P, T: MachineMut<P>> Machine<P> for Mutex<T> {
    fn receive(&self, instruction: P) {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .receive(instruction);
    }

    fn connected(&self, id: Uuid) {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .connected(id);
    }

    fn disconnected(&self) {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .disconnected();
    }
}
