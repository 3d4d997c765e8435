//! One graph, from its plan to its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use d3::prelude::*;
use d3::{EndReason, MachineId, MachineInfo, bounded};

use super::Report;
use super::node::{Books, Carrier, Door, Duo, First, Gatekeeper, Node, Pair, Second, Token};
use super::outside::{self, Route};
use super::plan::Plan;
use crate::support::rng::Rng;
use crate::support::{PATIENCE, runtime, wait_until, wait_until_or};

/// Beyond every mailbox's number: who sends from outside, two numbers each, and who lights fuses.
const OUTSIDE: u32 = 10_000;
const LIGHTER: u32 = 20_000;

pub(super) fn run(plan: &Plan) -> Report {
    let graph = Graph::build(plan);
    let hunted = graph.hunt(plan);
    graph.settle("all that can run has run");
    let longest_chain = graph.longest_chain();
    let killed = graph.kill(plan.victims);
    graph.open_gates();
    graph.wait_for_the_end();
    graph.check(plan, longest_chain, hunted, &killed)
}

/// Who ended while parked, and what it took.
#[derive(Default)]
struct Killed {
    stopped: usize,
    panicked: usize,
    sparks: u64,
}

/// A mailbox whose machine can be made to panic: its partner is the mailbox it shares its value with.
struct Fuse {
    door: WeakDoor,
    partner: usize,
    lit: Arc<AtomicBool>,
}

enum WeakDoor {
    First(WeakSender<First>),
    Second(WeakSender<Second>),
}

struct Graph {
    runtimes: Vec<Runtime>,
    handles: Vec<MachineHandle>,
    /// By the number of the mailbox that receives the spark.
    fuses: HashMap<usize, Fuse>,
    books: Arc<Books>,
    senders: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    gates: Vec<mpsc::Sender<()>>,
}

impl Graph {
    fn build(plan: &Plan) -> Self {
        let mut graph = Self {
            runtimes: plan.workers.iter().map(|count| runtime(*count)).collect(),
            handles: Vec::new(),
            fuses: HashMap::new(),
            books: Arc::default(),
            senders: Vec::new(),
            readers: Vec::new(),
            gates: Vec::new(),
        };
        let bounds = plan.bounds();
        let mut doors = graph.connect(plan, &bounds);
        graph.handles = doors.iter().map(Door::handle).collect();
        for (nth, &capacity) in plan.sinks.iter().enumerate() {
            let index = plan.cells.len() + nth;
            let (sender, receiver) = bounded(capacity);
            let gatekeeper = Gatekeeper::new(index, capacity, bounds[index], &graph.books);
            let (gate, is_open) = mpsc::channel();
            graph.gates.push(gate);
            graph.readers.push(thread::spawn(move || {
                outside::read(receiver, gatekeeper, nth % 2 == 1, is_open);
            }));
            doors.push(Door::First(sender));
        }
        for (door, cell) in doors.iter().zip(&plan.cells) {
            door.wire(cell.targets.iter().map(|to| doors[*to].clone()).collect());
        }
        // A machine of two mailboxes could be parked behind one, and be stopped, before it has read the other's.
        graph.settle("all are wired");
        for (nth, outside) in plan.outside.iter().enumerate() {
            let mut targets: Vec<_> = outside.sends.iter().map(|(to, _)| *to).collect();
            targets.sort_unstable();
            targets.dedup();
            let route = Route {
                from: OUTSIDE + 2 * nth as u32,
                manner: outside.manner,
                sends: outside.sends.clone(),
                doors: targets
                    .iter()
                    .map(|to| (*to, doors[*to].clone(), 0))
                    .collect(),
                books: Arc::clone(&graph.books),
            };
            graph.senders.push(thread::spawn(move || route.travel()));
        }
        // From here on the graph holds itself: lines end by themselves when the outside has let go, rings do not.
        graph
    }

    fn connect(&mut self, plan: &Plan, bounds: &[Option<usize>]) -> Vec<Door> {
        let books = Arc::clone(&self.books);
        let node = |index: usize| {
            let cell = &plan.cells[index];
            let gatekeeper = Gatekeeper::new(index, cell.capacity, bounds[index], &books);
            Node::new(gatekeeper, cell.burst, Rng::new(plan.seed ^ index as u64))
        };
        let mut doors = Vec::with_capacity(plan.cells.len() + plan.sinks.len());
        for (index, cell) in plan.cells.iter().enumerate() {
            let runtime = &self.runtimes[cell.runtime];
            if cell.second_of_pair {
                continue;
            }
            if !cell.first_of_pair {
                let machine = runtime.machine(node(index)).capacity(cell.capacity);
                doors.push(Door::First(machine.accepts::<First>().connect()));
                continue;
            }
            if cell.one_token {
                let (first, second) = runtime
                    .machine(Duo([node(index), node(index + 1)]))
                    .capacity(cell.capacity)
                    .accepts::<First>()
                    .accepts::<Second>()
                    .connect();
                doors.push(Door::First(first));
                doors.push(Door::Second(second));
                continue;
            }
            let fuse = Arc::<AtomicBool>::default();
            let pair = Pair {
                nodes: [Mutex::new(node(index)), Mutex::new(node(index + 1))],
                fuse: Arc::clone(&fuse),
            };
            let (pair, first) = runtime.connect_with_capacity::<_, First>(pair, cell.capacity);
            let capacity = plan.cells[index + 1].capacity;
            let second = runtime.and_connect_with_capacity::<_, Second>(&pair, capacity);
            let mut fuse = |index, partner, door| {
                let lit = Arc::clone(&fuse);
                self.fuses.insert(index, Fuse { door, partner, lit })
            };
            fuse(index, index + 1, WeakDoor::First(first.downgrade()));
            fuse(index + 1, index, WeakDoor::Second(second.downgrade()));
            doors.push(Door::First(first));
            doors.push(Door::Second(second));
        }
        doors
    }

    /// Waits until no machine runs: who is parked waits for a gate, directly or through others.
    fn settle(&self, what: &str) {
        // One runtime may wake the other, so all must be found idle in a row. The threads outside may still be sending; what is
        // seen is then of one moment, which is all that is needed.
        for _ in 0..self.runtimes.len() {
            for runtime in &self.runtimes {
                if runtime.wait_idle(PATIENCE).is_err() {
                    panic!("{what}: not within {PATIENCE:?}\n{}", self.describe());
                }
            }
        }
    }

    /// The watchdog: waits for something that must come, and describes the graph if it does not.
    fn wait(&self, what: &str, condition: impl FnMut() -> bool) {
        wait_until_or(what, condition, || self.describe());
    }

    fn is_parked(&self, id: MachineId) -> bool {
        let machines = self.machines();
        machines.iter().any(|info| info.id == id && info.parked)
    }

    fn machines(&self) -> Vec<MachineInfo> {
        self.runtimes.iter().flat_map(Runtime::machines).collect()
    }

    /// The most machines that wait one for the next.
    fn longest_chain(&self) -> usize {
        let machines = self.machines();
        let waits_for: HashMap<MachineId, MachineId> = machines
            .iter()
            .filter_map(|machine| Some((machine.id, machine.waits_for?)))
            .collect();
        let length = |start: &MachineId| {
            // Bounded: a snapshot of several moments may show a ring that never was.
            std::iter::successors(Some(start), |id| waits_for.get(*id))
                .take(waits_for.len() + 1)
                .count()
                - 1
        };
        waits_for.keys().map(length).max().unwrap_or(0)
    }

    /// Stops machines that were parked a moment ago, and lights fuses, while all run: each races with room, rings and other ends.
    fn hunt(&self, plan: &Plan) -> usize {
        let mut rng = Rng::new(plan.seed);
        let mut hunted = 0;
        for _ in 0..plan.hunted {
            let machines = self.machines();
            let parked: Vec<_> = machines.iter().filter(|machine| machine.parked).collect();
            if parked.is_empty() {
                thread::yield_now();
                continue;
            }
            let prey = parked[rng.below(parked.len())].id;
            let index = self.handles.iter().position(|handle| handle.id() == prey);
            let index = index.expect("every machine has a handle");
            match self.fuses.get(&index) {
                Some(fuse) if rng.one_in(2) => fuse.lit.store(true, Ordering::SeqCst),
                _ => self.handles[index].stop(),
            }
            hunted += 1;
        }
        hunted
    }

    /// Ends machines that are parked, when all is quiet: by a stop, or by a panic of the same value behind its other mailbox.
    fn kill(&self, count: usize) -> Killed {
        let mut killed = Killed::default();
        for nth in 0..count {
            let parked: Vec<MachineId> = self
                .machines()
                .iter()
                .filter(|machine| machine.parked)
                .map(|machine| machine.id)
                .collect();
            let is_parked = |index: usize| parked.contains(&self.handles[index].id());
            let alive = |index: &usize| self.handles[*index].is_alive();
            let victims: Vec<usize> = (0..self.handles.len())
                .filter(|index| is_parked(*index))
                .filter(alive)
                .collect();
            // The first of its pair to be found with a partner that does not wait itself.
            let spark = victims.iter().find_map(|victim| {
                let (index, fuse) = self
                    .fuses
                    .iter()
                    .find(|(_, fuse)| fuse.partner == *victim)?;
                (!is_parked(*index) && self.handles[*index].is_alive()).then_some((*index, fuse))
            });
            if nth % 2 == 0
                && let Some((lighter, fuse)) = spark
            {
                killed.sparks += 1;
                if self.light(fuse) {
                    let (victim, lighter) = (&self.handles[fuse.partner], &self.handles[lighter]);
                    // A thread outside may come late, and have the lighter park before it sees the spark.
                    self.wait("the spark is seen, or its receiver parked", || {
                        !lighter.is_alive() || self.is_parked(lighter.id())
                    });
                    if !lighter.is_alive() {
                        self.wait("a parked machine ends with its partner", || {
                            !victim.is_alive()
                        });
                        // For the same reason the victim may have moved, and met the fuse itself.
                        let by_partner = victim.end_reason() == Some(EndReason::PartnerFailed);
                        killed.panicked += usize::from(by_partner);
                    }
                }
            } else if let Some(victim) = victims.get(nth % victims.len().max(1)) {
                let handle = &self.handles[*victim];
                handle.stop();
                self.wait("a parked machine ends when it is stopped", || {
                    !handle.is_alive()
                });
                killed.stopped += 1;
            }
            self.settle("who waited for the dead has gone on");
        }
        killed
    }

    /// Lights a fuse and sends the spark; false: it did not come to that.
    fn light(&self, fuse: &Fuse) -> bool {
        let token = Token::new(LIGHTER, 0, 0, &self.books);
        fuse.lit.store(true, Ordering::SeqCst);
        let refused = match &fuse.door {
            WeakDoor::First(door) => match door.upgrade() {
                Some(sender) => sender
                    .try_send(First::Token(token))
                    .err()
                    .map(|error| error.into_inner())
                    .map(Carrier::token),
                None => Some(token),
            },
            WeakDoor::Second(door) => match door.upgrade() {
                Some(sender) => sender
                    .try_send(Second::Token(token))
                    .err()
                    .map(|error| error.into_inner())
                    .map(Carrier::token),
                None => Some(token),
            },
        };
        match refused {
            Some(token) => {
                self.books.took_back(token);
                false
            }
            None => true,
        }
    }

    fn open_gates(&self) {
        for gate in &self.gates {
            gate.send(()).expect("the reader waits at its gate");
        }
    }

    fn wait_for_the_end(&self) {
        // If somebody stays parked, this is where it is noticed.
        self.wait("everything arrives", || {
            self.senders.iter().all(JoinHandle::is_finished) && !self.books.is_any_alive()
        });
        let is_left = |machine: &MachineInfo| {
            machine.parked || machine.has_waiters || machine.len > 0 || !machine.at_rest
        };
        self.wait("nobody is left parked", || {
            !self.machines().iter().any(is_left)
        });
        self.settle("all is quiet");
    }

    fn check(self, plan: &Plan, longest_chain: usize, hunted: usize, killed: &Killed) -> Report {
        let mut report = Report {
            graphs: 1,
            mailboxes: plan.cells.len(),
            longest_chain,
            hunted,
            stopped_while_parked: killed.stopped,
            panicked_while_parked: killed.panicked,
            ..Report::default()
        };
        let mut counted_as_dropped = 0;
        for runtime in &self.runtimes {
            let end = runtime.shutdown(PATIENCE);
            assert!(end.is_clean(), "{end}");
            let total = runtime.stats().total();
            report.parks += total.parks;
            report.rings_broken += total.ring_breaks;
            counted_as_dropped += total.dropped;
        }
        for thread in self.senders.into_iter().chain(self.readers) {
            wait_until("a reader hears that no sender is left", || {
                thread.is_finished()
            });
            thread.join().expect("no thread panics");
        }
        let books = &self.books;
        books.assert_no_faults();
        assert_eq!(
            books.dropped(),
            counted_as_dropped,
            "what is dropped is counted"
        );
        assert_eq!(
            books.weight(),
            plan.weight() + killed.sparks,
            "what was put in is what came out: {books:#?}"
        );
        if plan.victims == 0 {
            assert_eq!(
                books.dropped() + books.returned(),
                0,
                "nobody died: {books:#?}"
            );
        }
        report.received = books.received();
        report.returned = books.returned();
        report.dropped = books.dropped();
        report.over_capacity = books.over_capacity.load(Ordering::SeqCst);
        report.futures_dropped = books.futures_dropped.load(Ordering::SeqCst);
        report
    }

    /// What a person wants to see when a graph hangs.
    fn describe(&self) -> String {
        let mut text = format!("{:#?}\n", self.books);
        for (index, sender) in self.senders.iter().enumerate() {
            if !sender.is_finished() {
                text += &format!("sender {index} from outside still sends\n");
            }
        }
        for machine in self.machines().iter().filter(|machine| !machine.at_rest) {
            text += &format!("{machine}\n");
        }
        text
    }
}
