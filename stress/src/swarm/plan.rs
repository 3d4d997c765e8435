//! What one number decides: a whole swarm, before anything of it runs.

use std::time::Duration;

use super::random::Random;
use super::shape::{self, Shape};

/// The payloads of instructions, one instruction set each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No bytes at all: its end is counted, its order cannot be.
    Empty,
    /// What the oracles need and nothing else.
    Small,
    /// A quarter of a kilobyte, in the mailbox itself.
    Medium,
    /// Ten kilobytes in the mailbox itself: more than one block of the mailbox wants to be.
    Large,
    /// Up to 32 kB behind a pointer.
    Boxed,
}

/// How hostile a swarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nobody stops, fails or panics: every instruction must arrive.
    Calm,
    /// Some do.
    Rough,
    /// Many do.
    Wild,
}

/// One mailbox.
#[derive(Clone, Debug)]
pub(crate) struct MailboxPlan {
    pub(crate) kind: Kind,
    /// None: without a bound.
    pub(crate) capacity: Option<usize>,
}

/// What a machine does with the fuel of an instruction: each hop burns one, so that every swarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// One instruction to one target.
    One,
    /// One each to so many targets at once: a machine may find several of them full in one `receive`.
    Split(usize),
    /// So many to one target in one `receive`: beyond any small capacity.
    Burst(usize),
}

/// What goes wrong with a machine, by plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultPlan {
    pub(crate) panic_in_connected: bool,
    pub(crate) panic_in_disconnected: bool,
    pub(crate) panic_in_drop: bool,
    /// It panics in the `receive` with this number.
    pub(crate) panic_at: Option<u64>,
    /// It stops itself.
    pub(crate) stop_at: Option<u64>,
    /// It fails with an error.
    pub(crate) fail_at: Option<u64>,
    /// It stops another machine: the number of the `receive`, and the mailbox.
    pub(crate) stop_other_at: Option<(u64, usize)>,
    /// One in so many of the instructions that it sends panics when it is dropped unread.
    pub(crate) explosive_one_in: Option<usize>,
}

/// One machine: a value with one or several mailboxes.
#[derive(Clone, Debug)]
pub(crate) struct MachinePlan {
    /// Whether the value is shared (`Machine`) or owned (`MachineMut`). Only a shared one has several mailboxes.
    pub(crate) shared: bool,
    pub(crate) mailboxes: Vec<MailboxPlan>,
    /// Places that it sends to.
    pub(crate) out: Vec<usize>,
    pub(crate) forward: Forward,
    pub(crate) faults: FaultPlan,
    /// Machines that it connects while it runs.
    pub(crate) births: u32,
    /// Whether it sends in its hooks too.
    pub(crate) talks_in_hooks: bool,
    /// Whether it has a handle of the runtime, until this `receive` or its end.
    pub(crate) keeps_runtime_until: Option<u64>,
}

/// How a thread receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Recv,
    TryRecv,
    RecvTimeout,
    Async,
    Iter,
}

/// A `Receiver` among the targets, and the thread behind it.
#[derive(Clone, Debug)]
pub(crate) struct ReaderPlan {
    pub(crate) kind: Kind,
    pub(crate) capacity: Option<usize>,
    pub(crate) reading: Reading,
    /// It drops the receiver after so many instructions.
    pub(crate) gives_up_after: Option<u64>,
}

/// How a thread outside sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Send,
    TrySend,
    SendTimeout(Duration),
    /// Futures, on an executor of a few lines. So many in a hundred are dropped before they resolved.
    Async {
        dropped_percent: u32,
    },
    /// So many futures at once.
    Joined(usize),
}

/// A thread outside.
#[derive(Clone, Debug)]
pub(crate) struct OutsiderPlan {
    pub(crate) sending: Sending,
    pub(crate) targets: Vec<usize>,
    pub(crate) count: usize,
    /// Fuel of each of its instructions.
    pub(crate) fuel: u32,
    /// Whether its wakers panic now and then, after they woke.
    pub(crate) wakers_panic: bool,
}

/// A machine that is stopped from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopPlan {
    /// When so many instructions were received in all.
    pub(crate) at: u64,
    pub(crate) place: usize,
}

/// How a swarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// When everybody outside is done and nothing moves any more.
    Settled,
    /// A shutdown with all the time in the world, after so many instructions.
    Graceful { at: u64 },
    /// A shutdown in mid-flight with a deadline.
    Deadline { at: u64, after: Duration },
    /// The handle of the runtime is dropped.
    Dropped { at: u64 },
    /// The last handle is dropped by a machine, which may not wait.
    Abandoned,
}

/// Where and how often user code of a swarm dawdles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JitterPlan {
    pub(crate) percent: u32,
    pub(crate) sleep_us_max: u64,
}

/// A swarm, before it runs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mood: Mood,
    pub(crate) workers: usize,
    pub(crate) budget: usize,
    pub(crate) time_slice: Duration,
    /// The hard limit as a multiple of the capacity, where it is not the default.
    pub(crate) hard_limit: Option<usize>,
    pub(crate) shape: Shape,
    pub(crate) machines: Vec<MachinePlan>,
    pub(crate) readers: Vec<ReaderPlan>,
    pub(crate) outsiders: Vec<OutsiderPlan>,
    pub(crate) stops: Vec<StopPlan>,
    /// A thread asks all machines for reports, and looks at statistics, all the time.
    pub(crate) inspected: bool,
    pub(crate) jitter: JitterPlan,
    pub(crate) finish: Finish,
}

impl Plan {
    /// The swarm of a seed. `size` bounds the number of machines.
    #[must_use]
    pub(crate) fn of(seed: u64) -> Self {
        Draft {
            random: Random::new(seed),
            seed,
        }
        .plan()
    }

    /// Mailboxes of machines; the places after them are the readers.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn mailboxes(&self) -> usize {
        self.machines.iter().map(|m| m.mailboxes.len()).sum()
    }

    /// Whether some machine or reader takes instructions without bytes.
    #[must_use]
    pub(crate) fn has_empty(&self) -> bool {
        let of_machines = self.machines.iter().flat_map(|m| &m.mailboxes);
        of_machines
            .map(|mailbox| mailbox.kind)
            .any(|kind| kind == Kind::Empty)
            || self.readers.iter().any(|reader| reader.kind == Kind::Empty)
    }
}

/// A plan while it is drawn up.
struct Draft {
    random: Random,
    seed: u64,
}

impl Draft {
    fn plan(mut self) -> Plan {
        let mood = self.random.pick(&[Mood::Calm, Mood::Rough, Mood::Wild]);
        let shape = Shape::draw(&mut self.random);
        let size = self.random.sized(2..=300);
        let mut machines = self.bodies(size);
        let mailboxes: usize = machines.iter().map(|m| m.mailboxes.len()).sum();
        let readers = self.readers(mood);
        self.wire(shape, &mut machines, mailboxes, readers.len());
        let mut work = self.random.sized(256..=65_536);
        // Ten kilobytes each through the memory of a small computer.
        let large = machines.iter().any(|m| m.mailboxes[0].kind == Kind::Large);
        if large {
            work = work.min(8_192);
        }
        let outsiders = self.outsiders(work, shape, &machines, mailboxes, readers.len());
        if mood != Mood::Calm {
            self.faults(mood, &mut machines, mailboxes);
        }
        let stops = self.stops(mood, work, mailboxes);
        let finish = self.finish(work);
        if finish == Finish::Abandoned {
            let keeper = self.random.below(machines.len());
            machines[keeper].keeps_runtime_until = Some(self.random.sized(1..=64) as u64);
        }
        Plan {
            seed: self.seed,
            mood,
            workers: self.random.between(1..=8),
            budget: self.random.sized(1..=256),
            time_slice: Duration::from_micros(self.random.sized(100..=20_000) as u64),
            hard_limit: self.random.chance(10).then(|| self.random.between(1..=8)),
            shape,
            machines,
            readers,
            outsiders,
            stops,
            inspected: self.random.chance(20),
            jitter: self.jitter(),
            finish,
        }
    }

    fn jitter(&mut self) -> JitterPlan {
        JitterPlan {
            percent: self.random.pick(&[0, 0, 1, 5, 20]),
            sleep_us_max: self.random.pick(&[1, 20, 100]),
        }
    }

    fn capacity(&mut self) -> Option<usize> {
        // Small ones are full most of the time, which is where the errors live.
        (!self.random.chance(4)).then(|| self.random.sized(1..=256))
    }

    fn kind(&mut self) -> Kind {
        self.random.pick(&[
            Kind::Empty,
            Kind::Small,
            Kind::Small,
            Kind::Small,
            Kind::Medium,
            Kind::Large,
            Kind::Boxed,
        ])
    }

    fn bodies(&mut self, size: usize) -> Vec<MachinePlan> {
        // Half of the swarms speak one instruction set.
        let one_kind = self.random.chance(50).then(|| self.kind());
        let one_capacity = self.random.chance(30).then(|| self.capacity());
        let shared_percent = self.random.pick(&[0, 30, 100]);
        (0..size)
            .map(|_| {
                let shared = self.random.chance(shared_percent);
                let several = shared && self.random.chance(30);
                let mut kinds = vec![one_kind.unwrap_or_else(|| self.kind())];
                if several {
                    for _ in 0..self.random.between(1..=2) {
                        let kind = self.kind();
                        if !kinds.contains(&kind) {
                            kinds.push(kind);
                        }
                    }
                }
                let mailboxes = kinds
                    .into_iter()
                    .map(|kind| MailboxPlan {
                        kind,
                        capacity: one_capacity.unwrap_or_else(|| self.capacity()),
                    })
                    .collect();
                MachinePlan {
                    shared,
                    mailboxes,
                    out: Vec::new(),
                    forward: self.forward(),
                    faults: FaultPlan::default(),
                    births: if self.random.chance(3) { 2 } else { 0 },
                    talks_in_hooks: self.random.chance(10),
                    keeps_runtime_until: None,
                }
            })
            .collect()
    }

    fn forward(&mut self) -> Forward {
        match self.random.below(4) {
            0 | 1 => Forward::One,
            2 => Forward::Split(self.random.between(2..=4)),
            _ => Forward::Burst(self.random.sized(2..=32)),
        }
    }

    fn readers(&mut self, mood: Mood) -> Vec<ReaderPlan> {
        let count = if self.random.chance(40) {
            self.random.between(1..=3)
        } else {
            0
        };
        (0..count)
            .map(|_| ReaderPlan {
                kind: self.kind(),
                capacity: self.capacity(),
                reading: self.random.pick(&[
                    Reading::Recv,
                    Reading::TryRecv,
                    Reading::RecvTimeout,
                    Reading::Async,
                    Reading::Iter,
                ]),
                gives_up_after: (mood != Mood::Calm && self.random.chance(30))
                    .then(|| self.random.sized(1..=256) as u64),
            })
            .collect()
    }

    /// Who sends to whom: the shape says which machines, the dice which of their mailboxes.
    fn wire(
        &mut self,
        shape: Shape,
        machines: &mut [MachinePlan],
        mailboxes: usize,
        readers: usize,
    ) {
        let first_mailbox: Vec<usize> = machines
            .iter()
            .scan(0, |next, machine| {
                let first = *next;
                *next += machine.mailboxes.len();
                Some(first)
            })
            .collect();
        for (from, to) in shape::edges(shape, machines.len(), &mut self.random) {
            let door = self.random.below(machines[to].mailboxes.len());
            machines[from].out.push(first_mailbox[to] + door);
        }
        for reader in 0..readers {
            for _ in 0..self.random.between(1..=4) {
                let from = self.random.below(machines.len());
                machines[from].out.push(mailboxes + reader);
            }
        }
    }

    fn outsiders(
        &mut self,
        work: usize,
        shape: Shape,
        machines: &[MachinePlan],
        mailboxes: usize,
        readers: usize,
    ) -> Vec<OutsiderPlan> {
        let count = self.random.sized(1..=6);
        let fuel = self.random.sized(1..=256).min(work);
        let each = (work / fuel / count).max(1);
        (0..count)
            .map(|_| {
                let mut targets: Vec<usize> = (0..self.random.sized(1..=8))
                    .map(|_| self.random.below(mailboxes + readers))
                    .collect();
                if shape.has_a_root() {
                    // Work must come in where it can flow from.
                    targets.truncate(2);
                    targets.push(self.random.below(machines[0].mailboxes.len()));
                }
                OutsiderPlan {
                    sending: self.sending(),
                    targets,
                    count: each,
                    fuel: fuel as u32,
                    wakers_panic: self.random.chance(5),
                }
            })
            .collect()
    }

    fn sending(&mut self) -> Sending {
        match self.random.below(5) {
            0 => Sending::Send,
            1 => Sending::TrySend,
            2 => Sending::SendTimeout(Duration::from_micros(self.random.sized(1..=2_000) as u64)),
            3 => Sending::Async {
                dropped_percent: self.random.pick(&[0, 20, 80]),
            },
            _ => Sending::Joined(self.random.between(2..=8)),
        }
    }

    fn faults(&mut self, mood: Mood, machines: &mut [MachinePlan], mailboxes: usize) {
        let percent = if mood == Mood::Wild { 20 } else { 3 };
        for machine in machines {
            let random = &mut self.random;
            let nth =
                |random: &mut Random| random.chance(percent).then(|| random.sized(1..=256) as u64);
            machine.faults = FaultPlan {
                panic_at: nth(random),
                stop_at: nth(random),
                fail_at: nth(random),
                stop_other_at: nth(random).map(|at| (at, random.below(mailboxes))),
                panic_in_connected: random.chance(percent / 3),
                panic_in_disconnected: random.chance(percent),
                panic_in_drop: random.chance(percent),
                explosive_one_in: random.chance(percent).then(|| random.sized(1..=64)),
            };
        }
    }

    fn stops(&mut self, mood: Mood, work: usize, mailboxes: usize) -> Vec<StopPlan> {
        let count = match mood {
            Mood::Calm => 0,
            Mood::Rough => self.random.between(0..=3),
            Mood::Wild => self.random.between(0..=20),
        };
        (0..count)
            .map(|_| StopPlan {
                at: self.random.below(work) as u64,
                place: self.random.below(mailboxes),
            })
            .collect()
    }

    fn finish(&mut self, work: usize) -> Finish {
        let at = self.random.below(work) as u64;
        match self.random.below(10) {
            0..=4 => Finish::Settled,
            5 | 6 => Finish::Graceful { at },
            7 => Finish::Deadline {
                at,
                after: Duration::from_micros(self.random.sized(1..=20_000) as u64),
            },
            8 => Finish::Dropped { at },
            _ => Finish::Abandoned,
        }
    }
}
