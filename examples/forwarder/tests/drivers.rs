//! The drivers at small sizes, in crowds, and when they cannot succeed.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use d3::components::Settings;
use d3::components::settings::ForwarderTest;
use d3::prelude::*;
use forwarder::{Failure, Plan, Report, run};

fn small(test: ForwarderTest, machines: usize, messages: usize) -> Plan {
    let mut plan = Plan::new(test);
    plan.machines = machines;
    plan.messages = messages;
    plan.iterations = 3;
    plan.timeout = Duration::from_secs(300);
    plan
}

fn run_on_two(capacity: usize, plan: &Plan) -> Report {
    let runtime = Runtime::builder()
        .workers(2)
        .mailbox_capacity(capacity)
        .build()
        .expect("a runtime");
    let mut moments = Vec::new();
    let report = run(&runtime, plan, &mut |moment| moments.push(moment)).expect("nothing is lost");
    assert_eq!(
        report.instructions,
        plan.instructions().expect("a sound plan")
    );
    assert_eq!(moments.len(), plan.iterations);
    assert_eq!(
        moments.last().map(|moment| moment.instructions),
        Some(report.instructions)
    );
    // The driver has heard the last `disconnected`; that machine counts until its worker is done with it.
    runtime
        .wait_idle(plan.timeout)
        .expect("nothing is left to do");
    assert_eq!(runtime.machine_count(), 0);
    let stopped = runtime.shutdown(Duration::from_secs(60));
    assert!(stopped.is_clean(), "{stopped}");
    report
}

#[test]
fn a_chain() {
    let plan = small(ForwarderTest::DaisyChain, 200, 30);
    assert_eq!(run_on_two(250, &plan).instructions, 3 * 30 * 200);
    run_on_two(1, &plan);
}

#[test]
fn a_chain_that_multiplies() {
    let mut plan = small(ForwarderTest::DaisyChain, 6, 3);
    plan.forwarding_multiplier = 4;
    run_on_two(2, &plan);
    plan.unbound_queue = true;
    run_on_two(2, &plan);
}

#[test]
fn a_chain_of_one() {
    run_on_two(8, &small(ForwarderTest::DaisyChain, 1, 30));
}

#[test]
fn a_fan_with_a_narrow_end() {
    let mut plan = small(ForwarderTest::FanoutFanin, 100, 15);
    plan.fanin_capacity = Some(1);
    run_on_two(16, &plan);
    plan.unbound_queue = true;
    run_on_two(16, &plan);
}

#[test]
fn monkeys_in_a_crowd() {
    let mut plan = small(ForwarderTest::ChaosMonkey, 10, 50);
    plan.inflection_value = 9;
    assert_eq!(run_on_two(1, &plan).instructions, 3 * 50 * (20 + 1));
    plan.inflection_value = 0;
    run_on_two(250, &plan);
}

#[test]
fn settings_of_d3_are_understood() {
    let settings = Settings::parse(
        "[[additional]]
         [additional.Forwarder]
         run = ['fanout_fanin', 'chaos_monkey']
         [additional.Forwarder.default]
         timeout = 300
         machines = 20
         messages = 5
         iterations = 2
         forwarding_multiplier = 1
         [additional.Forwarder.fanout_fanin]
         fanin_capacity = 4
         [additional.Forwarder.chaos_monkey]
         inflection_value = 3
         unbound_queue = 1",
    )
    .expect("sound settings");
    let section = settings.forwarder().expect("a section");
    let runs = section.run().iter().map(|&test| {
        let plan = Plan::of(test, &section.fields(test)).expect("a sound plan");
        run_on_two(250, &plan).instructions
    });
    assert_eq!(
        runs.collect::<Vec<_>>(),
        [2 * (5 + 2 * 18 * 5), 2 * 5 * (8 + 1)]
    );
}

#[derive(Debug, MachineImpl)]
enum Block {
    Here,
}

#[test]
fn what_takes_too_long_is_told() {
    let runtime = Runtime::builder().workers(1).build().expect("a runtime");
    // The only worker waits at a gate, so that nothing of the driver can happen.
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (_, blocker) = runtime.connect(move |Block::Here: Block| {
        let _ = gate.lock().expect("no panic").recv();
    });
    blocker.send(Block::Here).expect("it lives");
    let mut plan = small(ForwarderTest::ChaosMonkey, 10, 5);
    plan.timeout = Duration::from_millis(1);
    match run(&runtime, &plan, &mut |_| ()) {
        Err(failure @ Failure::Timeout { .. }) => {
            assert!(
                failure.to_string().contains("worker  activations"),
                "{failure}"
            );
        }
        other => panic!("{other:?}"),
    }
    drop(open);
    runtime.shutdown(Duration::from_secs(60));
}

#[test]
fn a_runtime_that_has_ended_is_told() {
    let runtime = Runtime::builder().workers(1).build().expect("a runtime");
    runtime.shutdown(Duration::from_secs(60));
    let outcome = run(
        &runtime,
        &small(ForwarderTest::DaisyChain, 3, 3),
        &mut |_| (),
    );
    assert_eq!(outcome, Err(Failure::Stopped));
}
