//! A soak of seconds, as people run it.

use std::process::{Command, Output};

use serde_json::Value;

fn soak(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stress"));
    command.args(["--json", "-", "soak"]).args(arguments);
    command.output().expect("the program starts")
}

#[test]
fn a_short_soak_works_and_draws() {
    let drawing = std::env::temp_dir().join(format!("soak-{}.svg", std::process::id()));
    let file = drawing.to_str().expect("a name");
    let output = soak(&["--minutes", "0.1", "--workers", "2", "--svg", file]);
    let text = String::from_utf8_lossy(&output.stdout);
    let value: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("JSON");
    // Seconds after its start a process still warms up, so that only the memory may be found wrong.
    let problems = value["problems"].as_array().expect("a list");
    let of_memory = |problem: &&Value| problem.as_str().is_some_and(|text| text.contains("memory"));
    assert_eq!(
        problems.iter().filter(of_memory).count(),
        problems.len(),
        "{problems:?}"
    );
    assert_eq!(output.status.success(), problems.is_empty());
    assert!(value["work"]["instructions"].as_u64() > Some(0));
    assert!(value["work"]["parts"]["walks through a thousand machines"].as_u64() > Some(0));
    assert!(value["samples"].as_u64() > Some(10));
    let svg = std::fs::read_to_string(&drawing).expect("a drawing");
    assert!(svg.starts_with("<svg") && svg.contains("polyline"));
    std::fs::remove_file(&drawing).expect("it is ours");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for arguments in [
        &["--minutes", "0"][..],
        &["--minutes", "NaN"],
        &["--hours", "-1"],
        &["--hours", "1", "--minutes", "1"],
    ] {
        assert_eq!(soak(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_drawing_that_cannot_be_written_is_a_failure() {
    let output = soak(&["--minutes", "0.02", "--svg", "/no/such/folder/soak.svg"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/folder/soak.svg"));
}
