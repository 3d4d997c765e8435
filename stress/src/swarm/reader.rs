//! Who reads a channel: what each of them checks, and the threads among them. The machines: see `poller.rs`.

use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use d3::{Receiver, RecvTimeoutError, TryRecvError};

use super::books::{Account, Books, Order as OrderOracle};
use super::jitter::Jitter;
use super::load::Load;
use super::outside::{DONE, Doing, Executor};
use super::plan::Reading;
use super::random::Random;

/// Where what comes out of a channel is checked and booked.
pub(crate) struct Desk {
    pub(crate) account: Arc<Account>,
    pub(crate) books: Arc<Books>,
    order: OrderOracle,
    /// How many there were.
    pub(crate) count: u64,
}

impl Desk {
    pub(crate) fn new(account: &Arc<Account>, books: &Arc<Books>) -> Self {
        Self {
            account: Arc::clone(account),
            books: Arc::clone(books),
            order: OrderOracle::default(),
            count: 0,
        }
    }

    pub(crate) fn take(&mut self, instruction: impl Load) {
        self.count += 1;
        self.account.received.add_one();
        let opened = instruction.open();
        if !opened.intact {
            let label = &self.account.label;
            self.books.fault(format!("{label}: received damaged bytes"));
        }
        if let Some((stream, sequence)) = opened.from {
            let books = &self.books;
            books.check_order(&self.account, &mut self.order, stream, sequence);
        }
    }
}

/// A thread behind a `Receiver`.
pub(crate) struct Reader<P: Load> {
    pub(crate) receiver: Receiver<P>,
    pub(crate) reading: Reading,
    pub(crate) gives_up_after: Option<u64>,
    pub(crate) place: usize,
    pub(crate) desk: Desk,
    pub(crate) jitter: Jitter,
    pub(crate) random: Random,
    pub(crate) doing: Arc<Doing>,
}

impl<P: Load> Reader<P> {
    pub(crate) fn run(mut self) {
        let executor = Executor::new(false);
        self.doing.set(self.place);
        while self.gives_up_after != Some(self.desk.count)
            && let Some(instruction) = self.next(&executor)
        {
            self.desk.take(instruction);
            self.jitter.at(&mut self.random);
        }
        let (doing, books) = (self.doing, self.desk.books);
        drop(self.receiver);
        doing.set(DONE);
        books.done.add_one();
    }

    /// The next instruction; None: no sender is left.
    fn next(&mut self, executor: &Executor) -> Option<P> {
        loop {
            let reading = match self.reading {
                Reading::Mixed => self.random.pick(&[
                    Reading::Recv,
                    Reading::TryRecv,
                    Reading::RecvTimeout,
                    Reading::Polled {
                        dropped_percent: 80,
                    },
                ]),
                reading => reading,
            };
            if let Poll::Ready(next) = self.look(reading, executor) {
                return next;
            }
        }
    }

    /// Pending: it found nothing, and did not wait until something came.
    fn look(&mut self, reading: Reading, executor: &Executor) -> Poll<Option<P>> {
        match reading {
            Reading::Recv | Reading::Mixed => Poll::Ready(self.receiver.recv().ok()),
            Reading::Iter => Poll::Ready(self.receiver.iter().next()),
            Reading::Async => {
                let mut next = std::pin::pin!(self.receiver.recv_async());
                Poll::Ready(executor.block_on(&mut next))
            }
            Reading::TryRecv => match self.receiver.try_recv() {
                Ok(instruction) => Poll::Ready(Some(instruction)),
                Err(TryRecvError::Empty) => {
                    thread::yield_now();
                    Poll::Pending
                }
                Err(_) => Poll::Ready(None),
            },
            Reading::RecvTimeout => match self.receiver.recv_timeout(Duration::from_micros(500)) {
                Ok(instruction) => Poll::Ready(Some(instruction)),
                Err(RecvTimeoutError::Timeout) => Poll::Pending,
                Err(_) => Poll::Ready(None),
            },
            Reading::Polled { dropped_percent } => {
                let mut next = std::pin::pin!(self.receiver.recv_async());
                loop {
                    let found = executor.poll(&mut next);
                    if found.is_ready() {
                        return found;
                    }
                    if self.random.chance(dropped_percent) {
                        thread::yield_now();
                        return Poll::Pending;
                    }
                    executor.sleep();
                }
            }
        }
    }
}
