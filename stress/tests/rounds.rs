//! A few rounds, as people run them.

use std::process::Command;

use serde_json::Value;

fn stress() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stress"))
}

#[test]
fn rounds_leave_nothing() {
    let output = stress()
        .args(["--json", "-", "rounds", "--count", "40"])
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let value: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("JSON");
    assert_eq!(value["rounds"], 40);
    assert_eq!(value["connections"], 4);
    // Two threads and a future in each.
    assert_eq!(value["released_outside"], 120);
    assert!(value["parked"].as_u64() >= Some(40 * 46));
    assert!(value["dropped"].as_u64() > Some(0));
    assert!(value["bytes_per_round"].is_number());
}

#[test]
fn what_makes_no_sense_is_refused() {
    for arguments in [["--count", "0"], ["--workers", "0"], ["--count", "many"]] {
        let output = stress().arg("rounds").args(arguments).output();
        let output = output.expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
