use std::time::Duration;

use super::progress::line;
use super::*;

#[test]
fn targets() {
    assert_eq!("-".parse(), Ok(Target::StandardOutput));
    assert_eq!("a/b.json".parse(), Ok(Target::File("a/b.json".into())));
    assert!("".parse::<Target>().is_err());
}

#[test]
fn amounts() {
    assert_eq!(
        [0, 999, 1_000, 1_234_567].map(count),
        ["0", "999", "1,000", "1,234,567"]
    );
    assert_eq!(
        [0.0, 1.234, 12.34, 9_999.0, 12_345.0, 5.6e6, 1.2e9].map(figure),
        ["0", "1.23", "12.3", "9999", "12.3 k", "5.60 M", "1.20 G"]
    );
    assert_eq!(
        [0, 1_023, 1_536, 25 << 30].map(bytes),
        ["0 bytes", "1023 bytes", "1.50 KiB", "25.0 GiB"]
    );
    assert_eq!(
        [12, 1_500, 2_500_000, 1_500_000_000, 125_000_000_000]
            .map(|ns| duration(Duration::from_nanos(ns))),
        ["12.0 ns", "1.50 µs", "2.50 ms", "1.50 s", "2:05 min"]
    );
    assert_eq!(duration(Duration::from_secs(7_380)), "2:03 h");
}

#[test]
fn a_table_lines_its_columns_up() {
    let mut table = Table::new("Phases", &["phase", "time"]);
    table.row(["connect", "1.2 s"]).row(["end", "12.3 s"]);
    assert_eq!(
        table.to_string(),
        "Phases\n  phase      time\n  connect   1.2 s\n  end      12.3 s\n"
    );
}

#[test]
fn progress_says_how_far_and_how_long() {
    let second = Duration::from_secs(1);
    assert_eq!(
        line("connect", 250, Some(1_000), second, ""),
        "connect: 250 of 1,000 (25 %), 1.00 s, 3.00 s to go"
    );
    assert_eq!(
        line("wait", 5, None, second, "idle"),
        "wait: 5, 1.00 s, idle"
    );
    assert_eq!(
        line("wait", 0, Some(0), second, ""),
        "wait: 0 of 0 (0 %), 1.00 s"
    );
}
