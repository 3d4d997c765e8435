//! A channel whose receiver reads a little and then goes away to do something else.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use d3_runtime::{EndReason, MachineImpl, Runtime, Sender, TryRecvError, TrySendError, bounded};

use common::{PATIENCE, runtime, wait_until};

/// Each instruction that is received makes room at once, however large the channel.
#[test]
fn every_slot_counts() {
    let (sender, receiver) = bounded(8);
    for n in 0..8 {
        sender.try_send(n).expect("there is room");
    }
    assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
    for n in 8..30 {
        assert_eq!(receiver.recv(), Ok(n - 8));
        assert!(!sender.is_full());
        sender.try_send(n).expect("there is room again");
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future may move from one task to another between two polls: the last one that polled is woken, once.
#[test]
fn who_polled_last_is_woken() {
    let (sender, mut receiver) = bounded(8);
    let [first, last] = [(); 2].map(|()| Arc::<Woken>::default());
    for woken in [&first, &last, &last] {
        let waker = Arc::clone(woken).into();
        let polled = receiver.poll_recv(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Pending);
    }
    for n in 0..3 {
        sender.send(n).expect("the receiver lives");
    }
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
    assert_eq!(last.0.load(Ordering::Relaxed), 1);
    assert_eq!(receiver.try_iter().count(), 3);
}

/// A thread that waits for room goes on after one receive, with no other to come.
#[test]
fn a_waiting_thread_goes_on_after_one_receive() {
    for _ in 0..200 {
        let (sender, receiver) = bounded(8);
        let thread = std::thread::spawn(move || {
            for n in 0..9 {
                sender.send(n).expect("the receiver lives");
            }
        });
        wait_until("eight are there", || receiver.len() == 8);
        assert_eq!(receiver.recv(), Ok(0));
        thread.join().expect("it does not panic");
        assert_eq!(receiver.try_iter().count(), 8);
    }
}

#[derive(MachineImpl)]
enum Cmd {
    Fill(Sender<u32>, u32),
    Count,
}

fn filler(runtime: &Runtime, counted: &Arc<AtomicUsize>) -> Sender<Cmd> {
    let counted = Arc::clone(counted);
    let (_, sender) = runtime.connect(move |cmd: Cmd| match cmd {
        Cmd::Fill(to, count) => (0..count).for_each(|n| to.send(n).expect("the receiver lives")),
        Cmd::Count => {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    sender
}

/// A machine that filled a channel up to its bound, and not beyond, is not parked: nobody may come to read.
#[test]
fn a_machine_waits_only_where_there_is_no_room() {
    let runtime = runtime(2);
    let (sender, receiver) = bounded(8);
    let counted = Arc::default();
    let machine = filler(&runtime, &counted);
    // Nine are sent, so the ninth notes the receiver; one is read before the machine goes on.
    machine.send(Cmd::Fill(sender, 9)).expect("it lives");
    machine.send(Cmd::Count).expect("it lives");
    wait_until("it has sent", || receiver.len() >= 8);
    assert_eq!((receiver.recv(), receiver.recv()), (Ok(0), Ok(1)));
    wait_until("it goes on", || counted.load(Ordering::Relaxed) == 1);
}

/// Machines that are parked on a channel go on when its last sender is gone and everything was read.
#[test]
fn parked_machines_go_on_when_the_channel_has_no_sender() {
    let runtime = runtime(2);
    let (sender, receiver) = bounded(1);
    let counted = Arc::default();
    let machines: Vec<_> = (0..4).map(|_| filler(&runtime, &counted)).collect();
    for machine in &machines {
        machine
            .send(Cmd::Fill(sender.clone(), 3))
            .expect("it lives");
        machine.send(Cmd::Count).expect("it lives");
    }
    drop(sender);
    assert_eq!(receiver.iter().count(), 12);
    wait_until("all go on", || counted.load(Ordering::Relaxed) == 4);
}

/// More machines than there is room are parked on a channel, and none of them has anything more to send to it: all the same they
/// all go on once the channel was read, though its reader does not come by again.
#[test]
fn a_promise_that_is_not_used_is_passed_on() {
    const CROWD: usize = 20;
    let runtime = runtime(2);
    for capacity in [1, 2, 7] {
        let (sender, receiver) = bounded(capacity);
        let counted = Arc::default();
        let machines: Vec<_> = (0..CROWD).map(|_| filler(&runtime, &counted)).collect();
        let count = capacity as u32 + 1;
        for machine in &machines {
            machine
                .send(Cmd::Fill(sender.clone(), count))
                .expect("it lives");
        }
        wait_until("all are parked", || {
            let machines = runtime.machines();
            machines.iter().filter(|machine| machine.parked).count() == CROWD
        });
        for machine in &machines {
            machine.send(Cmd::Count).expect("it lives");
        }
        for _ in 0..CROWD * (capacity + 1) {
            receiver.recv().expect("so many are there");
        }
        wait_until("all go on", || counted.load(Ordering::Relaxed) == CROWD);
    }
}

/// A thread gets the room that is there, also behind more machines than there is room: what those were waiting to send is in
/// the channel already, and the reader may not come by again.
#[test]
fn a_thread_behind_parked_machines_gets_the_room_that_is_there() {
    let runtime = runtime(2);
    let (sender, receiver) = bounded(2);
    let counted = Arc::default();
    let machines: Vec<_> = (0..2).map(|_| filler(&runtime, &counted)).collect();
    for machine in &machines {
        machine
            .send(Cmd::Fill(sender.clone(), 3))
            .expect("it lives");
    }
    wait_until("both are parked", || {
        runtime
            .machines()
            .iter()
            .filter(|machine| machine.parked)
            .count()
            == 2
    });
    let thread = {
        let sender = sender.clone();
        std::thread::spawn(move || sender.send(9).expect("the receiver lives"))
    };
    for _ in 0..5 {
        receiver.recv().expect("six are there");
    }
    wait_until("the thread has sent", || thread.is_finished());
    assert_eq!(receiver.try_iter().last(), Some(9));
}

/// A channel that is stopped keeps what it has, takes no more, and lets everybody go who waits.
#[test]
fn a_stopped_channel_lets_everybody_go() {
    let (sender, receiver) = bounded(1);
    sender.send(1).expect("there is room");
    let waiting = {
        let sender = sender.clone();
        std::thread::spawn(move || sender.send(2).map_err(|error| error.into_inner()))
    };
    wait_until("the thread waits or has been refused", || sender.is_full());
    sender.handle().stop();
    assert_eq!(receiver.recv(), Ok(1));
    // The thread was waiting, or came too late: refused in both cases.
    let refused = waiting.join().expect("it does not panic");
    assert_eq!(refused, Err(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    drop(receiver);
    assert_eq!(sender.handle().wait(PATIENCE), Ok(EndReason::Stopped));
}

/// The reader of a channel that is stopped may be away for ever: who waits goes on all the same, machines, threads and futures.
#[test]
fn a_stopped_channel_lets_everybody_go_before_its_reader_looks() {
    let runtime = runtime(2);
    let (sender, receiver) = bounded(1);
    let counted = Arc::default();
    let machine = filler(&runtime, &counted);
    machine
        .send(Cmd::Fill(sender.clone(), 2))
        .expect("it lives");
    machine.send(Cmd::Count).expect("it lives");
    wait_until("it is parked", || sender.info().parked == 1);
    let waiting = {
        let sender = sender.clone();
        std::thread::spawn(move || sender.send(2).map_err(|error| error.into_inner()))
    };
    wait_until("a thread waits", || sender.info().waiting == 1);
    sender.handle().stop();
    wait_until("the machine goes on", || {
        counted.load(Ordering::Relaxed) == 1
    });
    wait_until("the thread goes on", || waiting.is_finished());
    assert_eq!(waiting.join().expect("it does not panic"), Err(2));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

/// A channel ends with its receiver: a stop that comes later does not change how it ended.
#[test]
fn how_a_channel_ended_is_final() {
    let (sender, receiver) = bounded::<u32>(1);
    drop(receiver);
    let reason = sender.handle().end_reason();
    assert!(reason.is_some());
    sender.handle().stop();
    assert_eq!(sender.handle().end_reason(), reason);
}

/// Where only threads send, nobody who looks from outside ever sees more than the capacity.
#[test]
fn a_length_that_is_seen_is_within_the_capacity() {
    const ITEMS: u32 = 50_000;
    const CAPACITY: usize = 2;
    let (sender, receiver) = bounded(CAPACITY);
    let watched = sender.clone();
    let done = Arc::<AtomicUsize>::default();
    let producers: Vec<_> = [sender.clone(), sender]
        .map(|sender| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                for n in 0..ITEMS {
                    let mut item = n;
                    while let Err(TrySendError::Full(back)) = sender.try_send(item) {
                        item = back;
                        std::hint::spin_loop();
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
        .into();
    let reader = std::thread::spawn(move || receiver.iter().count());
    let (mut longest, mut looks) = (0, 0_u64);
    while done.load(Ordering::Relaxed) < 2 {
        longest = longest.max(watched.len()).max(watched.info().len);
        looks += 1;
    }
    drop(watched);
    for producer in producers {
        producer.join().expect("it does not panic");
    }
    assert_eq!(reader.join().expect("it reads"), 2 * ITEMS as usize);
    assert!(
        looks > 0 && longest <= CAPACITY,
        "{longest} in {looks} looks"
    );
}
