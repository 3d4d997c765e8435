//! Tables of medians, of ratios and of targets, as Markdown that a terminal shows well.

use std::fmt::Write;

use super::QUICK;
use crate::by_ratios::ByRatios;
use crate::machine::Machine;
use crate::plan::Contender;
use crate::results::{Results, Row, figure};

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// All tables.
pub(crate) fn render(results: &Results, machine: &Machine, quick: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}", machine.line());
    let packages: Vec<_> = machine
        .versions
        .iter()
        .map(|(package, version)| format!("{package} {version}"))
        .collect();
    let _ = writeln!(
        text,
        "{} workers; {}",
        results.workers(),
        packages.join(", ")
    );
    if quick {
        let _ = writeln!(text, "{QUICK}");
    }
    let _ = writeln!(text, "\nMedians\n\n{}", medians(results));
    let _ = writeln!(
        text,
        "How many times better d3 is, medians of the ratios within each round\n\n{}",
        ratios(results)
    );
    let targets = targets(results);
    // Small sizes reach nothing and miss nothing.
    if !quick && !targets.is_empty() {
        let _ = writeln!(text, "Targets\n\n{targets}");
    }
    let by_ratios = by_ratios(results);
    if !quick && !by_ratios.is_empty() {
        let _ = writeln!(text, "The must, by ratios\n\n{by_ratios}");
    }
    text.push_str(&notes(results));
    text
}

fn medians(results: &Results) -> String {
    let contenders = results.contenders();
    let mut lines = vec![head(&["what", "unit"], &contenders)];
    for row in results.rows() {
        let mut line = vec![row.metric.title.to_owned(), row.metric.unit.to_owned()];
        line.extend(
            contenders
                .iter()
                .map(|contender| median(results, row, *contender)),
        );
        lines.push(line);
    }
    grid(&lines, 2)
}

fn median(results: &Results, row: Row, contender: Contender) -> String {
    let value = results
        .cell(row, contender)
        .map_or_else(|| NOTHING.to_owned(), |cell| figure(cell.median));
    if results.note(row.workload, contender).is_some() {
        // The notes below say why.
        value + " !"
    } else {
        value
    }
}

fn ratios(results: &Results) -> String {
    let contenders: Vec<_> = results
        .contenders()
        .into_iter()
        .filter(|contender| *contender != Contender::D3)
        .collect();
    let mut lines = vec![head(&["d3 to …", "best peer", "to best"], &contenders)];
    for row in results
        .rows()
        .into_iter()
        .filter(|row| row.metric.has_ratio)
    {
        let best = results.best_peer(row);
        let mut line = vec![
            row.metric.title.to_owned(),
            best.map_or_else(|| NOTHING.to_owned(), |best| best.to_string()),
            ratio(results, row, best),
        ];
        line.extend(
            contenders
                .iter()
                .map(|contender| ratio(results, row, Some(*contender))),
        );
        lines.push(line);
    }
    grid(&lines, 2)
}

fn ratio(results: &Results, row: Row, theirs: Option<Contender>) -> String {
    theirs
        .and_then(|theirs| results.ratio(row, Contender::D3, theirs))
        .map_or_else(|| NOTHING.to_owned(), |ratio| figure(ratio) + " ×")
}

/// One line for each target that a contender of ours has. Empty if there is none.
fn targets(results: &Results) -> String {
    let titles = ["what", "who", "unit", "found", "must", "reach", "verdict"];
    let mut lines = vec![titles.map(str::to_owned).to_vec()];
    for row in results.rows() {
        for contender in results.contenders() {
            lines.extend(target(results, row, contender));
            lines.extend(targets_beside(results, row, contender));
        }
    }
    if lines.len() == 1 {
        return String::new();
    }
    grid(&lines, 3)
}

fn target(results: &Results, row: Row, contender: Contender) -> Option<Vec<String>> {
    let target = row.workload.target(row.index, contender)?;
    let found = results.cell(row, contender)?.median;
    let below_a_peer = results
        .best_peer(row)
        .and_then(|best| results.ratio(row, contender, best))
        .is_some_and(|ratio| ratio < 1.0);
    let mut verdict = verdict(
        row.metric.reaches(found, target.must),
        row.metric.reaches(found, target.reach),
    )
    .to_owned();
    if below_a_peer {
        verdict.push_str(", BELOW A PEER");
    }
    Some(vec![
        row.metric.title.to_owned(),
        contender.to_string(),
        row.metric.unit.to_owned(),
        figure(found),
        figure(target.must),
        figure(target.reach),
        verdict,
    ])
}

/// The targets that are ratios to peers of the same sitting.
fn targets_beside(results: &Results, row: Row, contender: Contender) -> Vec<Vec<String>> {
    let targets = row.workload.targets_beside(row.index, contender);
    let lines = targets.iter().filter_map(|(peer, target)| {
        let found = results.ratio(row, contender, *peer)?;
        Some(vec![
            row.metric.title.to_owned(),
            contender.to_string(),
            format!("× {peer}"),
            figure(found),
            figure(target.must),
            figure(target.reach),
            verdict(found >= target.must, found >= target.reach).to_owned(),
        ])
    });
    lines.collect()
}

/// The musts on this machine, by what the peers do on it. Empty if there is none.
fn by_ratios(results: &Results) -> String {
    let titles = [
        "what",
        "who",
        "unit",
        "found",
        "must",
        "peers",
        "machine by peers",
        "must scaled to it",
        "measured / needed",
        "least .. most",
        "verdict",
    ];
    let mut lines = vec![titles.map(str::to_owned).to_vec()];
    for row in results.rows() {
        for contender in results.contenders() {
            if let Some(found) = ByRatios::of(results, row, contender) {
                lines.push(by_ratios_line(row, contender, &found));
            }
        }
    }
    if lines.len() == 1 {
        return String::new();
    }
    grid(&lines, 3)
}

fn by_ratios_line(row: Row, contender: Contender, found: &ByRatios) -> Vec<String> {
    let or_nothing = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), figure);
    let share = found.share();
    vec![
        row.metric.title.to_owned(),
        contender.to_string(),
        row.metric.unit.to_owned(),
        figure(found.found),
        figure(found.must),
        format!("{} of {}", found.peers.len(), found.known),
        or_nothing(found.machine()),
        or_nothing(found.scaled_must()),
        or_nothing(share.map(|share| share.median)),
        share.map_or_else(
            || NOTHING.to_owned(),
            |share| format!("{} .. {}", figure(share.least), figure(share.most)),
        ),
        match found.reached() {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "no peers",
        }
        .to_owned(),
    ]
}

fn verdict(must: bool, reach: bool) -> &'static str {
    match (must, reach) {
        (_, true) => "reached",
        (true, false) => "must",
        (false, false) => "MISSED",
    }
}

/// What is to be said beside the figures; empty if there is nothing.
fn notes(results: &Results) -> String {
    let mut text = String::new();
    for (workload, contender) in results.pairs() {
        if let Some(note) = results.note(*workload, *contender) {
            let _ = writeln!(text, "! {workload}, {contender}: {note}");
        }
    }
    text
}

fn head(titles: &[&str], contenders: &[Contender]) -> Vec<String> {
    let contenders = contenders.iter().map(ToString::to_string);
    titles
        .iter()
        .map(|title| (*title).to_owned())
        .chain(contenders)
        .collect()
}

/// A Markdown table with aligned columns; the first `left` are words, the others figures.
fn grid(lines: &[Vec<String>], left: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        text.push('|');
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if column < left {
                write!(text, " {cell:<width$} |")
            } else {
                write!(text, " {cell:>width$} |")
            };
        }
        text.push('\n');
        if index == 0 {
            text.push('|');
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(*width);
                let _ = if column < left {
                    write!(text, " {dashes} |")
                } else {
                    write!(text, " {dashes}:|")
                };
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_aligned() {
        let lines =
            [["who", "µs"], ["a peer", "1.50"]].map(|line| line.map(str::to_owned).to_vec());
        assert_eq!(
            grid(&lines, 1),
            "| who    |   µs |\n| ------ | ----:|\n| a peer | 1.50 |\n"
        );
    }
}
