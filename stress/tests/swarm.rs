//! The swarm as people run it: exit codes, what is printed, what is written for programs.

use std::process::{Command, Output};

use serde_json::Value;

fn stress(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stress"));
    command.args(arguments);
    command.output().expect("the program starts")
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}\n{}", errors(output)))
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn seeds_that_pass() {
    let output = stress(&["--json", "-", "swarm", "--seeds", "100..112"]);
    assert!(output.status.success(), "{}", errors(&output));
    let value = json(&output);
    assert_eq!(value["totals"]["seeds"], 12);
    assert!(value["totals"]["received"].as_u64() > Some(0));
    assert_eq!(value["first_seed"], 100);
    assert_eq!(value["failed_seeds"], Value::Array(vec![]));
}

#[test]
fn fresh_seeds_for_a_while() {
    let output = stress(&["--json", "-", "swarm", "--minutes", "0.02"]);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(json(&output)["totals"]["seeds"].as_u64() > Some(0));
}

#[test]
fn a_lost_instruction_is_a_failure_with_seed_and_command() {
    let output = stress(&["swarm", "--seed", "7", "--patience", "2", "--break", "lose"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    for part in [
        "seed 7 has failed",
        "the lost one: not conserved",
        "swarm --seed 7",
        "replay --seed 7 --times 100",
    ] {
        assert!(errors.contains(part), "{part:?} is not in:\n{errors}");
    }
}

#[test]
fn a_hang_tells_who_does_what() {
    // A swarm that settles: it waits for the machine that never comes back.
    let output = stress(&["swarm", "--seed", "8", "--patience", "2", "--break", "hang"]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let errors = errors(&output);
    for part in [
        "seed 8 has failed",
        "worker 0: ",
        "inside the user code of the sleeper for ",
    ] {
        assert!(errors.contains(part), "{part:?} is not in:\n{errors}");
    }
}

#[test]
fn a_crash_has_a_seed() {
    let output = stress(&["swarm", "--seeds", "5..9", "--break", "crash"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors(&output);
    assert!(errors.contains("seed 5 ended its process"), "{errors}");
}

#[test]
fn it_goes_on_behind_a_failure_if_told_to() {
    let output = stress(&[
        "--json",
        "-",
        "swarm",
        "--seeds",
        "5..8",
        "--keep-going",
        "--break",
        "crash",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["failed_seeds"], serde_json::json!([5, 6, 7]));
}

#[test]
fn a_replay_counts() {
    let output = stress(&["--json", "-", "replay", "--seed", "7", "--times", "3"]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(json(&output)["passed"], 3);
    let output = stress(&[
        "--json", "-", "replay", "--seed", "7", "--times", "3", "--break", "crash",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["crashed"], 3);
    assert!(errors(&output).contains("3 of 3 runs failed"));
    let output = stress(&[
        "--json",
        "-",
        "replay",
        "--seed",
        "7",
        "--times",
        "2",
        "--patience",
        "1",
        "--break",
        "lose",
    ]);
    assert_eq!(json(&output)["failed"], 2);
}

/// A swarm whose shutdown has a deadline: the worker that never comes back is left behind by it, and found all the same.
#[test]
fn a_hang_behind_a_deadline_is_found() {
    let output = stress(&["swarm", "--seed", "7", "--patience", "2", "--break", "hang"]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let errors = errors(&output);
    for part in ["nothing has moved for 2 s", "the user code of the sleeper"] {
        assert!(errors.contains(part), "{part:?} is not in:\n{errors}");
    }
}

#[test]
fn delays_need_a_build_that_has_them() {
    let output = stress(&["--json", "-", "swarm", "--seeds", "100..103", "--delays"]);
    if cfg!(feature = "delays") {
        assert!(output.status.success(), "{}", errors(&output));
        assert_eq!(json(&output)["delays"], true);
    } else {
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains("--features delays"));
    }
    let output = stress(&[
        "--json",
        "-",
        "swarm",
        "--seeds",
        "100..103",
        "--delays=false",
    ]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(json(&output)["delays"], false);
    assert_eq!(json(&output)["totals"]["delays"], 0);
}

#[test]
fn a_plan_can_be_read() {
    let output = stress(&["swarm", "--seed", "7", "--plan"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("seed: 7") && text.contains("finish: "),
        "{text}"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    for arguments in [
        &["swarm", "--seed", "x"][..],
        &["swarm", "--seeds", "9..3"],
        &["swarm", "--minutes", "-1"],
        &["swarm", "--plan"],
        &["replay"],
        &["replay", "--seed", "1", "--times", "0"],
        &["replay", "--seed", "1", "--delays=perhaps"],
    ] {
        let output = stress(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            errors(&output)
        );
        assert!(!output.stderr.is_empty());
    }
}
