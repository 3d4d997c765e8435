//! Promise 3: a machine with an instruction is queued, running, held, or subject to a send in progress; if a machine is
//! queued, some worker is awake or being woken.
//!
//! Lost wake-ups need the right moment, so these tests go to rest and wake up many times.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier};
use std::thread;

use d3::prelude::*;
use d3::{bounded, unbounded};

use crate::support::probe::{Number, Probe, ProbeCmd, Tally, bump, read};
use crate::support::{PATIENCE, rounds, runtime, wait_in};

const ROUNDS: &str = "D3_WAKEUP_ROUNDS";

#[test]
fn a_thread_wakes_a_machine() {
    let runtime = runtime(2);
    let (_, sender) = runtime.connect(Probe(Tally::new()));
    let (reply, answers) = unbounded();
    for round in 0..rounds(ROUNDS, 5_000) as u64 {
        sender.send(ProbeCmd::Echo(round, reply.clone())).unwrap();
        assert_eq!(answers.recv_timeout(PATIENCE), Ok(Number::Is(round)));
    }
    runtime.shutdown(PATIENCE);
}

#[test]
fn a_thread_wakes_workers_that_all_sleep() {
    let runtime = runtime(3);
    let tally = Tally::new();
    let (_, sender) = runtime.connect(Probe(Arc::clone(&tally)));
    for round in 1..=rounds(ROUNDS, 5_000) / 10 {
        runtime
            .wait_idle(PATIENCE)
            .expect("the runtime comes to rest");
        assert_eq!(tally.received(), round - 1, "wait_idle is a barrier");
        sender.send(ProbeCmd::Add(1)).unwrap();
    }
    runtime.shutdown(PATIENCE);
    assert_eq!(tally.received(), rounds(ROUNDS, 5_000) / 10);
}

#[test]
fn bursts_of_threads_wake_a_machine() {
    const THREADS: usize = 4;
    let runtime = runtime(2);
    let tally = Tally::new();
    // Room for one: the threads wait for room, too, and are woken by the machine.
    let (_, sender) = runtime.connect_with_capacity(Probe(Arc::clone(&tally)), 1);
    let rounds = rounds(ROUNDS, 5_000) / 5;
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (sender, barrier) = (sender.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                for _ in 0..rounds {
                    barrier.wait();
                    for _ in 0..=thread {
                        sender.send(ProbeCmd::Add(1)).unwrap();
                    }
                }
            })
        })
        .collect();
    for round in 1..=rounds {
        barrier.wait();
        wait_in(&runtime, "the burst arrives", || {
            tally.received() == round * (1 + 2 + 3 + 4)
        });
    }
    for thread in threads {
        thread.join().unwrap();
    }
    runtime.shutdown(PATIENCE);
}

#[derive(Debug, MachineImpl)]
enum Ball {
    Partner(Sender<Ball>),
    Hit(usize),
}

/// Plays a ball back until it has been hit often enough. Drops its partner then, so that the pair ends.
struct Player {
    partner: Option<Sender<Ball>>,
    hits: Arc<AtomicUsize>,
}

impl MachineMut<Ball> for Player {
    fn receive(&mut self, ball: Ball) {
        match ball {
            Ball::Partner(partner) => self.partner = Some(partner),
            Ball::Hit(left) => {
                bump(&self.hits);
                match &self.partner {
                    Some(partner) if left > 0 => partner.send(Ball::Hit(left - 1)).unwrap(),
                    _ => self.partner = None,
                }
            }
        }
    }
}

#[test]
fn machines_wake_each_other() {
    let hits_each = rounds(ROUNDS, 5_000) * 10;
    let runtime = runtime(2);
    let hits = Arc::<AtomicUsize>::default();
    for _ in 0..3 {
        let player = || Player {
            partner: None,
            hits: Arc::clone(&hits),
        };
        let (ping, pong) = (runtime.connect_mut(player()), runtime.connect_mut(player()));
        ping.send(Ball::Partner(pong.clone())).unwrap();
        pong.send(Ball::Partner(ping.clone())).unwrap();
        ping.send(Ball::Hit(hits_each)).unwrap();
    }
    wait_in(&runtime, "the last ball is hit", || {
        read(&hits) >= 3 * (hits_each + 1)
    });
    runtime.shutdown(PATIENCE);
}

#[test]
fn threads_wake_each_other() {
    let exchanges = rounds(ROUNDS, 5_000) as u64;
    let (ping, pings) = bounded(1);
    let (pong, pongs) = bounded(1);
    let partner = thread::spawn(move || {
        while let Ok(Number::Is(number)) = pings.recv_timeout(PATIENCE) {
            pong.send(Number::Is(number + 1)).unwrap();
        }
    });
    for round in 0..exchanges {
        ping.send(Number::Is(round)).unwrap();
        assert_eq!(pongs.recv_timeout(PATIENCE), Ok(Number::Is(round + 1)));
    }
    drop(ping);
    partner.join().unwrap();
}

/// Sends two for each one it gets, into too small a channel: it is parked for room after nearly every `receive`.
struct Doubler(Sender<Number>);

impl MachineMut<Number> for Doubler {
    fn receive(&mut self, Number::Is(number): Number) {
        for copy in 0..2 {
            self.0.send(Number::Is(2 * number + copy)).unwrap();
        }
    }
}

#[test]
fn room_resumes_a_parked_machine() {
    let runtime = runtime(2);
    let (sender, receiver) = bounded(1);
    let doubler = runtime
        .machine(Doubler(sender))
        .capacity(1)
        .accepts::<Number>()
        .connect();
    let count = rounds(ROUNDS, 5_000) as u64;
    let feeder = thread::spawn(move || {
        for number in 0..count {
            doubler.send(Number::Is(number)).unwrap();
        }
    });
    for due in 0..2 * count {
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Number::Is(due)));
    }
    feeder.join().unwrap();
    runtime.shutdown(PATIENCE);
}

/// Several mailboxes too small for what goes round in them: every machine waits for the next, and the ring must go on.
#[derive(Debug, MachineImpl)]
enum Token {
    Next(Sender<Token>),
    Hops(usize),
}

struct Member {
    next: Option<Sender<Token>>,
    done: Arc<AtomicUsize>,
}

impl MachineMut<Token> for Member {
    fn receive(&mut self, token: Token) {
        match (token, &self.next) {
            (Token::Next(next), _) => self.next = Some(next),
            (Token::Hops(0), _) => bump(&self.done),
            (Token::Hops(left), Some(next)) => next.send(Token::Hops(left - 1)).unwrap(),
            (Token::Hops(_), None) => panic!("the ring is closed before the first token comes"),
        }
    }
}

fn ring_of(members: usize) {
    const TOKENS: usize = 20;
    let hops = rounds(ROUNDS, 5_000) / 10;
    let runtime = runtime(2);
    let done = Arc::<AtomicUsize>::default();
    let ring: Vec<Sender<Token>> = (0..members)
        .map(|_| {
            let member = Member {
                next: None,
                done: Arc::clone(&done),
            };
            runtime
                .machine(member)
                .capacity(1)
                .accepts::<Token>()
                .connect()
        })
        .collect();
    for (index, member) in ring.iter().enumerate() {
        member
            .send(Token::Next(ring[(index + 1) % members].clone()))
            .unwrap();
    }
    for token in 0..TOKENS {
        ring[token % members].send(Token::Hops(hops)).unwrap();
    }
    wait_in(&runtime, "every token has gone round", || {
        read(&done) == TOKENS
    });
    runtime.shutdown(PATIENCE);
}

#[test]
fn a_machine_that_fills_its_own_mailbox_goes_on() {
    ring_of(1);
}

#[test]
fn a_pair_that_fills_each_other_goes_on() {
    ring_of(2);
}

#[test]
fn a_ring_of_full_mailboxes_goes_on() {
    ring_of(5);
}
