//! loom models of this folder's protocol, on blocks of two slots.
//!
//! Whoever is told to schedule the consumer runs it at once, on its own thread, as the quickest of all workers would. The
//! consumer's notes lie in a loom cell, so that two consumers at a time, or one that does not see what the last one
//! wrote, are reported. Counting is done with std's atomics, which loom does not see and which therefore order nothing.
//!
//! A consumer that finds a claim unwritten gives way, and gets its next turn when the producers are done. It does not spin:
//! two threads that yield to each other while the third could run make a model endless.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Flag, AtomicUsize as Count, Ordering::Relaxed};

use ::loom::thread;

use super::queue::{Bound, Popped, Queue, Reader, Refused, Rest, UNBOUNDED, Wake};
use super::word;
use crate::sync::{UnsafeCell, model};

/// An instruction that is counted while it exists.
#[derive(Debug)]
struct Item {
    producer: usize,
    number: usize,
    living: Arc<Count>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Relaxed);
    }
}

/// What only the consumer touches.
#[derive(Default)]
struct Notes {
    received: Vec<(usize, usize)>,
    control_served: usize,
    ended: bool,
}

struct Mailbox {
    queue: Queue<Item>,
    notes: UnsafeCell<Notes>,
    living: Arc<Count>,
    rests: Count,
    schedules: Count,
    accepted: Count,
    /// The consumer has its token and gave way.
    again: Flag,
    unwritten: Count,
}

/// What one look of the consumer came to.
#[derive(PartialEq, Eq)]
enum Look {
    Received,
    Unwritten,
    Empty,
}

// SAFETY: the notes are for the consumer alone, and loom checks that.
unsafe impl Sync for Mailbox {}
// SAFETY: as above.
unsafe impl Send for Mailbox {}

impl Mailbox {
    fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(capacity, false),
            notes: UnsafeCell::new(Notes::default()),
            living: Arc::default(),
            rests: Count::new(0),
            schedules: Count::new(0),
            accepted: Count::new(0),
            again: Flag::new(false),
            unwritten: Count::new(0),
        })
    }

    fn push(&self, producer: usize, number: usize, bound: Bound) -> bool {
        self.living.fetch_add(1, Relaxed);
        let item = Item {
            producer,
            number,
            living: Arc::clone(&self.living),
        };
        match self.queue.claim(bound) {
            Ok(claim) => {
                let wake = claim.write(item);
                self.accepted.fetch_add(1, Relaxed);
                self.owe(wake);
                true
            }
            Err(Refused::Full | Refused::Limit | Refused::Closed) => false,
        }
    }

    fn owe(&self, wake: Wake) {
        if wake == Wake::Schedule {
            self.schedules.fetch_add(1, Relaxed);
            self.consume();
        }
    }

    fn note<R>(&self, note: impl FnOnce(&mut Notes) -> R) -> R {
        // SAFETY: called by the consumer only, as loom checks.
        self.notes.with_mut(|notes| note(unsafe { &mut *notes }))
    }

    /// One look of the consumer, which keeps its place as an activation does until it found nothing.
    fn pop<'a>(&'a self, place: &mut Option<Reader<'a, Item, ()>>) -> Look {
        // SAFETY: the caller holds the token, as loom checks by `note`.
        let reader = place.get_or_insert_with(|| unsafe { self.queue.reader() });
        // SAFETY: as above.
        let popped = match unsafe { reader.take() } {
            Some(item) => Popped::Item(item),
            None if reader.is_at_end() => Popped::Empty,
            None => Popped::Unwritten,
        };
        if !matches!(popped, Popped::Item(_)) {
            *place = None;
        }
        match popped {
            Popped::Item(item) => {
                self.note(|notes| notes.received.push((item.producer, item.number)));
                Look::Received
            }
            Popped::Unwritten => {
                self.unwritten.fetch_add(1, Relaxed);
                Look::Unwritten
            }
            Popped::Empty => Look::Empty,
        }
    }

    /// Waits for the producers, then lets the consumer have the turns that it gave away.
    fn finish(&self, producers: impl IntoIterator<Item = thread::JoinHandle<()>>) {
        for producer in producers {
            producer.join().unwrap();
        }
        while self.again.swap(false, Relaxed) {
            self.consume();
        }
    }

    /// The consumer's loop: until it rests, gives way or has ended.
    fn consume(&self) {
        self.note(|notes| assert!(!notes.ended, "scheduled after its end"));
        let mut place = None;
        loop {
            if self.queue.tail().has(word::CONTROL) {
                self.queue.clear_control();
                self.note(|notes| notes.control_served += 1);
            }
            match self.pop(&mut place) {
                Look::Received => continue,
                Look::Unwritten => {
                    self.again.store(true, Relaxed);
                    return;
                }
                Look::Empty => {}
            }
            // Counted before: after it another consumer may run.
            self.rests.fetch_add(1, Relaxed);
            // SAFETY: as above, and the mailbox was found empty.
            match unsafe { self.queue.rest() } {
                Rest::Rested => return,
                Rest::Closed => {
                    self.note(|notes| notes.ended = true);
                    return;
                }
                Rest::Busy | Rest::Control => {}
                Rest::Waiters => unreachable!("nobody waits here"),
            }
            self.rests.fetch_sub(1, Relaxed);
        }
    }

    /// Everything that was accepted arrived once, in order per producer; the token is where it should be.
    fn assert_all_received(&self) {
        self.note(|notes| {
            assert_eq!(
                notes.received.len(),
                self.accepted.load(Relaxed),
                "{:?}",
                notes.received
            );
            for producer in 0..4 {
                let numbers: Vec<_> = notes
                    .received
                    .iter()
                    .filter(|item| item.0 == producer)
                    .map(|item| item.1)
                    .collect();
                assert!(
                    numbers.is_sorted_by(|a, b| a < b),
                    "out of order: {numbers:?}"
                );
            }
            assert_eq!(self.queue.tail().has(word::IDLE), !notes.ended);
            // The consumer began awake: each schedule but the first token came from one rest, and the last one stands.
            assert_eq!(self.rests.load(Relaxed), self.schedules.load(Relaxed) + 1);
        });
        assert_eq!(self.living.load(Relaxed), 0, "an instruction was leaked");
    }
}

fn spawn(mailbox: &Arc<Mailbox>, work: impl FnOnce(&Mailbox) + 'static) -> thread::JoinHandle<()> {
    let mailbox = Arc::clone(mailbox);
    thread::spawn(move || work(&mailbox))
}

const OVER: Bound = Bound::Overflow(UNBOUNDED);

/// Two producers and a consumer that rests: three instructions on blocks of two slots.
#[test]
fn model_push_pop_rest() {
    model("mailbox/push_pop_rest", Some(2), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, OVER);
        let a = spawn(&mailbox, |mailbox| assert!(mailbox.push(1, 0, OVER)));
        let b = spawn(&mailbox, |mailbox| assert!(mailbox.push(2, 0, OVER)));
        mailbox.consume();
        mailbox.finish([a, b]);
        mailbox.assert_all_received();
    });
}

/// One producer, whose push installs the second block, and a consumer that rests and gives both back: smaller than the one above, and exhaustive.
#[test]
fn model_push_rest_and_reclaim() {
    model("mailbox/push_rest_and_reclaim", None, || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, OVER);
        mailbox.push(0, 1, OVER);
        let a = spawn(&mailbox, |mailbox| assert!(mailbox.push(0, 2, OVER)));
        mailbox.consume();
        mailbox.finish([a]);
        mailbox.assert_all_received();
    });
}

/// One producer, order across a block border, and a consumer that frees the first block behind it.
#[test]
fn model_border() {
    model("mailbox/border", Some(3), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, OVER);
        let a = spawn(&mailbox, |mailbox| {
            for number in 1..4 {
                assert!(mailbox.push(0, number, OVER));
            }
        });
        mailbox.consume();
        mailbox.finish([a]);
        mailbox.assert_all_received();
    });
}

/// Two producers at a border: one installs the block, the other waits for LOCK or keeps its spare.
#[test]
fn model_two_at_the_border() {
    model("mailbox/two_at_the_border", Some(2), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, Bound::Capacity);
        mailbox.push(0, 1, Bound::Capacity);
        let a = spawn(&mailbox, |mailbox| {
            assert!(mailbox.push(1, 0, Bound::Capacity))
        });
        let b = spawn(&mailbox, |mailbox| {
            assert!(mailbox.push(2, 0, Bound::Capacity))
        });
        mailbox.consume();
        mailbox.finish([a, b]);
        mailbox.assert_all_received();
    });
}

/// BARE: a control post wakes the consumer, which rests again, while a producer holds an old word.
#[test]
fn model_control_and_old_word() {
    model("mailbox/control_and_old_word", Some(3), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, OVER);
        let a = spawn(&mailbox, |mailbox| assert!(mailbox.push(0, 1, OVER)));
        let b = spawn(&mailbox, |mailbox| {
            let wake = mailbox.queue.post_control().expect("not closed");
            mailbox.owe(wake);
        });
        mailbox.consume();
        mailbox.finish([a, b]);
        mailbox.note(|notes| assert_eq!(notes.control_served, 1));
        mailbox.assert_all_received();
    });
}

/// Two first pushes after a rest: one installs the block, and writes its value when the word is unlocked already; the other keeps nothing.
#[test]
fn model_two_bare_pushes() {
    model("mailbox/two_bare_pushes", None, || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.consume();
        let producer = spawn(&mailbox, |mailbox| assert!(mailbox.push(0, 0, OVER)));
        assert!(mailbox.push(1, 0, OVER));
        mailbox.finish([producer]);
        mailbox.assert_all_received();
    });
}

/// The same while a control post wakes the consumer: BARE without IDLE, and a consumer that may rest again between the looks and claims.
#[test]
fn model_two_bare_pushes_and_post() {
    model("mailbox/two_bare_pushes_and_post", Some(1), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.consume();
        let producer = spawn(&mailbox, |mailbox| assert!(mailbox.push(0, 0, OVER)));
        let poster = spawn(&mailbox, |mailbox| {
            let wake = mailbox.queue.post_control().expect("not closed");
            mailbox.owe(wake);
        });
        assert!(mailbox.push(1, 0, OVER));
        mailbox.finish([producer, poster]);
        mailbox.note(|notes| assert_eq!(notes.control_served, 1));
        mailbox.assert_all_received();
    });
}

/// The last sender closes behind another one's push, while the consumer rests: nothing lost, one end.
#[test]
fn model_close_by_last_sender() {
    model("mailbox/close_by_last_sender", Some(2), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        let senders = Arc::new(crate::sync::AtomicUsize::new(2));
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let senders = Arc::clone(&senders);
                spawn(&mailbox, move |mailbox| {
                    assert!(mailbox.push(producer, 0, OVER), "closed too early");
                    if senders.fetch_sub(1, crate::sync::Ordering::AcqRel) == 1 {
                        mailbox.owe(mailbox.queue.close());
                    }
                })
            })
            .collect();
        mailbox.consume();
        mailbox.finish(producers);
        mailbox.note(|notes| assert!(notes.ended));
        mailbox.assert_all_received();
    });
}

/// A stop closes at any moment: what was accepted arrives, what was refused came back, the consumer ends once.
#[test]
fn model_close_at_any_moment() {
    model("mailbox/close_at_any_moment", Some(3), || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, OVER);
        let a = spawn(&mailbox, |mailbox| {
            mailbox.push(0, 1, OVER);
            mailbox.push(0, 2, OVER);
        });
        let b = spawn(&mailbox, |mailbox| mailbox.owe(mailbox.queue.close()));
        mailbox.consume();
        mailbox.finish([a, b]);
        mailbox.note(|notes| assert!(notes.ended));
        mailbox.assert_all_received();
    });
}

/// Capacity 1: never two in the mailbox, and the room that the consumer makes is found.
#[test]
fn model_bound() {
    model("mailbox/bound", Some(2), || {
        let mailbox = Mailbox::new(1);
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                spawn(&mailbox, move |mailbox| {
                    mailbox.push(producer, 0, Bound::Capacity);
                })
            })
            .collect();
        loop {
            assert!(mailbox.queue.len() <= 1, "over its capacity");
            if mailbox.pop(&mut None) != Look::Received {
                break;
            }
            mailbox.queue.publish_limit();
        }
        mailbox.consume();
        mailbox.finish(producers);
        assert!(mailbox.accepted.load(Relaxed) >= 1);
        assert!(
            mailbox.push(3, 0, Bound::Capacity),
            "at rest, so there is room"
        );
        mailbox.assert_all_received();
    });
}

/// The same, with the overflow of a machine next to a bounded producer: `end` and `limit` move while both push.
#[test]
fn model_bound_and_overflow() {
    model("mailbox/bound_and_overflow", Some(2), || {
        let mailbox = Mailbox::new(1);
        mailbox.push(0, 0, Bound::Capacity);
        let a = spawn(&mailbox, |mailbox| {
            assert!(mailbox.push(1, 0, OVER));
        });
        let b = spawn(&mailbox, |mailbox| {
            mailbox.push(2, 0, Bound::Capacity);
        });
        mailbox.consume();
        mailbox.finish([a, b]);
        assert!(
            mailbox.push(3, 0, Bound::Capacity),
            "at rest, so there is room"
        );
        mailbox.assert_all_received();
    });
}

/// An end finds slots that are claimed and not written, comes again, and only then gives the storage up.
#[test]
fn model_end_with_claims_in_flight() {
    static UNWRITTEN: Count = Count::new(0);
    model("mailbox/end_with_claims_in_flight", None, || {
        let mailbox = Mailbox::new(UNBOUNDED);
        mailbox.push(0, 0, OVER);
        let a = spawn(&mailbox, |mailbox| {
            mailbox.push(1, 0, OVER);
        });
        let b = spawn(&mailbox, |mailbox| {
            mailbox.push(2, 0, OVER);
        });
        // The consumer ends, as a machine does: closed first, then drained.
        let _ = mailbox.queue.close();
        let mut place = None;
        while mailbox.pop(&mut place) == Look::Received {}
        mailbox.finish([a, b]);
        let mut place = None;
        while mailbox.pop(&mut place) == Look::Received {}
        assert_eq!(mailbox.queue.len(), 0);
        mailbox.note(|notes| assert_eq!(notes.received.len(), mailbox.accepted.load(Relaxed)));
        assert_eq!(mailbox.schedules.load(Relaxed), 0);
        assert_eq!(mailbox.living.load(Relaxed), 0, "an instruction was leaked");
        UNWRITTEN.fetch_add(mailbox.unwritten.load(Relaxed), Relaxed);
    });
    assert_ne!(
        UNWRITTEN.load(Relaxed),
        0,
        "no schedule had a claim in flight"
    );
}
