//! Who takes part in a graph without being a machine: threads and futures that send, threads and futures that read.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use d3::prelude::*;
use d3::{SendTimeoutError, TrySendError};

use super::node::{Books, Carrier, Door, First, Gatekeeper, Token, unpack};
use super::plan::Manner;
use crate::support::futures::{CountingWaker, block_on};

/// One sender's way through its list: the doors, and how many it sent through each.
pub(super) struct Route {
    pub(super) from: u32,
    pub(super) manner: Manner,
    /// (door, budget)
    pub(super) sends: Vec<(usize, u32)>,
    pub(super) doors: Vec<(usize, Door, u32)>,
    pub(super) books: Arc<Books>,
}

impl Route {
    /// Sends everything; a machine that has ended hands back what it was sent.
    pub(super) fn travel(mut self) {
        if self.manner == Manner::Futures {
            return block_on(self.travel_async());
        }
        for (to, budget) in std::mem::take(&mut self.sends) {
            let token = self.token(to, budget);
            let manner = self.manner;
            let sent = match self.door(to) {
                (Door::First(sender), _) => send(sender, manner, token),
                (Door::Second(sender), _) => send(sender, manner, token),
            };
            self.note(to, sent);
        }
    }

    /// The list in two halves, which take turns on one thread.
    async fn travel_async(mut self) {
        let other_doors = self.doors.clone();
        let mut other = Self {
            // Another sender, so that order is not promised between the two.
            from: self.from + 1,
            manner: self.manner,
            sends: self.sends.split_off(self.sends.len() / 2),
            doors: other_doors,
            books: Arc::clone(&self.books),
        };
        let mut both = [
            Some(Box::pin(async move { self.walk_async().await })
                as Pin<Box<dyn Future<Output = ()>>>),
            Some(Box::pin(async move { other.walk_async().await })),
        ];
        poll_fn(|context| {
            for half in &mut both {
                if let Some(future) = half
                    && future.as_mut().poll(context).is_ready()
                {
                    *half = None;
                }
            }
            if both.iter().all(Option::is_none) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    async fn walk_async(&mut self) {
        for (nth, (to, budget)) in std::mem::take(&mut self.sends).into_iter().enumerate() {
            let token = self.token(to, budget);
            let (door, books) = (self.door(to).0.clone(), Arc::clone(&self.books));
            let sent = match &door {
                Door::First(sender) => send_async(sender, nth, token, &books).await,
                Door::Second(sender) => send_async(sender, nth, token, &books).await,
            };
            self.note(to, sent);
        }
    }

    fn door(&mut self, to: usize) -> (&Door, &mut u32) {
        let entry = self.doors.iter_mut().find(|(index, ..)| *index == to);
        let (_, door, sent) = entry.expect("a door for every target of the list");
        (door, sent)
    }

    fn token(&mut self, to: usize, budget: u32) -> Token {
        let seq = *self.door(to).1;
        Token::new(self.from, seq, budget, &self.books)
    }

    fn note(&mut self, to: usize, sent: Result<(), SendError<Token>>) {
        match sent {
            Ok(()) => *self.door(to).1 += 1,
            Err(SendError::Disconnected(back)) => self.books.took_back(back),
            Err(error) => {
                self.books.fault(format!("from outside: {error}"));
                self.books.took_back(error.into_inner());
            }
        }
    }
}

fn send<P: Carrier>(
    sender: &Sender<P>,
    manner: Manner,
    token: Token,
) -> Result<(), SendError<Token>> {
    let mut instruction = P::carry(token);
    if manner == Manner::TryThenWait {
        instruction = match sender.try_send(instruction) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(back)) => back,
            Err(TrySendError::Disconnected(back)) => {
                return Err(SendError::Disconnected(back.token()));
            }
            Err(error) => return Err(SendError::Limit(error.into_inner().token())),
        };
        instruction = match sender.send_timeout(instruction, Duration::from_micros(200)) {
            Ok(()) => return Ok(()),
            Err(SendTimeoutError::Timeout(back)) => back,
            Err(SendTimeoutError::Disconnected(back)) => {
                return Err(SendError::Disconnected(back.token()));
            }
            Err(error) => return Err(SendError::Limit(error.into_inner().token())),
        };
    }
    sender.send(instruction).map_err(unpack)
}

/// Every third future is given up after one poll, if it still waits, and replaced by another.
async fn send_async<P: Carrier>(
    sender: &Sender<P>,
    nth: usize,
    token: Token,
    books: &Books,
) -> Result<(), SendError<Token>> {
    let mut instruction = P::carry(token);
    if nth.is_multiple_of(3) {
        let (_, waker) = CountingWaker::new();
        let mut future = sender.send_async(instruction);
        match pin!(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(sent) => return sent.map_err(unpack),
            Poll::Pending => {}
        }
        instruction = match future.into_inner() {
            Some(back) => back,
            None => return Ok(()),
        };
        books.futures_dropped.fetch_add(1, Ordering::SeqCst);
    }
    sender.send_async(instruction).await.map_err(unpack)
}

/// Reads a receiver to its end, once the gate is open. Where the test has failed the gate is dropped, and with it all this.
pub(super) fn read(
    mut receiver: Receiver<First>,
    mut gatekeeper: Gatekeeper,
    as_future: bool,
    gate: mpsc::Receiver<()>,
) {
    if gate.recv().is_err() {
        return;
    }
    if as_future {
        block_on(async {
            while let Some(instruction) = receiver.recv_async().await {
                gatekeeper.consume(instruction.token(), receiver.len());
            }
        });
    } else {
        while let Ok(instruction) = receiver.recv() {
            gatekeeper.consume(instruction.token(), receiver.len());
        }
    }
}
