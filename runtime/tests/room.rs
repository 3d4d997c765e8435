//! When room is made known: to those who wait, and to those who do not.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use d3_runtime::{InstructionSet, MachineImpl, MachineMut, Runtime, Sender, WeakSender, bounded};

use common::{PATIENCE, info_of, runtime};

fn holds_in_time(condition: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Opens when the test says so, or panics.
#[derive(Default)]
struct Gate {
    reached: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    fn pass(&self) {
        self.reached.store(true, SeqCst);
        while !self.open.load(SeqCst) {
            std::thread::yield_now();
        }
    }
}

struct OpenAtLast(Vec<Arc<Gate>>);

impl Drop for OpenAtLast {
    fn drop(&mut self) {
        self.0.iter().for_each(|gate| gate.open.store(true, SeqCst));
    }
}

fn connect_mut<T: MachineMut<P> + 'static, P: InstructionSet>(
    runtime: &Runtime,
    machine: T,
    capacity: usize,
) -> Sender<P> {
    runtime
        .machine(machine)
        .accepts::<P>()
        .capacity(capacity)
        .connect()
}

#[derive(MachineImpl)]
enum ToSink {
    Nothing,
    Pass(Arc<Gate>),
    /// Fills this, so that the sink is parked.
    Park(Sender<()>),
}

struct Sink;

impl MachineMut<ToSink> for Sink {
    fn receive(&mut self, instruction: ToSink) {
        match instruction {
            ToSink::Nothing => {}
            ToSink::Pass(gate) => gate.pass(),
            ToSink::Park(out) => {
                for _ in 0..=out.capacity().expect("it is bounded") {
                    out.send(()).expect("its reader lives");
                }
            }
        }
    }
}

#[derive(MachineImpl)]
enum ToMember {
    Send(ToSink),
    SendTwo,
    /// All at once, in one `receive` that lasts until the gate is opened.
    SendAll(Vec<ToSink>, Arc<Gate>),
    /// So many at once; and what these end with, after the last of all bursts.
    Burst(usize, Arc<Mutex<Ending>>),
    Mark,
    /// The first of all that come here passes.
    MarkAndPassFirst(Arc<Gate>),
}

/// The bursts that are still to come, and what the last of them ends with.
struct Ending {
    left: usize,
    with: Vec<ToSink>,
}

struct Member {
    sink: Sender<ToSink>,
    marks: Arc<AtomicUsize>,
}

impl MachineMut<ToMember> for Member {
    fn receive(&mut self, instruction: ToMember) {
        match instruction {
            ToMember::Send(what) => self.sink.send(what).expect("the sink lives"),
            ToMember::SendAll(all, gate) => {
                for what in all {
                    self.sink.send(what).expect("the sink lives");
                }
                gate.pass();
            }
            ToMember::SendTwo => {
                for _ in 0..2 {
                    self.sink.send(ToSink::Nothing).expect("the sink lives");
                }
            }
            ToMember::Burst(count, ending) => {
                for _ in 0..count {
                    self.sink.send(ToSink::Nothing).expect("the sink lives");
                }
                let mut ending = ending.lock().unwrap();
                ending.left -= 1;
                if ending.left == 0 {
                    for what in ending.with.drain(..) {
                        self.sink.send(what).expect("the sink lives");
                    }
                }
            }
            ToMember::Mark => {
                self.marks.fetch_add(1, SeqCst);
            }
            ToMember::MarkAndPassFirst(gate) => {
                if self.marks.fetch_add(1, SeqCst) == 0 {
                    gate.pass();
                }
            }
        }
    }
}

/// Machines that were parked have room for all of them, and a worker that is idle; but the receiver has gone into a long `receive` after it had let go
/// of one or two.
#[test]
fn room_before_a_long_receive_is_for_all_who_wait() {
    const CAPACITY: usize = 64;
    const MEMBERS: usize = 20;
    let runtime = runtime(2);
    let (first, second) = (Arc::<Gate>::default(), Arc::<Gate>::default());
    let _open = OpenAtLast(vec![Arc::clone(&first), Arc::clone(&second)]);
    let sink = connect_mut(&runtime, Sink, CAPACITY);
    sink.send(ToSink::Pass(Arc::clone(&first))).unwrap();
    assert!(holds_in_time(|| first.reached.load(SeqCst)));
    while sink.try_send(ToSink::Nothing).is_ok() {}

    let marks = Arc::<AtomicUsize>::default();
    let members: Vec<_> = (0..=MEMBERS)
        .map(|_| {
            runtime.connect_mut(Member {
                sink: sink.clone(),
                marks: Arc::clone(&marks),
            })
        })
        .collect();
    for (number, member) in members.iter().enumerate() {
        let what = if number == MEMBERS {
            ToSink::Pass(Arc::clone(&second))
        } else {
            ToSink::Nothing
        };
        member.send(ToMember::Send(what)).unwrap();
        assert!(holds_in_time(|| sink.info().parked == number + 1));
        member.send(ToMember::Mark).unwrap();
    }

    first.open.store(true, SeqCst);
    assert!(holds_in_time(|| second.reached.load(SeqCst)));
    // The sink's mailbox is empty now, and one worker has nothing to do.
    assert_eq!(sink.len(), 0);
    let all = holds_in_time(|| marks.load(SeqCst) == members.len());
    assert!(
        all,
        "{} of {} go on, {} are parked on a mailbox that is empty",
        marks.load(SeqCst),
        members.len(),
        sink.info().parked
    );
}

/// Members that came back again and again, so that their receiver lets them go one at a time. It is in a long `receive` and its mailbox empty; one of them was
/// resumed for the room, and all have something left to do but nothing to send.
struct CameBack {
    /// Before the runtime goes, which waits for its machines.
    _open: OpenAtLast,
    runtime: Runtime,
    sink: Sender<ToSink>,
    members: Vec<Sender<ToMember>>,
    marks: Arc<AtomicUsize>,
    /// Opens one worker, where the member that was resumed is run.
    held: Arc<Gate>,
    /// Ends the long `receive`.
    long: Arc<Gate>,
    /// Lets the first member go on that was resumed.
    first: Arc<Gate>,
}

impl CameBack {
    const MEMBERS: usize = 20;

    /// The first of them stays in a long `receive` too where `first_stays`; and what the sink receives after its own.
    fn new(first_stays: bool, then: Option<ToSink>) -> Self {
        Self::with_capacity(64, first_stays, then)
    }

    fn with_capacity(capacity: usize, first_stays: bool, then: Option<ToSink>) -> Self {
        const BURSTS: usize = 8;
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let [begin, held, long, first] = [(); 4].map(|()| Arc::<Gate>::default());
        let open = OpenAtLast([&begin, &held, &long, &first].map(Arc::clone).into());
        let sink = connect_mut(&runtime, Sink, capacity);
        sink.send(ToSink::Pass(Arc::clone(&begin))).unwrap();
        assert!(holds_in_time(|| begin.reached.load(SeqCst)));
        let marks = Arc::<AtomicUsize>::default();
        let ending = Arc::new(Mutex::new(Ending {
            left: Self::MEMBERS * BURSTS,
            with: [ToSink::Pass(Arc::clone(&long))]
                .into_iter()
                .chain(then)
                .collect(),
        }));
        let members: Vec<_> = (0..Self::MEMBERS)
            .map(|_| {
                let member = runtime.connect_mut(Member {
                    sink: sink.clone(),
                    marks: Arc::clone(&marks),
                });
                for _ in 0..BURSTS {
                    let burst = ToMember::Burst(capacity + 1, Arc::clone(&ending));
                    member.send(burst).unwrap();
                }
                let last = if first_stays {
                    ToMember::MarkAndPassFirst(Arc::clone(&first))
                } else {
                    ToMember::Mark
                };
                member.send(last).unwrap();
                member
            })
            .collect();
        assert!(holds_in_time(|| sink.info().parked == Self::MEMBERS));
        // One worker is held until the sink is in its long `receive`: so far the other does all in turn.
        let holder = connect_mut(&runtime, Sink, 1);
        holder.send(ToSink::Pass(Arc::clone(&held))).unwrap();
        assert!(holds_in_time(|| held.reached.load(SeqCst)));
        begin.open.store(true, SeqCst);
        assert!(holds_in_time(|| long.reached.load(SeqCst)));
        assert!(sink.len() <= 1);
        Self {
            _open: open,
            runtime,
            sink,
            members,
            marks,
            held,
            long,
            first,
        }
    }

    /// The first that was resumed is inside a long `receive`, and the sink's is over.
    fn let_the_first_stay(&self) {
        self.held.open.store(true, SeqCst);
        assert!(holds_in_time(|| self.first.reached.load(SeqCst)));
        self.long.open.store(true, SeqCst);
    }

    fn assert_all_go_on(&self) {
        let all = holds_in_time(|| self.marks.load(SeqCst) == self.members.len());
        assert!(
            all,
            "{} of {} go on, {} are parked on a mailbox that is empty",
            self.marks.load(SeqCst),
            self.members.len(),
            self.sink.info().parked
        );
    }
}

/// The same behind a mailbox whose crowd came back before: each that has nothing to send lets the next one go.
#[test]
fn room_before_a_long_receive_is_for_all_who_wait_where_they_came_back_before() {
    let crowd = CameBack::new(false, None);
    crowd.held.open.store(true, SeqCst);
    crowd.assert_all_go_on();
}

/// The one that was promised room keeps that from nobody while its `receive` lasts: the receiver comes by, and lets others go a turn later.
#[test]
fn who_was_resumed_and_is_in_a_long_receive_is_not_awaited_for_ever() {
    let crowd = CameBack::new(true, None);
    crowd.let_the_first_stay();
    crowd.assert_all_go_on();
    assert!(!crowd.first.open.load(SeqCst));
}

/// A receiver that is about to be parked lets all go for whom there is room, though they came back before and the first is inside a long `receive`.
#[test]
fn a_receiver_that_is_parked_lets_all_go_for_whom_there_is_room() {
    let (out, _never_read) = bounded(1);
    let crowd = CameBack::new(true, Some(ToSink::Park(out.clone())));
    crowd.let_the_first_stay();
    crowd.assert_all_go_on();
    let is_parked = || {
        let machines = crowd.runtime.machines();
        machines
            .iter()
            .any(|info| info.id == crowd.sink.id() && info.parked)
    };
    assert!(holds_in_time(is_parked));
}

/// More wait for a receiver that is parked than there is room for. The first to be let go is inside a long `receive`, and keeps one place from the others: not those
/// that the others make no use of.
#[test]
fn places_that_are_not_used_go_on_though_one_is_kept() {
    let (out, _never_read) = bounded(1);
    let park = ToSink::Park(out.clone());
    let crowd = CameBack::with_capacity(CameBack::MEMBERS / 2, true, Some(park));
    crowd.let_the_first_stay();
    crowd.assert_all_go_on();
    assert!(!crowd.first.open.load(SeqCst));
}

/// A machine has sent too much, and until its `receive` returns its receiver has read some of it and is parked itself: there is room, so that nobody has to wait
/// for one that will not come by.
#[test]
fn who_comes_late_behind_a_parked_machine_that_has_room_goes_on() {
    const CAPACITY: usize = 8;
    let runtime = runtime(2);
    let [begin, sent] = [(); 2].map(|()| Arc::<Gate>::default());
    let _open = OpenAtLast([&begin, &sent].map(Arc::clone).into());
    let (out, _never_read) = bounded(1);
    let sink = connect_mut(&runtime, Sink, CAPACITY);
    sink.send(ToSink::Pass(Arc::clone(&begin))).unwrap();
    assert!(holds_in_time(|| begin.reached.load(SeqCst)));
    let marks = Arc::<AtomicUsize>::default();
    let member = runtime.connect_mut(Member {
        sink: sink.clone(),
        marks: Arc::clone(&marks),
    });
    // One too many; when the sink is parked it holds more than half of its capacity, and less than all of it.
    let mut all: Vec<_> = (0..CAPACITY).map(|_| ToSink::Nothing).collect();
    all.insert(3, ToSink::Park(out.clone()));
    member
        .send(ToMember::SendAll(all, Arc::clone(&sent)))
        .unwrap();
    member.send(ToMember::Mark).unwrap();
    assert!(holds_in_time(|| sent.reached.load(SeqCst)));
    begin.open.store(true, SeqCst);
    assert!(holds_in_time(|| {
        info_of(&runtime, &sink).parked && sink.len() == CAPACITY - 3
    }));
    sent.open.store(true, SeqCst);
    assert!(
        holds_in_time(|| marks.load(SeqCst) == 1),
        "it is parked, and there is room for {}",
        CAPACITY - sink.len()
    );
}

/// Two machines wait for a machine that is parked itself and has room for one: the first does not use what it was promised, and the second gets
/// it, though the receiver does not come by again.
#[test]
fn a_promise_that_is_not_used_is_passed_on_behind_a_parked_machine() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let idle = || runtime.wait_idle(PATIENCE).expect("nobody can go on");
    let (out, passed_on) = bounded(1);
    let (_, slow) = runtime.connect_with_capacity(
        move |_: ToSink| {
            for _ in 0..2 {
                out.send(()).unwrap();
            }
        },
        1,
    );
    let marks = [(); 2].map(|()| Arc::<AtomicUsize>::default());
    let members = marks.each_ref().map(|marks| {
        runtime.connect_mut(Member {
            sink: slow.clone(),
            marks: Arc::clone(marks),
        })
    });
    // The first one's first is read, and stops the slow machine; what is left is beyond the capacity of one, so that both are parked.
    for member in &members {
        member.send(ToMember::SendTwo).unwrap();
        idle();
        member.send(ToMember::Mark).unwrap();
    }
    assert_eq!(slow.info().parked, 2, "both wait");
    while !slow.is_empty() {
        while passed_on.try_recv().is_ok() {}
        idle();
    }
    let ran = marks.each_ref().map(|marks| marks.load(SeqCst));
    assert_eq!(
        (slow.info().parked, ran),
        (0, [1, 1]),
        "who is parked on a mailbox that is empty, and what each has run"
    );
}

#[derive(MachineImpl)]
enum Own {
    Pass(Arc<Gate>, WeakSender<Own>),
    Lasts(Duration),
    One,
}

/// Looks after each instruction whether there is room in its own mailbox.
struct Looks {
    own: Option<Sender<Own>>,
    read: usize,
    room_after: Arc<AtomicUsize>,
}

impl MachineMut<Own> for Looks {
    fn receive(&mut self, instruction: Own) {
        match instruction {
            Own::Pass(gate, own) => {
                gate.pass();
                self.own = own.upgrade();
            }
            Own::Lasts(time) => {
                let begun = Instant::now();
                while begun.elapsed() < time {
                    std::hint::spin_loop();
                }
            }
            Own::One => {
                self.read += 1;
                if let Some(own) = &self.own
                    && own.try_send(Own::One).is_ok()
                {
                    self.room_after.store(self.read, SeqCst);
                    self.own = None;
                }
            }
        }
    }
}

/// After how many instructions there is room in a mailbox that was full, of those that are read in one turn; 0: not before it was empty. The second one takes
/// so much of the slice.
fn read_before_there_is_room(capacity: usize, slice: Duration, second: Duration) -> usize {
    let runtime = Runtime::builder()
        .workers(1)
        .budget(1_000_000)
        .time_slice(slice)
        .build()
        .unwrap();
    let gate = Arc::<Gate>::default();
    let _open = OpenAtLast(vec![Arc::clone(&gate)]);
    let room_after = Arc::<AtomicUsize>::default();
    let looks = Looks {
        own: None,
        read: 0,
        room_after: Arc::clone(&room_after),
    };
    let sender = connect_mut(&runtime, looks, capacity);
    sender
        .send(Own::Pass(Arc::clone(&gate), sender.downgrade()))
        .unwrap();
    assert!(holds_in_time(|| gate.reached.load(SeqCst)));
    sender.send(Own::One).unwrap();
    sender.send(Own::Lasts(second)).unwrap();
    while sender.try_send(Own::One).is_ok() {}
    gate.open.store(true, SeqCst);
    let seen = holds_in_time(|| room_after.load(SeqCst) > 0 || sender.is_empty());
    assert!(seen);
    room_after.load(SeqCst)
}

const QUARTERS_OF: usize = 4096;

/// design.md §5: the limit is published at least every quarter of the capacity.
#[test]
fn room_is_published_after_a_quarter_of_the_capacity() {
    let after = read_before_there_is_room(QUARTERS_OF, Duration::from_secs(60), Duration::ZERO);
    assert!(
        (1..=QUARTERS_OF / 4 + 1).contains(&after),
        "room after {after} of {QUARTERS_OF} (0: not before it was empty)"
    );
}

/// From a quarter of the slice on the clock is read after each instruction, so that the loop over them stops for that each time. The slice is long enough for
/// all of them; where the system takes the core away for longer, the turn is over, and there is room for that reason.
#[test]
fn room_is_published_as_well_where_the_clock_is_read_after_each_instruction() {
    let slice = Duration::from_millis(400);
    let after = read_before_there_is_room(QUARTERS_OF, slice, slice * 3 / 10);
    assert!(
        (1..=QUARTERS_OF / 4 + 1).contains(&after),
        "room after {after} of {QUARTERS_OF} (0: not before it was empty)"
    );
}

#[derive(MachineImpl)]
enum ToPass {
    Pass(Arc<Gate>),
}

struct Passes;

impl MachineMut<ToPass> for Passes {
    fn receive(&mut self, ToPass::Pass(gate): ToPass) {
        gate.pass();
    }
}

/// With a capacity of two the look at the clock and the look for room come after the same instruction: the second.
#[test]
fn room_is_published_though_it_is_time_for_the_clock_too() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let gates = [(); 3].map(|()| Arc::<Gate>::default());
    let _open = OpenAtLast(gates.to_vec());
    let sender = connect_mut(&runtime, Passes, 2);
    for (index, gate) in gates.iter().enumerate() {
        // While the one before it is received.
        sender.try_send(ToPass::Pass(Arc::clone(gate))).unwrap();
        if let Some(before) = index.checked_sub(1) {
            gates[before].open.store(true, SeqCst);
        }
        assert!(holds_in_time(|| gate.reached.load(SeqCst)));
    }
    assert_eq!(sender.len(), 0);
    let one_more = sender.try_send(ToPass::Pass(Arc::clone(&gates[0])));
    assert!(one_more.is_ok(), "two places, both empty, and no room");
}
