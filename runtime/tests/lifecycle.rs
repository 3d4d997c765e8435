//! Ends: their reasons, who waits for them, and what is left behind.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use d3_runtime::{
    CoreStatsMessage, EndReason, Machine, MachineImpl, Runtime, WaitError, this_machine,
};

use common::{PATIENCE, runtime, wait_until};

#[derive(MachineImpl)]
enum A {
    Stop,
    Fail,
    Nothing,
}

#[derive(MachineImpl)]
enum B {}

struct Fragile;
impl Machine<A> for Fragile {
    fn receive(&self, cmd: A) {
        match cmd {
            A::Stop => this_machine::stop().expect("inside"),
            A::Fail => this_machine::fail("on purpose").expect("inside"),
            A::Nothing => {}
        }
    }

    fn disconnected(&self) {
        std::panic::resume_unwind(Box::new("in the hook"));
    }
}
impl Machine<B> for Fragile {
    fn receive(&self, cmd: B) {
        match cmd {}
    }
}

/// A panic in `disconnected` says more than the reason of the end in which it came, and ends the value's other mailboxes.
#[test]
fn a_panic_in_the_last_hook_counts() {
    for last in [None, Some(A::Stop), Some(A::Fail)] {
        let runtime = runtime(2);
        let (value, a) = runtime.connect::<_, A>(Fragile);
        let b = runtime.and_connect::<_, B>(&value);
        let (a_handle, b_handle) = (a.handle(), b.handle());
        if let Some(last) = last {
            a.send(last).expect("it lives");
        }
        drop(a);
        assert_eq!(
            a_handle.wait(PATIENCE),
            Ok(EndReason::Panicked("in the hook".into()))
        );
        assert_eq!(b_handle.wait(PATIENCE), Ok(EndReason::PartnerFailed));
    }
}

/// A stop that comes after the end changes nothing.
#[test]
fn the_reason_of_an_end_is_final() {
    let runtime = runtime(1);
    let (_, sender) = runtime.connect(|_: A| ());
    let handle = sender.handle();
    drop(sender);
    assert_eq!(handle.wait(PATIENCE), Ok(EndReason::NoSenders));
    handle.stop();
    assert_eq!(handle.end_reason(), Some(EndReason::NoSenders));
}

/// Whoever waits and gives up leaves nothing behind; whoever stays hears of the end.
#[test]
fn waiting_for_an_end_again_and_again() {
    let runtime = runtime(1);
    let (_, sender) = runtime.connect(|_: A| ());
    let handle = sender.handle();
    // Quadratic, and so endless, if each left its waker behind.
    for _ in 0..200_000 {
        assert_eq!(handle.wait(Duration::ZERO), Err(WaitError::Timeout));
    }
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            std::thread::spawn(move || handle.wait(PATIENCE))
        })
        .collect();
    sender.send(A::Nothing).expect("it lives");
    drop(sender);
    for thread in waiting {
        assert_eq!(
            thread.join().expect("it does not panic"),
            Ok(EndReason::NoSenders)
        );
    }
}

/// A thread in `wait_idle` returns when another one shuts the runtime down.
#[test]
fn wait_idle_ends_with_the_runtime() {
    let runtime = runtime(1);
    let (entered, is_inside) = channel();
    let (release, may_go) = channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let (_, sender) = runtime.connect(move |_: A| {
        let _ = entered.send(());
        let _ = may_go.lock().expect("one machine").recv();
    });
    sender.send(A::Nothing).expect("it lives");
    is_inside.recv().expect("it runs");
    let waiting = {
        let runtime = runtime.clone();
        std::thread::spawn(move || runtime.wait_idle(Duration::MAX))
    };
    let ending = {
        let runtime = runtime.clone();
        std::thread::spawn(move || runtime.shutdown(Duration::from_millis(1)))
    };
    wait_until("the shutdown has begun", || runtime.is_shut_down());
    drop(release);
    ending.join().expect("it does not panic");
    assert_eq!(waiting.join().expect("it does not panic"), Ok(()));
}

struct CountsDrop(Arc<AtomicUsize>);
impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A receiver of statistics that is a machine of the same runtime does not keep the runtime's memory.
#[test]
fn observers_go_with_their_runtime() {
    let drops = Arc::<AtomicUsize>::default();
    {
        let runtime = runtime(1);
        let cargo = CountsDrop(Arc::clone(&drops));
        let (machine, sender) = runtime.connect(move |_: CoreStatsMessage| {
            let _ = &cargo;
        });
        drop(machine);
        let weak = sender.downgrade();
        runtime.add_core_stats_sender(sender);
        runtime.publish_core_stats();
        runtime.shutdown(PATIENCE);
        assert!(weak.upgrade().is_none(), "the runtime let go of the sender");
    }
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[derive(MachineImpl)]
enum Last {
    Drop(Runtime),
}

/// The last handle that is dropped inside a machine ends every machine, and the one that ends last sends the workers home.
#[test]
fn the_last_handle_inside_a_machine() {
    for _ in 0..100 {
        let ended = Arc::<AtomicUsize>::default();
        let runtime = runtime(2);
        let others: Vec<_> = (0..20)
            .map(|_| {
                let cargo = CountsDrop(Arc::clone(&ended));
                runtime
                    .connect(move |_: A| {
                        let _ = &cargo;
                    })
                    .1
            })
            .collect();
        let (_, sender) = runtime.connect(|Last::Drop(runtime): Last| drop(runtime));
        let weak = sender.downgrade();
        sender.send(Last::Drop(runtime)).expect("it lives");
        // Sends race with the end: each is taken or handed back, and every machine ends.
        for other in &others {
            let _ = other.send(A::Nothing);
        }
        wait_until("all have ended", || ended.load(Ordering::Relaxed) == 20);
        drop((sender, weak));
    }
}

/// The second instruction ends a stretch; what is left behind it is dropped all the same.
#[test]
fn a_panic_with_the_last_instruction_of_a_stretch() {
    let runtime = runtime(1);
    let (sender, handle) = {
        let (machine, sender) = runtime.connect(|cmd: A| {
            if let A::Fail = cmd {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        });
        drop(machine);
        let handle = sender.handle();
        (sender, handle)
    };
    runtime.wait_idle(PATIENCE).expect("it is connected");
    // The only worker is busy meanwhile, so that all four are read in one activation.
    let (entered, inside) = channel();
    let (open, gate) = channel::<()>();
    let (entered, gate) = (std::sync::Mutex::new(entered), std::sync::Mutex::new(gate));
    let (_, holder) = runtime.connect(move |_: A| {
        entered
            .lock()
            .expect("one at a time")
            .send(())
            .expect("the test waits");
        let opened = gate.lock().expect("one at a time").recv_timeout(PATIENCE);
        opened.expect("the test opens it");
    });
    holder.send(A::Nothing).expect("it lives");
    inside.recv_timeout(PATIENCE).expect("it runs");
    for cmd in [A::Nothing, A::Fail, A::Nothing, A::Nothing] {
        sender.send(cmd).expect("it lives");
    }
    open.send(()).expect("it waits");
    assert!(matches!(handle.wait(PATIENCE), Ok(EndReason::Panicked(_))));
    assert_eq!(runtime.stats().total().dropped, 2);
}
