//! d3's futures on tokio, with several worker threads and with one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_runtimes::*;
use tokio::runtime::{Builder, Runtime};
use tokio::time;

/// Both kinds of tokio's runtimes.
fn flavours() -> [Runtime; 2] {
    [
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build(),
        Builder::new_current_thread().enable_time().build(),
    ]
    .map(|built| built.expect("threads can be had"))
}

/// Runs it to its end, and not for ever.
fn run(tokio: &Runtime, scenario: impl Future<Output = ()>) {
    tokio.block_on(async {
        let ended = time::timeout(PATIENCE, scenario).await;
        ended.expect("it ends in time");
    });
}

#[test]
fn a_task_reads_from_a_receiver_that_a_machine_fills() {
    for tokio in flavours() {
        run(&tokio, a_machine_into_a_full_receiver());
    }
}

#[test]
fn machines_and_tasks_in_a_chain() {
    for tokio in flavours() {
        // As a task that tokio may move between its threads.
        run(&tokio, async {
            let task = tokio::spawn(a_chain_of_both_kinds());
            task.await.expect("it does not panic");
        });
    }
}

#[test]
fn tasks_send_to_a_machine_with_a_small_mailbox() {
    const TASKS: usize = 8;
    const EACH: u64 = 200;
    for tokio in flavours() {
        let runtime = runtime();
        let (to, sink) = sink(&runtime, TASKS);
        run(&tokio, async {
            let tasks: Vec<_> = (0..TASKS as u64)
                .map(|task| tokio::spawn(send_numbers(to.clone(), task, EACH)))
                .collect();
            for task in tasks {
                task.await.expect("no task panics");
            }
        });
        drop(to);
        check(&runtime, &sink, TASKS as u64 * EACH);
    }
}

/// A send that is given up after a time: tokio drops the future, and with it the instruction.
#[test]
fn a_send_with_a_timeout() {
    for tokio in flavours() {
        let runtime = runtime();
        let Stuck {
            release,
            sender,
            received,
            filled,
        } = stuck(&runtime);
        run(&tokio, async {
            let short = Duration::from_millis(20);
            let sent = time::timeout(short, sender.send_async(Number::Is(1))).await;
            assert!(sent.is_err(), "the mailbox is full");
            drop(release);
            // The next finds room, without anybody's help.
            sender.send_async(Number::Is(2)).await.expect("it lives");
        });
        wait_until("what was sent is received", || {
            received.load(Ordering::SeqCst) > filled
        });
        runtime.wait_idle(PATIENCE).expect("nothing is left to do");
        // Those that filled it, and the last; not the one that was given up.
        assert_eq!(received.load(Ordering::SeqCst), filled + 1);
        runtime.shutdown(PATIENCE);
    }
}

/// A task that is aborted while it waits for room takes nobody's place.
#[test]
fn an_aborted_task_leaves_the_line() {
    for tokio in flavours() {
        let runtime = runtime();
        let Stuck {
            release, sender, ..
        } = stuck(&runtime);
        run(&tokio, async {
            let waiting = tokio::spawn(send_numbers(sender.clone(), 0, 1));
            let behind = tokio::spawn(send_numbers(sender.clone(), 0, 1));
            tokio::task::yield_now().await;
            waiting.abort();
            assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
            drop(release);
            behind.await.expect("the one behind it gets through");
        });
        runtime.shutdown(PATIENCE);
    }
}

/// A thread that is no task feeds a task.
#[test]
fn a_task_reads_what_a_thread_sends() {
    for tokio in flavours() {
        let (sender, mut receiver) = d3::bounded(2);
        let thread = std::thread::spawn(move || {
            for number in 0..500 {
                sender.send(Number::Is(number)).expect("the task reads");
            }
        });
        run(&tokio, async {
            for due in 0..500 {
                assert_eq!(receiver.recv_async().await, Some(Number::Is(due)));
            }
            assert_eq!(receiver.recv_async().await, None);
        });
        thread.join().expect("it does not panic");
    }
}

/// `Ended` is a future, too.
#[test]
fn a_task_waits_for_the_end_of_a_machine() {
    for tokio in flavours() {
        let runtime = runtime();
        let Stuck {
            release, sender, ..
        } = stuck(&runtime);
        let handle = sender.handle();
        run(&tokio, async {
            let ended = tokio::spawn(handle.ended());
            handle.stop();
            drop(release);
            let reason = ended.await.expect("no task panics");
            assert_eq!(reason, d3::EndReason::Stopped);
        });
        runtime.shutdown(PATIENCE);
    }
}
