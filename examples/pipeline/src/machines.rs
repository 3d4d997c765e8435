//! The three machines, and what they write down for those who look on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use d3::prelude::*;

/// The most that a mailbox has ever held behind the instruction that its machine was receiving. Written by that machine, the only
/// one who takes anything out, so that it is exact: a length that is read from elsewhere may be of two moments.
#[derive(Debug, Default)]
pub(crate) struct HighWater(AtomicUsize);

impl HighWater {
    pub(crate) fn get(&self) -> usize {
        // Relaxed: a figure to look at.
        self.0.load(Ordering::Relaxed)
    }

    fn look<P: MachineImpl>(&self) {
        let me = this_machine::sender::<P>().ok();
        if let Some(me) = me.and_then(|me| me.upgrade()) {
            self.0.fetch_max(me.len(), Ordering::Relaxed);
        }
    }
}

/// What all machines share with those who look on.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) source: HighWater,
    pub(crate) stage: HighWater,
    pub(crate) sink: HighWater,
    pub(crate) made: AtomicU64,
    pub(crate) arrived: AtomicU64,
    pub(crate) out_of_order: AtomicU64,
    /// The source makes nothing more.
    pub(crate) enough: AtomicBool,
}

#[derive(MachineImpl)]
pub(crate) enum SourceCmd {
    /// Make so many items.
    Make(u64),
}

#[derive(MachineImpl)]
pub(crate) enum Item {
    Number(u64),
}

/// Makes items, a batch in each `receive`, and tells itself to go on: so the runtime can park it in between.
pub(crate) struct Source {
    pub(crate) stage: Sender<Item>,
    pub(crate) batch: u64,
    pub(crate) books: Arc<Books>,
}

impl MachineMut<SourceCmd> for Source {
    fn receive(&mut self, SourceCmd::Make(count): SourceCmd) {
        let books = &self.books;
        books.source.look::<SourceCmd>();
        if books.enough.load(Ordering::Relaxed) {
            return;
        }
        for _ in 0..count.min(self.batch) {
            let number = books.made.load(Ordering::Relaxed);
            // Counted first: whoever looks finds no more arrived than made.
            books.made.store(number + 1, Ordering::Relaxed);
            if self.stage.send(Item::Number(number)).is_err() {
                books.made.store(number, Ordering::Relaxed);
                return;
            }
        }
        let left = count.saturating_sub(self.batch);
        let me = this_machine::sender::<SourceCmd>().ok();
        if left > 0
            && let Some(me) = me.and_then(|me| me.upgrade())
        {
            // It fails only if the machine is being stopped.
            let _ = me.send(SourceCmd::Make(left));
        }
    }
}

/// Works on each item for a while, and passes it on.
pub(crate) struct Stage {
    pub(crate) sink: Sender<Item>,
    pub(crate) work: Duration,
    pub(crate) books: Arc<Books>,
}

impl MachineMut<Item> for Stage {
    fn receive(&mut self, item: Item) {
        self.books.stage.look::<Item>();
        // Work, not sleep: a machine never sleeps.
        let until = Instant::now() + self.work;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        // It fails only if the sink was stopped; what is missing is seen in the end.
        let _ = self.sink.send(item);
    }
}

/// Counts what arrives.
pub(crate) struct Sink {
    pub(crate) books: Arc<Books>,
}

impl MachineMut<Item> for Sink {
    fn receive(&mut self, Item::Number(number): Item) {
        self.books.sink.look::<Item>();
        // Release: pairs with the Acquire of who looks: what has arrived was counted as made before it was sent.
        let due = self.books.arrived.fetch_add(1, Ordering::Release);
        if number != due {
            self.books.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
    }
}
