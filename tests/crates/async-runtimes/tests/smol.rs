//! d3's futures on smol: on its thread, and on an executor with two.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_runtimes::*;
use smol::future::FutureExt;
use smol::stream::StreamExt;
use smol::{Executor, Timer, block_on, channel};

/// Runs it to its end, and not for ever.
async fn in_time<T>(scenario: impl Future<Output = T>) -> T {
    let late = async {
        Timer::after(PATIENCE).await;
        panic!("it does not end in time")
    };
    scenario.or(late).await
}

/// Runs a future on an executor with two threads.
fn on_two_threads<T>(executor: &Executor<'_>, scenario: impl Future<Output = T>) -> T {
    let (ends, ended) = channel::bounded::<()>(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| block_on(executor.run(ended.recv())));
        }
        let output = block_on(in_time(scenario));
        drop(ends);
        output
    })
}

#[test]
fn a_task_reads_from_a_receiver_that_a_machine_fills() {
    block_on(in_time(a_machine_into_a_full_receiver()));
    let executor = Executor::new();
    on_two_threads(&executor, executor.spawn(a_machine_into_a_full_receiver()));
}

#[test]
fn machines_and_tasks_in_a_chain() {
    block_on(in_time(a_chain_of_both_kinds()));
    let executor = Executor::new();
    on_two_threads(&executor, executor.spawn(a_chain_of_both_kinds()));
}

#[test]
fn tasks_send_to_a_machine_with_a_small_mailbox() {
    const TASKS: usize = 8;
    const EACH: u64 = 200;
    let runtime = runtime();
    let (to, sink) = sink(&runtime, TASKS);
    let executor = Executor::new();
    on_two_threads(&executor, async {
        let tasks: Vec<_> = (0..TASKS as u64)
            .map(|task| executor.spawn(send_numbers(to.clone(), task, EACH)))
            .collect();
        for task in tasks {
            task.await;
        }
    });
    drop(to);
    check(&runtime, &sink, TASKS as u64 * EACH);
}

/// A receiver is a stream, with all that smol has for streams.
#[test]
fn a_receiver_is_a_stream() {
    let (sender, receiver) = d3::bounded(1);
    let executor = Executor::new();
    let sum = on_two_threads(&executor, async {
        let feeder = executor.spawn(send_numbers(sender, 0, 101));
        let sum = receiver
            .map(|Number::Is(number)| number)
            .fold(0, |sum, number| sum + number);
        let sum = sum.await;
        feeder.await;
        sum
    });
    assert_eq!(sum, 5050);
}

/// A send that is given up after a time: the future that loses the race is dropped, and with it the instruction.
#[test]
fn a_send_with_a_timeout() {
    let runtime = runtime();
    let Stuck {
        release,
        sender,
        received,
        filled,
    } = stuck(&runtime);
    block_on(in_time(async {
        let in_vain = async {
            Timer::after(Duration::from_millis(20)).await;
            None
        };
        let sent = async { Some(sender.send_async(Number::Is(1)).await) };
        assert!(sent.or(in_vain).await.is_none(), "the mailbox is full");
        drop(release);
        // The next finds room, without anybody's help.
        sender.send_async(Number::Is(2)).await.expect("it lives");
    }));
    wait_until("what was sent is received", || {
        received.load(Ordering::SeqCst) > filled
    });
    runtime.wait_idle(PATIENCE).expect("nothing is left to do");
    // Those that filled it, and the last; not the one that was given up.
    assert_eq!(received.load(Ordering::SeqCst), filled + 1);
    runtime.shutdown(PATIENCE);
}

/// A task that is dropped while it waits for room takes nobody's place.
#[test]
fn a_dropped_task_leaves_the_line() {
    let runtime = runtime();
    let Stuck {
        release, sender, ..
    } = stuck(&runtime);
    let executor = Executor::new();
    on_two_threads(&executor, async {
        let waiting = executor.spawn(send_numbers(sender.clone(), 0, 1));
        let behind = executor.spawn(send_numbers(sender.clone(), 0, 1));
        smol::future::yield_now().await;
        assert_eq!(waiting.cancel().await, None);
        drop(release);
        behind.await;
    });
    runtime.shutdown(PATIENCE);
}
