//! The channels of a swarm: which of them are polled, and how they are opened.
//!
//! The first dice of a seed give each channel a thread that waits for instructions. Half of the swarms have some that are read in other ways.

use std::sync::{Arc, PoisonError};

use d3::{Receiver, bounded, unbounded};

use super::books::Account;
use super::load::Small;
use super::plan::{Behind, GoesOn, Look, Mood, Plan, PollerPlan, ReaderPlan, Reading};
use super::poller::{self, Poller, Strings};
use super::random::Random;
use super::reader::{Desk, Reader};
use super::run::{Swarm, spawn};
use super::target::Routed;

// ---- what the seed decides ----

/// The stream of numbers that it is drawn from.
const STREAM: u64 = 5_000_000;

/// Gives some channels of the plan other readers, and some plans more channels.
pub(super) fn draw(plan: &mut Plan) {
    let mut random = Random::of_party(plan.seed, STREAM);
    if random.chance(50) {
        return;
    }
    let added = if plan.readers.is_empty() {
        random.between(1..=2)
    } else {
        random.below(2)
    };
    for _ in 0..added {
        let like = random.below(plan.machines.len());
        plan.readers.push(ReaderPlan {
            kind: plan.machines[like].mailboxes[0].kind,
            capacity: None,
            behind: Behind::Thread(Reading::Recv),
            gives_up_after: (plan.mood != Mood::Calm && random.chance(20))
                .then(|| random.sized(1..=256) as u64),
        });
    }
    let first = plan.mailboxes();
    for number in 0..plan.readers.len() {
        if random.chance(20) {
            continue;
        }
        let reader = &mut plan.readers[number];
        reader.behind = behind(&mut random);
        // Few places and many who want them: then machines are parked there, and promised room.
        if random.chance(80) {
            reader.capacity = Some(random.between(1..=4));
        }
        for _ in 0..random.sized(2..=32) {
            let from = random.below(plan.machines.len());
            plan.machines[from].out.push(first + number);
        }
        for outsider in &mut plan.outsiders {
            if random.chance(30) {
                outsider.targets.push(first + number);
            }
        }
    }
    // Who polls and who is to run next share a worker.
    if random.chance(50) {
        plan.workers = 1;
    }
}

fn behind(random: &mut Random) -> Behind {
    if random.chance(40) {
        let dropped_percent = random.pick(&[0, 20, 80]);
        return Behind::Thread(random.pick(&[
            Reading::Polled { dropped_percent },
            Reading::Polled { dropped_percent },
            Reading::TryRecv,
            Reading::RecvTimeout,
            Reading::Mixed,
            Reading::Mixed,
        ]));
    }
    let capacity = random.chance(80).then(|| random.between(1..=4));
    Behind::Machine(PollerPlan {
        look: random.pick(&[
            Look::Poll,
            Look::Future,
            Look::TryRecv,
            Look::Recv,
            Look::Mixed,
        ]),
        goes_on: random.pick(&[GoesOn::Woken, GoesOn::Poked { capacity }]),
        batch: random.sized(1..=256),
        in_vain: random.pick(&[0, 0, 1, 8]),
        drains: random.chance(50),
        stops_itself: random.chance(50),
    })
}

// ---- the start ----

impl Swarm<'_> {
    pub(super) fn open_channel<P: Routed>(
        &mut self,
        number: usize,
        plan: &ReaderPlan,
    ) -> Result<(), String> {
        let label = format!("reader {number} ({:?})", plan.kind);
        self.stage.show_place(label.clone());
        let account = self
            .books
            .open_account(label.clone(), plan.kind, false, false);
        let (sender, receiver) = match plan.capacity {
            Some(capacity) => bounded::<P>(capacity),
            None => unbounded::<P>(),
        };
        let place = self.targets.len();
        self.targets.push(P::target(Arc::clone(&account), sender));
        let random = Random::of_party(self.plan.seed, 1_000_000 + number as u64);
        let reading = match plan.behind {
            Behind::Thread(reading) => reading,
            Behind::Machine(poller) => {
                return self.start_poller(number, plan, poller, receiver, &account, random);
            }
        };
        let reader = Reader {
            receiver,
            reading,
            gives_up_after: plan.gives_up_after,
            place,
            desk: Desk::new(&account, &self.books),
            jitter: self.jitter(),
            random,
            doing: self.stage.enter(label.clone()),
        };
        self.readers.push(spawn(label, move || reader.run())?);
        Ok(())
    }

    fn start_poller<P: Routed>(
        &mut self,
        number: usize,
        reader: &ReaderPlan,
        plan: PollerPlan,
        receiver: Receiver<P>,
        channel: &Arc<Account>,
        mut random: Random,
    ) -> Result<(), String> {
        let label = format!("poller {number}");
        let account = self.books.open_poked(label.clone());
        let strings = Arc::<Strings>::default();
        let poller = Poller {
            plan,
            gives_up_after: reader.gives_up_after,
            receiver: Some(receiver),
            desk: Desk::new(channel, &self.books),
            account: Arc::clone(&account),
            value: self.books.open_value(label.clone()),
            strings: Arc::clone(&strings),
            own: None,
            jitter: self.jitter(),
            random: Random::new(random.next()),
            in_vain: 0,
        };
        let builder = self.runtime.machine(poller).name(label);
        let builder = match plan.goes_on {
            GoesOn::Poked {
                capacity: Some(capacity),
            } => builder.capacity(capacity),
            _ => builder.unbounded(),
        };
        let target = Small::target(account, builder.accepts::<Small>().connect());
        let own = &strings.own;
        *own.lock().unwrap_or_else(PoisonError::into_inner) = Some(target.clone());
        poller::first_poke(&target);
        if plan.goes_on != GoesOn::Woken {
            let over = Arc::clone(&self.over);
            let poke = move || poller::poke(&target, &strings, &over, &mut random);
            self.meddlers.push(spawn(format!("poker {number}"), poke)?);
        }
        Ok(())
    }
}
