//! Swarms that run.

use std::sync::Arc;

use d3::Runtime;
#[cfg(feature = "delays")]
use d3_runtime::protocol::Point;

use super::PATIENCE;
use crate::swarm::jitter::Jitter;
use crate::swarm::machine::Node;
use crate::swarm::plan::{Behind, Finish, GoesOn, Kind, Look, Plan, PollerPlan, Reading};
use crate::swarm::run;
use crate::swarm::sets::{self, Several};
use crate::swarm::totals::Totals;

/// Runs a small swarm; it must pass.
fn pass(seed: u64, change: impl FnOnce(&mut Plan)) -> Totals {
    let mut plan = Plan::of(seed, true);
    plan.machines
        .iter_mut()
        .for_each(|machine| machine.births = machine.births.min(1));
    plan.outsiders
        .iter_mut()
        .for_each(|outsider| outsider.count = outsider.count.min(50));
    change(&mut plan);
    // A panic would end the watchdog's thread only.
    let stuck = move |state: String| {
        eprintln!("seed {seed} is stuck:\n{state}");
        std::process::exit(101);
    };
    let totals = run::run(&plan, PATIENCE, None, Box::new(stuck));
    totals.unwrap_or_else(|faults| panic!("seed {seed}: {faults:#?}"))
}

#[test]
fn small_swarms_pass() {
    for seed in 0..8 {
        let totals = pass(seed, |_| ());
        assert_eq!(totals.seeds, 1);
        assert!(totals.received + totals.dead + totals.returned > 0);
    }
}

#[test]
fn swarms_of_machines_with_several_sets_pass() {
    let has_sets = |plan: &Plan| {
        let machines = plan.machines.iter().filter(|machine| !machine.shared);
        machines
            .filter(|machine| machine.mailboxes.len() > 1)
            .count()
            > 5
    };
    let seeds = (100..).filter(|&seed| has_sets(&Plan::of(seed, true)));
    for seed in seeds.take(8) {
        assert_eq!(pass(seed, |_| ()).seeds, 1);
    }
}

/// Swarms in which all channels are read in this way.
fn pass_with(behind: Behind) {
    let has_channels = |plan: &Plan| plan.readers.len() > 1;
    let seeds = (200..).filter(|&seed| has_channels(&Plan::of(seed, true)));
    let mut totals = Totals::default();
    for seed in seeds.take(4) {
        totals.add(&pass(seed, |plan| {
            plan.workers = 1;
            plan.finish = Finish::Settled;
            for reader in &mut plan.readers {
                reader.behind = behind;
                reader.capacity = Some(1);
            }
        }));
    }
    let by_machines = matches!(behind, Behind::Machine(_));
    assert_eq!(totals.polled > 0, by_machines, "{behind:?}");
}

#[test]
fn channels_that_machines_poll_are_read() {
    for look in [
        Look::Poll,
        Look::Future,
        Look::TryRecv,
        Look::Recv,
        Look::Mixed,
    ] {
        let capacity = Some(1);
        for goes_on in [GoesOn::Woken, GoesOn::Poked { capacity }] {
            let stops_itself = look == Look::Mixed;
            pass_with(Behind::Machine(PollerPlan {
                look,
                goes_on,
                batch: 4,
                in_vain: 1,
                drains: !stops_itself,
                stops_itself,
            }));
        }
    }
}

#[test]
fn channels_that_threads_poll_are_read() {
    for dropped_percent in [0, 80] {
        pass_with(Behind::Thread(Reading::Polled { dropped_percent }));
    }
    pass_with(Behind::Thread(Reading::Mixed));
}

#[test]
fn what_cannot_be_accepted_together_is_not_connected() {
    let runtime = Runtime::builder().workers(1).build().expect("one thread");
    let node = Node::new(
        &Plan::of(0, true).machines[0],
        "a machine".into(),
        &Arc::default(),
        &Arc::default(),
        Jitter(Plan::of(0, true).jitter),
        None,
    );
    let mailboxes = Vec::new();
    let builder = runtime.machine(Several { mailboxes, node });
    assert!(sets::connect(builder, &[Kind::Large, Kind::Large], Vec::new()).is_none());
    assert_eq!(runtime.machine_count(), 0);
}

#[cfg(feature = "delays")]
#[test]
fn threads_dawdle_at_every_point() {
    use crate::swarm::delays::{Dawdle, DelayPlan, delayed_at};
    let everywhere = |how| {
        let points = Point::ALL.into_iter();
        let delay = move |point| DelayPlan {
            point,
            one_in: 2,
            how,
        };
        points.map(delay).collect::<Vec<_>>()
    };
    let missed = || {
        Point::ALL
            .into_iter()
            .filter(|&point| delayed_at(point) == 0)
    };
    for seed in 0..500 {
        let how = [Dawdle::Spin(100), Dawdle::Yield, Dawdle::Sleep(50)][seed as usize % 3];
        pass(seed, |plan| {
            plan.delays = everywhere(how);
            plan.outsiders
                .iter_mut()
                .for_each(|outsider| outsider.fuel = outsider.fuel.min(8));
        });
        if missed().next().is_none() {
            return;
        }
    }
    panic!("nobody dawdles at {:?}", missed().collect::<Vec<_>>());
}
