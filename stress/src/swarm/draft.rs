//! How a seed becomes a plan: the dice, in one order for ever.

use std::time::Duration;

use super::channels;
use super::delays;
use super::plan::{
    Behind, FaultPlan, Finish, Forward, JitterPlan, Kind, MachinePlan, MailboxPlan, Mood,
    OutsiderPlan, Plan, ReaderPlan, Reading, Sending, StopPlan,
};
use super::random::Random;
use super::sets::SETS;
use super::shape::{self, Shape};

/// The swarm of a seed.
pub(super) fn plan(seed: u64) -> Plan {
    let random = Random::new(seed);
    Draft { random, seed }.plan()
}

/// The stream of numbers that the machines with several instruction sets are drawn from.
const SETS_STREAM: u64 = 4_000_000;

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
        self.give_sets(&mut machines);
        let mailboxes: usize = machines.iter().map(|m| m.mailboxes.len()).sum();
        let readers = self.readers(mood);
        self.wire(shape, &mut machines, mailboxes, readers.len());
        let mut work = self.random.sized(256..=65_536);
        // Ten kilobytes each through the memory of a small computer.
        let mut mailboxes_of_all = machines.iter().flat_map(|machine| &machine.mailboxes);
        let large = mailboxes_of_all.any(|mailbox| mailbox.kind == Kind::Large);
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
        let mut plan = Plan {
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
            delays: delays::draw(self.seed),
            finish,
        };
        channels::draw(&mut plan);
        plan
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
                    births: self.births(),
                    talks_in_hooks: self.random.chance(10),
                    keeps_runtime_until: None,
                }
            })
            .collect()
    }

    /// Some of the machines that own their state accept several instruction sets.
    fn give_sets(&mut self, machines: &mut [MachinePlan]) {
        let mut random = Random::of_party(self.seed, SETS_STREAM);
        let percent = random.pick(&[0, 20, 60]);
        for machine in machines.iter_mut().filter(|machine| !machine.shared) {
            if random.chance(percent) {
                // They have one capacity in common.
                let capacity = machine.mailboxes[0].capacity;
                let kinds = random.pick(&SETS).iter();
                machine.mailboxes = kinds.map(|&kind| MailboxPlan { kind, capacity }).collect();
            }
        }
    }

    fn births(&mut self) -> u32 {
        if self.random.chance(8) {
            self.random.sized(1..=32) as u32
        } else {
            0
        }
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
                behind: Behind::Thread(self.random.pick(&[
                    Reading::Recv,
                    Reading::TryRecv,
                    Reading::RecvTimeout,
                    Reading::Async,
                    Reading::Iter,
                ])),
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
