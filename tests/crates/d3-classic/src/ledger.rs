//! Who sent which number to whom, and what went wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The numbers that a machine has seen from each of its senders.
#[derive(Debug, Default)]
pub struct Ledger {
    next: HashMap<usize, u64>,
}

impl Ledger {
    /// Enters the number `seq` of the sender `from`; says what is wrong if it is not the next one.
    ///
    /// # Errors
    /// Describes the number that came and the one that was due.
    pub fn enter(&mut self, from: usize, seq: u64) -> Result<(), String> {
        let due = self.next.entry(from).or_insert(0);
        if *due == seq {
            *due += 1;
            return Ok(());
        }
        let kind = if seq < *due {
            "came twice or late"
        } else {
            "came too early"
        };
        let fault = format!("from {from}: {seq} {kind}, due was {due}");
        *due = seq + 1;
        Err(fault)
    }

    /// Hands out the next number for the receiver `to`.
    pub fn number(&mut self, to: usize) -> u64 {
        let next = self.next.entry(to).or_insert(0);
        *next += 1;
        *next - 1
    }
}

/// What the machines found wrong. A machine that panicked would only leave a hang behind, so it writes here.
#[derive(Debug, Default, Clone)]
pub struct Faults(Arc<Mutex<Vec<String>>>);

impl Faults {
    /// Notes a fault.
    pub fn note(&self, fault: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fault);
    }

    /// All faults so far, the first few in words; `None` if there are none.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.is_empty() {
            return None;
        }
        let first: Vec<&str> = faults.iter().take(5).map(String::as_str).collect();
        Some(format!(
            "{} faults, first: {}",
            faults.len(),
            first.join("; ")
        ))
    }
}
