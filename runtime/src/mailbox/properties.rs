//! The mailbox against a plain queue: any sequence of steps, on one thread, does what a `VecDeque` with a few flags does.
//!
//! The specification is `Plain` below and knows no word, block or bit. `Subject` is the only part that names the API of the
//! queue.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::{Announce, Bound, Popped, Queue, Refused, Rest, UNBOUNDED, Wake};
use crate::tuning::BLOCK_BYTES;

// ---- the queue, in the words of the specification ----

/// How a push treats the bound.
#[derive(Clone, Copy, Debug)]
enum How {
    /// A thread: refused at the published limit.
    Within,
    /// A machine: taken beyond the limit, up to so many instructions.
    Over(u64),
    /// The consumer itself, which hands over a waiter's instruction: up to the limit that it would publish now.
    HandOver,
}

#[derive(Debug, PartialEq)]
enum Push<P> {
    Taken { wakes: bool, over: bool },
    Full(P),
    Limit(P),
    Closed(P),
}

#[derive(Debug, PartialEq)]
enum Resting {
    Done,
    Busy,
    Waiters,
    Control,
    Closed,
}

#[derive(Debug, PartialEq)]
enum Waits {
    Announced,
    Room,
    Closed,
}

/// The queue under test.
struct Subject<P>(Queue<P>);

impl<P: fmt::Debug> Subject<P> {
    fn new(capacity: u64, idle: bool) -> Self {
        Self(Queue::new(capacity, idle))
    }

    fn push(&self, value: P, how: How) -> Push<P> {
        let bound = match how {
            How::Within => Bound::Capacity,
            How::Over(most) => Bound::Overflow(most),
            How::HandOver => Bound::Below(self.0.next_limit()),
        };
        match self.0.claim(bound) {
            Ok(claim) => {
                let over = claim.over;
                let wakes = claim.write(value) == Wake::Schedule;
                Push::Taken { wakes, over }
            }
            Err(Refused::Full) => Push::Full(value),
            Err(Refused::Limit) => Push::Limit(value),
            Err(Refused::Closed) => Push::Closed(value),
        }
    }

    fn pop(&self) -> Option<P> {
        // SAFETY: one thread, which is the consumer whenever the specification says that somebody is.
        match unsafe { self.0.pop() } {
            Popped::Item(value) => Some(value),
            Popped::Empty => None,
            Popped::Unwritten => panic!("no push is in progress"),
        }
    }

    fn rest(&self) -> Resting {
        // SAFETY: as in `pop`; the step follows a pop that found nothing.
        match unsafe { self.0.rest() } {
            Rest::Rested => Resting::Done,
            Rest::Busy => Resting::Busy,
            Rest::Waiters => Resting::Waiters,
            Rest::Control => Resting::Control,
            Rest::Closed => Resting::Closed,
        }
    }

    fn announce(&self, low_water: Option<u64>) -> Waits {
        let announced = match low_water {
            Some(low_water) => self.0.announce_waiter(low_water),
            None => self.0.announce_waiter_at_limit(),
        };
        match announced {
            Announce::Announced => Waits::Announced,
            Announce::Room => Waits::Room,
            Announce::RoomAfterAll => panic!("nobody made room meanwhile"),
            Announce::Closed => Waits::Closed,
        }
    }

    fn clear_waiters(&self) {
        self.0.clear_waiters();
    }

    /// Whether the caller must schedule the consumer.
    fn close(&self) -> bool {
        self.0.close() == Wake::Schedule
    }

    /// The same; None: closed.
    fn post_control(&self) -> Option<bool> {
        self.0.post_control().map(|wake| wake == Wake::Schedule)
    }

    fn clear_control(&self) {
        self.0.clear_control();
    }

    /// The limit that is published from now on.
    fn publish_limit(&self) -> u64 {
        self.0.publish_limit()
    }

    fn is_stale(&self) -> bool {
        self.0.head() > self.0.stale_at()
    }

    fn len(&self) -> u64 {
        self.0.len()
    }
}

// ---- the specification ----

#[derive(Debug)]
struct Plain {
    items: VecDeque<u64>,
    /// Instructions ever taken out.
    taken: u64,
    capacity: u64,
    /// Published: a thread's instruction is taken while fewer than so many were ever put in.
    limit: u64,
    /// The consumer rests: whoever comes next must schedule it, and only then it may be the consumer again.
    rests: bool,
    closed: bool,
    waited_for: bool,
    control: bool,
}

impl Plain {
    fn new(capacity: u64, rests: bool) -> Self {
        Self {
            items: VecDeque::new(),
            taken: 0,
            capacity,
            limit: capacity,
            rests,
            closed: false,
            waited_for: false,
            control: false,
        }
    }

    fn len(&self) -> u64 {
        self.items.len() as u64
    }

    /// Whether somebody must be scheduled now; there is nobody twice.
    fn wake(&mut self) -> bool {
        std::mem::replace(&mut self.rests, false)
    }

    fn push(&mut self, value: u64, how: How) -> Push<u64> {
        if self.closed {
            return Push::Closed(value);
        }
        let over = self.taken + self.len() >= self.limit;
        match how {
            How::Within if over => return Push::Full(value),
            How::Over(most) if over && self.len() >= most => return Push::Limit(value),
            How::HandOver if over && self.len() >= self.capacity => return Push::Full(value),
            _ => {}
        }
        self.items.push_back(value);
        Push::Taken {
            wakes: self.wake(),
            over,
        }
    }

    fn pop(&mut self) -> Option<u64> {
        let value = self.items.pop_front();
        self.taken += u64::from(value.is_some());
        value
    }

    fn rest(&mut self) -> Resting {
        if !self.items.is_empty() {
            Resting::Busy
        } else if self.closed {
            Resting::Closed
        } else if self.control {
            Resting::Control
        } else if self.waited_for {
            Resting::Waiters
        } else {
            self.publish_limit();
            self.rests = true;
            Resting::Done
        }
    }

    fn announce(&mut self, low_water: Option<u64>) -> Waits {
        let is_full = match low_water {
            Some(low_water) => self.len() > low_water,
            None => self.taken + self.len() >= self.limit,
        };
        if self.closed {
            Waits::Closed
        } else if self.rests || !is_full {
            Waits::Room
        } else {
            self.waited_for = true;
            Waits::Announced
        }
    }

    fn close(&mut self) -> bool {
        self.closed = true;
        self.wake()
    }

    fn post_control(&mut self) -> Option<bool> {
        if self.closed {
            return None;
        }
        self.control = true;
        Some(self.wake())
    }

    fn publish_limit(&mut self) -> u64 {
        self.limit = self.taken + self.capacity;
        self.limit
    }

    fn is_stale(&self) -> bool {
        self.taken + self.capacity - self.limit > self.capacity / 4
    }
}

// ---- the steps ----

#[derive(Clone, Debug)]
enum Step {
    /// So many pushes; what is refused comes back.
    Push(How, usize),
    // Of the consumer, skipped while it rests:
    Pop(usize),
    /// Tried only where the last pop found nothing, as the contract has it; something may have been pushed since.
    Rest,
    /// All of it, and rest: what most activations do.
    Drain,
    PublishLimit,
    ClearControl,
    // Of others:
    Announce(Option<u64>),
    ClearWaiters,
    PostControl,
    Close,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Within),
        4 => (1..300u64).prop_map(How::Over),
        1 => Just(How::HandOver),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly a few; sometimes enough to cross a block of every size.
    let count = || prop_oneof![8 => 1..4usize, 3 => 1..30usize, 1 => 60..200usize];
    prop_oneof![
        60 => (how(), count()).prop_map(|(how, count)| Step::Push(how, count)),
        50 => count().prop_map(Step::Pop),
        20 => Just(Step::Rest),
        20 => Just(Step::Drain),
        15 => Just(Step::PublishLimit),
        8 => Just(Step::ClearControl),
        10 => prop::option::of(0..20u64).prop_map(Step::Announce),
        8 => Just(Step::ClearWaiters),
        8 => Just(Step::PostControl),
        1 => Just(Step::Close),
    ]
}

fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1..40u64, 2 => 40..300u64, 1 => Just(UNBOUNDED)]
}

/// An instruction of any size that knows its number and is counted while it lives.
struct Item<const WORDS: usize> {
    number: u64,
    filler: [u64; WORDS],
    alive: Arc<AtomicUsize>,
}

impl<const WORDS: usize> Item<WORDS> {
    fn new(number: u64, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self {
            number,
            filler: [number; WORDS],
            alive: Arc::clone(alive),
        }
    }

    /// The number, if every word is what was put in.
    fn intact(&self) -> Option<u64> {
        let intact = self.filler.iter().all(|word| *word == self.number);
        intact.then_some(self.number)
    }
}

impl<const WORDS: usize> Drop for Item<WORDS> {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<const WORDS: usize> fmt::Debug for Item<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

/// A push of the subject in the terms of the plain queue: the refused instruction must be the one that was offered.
fn numbered<const WORDS: usize>(push: Push<Item<WORDS>>) -> Push<u64> {
    let number = |item: Item<WORDS>| item.intact().expect("it comes back as it was");
    match push {
        Push::Taken { wakes, over } => Push::Taken { wakes, over },
        Push::Full(back) => Push::Full(number(back)),
        Push::Limit(back) => Push::Limit(number(back)),
        Push::Closed(back) => Push::Closed(number(back)),
    }
}

/// Runs the steps on both, and compares each answer.
fn compare<const WORDS: usize>(
    capacity: u64,
    rests: bool,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let alive = Arc::<AtomicUsize>::default();
    let subject = Subject::<Item<WORDS>>::new(capacity, rests);
    let mut plain = Plain::new(capacity, rests);
    let mut next = 0;
    let mut found_nothing = false;
    let pop = |plain: &mut Plain| -> Result<bool, TestCaseError> {
        let popped = subject.pop();
        let due = plain.pop();
        prop_assert_eq!(popped.as_ref().and_then(Item::intact), due);
        prop_assert_eq!(popped.is_some(), due.is_some(), "a value was torn");
        Ok(due.is_some())
    };
    for step in steps {
        match step {
            Step::Push(how, count) => {
                for _ in 0..*count {
                    let pushed = subject.push(Item::new(next, &alive), *how);
                    prop_assert_eq!(numbered(pushed), plain.push(next, *how), "{:?}", how);
                    next += 1;
                }
            }
            Step::Announce(low_water) => {
                prop_assert_eq!(subject.announce(*low_water), plain.announce(*low_water));
            }
            Step::ClearWaiters => {
                subject.clear_waiters();
                plain.waited_for = false;
            }
            Step::PostControl => prop_assert_eq!(subject.post_control(), plain.post_control()),
            Step::Close => prop_assert_eq!(subject.close(), plain.close()),
            _ if plain.rests => {}
            Step::Pop(count) => {
                for _ in 0..*count {
                    found_nothing = !pop(&mut plain)?;
                }
            }
            Step::Drain => {
                while pop(&mut plain)? {}
                prop_assert_eq!(subject.rest(), plain.rest());
                found_nothing = false;
            }
            Step::Rest if found_nothing => {
                prop_assert_eq!(subject.rest(), plain.rest());
                found_nothing = false;
            }
            Step::Rest => {}
            Step::PublishLimit => {
                prop_assert_eq!(subject.publish_limit(), plain.publish_limit());
            }
            Step::ClearControl => {
                subject.clear_control();
                plain.control = false;
            }
        }
        prop_assert_eq!(subject.len(), plain.len());
        if !plain.rests {
            prop_assert_eq!(subject.is_stale(), plain.is_stale());
        }
        prop_assert_eq!(
            alive.load(Ordering::Relaxed),
            plain.items.len(),
            "alive is what is in the queue, and nothing else"
        );
    }
    drop(subject);
    prop_assert_eq!(
        alive.load(Ordering::Relaxed),
        0,
        "of {} left",
        plain.items.len()
    );
    Ok(())
}

const LARGEST_BLOCK: usize = BLOCK_BYTES[BLOCK_BYTES.len() - 1];

/// Words of an instruction of which only the largest block holds more than two, and of one of which each holds two.
const LARGE: usize = LARGEST_BLOCK / 8 / 5;
const HUGE: usize = LARGEST_BLOCK / 8 + 1;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 256 }))]

    #[test]
    fn small_instructions(
        capacity in capacity(), rests in any::<bool>(), steps in prop::collection::vec(step(), 1..200),
    ) {
        compare::<0>(capacity, rests, &steps)?;
    }

    #[test]
    fn large_instructions(
        capacity in capacity(), rests in any::<bool>(), steps in prop::collection::vec(step(), 1..60),
    ) {
        compare::<LARGE>(capacity, rests, &steps)?;
        compare::<HUGE>(capacity, rests, &steps)?;
    }
}

/// Every length up to a few blocks of the largest size, pushed at once onto a queue at rest: so that each border between two
/// blocks is met by the last push, the last pop, the rest and the drop with something left.
#[test]
fn every_length_over_every_growth_step() {
    // An instruction of two words and its mark take 24 bytes.
    let all_sizes = BLOCK_BYTES.iter().sum::<usize>() / 24;
    let longest = all_sizes + 2 * LARGEST_BLOCK / 24 + 2;
    for length in 1..=longest {
        let burst = Step::Push(How::Within, length);
        for read in [0, length / 2, length - 1, length] {
            let steps = [burst.clone(), Step::Drain, burst.clone(), Step::Pop(read)];
            compare::<1>(UNBOUNDED, true, &steps).expect("as a plain queue");
        }
    }
}
