//! What the machines of one driver share with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What has arrived at the machine where everything comes together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Instructions.
    pub count: u64,
    /// Their values, summed, with wrap-around.
    pub sum: u64,
}

impl Arrived {
    pub(crate) fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
    }
}

/// Faults that are kept in words; the others are counted.
const FAULTS_KEPT: usize = 5;

/// Counts and faults of all machines of a driver.
#[derive(Debug, Default)]
pub struct Shared {
    received: AtomicU64,
    ended: AtomicU64,
    faults: Mutex<(u64, Vec<String>)>,
}

impl Shared {
    /// A machine found something wrong.
    pub fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.0 += 1;
        if faults.1.len() < FAULTS_KEPT {
            faults.1.push(fault);
        }
    }

    /// A machine has ended, after so many instructions of data and tokens.
    pub fn end(&self, received: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        // Release: who has seen the machine end sees what it had received.
        self.ended.fetch_add(1, Ordering::Release);
    }

    /// Machines that have ended.
    pub fn ended(&self) -> u64 {
        // Acquire: see `end`.
        self.ended.load(Ordering::Acquire)
    }

    /// Instructions of data and tokens that machines received which have ended.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// All faults so far, the first few in words.
    pub fn faults(&self) -> Option<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        (faults.0 > 0).then(|| format!("{} faults: {}", faults.0, faults.1.join("; ")))
    }
}
