//! A reader that finds its channel empty, while machines are parked on it: more of them than it has room for, and one that was promised room and has not
//! had its turn.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use common::{PATIENCE, runtime, wait_until};
use d3_runtime::{
    MachineImpl, MachineMut, Receiver, Runtime, Sender, WeakSender, bounded, this_machine,
};

#[derive(MachineImpl)]
enum Do {
    Send(u32),
    /// Stays until this is set, as in a long `receive`.
    Stay(Arc<AtomicBool>, Arc<AtomicBool>),
}

struct Member(Sender<u32>);

impl MachineMut<Do> for Member {
    fn receive(&mut self, instruction: Do) {
        match instruction {
            Do::Send(n) => self.0.send(n).expect("read"),
            Do::Stay(reached, open) => {
                reached.store(true, SeqCst);
                while !open.load(SeqCst) {
                    std::thread::yield_now();
                }
            }
        }
    }
}

/// Two machines parked on a channel for one; the channel holds three.
fn two_parked(runtime: &Runtime) -> (Receiver<u32>, [Sender<Do>; 2]) {
    let (out, receiver) = bounded(1);
    let members = [0, 1].map(|_| {
        runtime
            .machine(Member(out.clone()))
            .accepts::<Do>()
            .capacity(16)
            .connect()
    });
    members[0].send(Do::Send(0)).unwrap();
    wait_until("first", || receiver.len() == 1);
    members[0].send(Do::Send(1)).unwrap();
    wait_until("second", || receiver.len() == 2);
    runtime.wait_idle(PATIENCE).unwrap();
    members[1].send(Do::Send(2)).unwrap();
    wait_until("third", || receiver.len() == 3);
    runtime.wait_idle(PATIENCE).unwrap();
    (receiver, members)
}

/// Runs `read` on a thread of its own while the promised machine is inside a long `receive`; None: it did not return before that ended.
fn read_beside_a_long_receive<R: Send + 'static>(
    receiver: Receiver<u32>,
    promised: &Sender<Do>,
    read: impl FnOnce(Receiver<u32>) -> R + Send + 'static,
) -> Option<R> {
    let (reached, open): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
    promised
        .send(Do::Stay(Arc::clone(&reached), Arc::clone(&open)))
        .unwrap();
    for n in 0..3 {
        assert_eq!(receiver.try_recv(), Ok(n));
    }
    wait_until("the machine that was promised room is busy", || {
        reached.load(SeqCst)
    });
    let reader = std::thread::spawn(move || read(receiver));
    let begun = Instant::now();
    while !reader.is_finished() && begun.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    let in_time = reader.is_finished();
    open.store(true, SeqCst);
    let found = reader.join().unwrap();
    in_time.then_some(found)
}

#[test]
fn a_poll_of_an_empty_channel_returns() {
    let runtime = runtime(2);
    let (receiver, members) = two_parked(&runtime);
    let polled = read_beside_a_long_receive(receiver, &members[0], |mut receiver| {
        let mut context = Context::from_waker(Waker::noop());
        receiver.poll_recv(&mut context)
    });
    assert_eq!(polled, Some(Poll::Pending));
}

#[test]
fn who_waits_before_an_empty_channel_that_is_read_goes_on() {
    let runtime = runtime(2);
    let (receiver, members) = two_parked(&runtime);
    members[1].send(Do::Send(3)).unwrap();
    let read = read_beside_a_long_receive(receiver, &members[0], |receiver| {
        receiver.recv_timeout(PATIENCE)
    });
    assert_eq!(read, Some(Ok(3)));
}

/// A machine that drives a future: what any executor on top of machines does.
#[derive(MachineImpl)]
enum Drive {
    Poll,
}

struct Driver {
    receiver: Receiver<u32>,
    read: Arc<AtomicUsize>,
    waker: Option<Waker>,
}

struct Again(WeakSender<Drive>);

impl std::task::Wake for Again {
    fn wake(self: Arc<Self>) {
        if let Some(me) = self.0.upgrade() {
            let _ = me.send(Drive::Poll);
        }
    }
}

impl MachineMut<Drive> for Driver {
    fn connected(&mut self, _: uuid::Uuid) {
        self.waker = Some(Arc::new(Again(this_machine::sender().expect("in a machine"))).into());
    }
    fn receive(&mut self, Drive::Poll: Drive) {
        let waker = self.waker.clone().expect("connected");
        let mut context = Context::from_waker(&waker);
        while let Poll::Ready(Some(_)) = self.receiver.poll_recv(&mut context) {
            self.read.fetch_add(1, SeqCst);
        }
    }
}

/// With one worker, which the machine that polls and those that are parked share.
#[test]
fn a_machine_that_polls_an_empty_channel_gives_way() {
    let runtime = runtime(1);
    let (receiver, members) = two_parked(&runtime);
    let read = Arc::<AtomicUsize>::default();
    let driver = runtime
        .machine(Driver {
            receiver,
            read: Arc::clone(&read),
            waker: None,
        })
        .accepts::<Drive>()
        .connect();
    driver.send(Drive::Poll).unwrap();
    wait_until("all is read", || read.load(SeqCst) == 3);
    runtime.wait_idle(PATIENCE).expect("nobody polls any more");
    drop(members);
}
