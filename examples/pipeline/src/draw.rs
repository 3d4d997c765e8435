//! What a look shows: bars in a terminal, lines elsewhere, or JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::options::Options;

/// One mailbox at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) name: &'static str,
    pub(crate) len: usize,
    pub(crate) capacity: usize,
    /// The most it has ever held, and the most it may ever hold, where that is known.
    pub(crate) highest: usize,
    pub(crate) bound: Option<usize>,
    pub(crate) parks: u64,
    pub(crate) parked_for: Duration,
    pub(crate) waits_for: Option<&'static str>,
}

/// The pipeline at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) elapsed: Duration,
    pub(crate) made: u64,
    pub(crate) arrived: u64,
    /// What the process holds in memory; None where the system does not tell.
    pub(crate) memory_kib: Option<u64>,
    pub(crate) mailboxes: Vec<Mailbox>,
}

/// How it all ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) elapsed: Duration,
    pub(crate) made: u64,
    pub(crate) arrived: u64,
    pub(crate) in_order: bool,
    pub(crate) within_bounds: bool,
    pub(crate) by_signal: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Bars,
    Lines,
    Json,
}

pub(crate) struct Screen {
    style: Style,
    /// Lines of the last look, to be drawn over.
    drawn: usize,
}

const BAR_WIDTH: usize = 40;

impl Screen {
    pub(crate) fn new(options: &Options) -> Self {
        let style = match options {
            Options { json: true, .. } => Style::Json,
            Options { plain: true, .. } => Style::Lines,
            _ if io::stdout().is_terminal() => Style::Bars,
            _ => Style::Lines,
        };
        Self { style, drawn: 0 }
    }

    pub(crate) fn show(&mut self, look: &Look) -> io::Result<()> {
        match self.style {
            Style::Json => put(&(json(look) + "\n")),
            Style::Lines => put(&(line(look) + "\n")),
            Style::Bars => {
                let mut text = String::new();
                if self.drawn > 0 {
                    // Up to where the last look began.
                    let _ = write!(text, "\x1b[{}A", self.drawn);
                }
                let lines = bars(look);
                self.drawn = lines.len();
                for line in lines {
                    // Each line is cleared first: the last look may have been longer.
                    let _ = writeln!(text, "\x1b[2K{line}");
                }
                put(&text)
            }
        }
    }

    pub(crate) fn end(&self, outcome: &Outcome) -> io::Result<()> {
        let Outcome {
            made,
            arrived,
            in_order,
            within_bounds,
            by_signal,
            ..
        } = outcome;
        let seconds = outcome.elapsed.as_secs_f64();
        let by = if *by_signal { "signal" } else { "time" };
        if self.style == Style::Json {
            return put(&format!(
                "{{\"ended_by\":\"{by}\",\"seconds\":{seconds:.3},\"made\":{made},\"arrived\":{arrived},\
                 \"in_order\":{in_order},\"within_bounds\":{within_bounds}}}\n"
            ));
        }
        let verdict = match (made == arrived, in_order, within_bounds) {
            (false, ..) => "something is missing",
            (_, false, _) => "out of order",
            (.., false) => "a mailbox exceeded its bound",
            _ => "all arrived, in order, within their bounds",
        };
        put(&format!(
            "ended by {by} after {seconds:.2} s: {made} made, {arrived} arrived; {verdict}\n"
        ))
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn memory(kib: Option<u64>) -> String {
    kib.map_or("unknown".to_owned(), |kib| {
        format!("{:.1} MiB", kib as f64 / 1024.0)
    })
}

fn line(look: &Look) -> String {
    let mut text = format!("{:>8.2} s", look.elapsed.as_secs_f64());
    for mailbox in &look.mailboxes {
        let _ = write!(
            text,
            "  {} {:>3}/{}",
            mailbox.name, mailbox.len, mailbox.capacity
        );
    }
    let _ = write!(
        text,
        "  made {}  arrived {}  memory {}",
        look.made,
        look.arrived,
        memory(look.memory_kib)
    );
    text
}

fn bars(look: &Look) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>7.2} s   made {}   arrived {}   memory {}",
        look.elapsed.as_secs_f64(),
        look.made,
        look.arrived,
        memory(look.memory_kib)
    )];
    for mailbox in &look.mailboxes {
        let full = mailbox.bound.unwrap_or(mailbox.capacity).max(1);
        let filled = (mailbox.len * BAR_WIDTH).div_ceil(full).min(BAR_WIDTH);
        let mut text = format!(
            "{:<7}[{}{}] {:>4} of {}, highest {}",
            mailbox.name,
            "█".repeat(filled),
            " ".repeat(BAR_WIDTH - filled),
            mailbox.len,
            mailbox.capacity,
            mailbox.highest
        );
        if let Some(bound) = mailbox.bound {
            let _ = write!(text, " (may be {bound})");
        }
        if mailbox.parks > 0 {
            let _ = write!(
                text,
                "; parked {} times, {:.1} s",
                mailbox.parks,
                mailbox.parked_for.as_secs_f64()
            );
        }
        if let Some(receiver) = mailbox.waits_for {
            let _ = write!(text, ", waits for {receiver}");
        }
        lines.push(text);
    }
    lines
}

fn json(look: &Look) -> String {
    let or_null = |number: Option<u64>| number.map_or("null".to_owned(), |n| n.to_string());
    let mut text = format!(
        "{{\"seconds\":{:.3},\"made\":{},\"arrived\":{},\"memory_kib\":{},\"mailboxes\":[",
        look.elapsed.as_secs_f64(),
        look.made,
        look.arrived,
        or_null(look.memory_kib)
    );
    for (nth, mailbox) in look.mailboxes.iter().enumerate() {
        let waits_for = match mailbox.waits_for {
            Some(name) => format!("\"{name}\""),
            None => "null".to_owned(),
        };
        let _ = write!(
            text,
            "{}{{\"name\":\"{}\",\"len\":{},\"capacity\":{},\"highest\":{},\"bound\":{},\"parks\":{},\
             \"parked_s\":{:.6},\"waits_for\":{waits_for}}}",
            if nth > 0 { "," } else { "" },
            mailbox.name,
            mailbox.len,
            mailbox.capacity,
            mailbox.highest,
            or_null(mailbox.bound.map(|bound| bound as u64)),
            mailbox.parks,
            mailbox.parked_for.as_secs_f64(),
        );
    }
    text + "]}"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(len: usize) -> Look {
        Look {
            elapsed: Duration::from_millis(1250),
            made: 30,
            arrived: 20,
            memory_kib: Some(2048),
            mailboxes: vec![Mailbox {
                name: "stage",
                len,
                capacity: 16,
                highest: 20,
                bound: Some(24),
                parks: 3,
                parked_for: Duration::from_millis(500),
                waits_for: Some("sink"),
            }],
        }
    }

    #[test]
    fn a_bar_is_as_long_as_the_mailbox_is_full() {
        let blocks = |len| bars(&look(len))[1].matches('█').count();
        assert_eq!(blocks(0), 0);
        assert_eq!(blocks(12), BAR_WIDTH / 2);
        assert_eq!(blocks(24), BAR_WIDTH);
        // A figure from outside may overstate: the bar stays in its frame.
        assert_eq!(blocks(1_000), BAR_WIDTH);
    }

    #[test]
    fn a_look_as_text() {
        let line = line(&look(7));
        assert!(
            line.contains("stage   7/16") && line.contains("2.0 MiB"),
            "{line}"
        );
        assert_eq!(
            json(&look(7)),
            "{\"seconds\":1.250,\"made\":30,\"arrived\":20,\"memory_kib\":2048,\"mailboxes\":[{\"name\":\"stage\",\"len\":7,\
             \"capacity\":16,\"highest\":20,\"bound\":24,\"parks\":3,\"parked_s\":0.500000,\"waits_for\":\"sink\"}]}"
        );
    }
}
