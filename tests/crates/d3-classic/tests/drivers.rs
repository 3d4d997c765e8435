//! The drivers at their full size, ten times over, on the process-wide runtime that d3 0.1.3 knew.
//!
//! All tests share that runtime, so they take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use d3::core::executor;
use d3_classic::{ChaosMonkey, DaisyChain, Driver, FanoutFanin};

/// A running server that nobody else uses. Stopped when it is dropped, also by a failing test.
struct Server(#[expect(dead_code, reason = "held for its lock")] MutexGuard<'static, ()>);

impl Server {
    fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        executor::set_executor_count(2);
        executor::set_default_channel_capacity(500);
        executor::start_server();
        Self(turn)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        executor::stop_server();
    }
}

/// Five servers, on each of which the same machines carry two loads.
fn ten_times<D: Driver>(driver: impl Fn() -> D) {
    for _ in 0..5 {
        let server = Server::start();
        assert_eq!(executor::get_machine_count(), 0);
        let mut driver = driver();
        driver.setup();
        driver.run();
        driver.run();
        driver.teardown();
        drop(server);
    }
}

#[test]
fn daisy_chain() {
    ten_times(DaisyChain::default);
}

#[test]
fn daisy_chain_unbounded() {
    ten_times(|| {
        let mut driver = DaisyChain::default();
        driver.machine_count = 400;
        driver.bound_queue = false;
        driver
    });
}

#[test]
fn daisy_chain_with_multiplier() {
    ten_times(|| {
        let mut driver = DaisyChain::default();
        driver.machine_count = 7;
        driver.message_count = 5;
        driver.multiplier = 4;
        driver
    });
}

#[test]
fn fanout_fanin_with_full_mailboxes() {
    ten_times(FanoutFanin::default);
}

#[test]
fn chaos_monkey() {
    ten_times(ChaosMonkey::default);
}

#[test]
fn chaos_monkey_in_a_crowd() {
    // Far more tokens than room: every machine is full most of the time, and rings form all the time.
    ten_times(|| {
        let mut driver = ChaosMonkey::default();
        driver.machine_count = 20;
        driver
    });
}
