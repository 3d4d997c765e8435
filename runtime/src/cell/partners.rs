//! Values with several mailboxes: who ends when one of them fails.
//!
//! Only mailboxes that joined a value later are counted here, so that the common machine, with one mailbox, pays
//! nothing. The others are found by a walk over the registry, when a shared value has failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{EndCode, Header, Registry};

#[derive(Default)]
pub(crate) struct Partners {
    /// Mailboxes that joined, per address of the value.
    joined: Mutex<HashMap<usize, usize>>,
}

impl Partners {
    fn lock(&self) -> MutexGuard<'_, HashMap<usize, usize>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn join(&self, value: *const ()) {
        *self.lock().entry(value as usize).or_insert(0) += 1;
    }

    pub(crate) fn leave(&self, value: *const ()) {
        let mut joined = self.lock();
        if let Some(count) = joined.get_mut(&(value as usize)) {
            *count -= 1;
            if *count == 0 {
                joined.remove(&(value as usize));
            }
        }
    }

    /// Ends the other mailboxes of `value`, which has failed behind the mailbox `but`.
    pub(crate) fn end_all(&self, value: *const (), but: &Header, registry: &Registry) {
        if !self.lock().contains_key(&(value as usize)) {
            return;
        }
        registry.for_each(|cell| {
            // SAFETY: `cell` keeps the cell alive; registered cells are machines.
            let shared = unsafe { (cell.vtable.shared_value)(cell.as_ptr()) };
            if shared == value && !std::ptr::eq::<Header>(&*cell, but) {
                cell.ask_to_end(EndCode::Partner);
            }
        });
    }
}
