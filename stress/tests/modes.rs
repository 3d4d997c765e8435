//! Every mode as a process, at small sizes: what it prints, what it writes, how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs `stress` with these words.
fn stress(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stress"))
        .args(line.split_whitespace())
        .env_remove("RUN_MODE")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs `stress` so that its standard output is JSON, and wants it to end well.
fn json(line: &str) -> Value {
    let output = stress(&format!("{line} --json -"));
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{line}: {out}{err}");
    let value: Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{line}: {error}: {out}"));
    assert_eq!(value["ok"], true, "{value:#}");
    assert_eq!(value["problems"], Value::Array(Vec::new()), "{value:#}");
    value
}

/// Runs `stress`, which must refuse with exit code 2, and gives what it says.
fn refused(line: &str) -> String {
    let output = stress(line);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{line}: {out}{err}");
    err
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn a_few_thousand_machines() {
    let value = json("million --count 3_000 --workers 2 --rounds 3 --payload 64");
    assert_eq!(value["received"], 9_000);
    assert_eq!(value["ended"], 3_000);
    assert_eq!(value["parameters"]["workers"], 2);
    let phases: Vec<_> = value["phases"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|phase| &phase["name"])
        .collect();
    assert_eq!(phases, ["connect", "send", "end"]);
    assert!(
        value["latency_ns"]["samples"].as_u64() > Some(0),
        "{value:#}"
    );
    if cfg!(target_os = "linux") {
        assert!(value["memory"]["at_rest_bytes"].is_u64(), "{value:#}");
    }
}

#[test]
fn a_few_thousand_machines_in_a_chain_and_at_random() {
    let value = json(
        "million --count 2000 --workers 2 --pattern daisy --in-flight 5 --rounds 2 --capacity 2",
    );
    assert_eq!(value["received"], 2_000 * 5 * 2);
    let value =
        json("million --count 2000 --workers 2 --pattern random --in-flight 7 --payload 0 --pin");
    assert_eq!(value["received"], 2_000);
    let one = json("million --count 1 --pattern random --in-flight 7");
    assert_eq!(one["received"], 1);
}

#[test]
fn a_table_for_people_and_a_file_for_programs() {
    let path = file("million.json");
    let output = stress(&format!("million --count 1000 --json {}", path.display()));
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for words in [
        "connect",
        "per second",
        "connected, at rest",
        "steals",
        "wakes",
        "nothing is missing",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let text = std::fs::read_to_string(path).expect("the file was written");
    let value: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(value["received"], 1_000);
}

#[test]
fn the_small_sister_of_a_hundred_million() {
    let value = json("hundred-million --count 20_000 --trial 2_000 --workers 2");
    assert_eq!(value["alive_at_the_last_instruction"], 20_000);
    assert_eq!(value["received"], 20_000);
    assert_eq!(value["sum"], value["due_sum"]);
    let output = stress("hundred-million --count 1000 --trial 1000");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let first = out.lines().next().unwrap_or_default();
    assert!(
        first.contains("1,000 machines of") && first.contains("need about"),
        "{out}"
    );
}

#[test]
fn the_classic_drivers() {
    let value = json(
        "classic --machines 30 --messages 6 --iterations 2 --inflection 3 --workers 2 --timeout 120",
    );
    let drivers: Vec<_> = value["drivers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|driver| &driver["received"])
        .collect();
    assert_eq!(drivers, [2 * 6 * 30, 2 * (6 + 2 * 28 * 6), 2 * 6 * (8 + 1)]);
    let value = json(
        "classic daisy-chain --machines 6 --messages 2 --multiplier 3 --unbound --timeout 120",
    );
    assert_eq!(
        value["drivers"][0]["received"],
        2 * (1 + 3 + 9 + 27 + 81 + 243)
    );
}

#[test]
fn the_classic_drivers_by_settings() {
    let path = file("classic.toml");
    let text = "
        [executor]
        executors = 2
        queue_size = 3
        [[additional]]
        [additional.Forwarder]
        run = ['chaos_monkey']
        [additional.Forwarder.default]
        machines = 10
        messages = 4
        timeout = 120
        inflection_value = 2
    ";
    std::fs::write(&path, text).expect("a file");
    let value = json(&format!("classic --config {}", path.display()));
    assert_eq!(
        (&value["workers"], &value["capacity"]),
        (&2.into(), &3.into())
    );
    assert_eq!(value["drivers"][0]["received"], 4 * (6 + 1));
    assert_eq!(value["drivers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_scale_sheet() {
    let (csv, svg) = (file("scale.csv"), file("scale.svg"));
    for pattern in ["random", "each", "daisy"] {
        let value = json(&format!(
            "scale --pattern {pattern} --workers 1,2 --machines 10,100 --payload 0,64 --instructions 1000 --repeat 1 --csv {} --svg {}",
            csv.display(),
            svg.display()
        ));
        assert_eq!(value["cells"].as_array().map(Vec::len), Some(8));
        let sheet = std::fs::read_to_string(&csv).expect("a sheet");
        let first = sheet.lines().next().unwrap_or_default();
        assert!(
            first.starts_with(&format!("# pattern {pattern} on ")),
            "{sheet}"
        );
        let rows = sheet
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        assert_eq!(rows.count(), 8, "{sheet}");
        let drawing = std::fs::read_to_string(&svg).expect("a drawing");
        assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
        assert_eq!(drawing.matches("<circle").count(), 2 * 8);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (line, names) in [
        ("million --count 0", "--count"),
        ("million --count many", "--count"),
        ("million --payload 7", "--payload"),
        ("million --capacity 0", "--capacity"),
        ("million --pattern star", "--pattern"),
        ("million --patience=-1", "--patience"),
        ("million --workers 5000", "workers"),
        (
            "million --rounds 18446744073709551615 --count 2",
            "--rounds",
        ),
        ("hundred-million --trial 0", "--trial"),
        ("classic fanout-fanin --machines 2", "fanout_fanin.machines"),
        (
            "classic daisy-chain --multiplier 4",
            "daisy_chain.forwarding_multiplier",
        ),
        ("classic --config /nowhere/at/all", "/nowhere/at/all"),
        ("classic square-dance", "square-dance"),
        ("scale --machines 1,0", "--machines"),
        (
            "scale --machines 1 --instructions 1 --repeat 1 --csv /nowhere/at/all.csv",
            "/nowhere/at/all.csv",
        ),
        (
            "million --count 1 --json /nowhere/at/all.json",
            "/nowhere/at/all.json",
        ),
        ("dance", "dance"),
    ] {
        let problem = refused(line);
        assert!(problem.contains(names), "{line}: {problem}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_memory_is_too_short_for_is_refused() {
    for line in [
        "million --count 1_000_000_000_000",
        "hundred-million --count 1_000_000_000_000",
        "scale --machines 10,1000000000000",
    ] {
        let problem = refused(line);
        assert!(
            problem.contains("memory is too short")
                && problem.contains("TiB")
                && problem.contains("--force"),
            "{line}: {problem}"
        );
    }
}

/// What is missing is a failure, with exit code 1: here a driver that cannot be done in time.
#[test]
fn what_does_not_arrive_in_time_fails() {
    // More than 10^15 instructions in a tenth of a second.
    let output = stress(
        "classic daisy-chain --machines 51 --multiplier 2 --messages 1 --timeout 0.1 --json -",
    );
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(
        err.contains("daisy_chain: iteration 1: not within"),
        "{err}"
    );
    let value: Value = serde_json::from_str(&out).expect("JSON all the same");
    assert_eq!(value["ok"], false);
    assert_eq!(value["drivers"][0]["received"], Value::Null);
}
