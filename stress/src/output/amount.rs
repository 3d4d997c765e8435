//! Figures as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with three digits that count, and a letter for its thousands.
pub(crate) fn figure(number: f64) -> String {
    let (scaled, letter) = match number.abs() {
        size if size >= 1e9 => (number / 1e9, " G"),
        size if size >= 1e6 => (number / 1e6, " M"),
        size if size >= 1e4 => (number / 1e3, " k"),
        _ => (number, ""),
    };
    format!("{}{letter}", three_digits(scaled))
}

/// Bytes in the largest unit of 1,024 that leaves a number above one.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.iter().find(|(_, shift)| number >> shift > 0) {
        Some((unit, shift)) => format!(
            "{} {unit}",
            three_digits(number as f64 / (1_u64 << shift) as f64)
        ),
        None => format!("{number} bytes"),
    }
}

/// A time, from nanoseconds to hours.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 if time < Duration::from_secs(1) => nanoseconds(time.as_nanos() as f64),
        0..=119 => format!("{} s", three_digits(time.as_secs_f64())),
        120..=7_199 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A short time, in the unit that suits it.
pub(crate) fn nanoseconds(time: f64) -> String {
    match time {
        time if time < 1e3 => format!("{} ns", three_digits(time)),
        time if time < 1e6 => format!("{} µs", three_digits(time / 1e3)),
        time if time < 1e9 => format!("{} ms", three_digits(time / 1e6)),
        time => format!("{} s", three_digits(time / 1e9)),
    }
}

fn three_digits(number: f64) -> String {
    match number.abs() {
        size if size == 0.0 || size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
