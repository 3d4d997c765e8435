//! What stands behind a mailbox: a machine's value, owned or shared.

use std::sync::Arc;

use uuid::Uuid;

use crate::machine::{Machine, MachineMut};

/// A machine's value behind its mailbox: owned, or shared with other mailboxes.
pub(crate) trait Body<P>: Send + 'static {
    fn receive(&mut self, instruction: P);
    fn connected(&mut self, id: Uuid);
    fn disconnected(&mut self);
    /// The address of a value that other mailboxes may share.
    fn shared_value(&self) -> *const ();
    fn type_name() -> &'static str;
}

/// A `MachineMut`, by value: it lives in the cell.
pub(crate) struct Owned<T>(pub(crate) T);

/// A `Machine`, shared with its creator and with other mailboxes of the same value.
pub(crate) struct Shared<T: ?Sized>(pub(crate) Arc<T>);

impl<P, T: MachineMut<P> + 'static> Body<P> for Owned<T> {
    #[inline]
    fn receive(&mut self, instruction: P) {
        self.0.receive(instruction);
    }

    fn connected(&mut self, id: Uuid) {
        self.0.connected(id);
    }

    fn disconnected(&mut self) {
        self.0.disconnected();
    }

    fn shared_value(&self) -> *const () {
        std::ptr::null()
    }

    fn type_name() -> &'static str {
        std::any::type_name::<T>()
    }
}

impl<P, T: Machine<P> + ?Sized + 'static> Body<P> for Shared<T> {
    #[inline]
    fn receive(&mut self, instruction: P) {
        self.0.receive(instruction);
    }

    fn connected(&mut self, id: Uuid) {
        self.0.connected(id);
    }

    fn disconnected(&mut self) {
        self.0.disconnected();
    }

    fn shared_value(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }

    fn type_name() -> &'static str {
        std::any::type_name::<T>()
    }
}
