//! The program as a whole: everything arrives, no mailbox exceeds its bound, and it ends when it should.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take; far more than a run.
const PATIENCE: Duration = Duration::from_secs(120);

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
    command
        .args(arguments.split_whitespace())
        .stdin(Stdio::null());
    command
}

fn output(arguments: &str) -> Output {
    command(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The number behind `"key":` in a JSON line.
fn number(line: &str, key: &str) -> f64 {
    let (_, rest) = line
        .split_once(&format!("\"{key}\":"))
        .unwrap_or_else(|| panic!("no {key} in {line}"));
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    rest[..end]
        .parse()
        .unwrap_or_else(|_| panic!("{key} in {line}"))
}

/// The part of a line that describes one mailbox.
fn mailbox<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line
        .split_once(&format!("{{\"name\":\"{name}\""))
        .unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split_once('}').expect("the end of the object").0
}

/// Looks, and the line at the end.
fn check(lines: &[String], capacity: f64, batch: f64) {
    let (end, looks) = lines.split_last().expect("some lines");
    assert!(!looks.is_empty(), "it is looked at least once");
    for look in looks {
        for (name, bound) in [("stage", capacity + batch), ("sink", capacity + 1.0)] {
            let mailbox = mailbox(look, name);
            assert_eq!(number(mailbox, "bound"), bound);
            assert!(number(mailbox, "highest") <= bound, "{look}");
        }
        assert!(number(look, "arrived") <= number(look, "made"), "{look}");
    }
    assert!(number(end, "made") > 0.0, "{end}");
    assert_eq!(number(end, "made"), number(end, "arrived"), "{end}");
    assert!(
        end.contains("\"in_order\":true") && end.contains("\"within_bounds\":true"),
        "{end}"
    );
}

#[test]
fn everything_arrives_and_no_mailbox_exceeds_its_bound() {
    for (capacity, batch, workers) in [(1, 1, 1), (4, 3, 2), (16, 40, 3)] {
        let output = output(&format!(
            "--json --seconds 0.5 --capacity {capacity} --batch {batch} --workers {workers} --work-us 50 --interval-ms 20"
        ));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        check(&lines, f64::from(capacity), f64::from(batch));
        assert!(
            lines
                .last()
                .is_some_and(|end| end.contains("\"ended_by\":\"time\""))
        );
        // The source is faster than the stage: it was made to wait.
        let parks = lines.iter().filter(|line| line.contains("mailboxes"));
        let parks = parks.map(|line| number(mailbox(line, "source"), "parks"));
        assert!(parks.fold(0.0, f64::max) > 0.0);
        // And memory stays what it is. The first looks see the process grow to its size.
        let memory: Vec<f64> = lines
            .iter()
            .filter(|line| line.contains("mailboxes") && !line.contains("\"memory_kib\":null"))
            .map(|line| number(line, "memory_kib"))
            .collect();
        if let [first, .., last] = memory[..] {
            assert!(last < first + 16.0 * 1024.0, "{memory:?}");
        }
    }
}

/// A child that is killed if the test fails before it has ended.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_signal_ends_it_cleanly() {
    for signal in ["INT", "TERM"] {
        let mut command = command("--json --seconds 3600 --capacity 8 --batch 4 --interval-ms 20");
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = Process(child.expect("the program starts"));
        let mut out = BufReader::new(process.0.stdout.take().expect("a pipe"));
        let mut lines = vec![];
        // Once something has arrived it is in the middle of it.
        while lines
            .last()
            .is_none_or(|line: &String| number(line, "arrived") == 0.0)
        {
            let mut line = String::new();
            assert!(out.read_line(&mut line).expect("text") > 0, "it goes on");
            lines.push(line);
        }
        let sent = Command::new("kill")
            .args([format!("-{signal}"), process.0.id().to_string()])
            .status();
        assert!(sent.expect("there is a kill").success());
        lines.extend(out.lines().map(|line| line.expect("text")));
        let started = Instant::now();
        let status = loop {
            match process.0.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None => assert!(started.elapsed() < PATIENCE, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut errors = String::new();
        let mut stderr = process.0.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut errors).expect("text");
        assert_eq!(status.code(), Some(0), "{errors}");
        check(&lines, 8.0, 4.0);
        assert!(
            lines
                .last()
                .is_some_and(|end| end.contains("\"ended_by\":\"signal\""))
        );
    }
}

#[test]
fn a_rate_is_kept() {
    let output = output("--json --seconds 0.5 --rate 400 --work-us 1 --interval-ms 20");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    check(&lines, 16.0, 8.0);
    for look in &lines {
        // What is due when it is looked at, or a little before.
        assert!(
            number(look, "made") <= 400.0 * number(look, "seconds") + 1.0,
            "{look}"
        );
    }
}

#[test]
fn without_a_terminal_it_writes_plain_lines() {
    let output = output("--seconds 0.2 --interval-ms 20");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(!out.contains('\x1b'), "{out}");
    assert!(
        out.lines().count() > 2 && out.contains("stage") && out.contains("memory"),
        "{out}"
    );
    let end = out.lines().last().unwrap_or_default();
    assert!(
        end.contains("all arrived, in order, within their bounds"),
        "{out}"
    );
}

#[test]
fn nobody_reads_what_it_writes() {
    let mut command = command("--seconds 3600 --interval-ms 5");
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = Process(child.expect("the program starts"));
    drop(process.0.stdout.take());
    let mut errors = String::new();
    let mut stderr = process.0.stderr.take().expect("a pipe");
    // Its end: it does not go on for an hour for nobody.
    stderr.read_to_string(&mut errors).expect("text");
    assert_eq!(errors, "");
    assert_eq!(process.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_wrong_option_is_named() {
    for (arguments, named) in [
        ("--capacity 0", "--capacity 0"),
        ("--seconds soon", "soon"),
        ("--bars", "--bars"),
        ("--rate", "--rate"),
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(text(&output.stderr).contains(named), "{arguments}");
    }
    let help = output("--help");
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--capacity"));
}
