//! The medians as bars: one panel for each row of the table.

use std::fmt::Write;

use super::QUICK;
use crate::machine::Machine;
use crate::plan::Contender;
use crate::results::{Cell, Results, Row, figure};

// All lengths are in the drawing's own units, which a browser shows as pixels.
const COLUMNS: usize = 2;
const PANEL_WIDTH: usize = 470;
const GAP: usize = 24;
const HEADER_HEIGHT: usize = 56;
const TITLE_HEIGHT: usize = 26;
const BAR_HEIGHT: usize = 13;
const BAR_PITCH: usize = 18;
const NAME_WIDTH: usize = 96;
/// What is left for the longest bar beside a name and a value.
const BAR_WIDTH_MAX: f64 = 290.0;

/// The colours of ours, of peers, of text, of the range of rounds, of a target.
const OURS: &str = "#c2410c";
const THEIRS: &str = "#94a3b8";
const TEXT: &str = "#1e293b";
const RANGE: &str = "#334155";
const TARGET: &str = "#15803d";

/// A bar: who, and what was found.
type Bar = (Contender, Option<Cell>);

/// A whole drawing.
pub(crate) fn render(results: &Results, machine: &Machine, quick: bool) -> String {
    let panels: Vec<(Row, Vec<Bar>)> = results
        .rows()
        .into_iter()
        .map(|row| (row, bars(results, row)))
        .collect();
    let mut body = String::new();
    let mut top = HEADER_HEIGHT;
    for line in panels.chunks(COLUMNS) {
        for (column, (row, bars)) in line.iter().enumerate() {
            let left = GAP + column * (PANEL_WIDTH + GAP);
            panel(&mut body, results, (left, top), *row, bars);
        }
        let bars = line.iter().map(|(_, bars)| bars.len()).max().unwrap_or(0);
        top += TITLE_HEIGHT + bars * BAR_PITCH + GAP;
    }
    let width = GAP + COLUMNS * (PANEL_WIDTH + GAP);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}" font-family="sans-serif" font-size="12" fill="{TEXT}">"#
    );
    let _ = writeln!(
        text,
        r##"<rect width="100%" height="100%" fill="#ffffff"/>"##
    );
    let quick = if quick {
        format!(" {QUICK}.")
    } else {
        String::new()
    };
    let explanation = format!(
        "Medians over rounds, with the range of the rounds. Green: what d3 must reach. {} workers.{quick}",
        results.workers()
    );
    label(&mut text, (GAP, 22), "14", &explanation);
    label(&mut text, (GAP, 42), "12", &machine.line());
    text.push_str(&body);
    text.push_str("</svg>\n");
    text
}

fn bars(results: &Results, row: Row) -> Vec<Bar> {
    results
        .contenders()
        .into_iter()
        .filter(|contender| row.workload.takes(*contender))
        .map(|contender| (contender, results.cell(row, contender)))
        .collect()
}

fn panel(
    text: &mut String,
    results: &Results,
    (left, top): (usize, usize),
    row: Row,
    bars: &[Bar],
) {
    let direction = if row.metric.more_is_better {
        "more is better"
    } else {
        "less is better"
    };
    let title = format!("{}, {} ({direction})", row.metric.title, row.metric.unit);
    label(text, (left, top + 14), "13", &title);
    let cells = bars.iter().filter_map(|(_, cell)| cell.as_ref());
    let longest = cells.map(|cell| cell.most).fold(0.0, f64::max);
    let scale = if longest > 0.0 {
        BAR_WIDTH_MAX / longest
    } else {
        0.0
    };
    for (index, (contender, cell)) in bars.iter().enumerate() {
        let top = top + TITLE_HEIGHT + index * BAR_PITCH;
        label(text, (left, top + 11), "12", &contender.to_string());
        let begin = left + NAME_WIDTH;
        let Some(cell) = cell else {
            label(text, (begin + 4, top + 11), "12", "no figure");
            continue;
        };
        bar(text, (begin, top), *contender, cell, scale);
        if let Some(target) = row.workload.target(row.index, *contender) {
            target_line(text, (begin, top), target.must * scale);
        }
        for (peer, target) in row.workload.targets_beside(row.index, *contender) {
            if let Some(theirs) = results.cell(row, *peer) {
                target_line(text, (begin, top), target.must * theirs.median * scale);
            }
        }
    }
}

fn bar(text: &mut String, (left, top): (usize, usize), who: Contender, cell: &Cell, scale: f64) {
    let colour = if who.is_ours() { OURS } else { THEIRS };
    let width = (cell.median * scale).max(0.0);
    let _ = writeln!(
        text,
        r#"<rect x="{left}" y="{top}" width="{width:.1}" height="{BAR_HEIGHT}" fill="{colour}"/>"#
    );
    let begin = left as f64;
    let (least, most) = (begin + cell.least * scale, begin + cell.most * scale);
    let middle = top as f64 + BAR_HEIGHT as f64 / 2.0;
    let _ = writeln!(
        text,
        r#"<line x1="{least:.1}" y1="{middle}" x2="{most:.1}" y2="{middle}" stroke="{RANGE}"/>"#
    );
    let beside = (begin + width).max(most) as usize + 5;
    label(text, (beside, top + 11), "12", &figure(cell.median));
}

/// A short line across the bar, if it is within the panel.
fn target_line(text: &mut String, (left, top): (usize, usize), width: f64) {
    if width > BAR_WIDTH_MAX {
        return;
    }
    let x = left as f64 + width;
    let (begin, end) = (top.saturating_sub(2), top + BAR_HEIGHT + 2);
    let _ = writeln!(
        text,
        r#"<line x1="{x:.1}" y1="{begin}" x2="{x:.1}" y2="{end}" stroke="{TARGET}" stroke-width="2"/>"#
    );
}

fn label(text: &mut String, (left, baseline): (usize, usize), size: &str, words: &str) {
    let _ = writeln!(
        text,
        r#"<text x="{left}" y="{baseline}" font-size="{size}">{}</text>"#,
        escape(words)
    );
}

fn escape(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::{Fate, Run};
    use crate::plan::Workload;

    #[test]
    fn what_is_drawn_is_closed_and_escaped() {
        let mut results = Results::new(vec![(Workload::Daisy, Contender::D3)], 2);
        let run = Run {
            samples: vec![vec![1.0, 2.0]],
            fate: Fate::Clean,
        };
        results.add(Workload::Daisy, Contender::D3, run);
        let drawing = render(&results, &Machine::look(), true);
        assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
        assert_eq!(
            drawing.matches("<text").count(),
            drawing.matches("</text>").count()
        );
        assert!(drawing.contains(OURS));
        assert_eq!(escape("a < b & c"), "a &lt; b &amp; c");
    }
}
