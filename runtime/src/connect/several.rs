//! Machines with several instruction sets: see [`MachineBuilder::accepts`].

use std::marker::PhantomData;

use super::{MachineBuilder, disconnected, enter};
use crate::cell::{Header, MailboxCell, Port, Rotation, Several, cell_of};
use crate::error::BuildError;
use crate::machine::{MachineImpl, MachineMut};
use crate::receiver::bounded;
use crate::sender::Sender;

impl<'a, T, A> MachineBuilder<'a, T, A> {
    fn with_sets<B>(self) -> MachineBuilder<'a, T, B> {
        MachineBuilder {
            runtime: self.runtime,
            machine: self.machine,
            capacity: self.capacity,
            name: self.name,
            accepts: PhantomData,
        }
    }
}

impl<'a, T, P: MachineImpl> MachineBuilder<'a, T, P> {
    /// One more instruction set: a mailbox of its own under the same run token.
    pub fn accepts<Q>(self) -> MachineBuilder<'a, T, (P, Q)>
    where
        T: MachineMut<P> + MachineMut<Q> + 'static,
        Q: MachineImpl,
    {
        self.with_sets()
    }
}

impl<'a, T, P: MachineImpl, Q: MachineImpl> MachineBuilder<'a, T, (P, Q)> {
    /// A third instruction set.
    pub fn accepts<R>(self) -> MachineBuilder<'a, T, (P, Q, R)>
    where
        T: MachineMut<P> + MachineMut<Q> + MachineMut<R> + 'static,
        R: MachineImpl,
    {
        self.with_sets()
    }
}

impl<'a, T, P: MachineImpl, Q: MachineImpl, R: MachineImpl> MachineBuilder<'a, T, (P, Q, R)> {
    /// A fourth instruction set.
    pub fn accepts<S>(self) -> MachineBuilder<'a, T, (P, Q, R, S)>
    where
        T: MachineMut<P> + MachineMut<Q> + MachineMut<R> + MachineMut<S> + 'static,
        S: MachineImpl,
    {
        self.with_sets()
    }
}

/// The one sender that a port was made with.
///
/// # Safety
/// The next port's mailbox is for `P`, and its sender has not been taken.
unsafe fn take_sender<'a, P>(ports: &mut impl Iterator<Item = &'a Header>) -> Sender<P> {
    let Some(port) = ports.next() else {
        unreachable!("a port for each further instruction set")
    };
    // SAFETY: by the caller's word; a new port has one strong sender.
    unsafe { Sender::from_raw(cell_of::<MailboxCell<P>>(port.in_cell())) }
}

/// A list of ports, in order.
macro_rules! ports {
    () => { Rotation };
    ($first:ident $($others:ident)*) => { Port<$first, ports!($($others)*)> };
}

macro_rules! connect_several {
    ($first:ident $($set:ident)+) => {
        impl<T, $first, $($set),+> MachineBuilder<'_, T, ($first, $($set),+)>
        where
            T: MachineMut<$first> $(+ MachineMut<$set>)+ + 'static,
            $first: MachineImpl,
            $($set: MachineImpl,)+
        {
            /// Connects the machine: a sender for each of its instruction sets, in the order in which it accepts them. A capacity of
            /// 0 counts as 1, with a warning; a runtime that has ended gives disconnected senders.
            /// [`try_connect`](Self::try_connect) makes errors of both.
            pub fn connect(self) -> (Sender<$first>, $(Sender<$set>),+) {
                let capacity = self.instructions();
                self.enter_all(capacity)
                    .unwrap_or_else(|| (disconnected(), $(bounded::<$set>(1).0),+))
            }

            /// Connects the machine: a sender for each of its instruction sets, in the order in which it accepts them.
            ///
            /// # Errors
            /// [`BuildError::ZeroCapacity`] or [`BuildError::CapacityTooLarge`], or [`BuildError::Stopped`] if the runtime has ended. The machine is dropped then.
            pub fn try_connect(self) -> Result<(Sender<$first>, $(Sender<$set>),+), BuildError> {
                let capacity = self.checked_instructions()?;
                self.enter_all(capacity).ok_or(BuildError::Stopped)
            }

            fn enter_all(self, capacity: u64) -> Option<(Sender<$first>, $(Sender<$set>),+)> {
                let machine = Several::<T, ports!($($set)+)>::new(self.machine);
                let entered = enter(self.runtime.pool(), machine, capacity, self.name, false);
                let first: Sender<$first> = entered.ok()?;
                let mut ports = first.cell().header().ports();
                // SAFETY: the list of ports names the same sets in the same order, and the machine is new.
                let others = ($(unsafe { take_sender::<$set>(&mut ports) },)+);
                drop(ports);
                #[allow(non_snake_case, reason = "a value for each type")]
                let ($($set,)+) = others;
                Some((first, $($set),+))
            }
        }
    };
}

connect_several!(P Q);
connect_several!(P Q R);
connect_several!(P Q R S);
