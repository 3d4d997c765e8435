//! A box that appears when it is first needed: one word in a cell that may never need it.

use crate::sync::{AtomicPtr, Ordering};

/// A lazily allocated value. Once there it stays until the owner is dropped.
///
/// Transparent: the layout of a cell does not depend on what is in its boxes (see `Header::queue`).
#[repr(transparent)]
pub(crate) struct LazyBox<T>(AtomicPtr<T>);

impl<T> LazyBox<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire: pairs with the Release in `get_or_init`.
        let value = self.0.load(Ordering::Acquire);
        // SAFETY: null, or a box that lives until `self` is dropped.
        unsafe { value.as_ref() }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let made = Box::into_raw(Box::new(make()));
        // AcqRel: Release publishes the new value, Acquire reads the one of who was faster.
        let before = self.0.compare_exchange(
            std::ptr::null_mut(),
            made,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match before {
            // SAFETY: just stored; lives until `self` is dropped.
            Ok(_) => unsafe { &*made },
            Err(winner) => {
                // SAFETY: `made` was never published.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: published by the winner; lives until `self` is dropped.
                unsafe { &*winner }
            }
        }
    }
}

impl<T> Drop for LazyBox<T> {
    fn drop(&mut self) {
        // Relaxed: `&mut self`.
        let value = self.0.load(Ordering::Relaxed);
        if !value.is_null() {
            // SAFETY: made by `get_or_init`, dropped once.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}
