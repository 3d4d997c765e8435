//! Machines that send to each other through the mailboxes of both sets: such rings go on, however full they are.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use d3::prelude::*;
use d3::{MachineMut, Runtime};

use crate::support::probe::{bump, read};
use crate::support::{PATIENCE, runtime, wait_in};

#[derive(MachineImpl)]
enum Left {
    Wire(Sender<Right>),
    /// How many times it is answered yet.
    Ball(u64),
}

#[derive(MachineImpl)]
enum Right {
    Wire(Sender<Left>),
    Ball(u64),
}

/// Answers each ball of one set by balls of the other, to the other player.
struct Player {
    left: Option<Sender<Left>>,
    right: Option<Sender<Right>>,
    /// With how many balls it answers one.
    answers: usize,
    received: Arc<AtomicUsize>,
}

impl Player {
    fn connect(
        runtime: &Runtime,
        capacity: usize,
        answers: usize,
        received: &Arc<AtomicUsize>,
    ) -> (Sender<Left>, Sender<Right>) {
        let player = Self {
            left: None,
            right: None,
            answers,
            received: Arc::clone(received),
        };
        runtime
            .machine(player)
            .capacity(capacity)
            .accepts::<Left>()
            .accepts::<Right>()
            .connect()
    }

    fn play<I: MachineImpl>(&self, to: &Option<Sender<I>>, ball: fn(u64) -> I, hops: u64) {
        bump(&self.received);
        if let Some(left) = hops.checked_sub(1) {
            let to = to.as_ref().expect("wired");
            for _ in 0..self.answers {
                to.send(ball(left)).expect("it lives");
            }
        }
    }
}

impl MachineMut<Left> for Player {
    fn receive(&mut self, instruction: Left) {
        match instruction {
            Left::Wire(right) => self.right = Some(right),
            Left::Ball(hops) => self.play(&self.right, Right::Ball, hops),
        }
    }
}

impl MachineMut<Right> for Player {
    fn receive(&mut self, instruction: Right) {
        match instruction {
            Right::Wire(left) => self.left = Some(left),
            Right::Ball(hops) => self.play(&self.left, Left::Ball, hops),
        }
    }
}

/// Two players that play with each other, and how many balls they have received.
struct Game {
    left: Sender<Left>,
    right: Sender<Right>,
    other_left: Sender<Left>,
    other_right: Sender<Right>,
    received: Arc<AtomicUsize>,
}

impl Game {
    fn new(runtime: &Runtime, capacity: usize, answers: usize) -> Self {
        let received = Arc::default();
        let (left, right) = Player::connect(runtime, capacity, answers, &received);
        let (other_left, other_right) = Player::connect(runtime, capacity, answers, &received);
        left.send(Left::Wire(other_right.clone())).expect("lives");
        right.send(Right::Wire(other_left.clone())).expect("lives");
        other_left.send(Left::Wire(right.clone())).expect("lives");
        other_right.send(Right::Wire(left.clone())).expect("lives");
        Self {
            left,
            right,
            other_left,
            other_right,
            received,
        }
    }

    fn wait_for(&self, runtime: &Runtime, balls: usize) {
        wait_in(runtime, "every ball arrives", || {
            read(&self.received) == balls
        });
    }

    /// They hold each other's senders: only a stop ends them.
    fn stop(self, runtime: &Runtime) {
        self.left.handle().stop();
        self.other_left.handle().stop();
        wait_in(runtime, "both end", || runtime.machine_count() == 0);
    }
}

/// Two machines, each parked on the other's mailbox of another set than it was sent to: the ring leads through both mailboxes
/// of both, and somebody gives way.
#[test]
fn a_ring_through_two_sets_of_two_machines_goes_on() {
    const HOPS: u64 = 12;
    let runtime = runtime(4);
    let game = Game::new(&runtime, 1, 2);
    let mut sent = 0;
    while runtime.stats().total().ring_breaks == 0 {
        game.left.send(Left::Ball(HOPS)).expect("it lives");
        game.other_right.send(Right::Ball(HOPS)).expect("it lives");
        sent += 2 * ((1 << (HOPS + 1)) - 1);
        game.wait_for(&runtime, sent);
    }
    runtime.wait_idle(PATIENCE).expect("all rest");
    assert!(!runtime.machines().iter().any(|machine| machine.parked));
    game.stop(&runtime);
}

/// A machine that fills its own other mailbox is a ring of one.
#[test]
fn a_machine_that_fills_its_own_other_mailbox_goes_on() {
    let runtime = runtime(2);
    let received = Arc::default();
    let (left, right) = Player::connect(&runtime, 1, 2, &received);
    left.send(Left::Wire(right.clone())).expect("it lives");
    right.send(Right::Wire(left.clone())).expect("it lives");
    left.send(Left::Ball(8)).expect("it lives");
    wait_in(&runtime, "every ball arrives", || {
        read(&received) == (1 << 9) - 1
    });
    assert!(runtime.stats().total().ring_breaks > 0);
    left.handle().stop();
    wait_in(&runtime, "it ends", || runtime.machine_count() == 0);
}

/// Two machines that answer each other at once, by turns at one mailbox and at the other: each lingers while it waits for its ball.
#[test]
fn a_machine_that_lingers_is_fed_at_each_of_its_mailboxes() {
    const HOPS: u64 = 20_000;
    for workers in [1, 2] {
        let runtime = runtime(workers);
        // Far more than there are balls: nobody ever waits for room.
        let game = Game::new(&runtime, 250, 1);
        game.left.send(Left::Ball(HOPS)).expect("it lives");
        game.right.send(Right::Ball(HOPS)).expect("it lives");
        game.wait_for(&runtime, 2 * (HOPS as usize + 1));
        // One of them lingers still, or rests: a stop finds both.
        game.stop(&runtime);
    }
}
