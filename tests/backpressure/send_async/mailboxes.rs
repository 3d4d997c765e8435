//! Mailboxes that are read when the test says so: a channel, and a machine that waits for permission.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, mpsc};

use d3::TryRecvError;
use d3::prelude::*;

use super::Cargo;
use crate::support::probe::{bump, read};
use crate::support::{PATIENCE, wait_until};

/// A mailbox that is read one instruction at a time, when the test says so.
pub(super) trait Mailbox {
    fn sender(&self) -> &Sender<Cargo>;
    /// Takes one instruction, if there is one.
    fn step(&mut self);
    /// What came so far, in order.
    fn received(&self) -> Vec<usize>;
    /// Waits until the reader has begun with the first instruction, where it begins by itself.
    fn begin(&self);
}

pub(super) struct Channel {
    sender: Sender<Cargo>,
    receiver: Receiver<Cargo>,
    received: Vec<usize>,
}

impl Channel {
    pub(super) fn new(capacity: usize) -> Self {
        let (sender, receiver) = bounded(capacity);
        Self {
            sender,
            receiver,
            received: Vec::new(),
        }
    }
}

impl Mailbox for Channel {
    fn sender(&self) -> &Sender<Cargo> {
        &self.sender
    }

    fn step(&mut self) {
        match self.receiver.try_recv() {
            Ok(Cargo::Item(number, _)) => self.received.push(number),
            Err(error) => assert_eq!(error, TryRecvError::Empty),
        }
    }

    fn received(&self) -> Vec<usize> {
        self.received.clone()
    }

    fn begin(&self) {}
}

/// A machine that waits for the test's permission inside each `receive`: one instruction is always in its hand.
pub(super) struct Stepped {
    runtime: Runtime,
    sender: Sender<Cargo>,
    permits: mpsc::Sender<()>,
    received: Arc<Mutex<Vec<usize>>>,
    entered: Arc<AtomicUsize>,
    sent: usize,
}

struct Waits {
    permits: mpsc::Receiver<()>,
    received: Arc<Mutex<Vec<usize>>>,
    entered: Arc<AtomicUsize>,
}

impl MachineMut<Cargo> for Waits {
    fn receive(&mut self, Cargo::Item(number, counted): Cargo) {
        bump(&self.entered);
        // A test that has ended gives permission, too.
        let _ = self.permits.recv_timeout(2 * PATIENCE);
        drop(counted);
        self.received.lock().unwrap().push(number);
    }
}

impl Stepped {
    pub(super) fn new(runtime: &Runtime, capacity: usize) -> Self {
        let (permits, permitted) = mpsc::channel();
        let (received, entered) = (Arc::default(), Arc::default());
        let machine = Waits {
            permits: permitted,
            received: Arc::clone(&received),
            entered: Arc::clone(&entered),
        };
        let sender = runtime.machine(machine).capacity(capacity);
        Self {
            runtime: runtime.clone(),
            sender: sender.accepts().connect(),
            permits,
            received,
            entered,
            sent: 0,
        }
    }

    /// Waits until the machine has an instruction in hand for which it has no permission, or rests: it has then served all who wait.
    fn settle(&self) {
        wait_until("the machine takes one step", || {
            let machines = self.runtime.machines();
            let mut this = machines.iter().filter(|info| info.id == self.sender.id());
            read(&self.entered) > self.sent || this.any(|info| info.at_rest)
        });
    }
}

impl Mailbox for Stepped {
    fn sender(&self) -> &Sender<Cargo> {
        &self.sender
    }

    fn step(&mut self) {
        self.settle();
        if read(&self.entered) == self.sent {
            return;
        }
        self.sent += 1;
        self.permits.send(()).expect("the machine lives");
        self.settle();
    }

    fn received(&self) -> Vec<usize> {
        self.received.lock().unwrap().clone()
    }

    fn begin(&self) {
        wait_until("the machine begins", || read(&self.entered) > 0);
    }
}
