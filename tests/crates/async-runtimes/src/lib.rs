#![forbid(unsafe_code)]
//! d3's futures under other people's executors: what `tests/tokio.rs` and `tests/smol.rs` both run.
//!
//! Each scenario is a future that knows nothing of the executor it runs on. What needs the executor's own timer or `spawn` stands in the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use d3::prelude::*;

/// How long anything may take. Generous: a slow machine is no fault, a hang is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the machines here understand.
#[derive(Debug, PartialEq, Eq, MachineImpl)]
pub enum Number {
    /// A number.
    Is(u64),
}

/// A runtime with two workers.
pub fn runtime() -> Runtime {
    Runtime::builder()
        .workers(2)
        .build()
        .expect("two threads can be had")
}

/// Waits until a condition holds that another thread brings about; gives way to nobody, so it is for a few moments only.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn shut_down(runtime: &Runtime) {
    let report = runtime.shutdown(PATIENCE);
    assert!(report.is_clean(), "{report}");
}

/// Sends three for each number it gets.
struct Tripler(Sender<Number>);

impl MachineMut<Number> for Tripler {
    fn receive(&mut self, Number::Is(number): Number) {
        for copy in 0..3 {
            let sent = self.0.send(Number::Is(3 * number + copy));
            sent.expect("the receiver lives");
        }
    }
}

/// A machine sends more into a [`Receiver`] than it holds: it is parked, and each time resumed by a task that reads.
pub async fn a_machine_into_a_full_receiver() {
    const COUNT: u64 = 200;
    let runtime = runtime();
    let (sender, mut receiver) = bounded(2);
    let tripler = runtime.machine(Tripler(sender)).capacity(4).accepts();
    let tripler = tripler.connect();
    tripler.send(Number::Is(0)).expect("it lives");
    wait_until("the machine is parked on the receiver", || {
        let machines = runtime.machines();
        machines
            .iter()
            .any(|machine| machine.waits_for == Some(receiver.id()))
    });
    let feeder = std::thread::spawn(move || {
        for number in 1..COUNT {
            tripler.send(Number::Is(number)).expect("it lives");
        }
    });
    for due in 0..3 * COUNT {
        assert_eq!(next(&mut receiver).await, Some(Number::Is(due)));
        assert!(receiver.len() <= 2 + 3, "one receive beyond its capacity");
    }
    assert_eq!(next(&mut receiver).await, None, "the machine has ended");
    feeder.join().expect("it does not panic");
    assert!(runtime.stats().total().parks > 0);
    shut_down(&runtime);
}

/// What came in from several tasks: how many, and whether each one's numbers came in order.
#[derive(Debug, Default)]
pub struct Sink {
    /// Numbers received.
    pub received: AtomicUsize,
    /// Numbers that came out of order.
    pub out_of_order: AtomicUsize,
    /// Instructions found in the mailbox beyond its capacity.
    pub over_capacity: AtomicUsize,
}

struct Checks {
    sink: Arc<Sink>,
    next: Vec<u64>,
}

/// Numbers of one task are this far from those of the next.
pub const TASK: u64 = 1_000_000;

impl MachineMut<Number> for Checks {
    fn receive(&mut self, Number::Is(number): Number) {
        let next = &mut self.next[(number / TASK) as usize];
        if *next != number % TASK {
            self.sink.out_of_order.fetch_add(1, Ordering::SeqCst);
        }
        *next = number % TASK + 1;
        let me = this_machine::sender::<Number>().expect("inside").upgrade();
        if me.is_some_and(|me| me.is_full() && Some(me.len()) > me.capacity()) {
            self.sink.over_capacity.fetch_add(1, Ordering::SeqCst);
        }
        self.sink.received.fetch_add(1, Ordering::SeqCst);
    }
}

/// A machine with a small mailbox, that `tasks` tasks will send to.
pub fn sink(runtime: &Runtime, tasks: usize) -> (Sender<Number>, Arc<Sink>) {
    let sink = Arc::<Sink>::default();
    let checks = Checks {
        sink: Arc::clone(&sink),
        next: vec![0; tasks],
    };
    (
        runtime.machine(checks).capacity(2).accepts().connect(),
        sink,
    )
}

/// One of several tasks: sends `count` numbers, each when there is room.
pub async fn send_numbers(to: Sender<Number>, task: u64, count: u64) {
    for number in 0..count {
        let sent = to.send_async(Number::Is(task * TASK + number)).await;
        sent.expect("the machine lives");
    }
}

/// All that the tasks sent is there.
pub fn check(runtime: &Runtime, sink: &Sink, count: u64) {
    wait_until("all that was sent is received", || {
        sink.received.load(Ordering::SeqCst) as u64 == count
    });
    assert_eq!(sink.out_of_order.load(Ordering::SeqCst), 0);
    assert_eq!(sink.over_capacity.load(Ordering::SeqCst), 0);
    shut_down(runtime);
}

/// A machine that is inside its `receive`, behind a mailbox that is full.
pub struct Stuck {
    /// Dropped, it lets the machine go on.
    pub release: std::sync::mpsc::Sender<()>,
    /// The way into the full mailbox.
    pub sender: Sender<Number>,
    /// How many instructions the machine is done with.
    pub received: Arc<AtomicUsize>,
    /// How many it was sent.
    pub filled: usize,
}

/// Makes a machine wait inside its `receive`, and fills its mailbox.
pub fn stuck(runtime: &Runtime) -> Stuck {
    struct Waits {
        released: std::sync::mpsc::Receiver<()>,
        entered: Arc<AtomicUsize>,
        received: Arc<AtomicUsize>,
    }
    impl MachineMut<Number> for Waits {
        fn receive(&mut self, _: Number) {
            self.entered.fetch_add(1, Ordering::SeqCst);
            // Nothing is ever sent: it ends when the other side is dropped.
            let _ = self.released.recv_timeout(2 * PATIENCE);
            self.received.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (release, released) = std::sync::mpsc::channel();
    let (entered, received) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let waits = Waits {
        released,
        entered: Arc::clone(&entered),
        received: Arc::clone(&received),
    };
    let sender = runtime.machine(waits).capacity(2).accepts().connect();
    let mut filled = 0;
    while sender.try_send(Number::Is(0)).is_ok() {
        filled += 1;
        wait_until("the machine has begun", || {
            entered.load(Ordering::SeqCst) > 0
        });
    }
    Stuck {
        release,
        sender,
        received,
        filled,
    }
}

/// Machine → receiver → task → machine of another runtime → receiver → task, all of it bounded, to the last number.
pub async fn a_chain_of_both_kinds() {
    const COUNT: u64 = 300;
    let (here, there) = (runtime(), runtime());
    let (to_task, mut numbers) = bounded(1);
    let (to_end, mut end) = bounded(1);
    let first = here.machine(Tripler(to_task)).capacity(1).accepts();
    let second = there.machine(Tripler(to_end)).capacity(1).accepts();
    let (first, second) = (first.connect(), second.connect());
    let feeder = std::thread::spawn(move || {
        for number in 0..COUNT {
            first.send(Number::Is(number)).expect("it lives");
        }
    });
    // Both halves of the task in one future, so that each waits only while the other can go on.
    let pass_on = async move {
        while let Some(number) = next(&mut numbers).await {
            second.send_async(number).await.expect("it lives");
        }
    };
    let read = async {
        let mut due = 0;
        while let Some(Number::Is(number)) = next(&mut end).await {
            assert_eq!(number, due);
            due += 1;
        }
        due
    };
    let (_, count) = both(pass_on, read).await;
    assert_eq!(count, 9 * COUNT);
    feeder.join().expect("it does not panic");
    shut_down(&here);
    shut_down(&there);
}

/// What comes next, as a future that may move between threads with its task.
async fn next(receiver: &mut Receiver<Number>) -> Option<Number> {
    receiver.recv_async().await
}

/// Two futures side by side on one task.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    use std::task::Poll;
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut a_is, mut b_is) = (None, None);
    std::future::poll_fn(move |context| {
        if a_is.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            a_is = Some(output);
        }
        if b_is.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            b_is = Some(output);
        }
        match (a_is.take(), b_is.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_is, b_is) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
