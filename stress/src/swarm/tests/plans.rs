//! That the plans of seeds are what they say.

use std::collections::HashSet;

use d3_runtime::protocol::Point;

use crate::swarm::plan::{Behind, GoesOn, MachinePlan, Mood, Plan, ReaderPlan};
use crate::swarm::random::Random;
use crate::swarm::shape::{self, Shape};

#[test]
fn a_seed_is_a_swarm() {
    for seed in 0..50 {
        assert_eq!(
            format!("{:?}", Plan::of(seed, true)),
            format!("{:?}", Plan::of(seed, true))
        );
    }
    let (one, other) = (Plan::of(1, true), Plan::of(2, true));
    assert_ne!(format!("{one:?}"), format!("{other:?}"));
}

/// The name of a variant, without its fields.
fn name(value: impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '(', '{'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_seeds_reach_everything() {
    let mut seen = HashSet::new();
    for plan in (0..600).map(|seed| Plan::of(seed, true)) {
        for delay in &plan.delays {
            seen.insert(name(delay.point));
            seen.insert(name(delay.how));
        }
        seen.insert(format!("{:?}", plan.mood));
        seen.insert(name(plan.shape));
        seen.insert(name(plan.finish));
        seen.insert(format!("{} workers", plan.workers));
        for outsider in &plan.outsiders {
            seen.insert(name(outsider.sending));
            seen.insert(format!("wakers panic: {}", outsider.wakers_panic));
        }
        for reader in &plan.readers {
            match &reader.behind {
                Behind::Thread(reading) => seen.insert(name(reading)),
                Behind::Machine(poller) => {
                    seen.insert(format!("looks: {:?}", poller.look));
                    seen.insert(format!("drains: {}", poller.drains));
                    seen.insert(format!("stops itself: {}", poller.stops_itself));
                    seen.insert(format!("in vain: {}", poller.in_vain));
                    seen.insert(name(poller.goes_on))
                }
            };
            seen.insert(format!("gives up: {}", reader.gives_up_after.is_some()));
        }
        for machine in &plan.machines {
            seen.insert(name(machine.forward));
            seen.insert(format!("{} mailboxes", machine.mailboxes.len()));
            seen.insert(format!("births: {}", machine.births > 0));
            seen.insert(format!("shared: {}", machine.shared));
            if !machine.shared {
                seen.insert(format!("{} sets", machine.mailboxes.len()));
            }
            for mailbox in &machine.mailboxes {
                seen.insert(name(mailbox.kind));
                seen.insert(format!("bounded: {}", mailbox.capacity.is_some()));
            }
            let faults = format!("{:?}", machine.faults);
            let faults = faults.replace("FaultPlan { ", "").replace(", ", "\n");
            let faults = faults.lines().filter(|fault| !fault.contains("None"));
            let faults = faults.filter(|fault| !fault.contains("false"));
            let fields = faults.filter_map(|fault| fault.split(' ').next());
            seen.extend(fields.map(str::to_owned));
        }
    }
    let wanted = "Calm Rough Wild Random Ring Chain FanOut FanIn Star Tree Pairs Selves Settled Graceful Deadline Dropped Abandoned \
        Send TrySend SendTimeout Async Joined Recv TryRecv RecvTimeout Iter Polled Mixed Woken Poked Empty Small Medium Large Boxed One Split Burst \
        panic_in_connected: panic_in_disconnected: panic_in_drop: panic_at: stop_at: fail_at: stop_other_at: explosive_one_in: Spin Yield Sleep";
    for point in Point::ALL {
        assert!(seen.contains(&name(point)), "no seed delays {point:?}");
    }
    for word in wanted.split_whitespace() {
        assert!(seen.contains(word), "no seed has {word}");
    }
    for phrase in [
        "shared: true",
        "shared: false",
        "births: true",
        "bounded: false",
    ]
    .into_iter()
    .chain([
        "gives up: true",
        "wakers panic: true",
        "looks: Poll",
        "looks: Future",
        "looks: TryRecv",
        "looks: Recv",
        "looks: Mixed",
        "drains: true",
        "drains: false",
        "stops itself: true",
        "stops itself: false",
        "in vain: 0",
        "in vain: 8",
        "3 mailboxes",
        "1 sets",
        "2 sets",
        "3 sets",
        "4 sets",
        "1 workers",
        "8 workers",
    ]) {
        assert!(seen.contains(phrase), "no seed has {phrase}");
    }
}

/// Machines that share one worker with the machine that polls the channel which they are parked on, more of them than it has room for.
#[test]
fn many_seeds_crowd_a_channel_that_is_polled() {
    let plans: Vec<Plan> = (0..1_000).map(|seed| Plan::of(seed, true)).collect();
    let crowded = |plan: &Plan, number: usize, reader: &ReaderPlan| {
        let place = plan.mailboxes() + number;
        let machines = plan.machines.iter();
        let senders = machines.filter(|machine| machine.out.contains(&place));
        let capacity = reader.capacity.unwrap_or(usize::MAX);
        capacity <= 4 && senders.count() > capacity
    };
    let count = |is_wanted: fn(&Behind) -> bool| {
        let one_worker = plans.iter().filter(|plan| plan.workers == 1);
        let wanted = one_worker.filter(|plan| {
            let mut readers = plan.readers.iter().enumerate();
            readers
                .any(|(number, reader)| is_wanted(&reader.behind) && crowded(plan, number, reader))
        });
        wanted.count()
    };
    let woken = count(
        |behind| matches!(behind, Behind::Machine(poller) if poller.goes_on == GoesOn::Woken),
    );
    let poked = count(
        |behind| matches!(behind, Behind::Machine(poller) if poller.goes_on != GoesOn::Woken),
    );
    let threads = count(|behind| matches!(behind, Behind::Thread(_)));
    // In a thousand.
    assert!(
        woken >= 50 && poked >= 50 && threads >= 50,
        "{woken} by machines that are woken, {poked} by machines that are poked, {threads} by threads"
    );
}

#[test]
fn plans_stay_within_their_bounds() {
    let mut sizes = HashSet::new();
    for plan in (0..300).map(|seed| Plan::of(seed, true)) {
        assert!((2..=300).contains(&plan.machines.len()));
        sizes.insert(plan.machines.len().ilog2());
        let places = plan.mailboxes() + plan.readers.len();
        let outsiders = plan.outsiders.iter().flat_map(|outsider| &outsider.targets);
        let machines = plan.machines.iter().flat_map(|machine| &machine.out);
        assert!(outsiders.chain(machines).all(|place| *place < places));
        assert!(plan.stops.iter().all(|stop| stop.place < plan.mailboxes()));
        let mailboxes = plan.machines.iter().flat_map(|machine| &machine.mailboxes);
        for capacity in mailboxes.filter_map(|mailbox| mailbox.capacity) {
            assert!((1..=256).contains(&capacity));
        }
        if plan.mood == Mood::Calm {
            assert!(plan.stops.is_empty());
            let quiet = |machine: &MachinePlan| machine.faults.panic_at.is_none();
            assert!(plan.machines.iter().all(quiet));
        }
    }
    assert!(sizes.len() >= 7, "sizes of all magnitudes: {sizes:?}");
}

#[test]
fn shapes_are_what_they_are_called() {
    let edges = |shape| shape::edges(shape, 4, &mut Random::new(1));
    assert_eq!(edges(Shape::Ring), [(0, 1), (1, 2), (2, 3), (3, 0)]);
    assert_eq!(edges(Shape::Chain), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(edges(Shape::FanOut), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(edges(Shape::FanIn), [(1, 0), (2, 0), (3, 0)]);
    assert_eq!(edges(Shape::Tree), [(0, 1), (0, 2), (1, 3)]);
    assert_eq!(edges(Shape::Pairs), [(0, 1), (1, 0), (2, 3), (3, 2)]);
    assert_eq!(edges(Shape::Selves), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    assert_eq!(edges(Shape::Star).len(), 6);
    assert_eq!(edges(Shape::Random { degree: 3 }).len(), 12);
}

#[test]
fn sized_numbers_stay_in_range() {
    let mut random = Random::new(9);
    for (least, most) in [(1, 1), (1, 256), (2, 300), (64, 64), (3, 5), (100, 20_000)] {
        for _ in 0..1_000 {
            assert!((least..=most).contains(&random.sized(least..=most)));
        }
    }
    assert!((0..1_000).any(|_| random.sized(1..=256) == 256));
    assert!((0..100).any(|_| random.sized(1..=256) == 1));
}
