//! The sheet itself.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::million::Pattern;
use crate::output::{Table, count, figure, nanoseconds};

/// One combination of sizes, and what was found for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) workers: u64,
    pub(super) machines: u64,
    pub(super) payload_bytes: u64,
    instructions: u64,
    /// The median of all runs; `None` if none came to its end.
    seconds: Option<f64>,
}

impl Cell {
    /// A cell of runs that took so long.
    pub(super) fn new(
        workers: u64,
        machines: u64,
        payload_bytes: u64,
        instructions: u64,
        seconds: &[f64],
    ) -> Self {
        Self {
            workers,
            machines,
            payload_bytes,
            instructions,
            seconds: median(seconds),
        }
    }

    /// Instructions received in a second.
    pub(super) fn per_second(&self) -> Option<f64> {
        Some(self.instructions as f64 / self.seconds?.max(1e-9))
    }

    /// What an instruction costs, in nanoseconds of all workers together.
    pub(super) fn cost_ns(&self) -> Option<f64> {
        Some(self.seconds? * 1e9 * self.workers as f64 / self.instructions.max(1) as f64)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "workers": self.workers,
            "machines": self.machines,
            "payload_bytes": self.payload_bytes,
            "instructions": self.instructions,
            "median_seconds": self.seconds,
            "per_second": self.per_second(),
            "cost_ns": self.cost_ns(),
        })
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some((sorted[last / 2] + sorted[sorted.len() / 2]) / 2.0)
}

/// All cells, with the pattern and the machine that they are of.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pattern: Pattern,
    machine: String,
    cells: Vec<Cell>,
}

impl Sheet {
    pub(super) fn new(pattern: Pattern, machine: String) -> Self {
        Self {
            pattern,
            machine,
            cells: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What was run, and on what, in one line.
    pub(super) fn title(&self) -> String {
        format!("pattern {} on {}", self.pattern.name(), self.machine)
    }

    /// For people.
    pub(super) fn table(&self) -> Table {
        let headings = [
            "payload",
            "workers",
            "machines",
            "instructions",
            "per second",
            "cost each",
        ];
        let mut table = Table::new(self.title(), &headings);
        for cell in &self.cells {
            let unknown = || "–".to_owned();
            table.row([
                format!("{} bytes", cell.payload_bytes),
                cell.workers.to_string(),
                count(cell.machines),
                count(cell.instructions),
                cell.per_second().map_or_else(unknown, figure),
                cell.cost_ns().map_or_else(unknown, nanoseconds),
            ]);
        }
        table
    }

    /// For spreadsheets: comments name the machine, then come names, then figures.
    pub(super) fn csv(&self) -> String {
        let mut text = format!("# {}\n", self.title().replace(['\n', '\r'], " "));
        text.push_str(
            "# cost_ns: nanoseconds of all workers together for one instruction; medians\n",
        );
        text.push_str(
            "payload_bytes,workers,machines,instructions,median_seconds,per_second,cost_ns\n",
        );
        let figure =
            |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
        for cell in &self.cells {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{}",
                cell.payload_bytes,
                cell.workers,
                cell.machines,
                cell.instructions,
                figure(cell.seconds),
                figure(cell.per_second()),
                figure(cell.cost_ns())
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn a_cell_knows_its_rate_and_its_cost() {
        let cell = Cell::new(2, 10, 8, 1_000, &[0.5]);
        assert_eq!(cell.per_second(), Some(2_000.0));
        // Two workers for half a second each.
        assert_eq!(cell.cost_ns(), Some(1e6));
        assert_eq!(Cell::new(2, 10, 8, 1_000, &[]).cost_ns(), None);
    }

    #[test]
    fn the_csv_names_its_machine_and_has_a_line_for_each_cell() {
        let mut sheet = Sheet::new(Pattern::Each, "a\nmachine".into());
        sheet.add(Cell::new(2, 10, 8, 1_000, &[0.5]));
        sheet.add(Cell::new(1, 10, 8, 1_000, &[]));
        let csv = sheet.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "# pattern each on a machine");
        assert_eq!(lines[3], "8,2,10,1000,0.500000,2000.000000,1000000.000000");
        assert_eq!(lines[4], "8,1,10,1000,,,");
        let columns = |line: &str| line.split(',').count();
        assert!(
            lines[2..]
                .iter()
                .all(|line| columns(line) == columns(lines[2]))
        );
    }
}
