//! The hard limit: beyond it a machine's `send` hands the instruction back, so that a ring that multiplies what it gets ends in
//! errors and not in exhausted memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use d3::prelude::*;

use crate::support::probe::{Gate, bump, read};
use crate::support::{PATIENCE, wait_in};

/// Counts how many instructions exist, and the most that ever did.
#[derive(Debug, Default)]
struct Census {
    alive: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Debug)]
struct Counted(Arc<Census>);

impl Counted {
    fn new(census: &Arc<Census>) -> Self {
        let alive = census.alive.fetch_add(1, Ordering::SeqCst) + 1;
        census.most.fetch_max(alive, Ordering::SeqCst);
        Self(Arc::clone(census))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, MachineImpl)]
enum Rumour {
    Next(Sender<Rumour>),
    Heard(#[allow(dead_code, reason = "it counts itself")] Counted),
}

/// What all members of a ring write down.
#[derive(Default)]
struct Notes {
    census: Arc<Census>,
    silent: AtomicBool,
    received: AtomicUsize,
    sent: AtomicUsize,
    at_limit: AtomicUsize,
    longest: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

/// Tells everything twice.
struct Gossip {
    next: Option<Sender<Rumour>>,
    notes: Arc<Notes>,
}

impl MachineMut<Rumour> for Gossip {
    fn receive(&mut self, rumour: Rumour) {
        let next = match (rumour, &self.next) {
            (Rumour::Next(next), _) => {
                self.next = Some(next);
                return;
            }
            (Rumour::Heard(_), Some(next)) => next,
            (Rumour::Heard(_), None) => panic!("the ring is closed before the first rumour"),
        };
        let notes = &self.notes;
        bump(&notes.received);
        let me = this_machine::sender::<Rumour>().expect("inside");
        let length = me.upgrade().expect("the ring holds a sender").len();
        notes.longest.fetch_max(length, Ordering::SeqCst);
        if notes.silent.load(Ordering::SeqCst) {
            return;
        }
        for _ in 0..2 {
            match next.send(Rumour::Heard(Counted::new(&notes.census))) {
                Ok(()) => bump(&notes.sent),
                Err(SendError::Limit(Rumour::Heard(_))) => bump(&notes.at_limit),
                Err(error) => notes.wrong.lock().unwrap().push(error.to_string()),
            }
        }
    }
}

fn a_ring_that_doubles(members: usize) {
    const CAPACITY: usize = 4;
    const MULTIPLE: usize = 8;
    let runtime = Runtime::builder()
        .workers(2)
        .hard_limit(MULTIPLE)
        .build()
        .unwrap();
    let notes = Arc::<Notes>::default();
    let ring: Vec<Sender<Rumour>> = (0..members)
        .map(|_| {
            let gossip = Gossip {
                next: None,
                notes: Arc::clone(&notes),
            };
            let machine = runtime.machine(gossip).capacity(CAPACITY);
            machine.accepts::<Rumour>().connect()
        })
        .collect();
    for (index, member) in ring.iter().enumerate() {
        let next = ring[(index + 1) % members].clone();
        member.send(Rumour::Next(next)).unwrap();
    }
    ring[0]
        .send(Rumour::Heard(Counted::new(&notes.census)))
        .unwrap();

    // It never ends by itself: it lives on, at its limit.
    wait_in(&runtime, "a thousand instructions come back", || {
        read(&notes.at_limit) >= 1_000
    });
    notes.silent.store(true, Ordering::SeqCst);
    wait_in(&runtime, "the ring falls silent", || {
        notes.census.alive.load(Ordering::SeqCst) == 0
    });
    runtime.wait_idle(PATIENCE).unwrap();

    assert_eq!(*notes.wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(read(&notes.received), read(&notes.sent) + 1, "none is lost");
    let limit = CAPACITY * MULTIPLE;
    assert!(read(&notes.longest) <= limit, "{}", read(&notes.longest));
    assert!(
        read(&notes.longest) > CAPACITY,
        "a ring that gives way goes beyond its capacity"
    );
    // Memory: what the mailboxes hold, and per member one in hand and one on its way.
    let most = read(&notes.census.most);
    assert!(most <= members * (limit + 2), "{most} at once");
    let total = runtime.stats().total();
    assert!(
        total.ring_breaks > 0 && total.panics == 0 && total.dropped == 0,
        "{total:?}"
    );

    // The ring is none the worse for it.
    let before = read(&notes.received);
    for member in &ring {
        member
            .send(Rumour::Heard(Counted::new(&notes.census)))
            .unwrap();
    }
    wait_in(&runtime, "every member lives", || {
        read(&notes.received) == before + members
    });
    let end = runtime.shutdown(PATIENCE);
    assert!(end.is_clean(), "{end}");
}

#[test]
fn a_machine_that_doubles_to_itself_meets_its_limit() {
    a_ring_that_doubles(1);
}

#[test]
fn a_pair_that_doubles_meets_its_limit() {
    a_ring_that_doubles(2);
}

#[test]
fn a_ring_of_five_that_doubles_meets_its_limit() {
    a_ring_that_doubles(5);
}

#[derive(MachineImpl)]
enum Order {
    Hold(Arc<Gate>),
    Number(usize),
}

#[derive(MachineImpl)]
enum Pour {
    Out(usize),
}

/// Up to the limit a machine's `send` keeps the instruction, beyond it the instruction comes back: at once, and the very same.
#[test]
fn beyond_the_limit_the_instruction_comes_back() {
    const CAPACITY: usize = 3;
    for multiple in [1, 2, 5] {
        let runtime = Runtime::builder()
            .workers(2)
            .hard_limit(multiple)
            .build()
            .unwrap();
        let gate = Gate::new();
        let numbers = Arc::<Mutex<Vec<usize>>>::default();
        let (_, slow) = {
            let numbers = Arc::clone(&numbers);
            runtime.connect_with_capacity(
                move |order: Order| match order {
                    Order::Hold(gate) => gate.pass(),
                    Order::Number(number) => numbers.lock().unwrap().push(number),
                },
                CAPACITY,
            )
        };
        slow.send(Order::Hold(Arc::clone(&gate))).unwrap();
        wait_in(&runtime, "the slow one is busy", || gate.came() == 1);

        let (answer, answers) = std::sync::mpsc::channel();
        let (_, source) = {
            let slow = slow.clone();
            runtime.connect(move |Pour::Out(count): Pour| {
                let results: Vec<_> = (0..count)
                    .map(|number| slow.send(Order::Number(number)))
                    .collect();
                answer.send(results).expect("the test waits for it");
            })
        };
        let limit = CAPACITY * multiple;
        source.send(Pour::Out(limit + 4)).unwrap();
        let results = answers.recv_timeout(PATIENCE).expect("a send never waits");
        for (number, result) in results.into_iter().enumerate() {
            match result {
                Ok(()) => assert!(number < limit, "{number} of {limit}"),
                Err(SendError::Limit(Order::Number(back))) => {
                    assert!(back == number && number >= limit, "{number} of {limit}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(slow.len(), limit);
        // The other doors do not even come that far.
        assert!(matches!(
            slow.try_send(Order::Number(0)),
            Err(TrySendError::Full(Order::Number(0)))
        ));

        gate.open();
        wait_in(&runtime, "what was kept arrives", || {
            numbers.lock().unwrap().len() == limit
        });
        assert!(numbers.lock().unwrap().iter().copied().eq(0..limit));
        let end = runtime.shutdown(PATIENCE);
        assert!(end.is_clean(), "{end}");
    }
}

/// A channel has a hard limit of its own, whatever the runtime of who sends to it says.
#[test]
fn a_channel_has_its_own_limit() {
    const CAPACITY: usize = 3;
    for multiple in [1, 4] {
        let runtime = Runtime::builder()
            .workers(1)
            .hard_limit(1_000)
            .build()
            .unwrap();
        let (full, unread) = Receiver::builder()
            .capacity(CAPACITY)
            .hard_limit(multiple)
            .build()
            .unwrap();
        let (answer, answers) = std::sync::mpsc::channel();
        let (_, source) = runtime.connect(move |Pour::Out(count): Pour| {
            let taken = (0..count)
                .take_while(|number| match full.send(*number) {
                    Ok(()) => true,
                    Err(SendError::Limit(back)) => back != *number,
                    Err(error) => panic!("{error}"),
                })
                .count();
            answer.send(taken).expect("the test waits for it");
        });
        source.send(Pour::Out(1_000)).unwrap();
        let taken = answers.recv_timeout(PATIENCE).expect("a send never waits");
        assert_eq!(taken, CAPACITY * multiple);
        assert!(unread.try_iter().eq(0..taken), "none is lost");
        let end = runtime.shutdown(PATIENCE);
        assert!(end.is_clean(), "{end}");
    }
}
