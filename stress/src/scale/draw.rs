//! The sheet as a drawing: for each payload two panels over the number of machines, throughput and cost, a line for each number of
//! workers. Both axes are logarithmic.

use std::fmt::Write;

use super::sheet::{Cell, Sheet};
use crate::output::{figure, nanoseconds};

// All lengths are in the drawing's own units, which a browser shows as pixels.
const PANEL_WIDTH: f64 = 400.0;
const PANEL_HEIGHT: f64 = 220.0;
const LEFT: f64 = 70.0;
const GAP: f64 = 60.0;
const HEAD: f64 = 84.0;
const NAME_WIDTH: f64 = 90.0;
const TITLE: f64 = 28.0;
const FOOT: f64 = 34.0;

const TEXT: &str = "#1e293b";
const GRID: &str = "#cbd5e1";
/// Colours of the lines, by their order; more numbers of workers than that begin again.
const LINES: [&str; 6] = [
    "#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0e7490", "#a16207",
];

/// What a panel shows of a cell.
type Value = fn(&Cell) -> Option<f64>;
/// How the axis names it.
type Name = fn(f64) -> String;

/// The whole drawing.
pub(super) fn render(sheet: &Sheet) -> String {
    let payloads = distinct(sheet.cells(), |cell| cell.payload_bytes);
    let width = 2.0 * (LEFT + PANEL_WIDTH) + GAP;
    let height = HEAD + payloads.len() as f64 * (TITLE + PANEL_HEIGHT + FOOT);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="{TEXT}">
<rect width="100%" height="100%" fill="#ffffff"/>"##
    );
    label(
        &mut text,
        (LEFT, 22.0),
        "start",
        "14",
        "Workers × machines × payload",
    );
    label(&mut text, (LEFT, 42.0), "start", "11", &sheet.title());
    let all_workers = distinct(sheet.cells(), |cell| cell.workers);
    for (index, workers) in all_workers.iter().enumerate() {
        let word = if *workers == 1 { "worker" } else { "workers" };
        legend(&mut text, index, &format!("{workers} {word}"));
    }
    let panels: [(&str, Value, Name); 2] = [
        (
            "instructions a second, more is better",
            Cell::per_second,
            figure,
        ),
        (
            "cost each, of all workers, less is better",
            Cell::cost_ns,
            nanoseconds,
        ),
    ];
    for (row, payload) in payloads.iter().enumerate() {
        let cells: Vec<&Cell> = sheet
            .cells()
            .iter()
            .filter(|cell| cell.payload_bytes == *payload)
            .collect();
        let top = HEAD + row as f64 * (TITLE + PANEL_HEIGHT + FOOT);
        for (column, (title, value, name)) in panels.iter().enumerate() {
            let left = LEFT + column as f64 * (PANEL_WIDTH + LEFT + GAP / 2.0);
            let title = format!("payload {payload} bytes: {title}");
            label(&mut text, (left, top + 14.0), "start", "12", &title);
            panel(
                &mut text,
                (left, top + TITLE),
                &cells,
                &all_workers,
                (*value, *name),
            );
        }
    }
    text.push_str("</svg>\n");
    text
}

/// The values of a field that occur, in order.
fn distinct<'a>(cells: impl IntoIterator<Item = &'a Cell>, field: fn(&Cell) -> u64) -> Vec<u64> {
    let mut values: Vec<u64> = cells.into_iter().map(field).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// A range on an axis that is logarithmic, widened to whole powers of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    least: f64,
    most: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let (least, most) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), log| {
            (least.min(log), most.max(log))
        });
        if least > most {
            return None;
        }
        let (least, most) = (least.floor(), most.ceil());
        Some(Self {
            least,
            most: if most > least { most } else { least + 1.0 },
        })
    }

    /// Where a value is: 0 at the beginning, 1 at the end.
    fn place(self, value: f64) -> f64 {
        (value.log10() - self.least) / (self.most - self.least)
    }

    /// The powers of ten.
    fn ticks(self) -> impl Iterator<Item = f64> {
        let (least, most) = (self.least as i32, self.most as i32);
        (least..=most).map(|power| 10_f64.powi(power))
    }
}

fn panel(
    text: &mut String,
    (left, top): (f64, f64),
    cells: &[&Cell],
    all_workers: &[u64],
    (value, name): (Value, Name),
) {
    let bottom = top + PANEL_HEIGHT;
    let machines = Axis::over(cells.iter().map(|cell| cell.machines as f64));
    let values = Axis::over(cells.iter().filter_map(|cell| value(cell)));
    let (Some(across), Some(up)) = (machines, values) else {
        return label(text, (left, top + 20.0), "start", "11", "no figures");
    };
    let x = |machines: f64| left + across.place(machines) * PANEL_WIDTH;
    let y = |value: f64| bottom - up.place(value) * PANEL_HEIGHT;
    for tick in across.ticks() {
        let x = x(tick);
        line(text, (x, top), (x, bottom), GRID);
        label(text, (x, bottom + 14.0), "middle", "10", &figure(tick));
    }
    for tick in up.ticks() {
        let y = y(tick);
        line(text, (left, y), (left + PANEL_WIDTH, y), GRID);
        label(text, (left - 6.0, y + 4.0), "end", "10", &name(tick));
    }
    let middle = left + PANEL_WIDTH / 2.0;
    label(text, (middle, bottom + 27.0), "middle", "10", "machines");
    for (index, workers) in all_workers.iter().enumerate() {
        let mut points: Vec<(f64, f64)> = cells
            .iter()
            .filter(|cell| cell.workers == *workers)
            .filter_map(|cell| Some((cell.machines as f64, value(cell)?)))
            .map(|(machines, value)| (x(machines), y(value)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        series(text, &points, LINES[index % LINES.len()]);
    }
}

/// A line with a mark on each point.
fn series(text: &mut String, points: &[(f64, f64)], colour: &str) {
    let path: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        text,
        r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#,
        path.join(" ")
    );
    for (x, y) in points {
        let _ = writeln!(
            text,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="2.5" fill="{colour}"/>"#
        );
    }
}

/// The name of a line, in its colour, above all panels.
fn legend(text: &mut String, index: usize, name: &str) {
    let _ = writeln!(
        text,
        r#"<text x="{:.1}" y="64" font-size="12" font-weight="bold" fill="{}">{}</text>"#,
        LEFT + index as f64 * NAME_WIDTH,
        LINES[index % LINES.len()],
        escape(name)
    );
}

fn line(text: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        text,
        r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}"/>"#,
        from.0, from.1, to.0, to.1
    );
}

fn label(text: &mut String, (x, y): (f64, f64), anchor: &str, size: &str, words: &str) {
    let _ = writeln!(
        text,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{}</text>"#,
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
    use crate::million::Pattern;

    #[test]
    fn axes_end_at_powers_of_ten() {
        let axis = Axis::over([20.0, 3_000.0].into_iter()).expect("values");
        assert_eq!(
            axis.ticks().collect::<Vec<_>>(),
            [10.0, 100.0, 1_000.0, 10_000.0]
        );
        assert_eq!((axis.place(10.0), axis.place(10_000.0)), (0.0, 1.0));
        let one = Axis::over([100.0].into_iter()).expect("a value");
        assert_eq!((one.least, one.most), (2.0, 3.0));
        assert_eq!(Axis::over([0.0].into_iter()), None);
    }

    #[test]
    fn what_is_drawn_is_closed_escaped_and_complete() {
        let mut sheet = Sheet::new(Pattern::Random, "a <machine> & more".into());
        for workers in [1, 2] {
            for machines in [10, 100] {
                sheet.add(Cell::new(workers, machines, 8, 1_000, &[0.1]));
            }
        }
        // One that never came to its end has no point.
        sheet.add(Cell::new(1, 1_000, 8, 1_000, &[]));
        let drawing = render(&sheet);
        assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
        assert_eq!(
            drawing.matches("<text").count(),
            drawing.matches("</text>").count()
        );
        assert!(drawing.contains("a &lt;machine&gt; &amp; more"));
        // Two panels of four points each.
        assert_eq!(drawing.matches("<circle").count(), 8);
        assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
    }
}
