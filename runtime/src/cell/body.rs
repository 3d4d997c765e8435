//! What stands behind a mailbox: a machine's value, owned or shared.

use std::sync::Arc;

use uuid::Uuid;

use super::port::Ports;
use crate::machine::{Machine, MachineMut};

/// What takes the instructions of one set.
pub(crate) trait Receives<P> {
    fn receive(&mut self, instruction: P);
}

/// A machine's value behind its mailbox: owned, or shared with other mailboxes. `P` is its instruction set, the first one where it
/// has several.
pub(crate) trait Body<P>: Receives<P> + Send + Sized + 'static {
    fn connected(&mut self, id: Uuid);
    fn disconnected(&mut self);
    /// What its cell keeps for the other mailboxes of the same value.
    type Sharing: Sharing;
    fn sharing(&self, joined: bool) -> Self::Sharing;
    /// Its further mailboxes under the same run token: see `port.rs`.
    type Ports: Ports<Self>;
    fn type_name() -> &'static str;
}

/// Whose value it is, for a cell: known after the value is gone.
pub(crate) trait Sharing {
    /// The address of a value that other mailboxes may share; null: there are none.
    fn value(&self) -> *const ();
    /// Whether this mailbox joined the value later.
    fn joined(&self) -> bool;
}

/// A value of one mailbox: nothing to keep.
pub(crate) struct Alone;

impl Sharing for Alone {
    fn value(&self) -> *const () {
        std::ptr::null()
    }

    fn joined(&self) -> bool {
        false
    }
}

/// A value that others hold too.
pub(crate) struct SharedValue {
    value: *const (),
    joined: bool,
}

impl Sharing for SharedValue {
    fn value(&self) -> *const () {
        self.value
    }

    fn joined(&self) -> bool {
        self.joined
    }
}

/// A `MachineMut`, by value: it lives in the cell.
pub(crate) struct Owned<T>(pub(crate) T);

/// A `Machine`, shared with its creator and with other mailboxes of the same value.
pub(crate) struct Shared<T: ?Sized>(pub(crate) Arc<T>);

impl<P, T: MachineMut<P>> Receives<P> for Owned<T> {
    #[inline]
    fn receive(&mut self, instruction: P) {
        self.0.receive(instruction);
    }
}

impl<P, T: MachineMut<P> + 'static> Body<P> for Owned<T> {
    fn connected(&mut self, id: Uuid) {
        self.0.connected(id);
    }

    fn disconnected(&mut self) {
        self.0.disconnected();
    }

    type Sharing = Alone;

    fn sharing(&self, _joined: bool) -> Alone {
        Alone
    }

    type Ports = ();

    fn type_name() -> &'static str {
        std::any::type_name::<T>()
    }
}

impl<P, T: Machine<P> + ?Sized> Receives<P> for Shared<T> {
    #[inline]
    fn receive(&mut self, instruction: P) {
        self.0.receive(instruction);
    }
}

impl<P, T: Machine<P> + ?Sized + 'static> Body<P> for Shared<T> {
    fn connected(&mut self, id: Uuid) {
        self.0.connected(id);
    }

    fn disconnected(&mut self) {
        self.0.disconnected();
    }

    type Sharing = SharedValue;

    fn sharing(&self, joined: bool) -> SharedValue {
        SharedValue {
            value: Arc::as_ptr(&self.0).cast(),
            joined,
        }
    }

    type Ports = ();

    fn type_name() -> &'static str {
        std::any::type_name::<T>()
    }
}
