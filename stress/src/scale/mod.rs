//! The scale sheet: workers × machines × payload, as CSV and as a drawing.

mod draw;
mod sheet;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use self::sheet::{Cell, Sheet};
use crate::million::{self, Pattern};
use crate::output::{Output, Progress, write_file};
use crate::process;
use crate::runtime::{RuntimeArgs, amount, seconds};

/// The flags of this mode.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Numbers of workers [default: 1, 2, 4, … up to one per core]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = amount)]
    pub(crate) workers: Vec<u64>,
    /// Numbers of machines
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1_000,10_000,100_000,1_000_000", value_parser = amount)]
    pub(crate) machines: Vec<u64>,
    /// Bytes that an instruction carries
    #[arg(long, value_name = "BYTES,..", value_delimiter = ',', default_value = "8,256,1024", value_parser = million::PAYLOADS)]
    pub(crate) payload: Vec<String>,
    /// Who sends to whom
    #[arg(long, value_enum, default_value_t = Pattern::Random)]
    pub(crate) pattern: Pattern,
    /// Instructions of each cell of the sheet, about
    #[arg(long, value_name = "N", default_value = "4_000_000", value_parser = amount)]
    pub(crate) instructions: u64,
    /// Instructions that are under way at once in `daisy` and `random`
    #[arg(long, value_name = "N", default_value = "200", value_parser = amount)]
    pub(crate) in_flight: u64,
    /// How often each cell is run; the median counts
    #[arg(long, value_name = "N", default_value = "3", value_parser = amount)]
    pub(crate) repeat: u64,
    /// Pins each worker to a core of its own
    #[arg(long)]
    pub(crate) pin: bool,
    /// Writes the sheet into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Draws the sheet into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// After how many seconds without any movement it is a hang
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) patience: Duration,
    /// Begins even where memory looks too short
    #[arg(long)]
    pub(crate) force: bool,
}

pub(crate) fn run(args: &Args, output: &Output) -> ExitCode {
    let plans = plans(args);
    // All of it before the first: nobody wants to learn after an hour that the last cell does not fit.
    if let Some(problem) = plans.iter().find_map(|plan| million::check(plan).err()) {
        return output.refuse(problem);
    }
    let mut sheet = Sheet::new(args.pattern, process::machine_line());
    let mut problems = Vec::new();
    let quiet = Output::quiet();
    {
        let mut progress = output.progress("cells", Some(plans.len() as u64));
        for (index, plan) in plans.iter().enumerate() {
            step(&mut progress, index, plan);
            match cell(args, plan, &quiet) {
                Ok((cell, mut found)) => {
                    sheet.add(cell);
                    problems.append(&mut found);
                    // What is broken stays so, and each hang costs its patience.
                    if !problems.is_empty() {
                        break;
                    }
                }
                Err(problem) => return output.refuse(problem),
            }
        }
    }
    output.table(&sheet.table());
    let files = [(&args.csv, sheet.csv()), (&args.svg, draw::render(&sheet))];
    for (file, text) in files {
        if let Some(file) = file
            && let Err(error) = write_file(file, &text)
        {
            return output.refuse(error.to_string());
        }
    }
    let value = json!({
        "mode": "scale",
        "machine": process::machine_json(),
        "pattern": args.pattern.name(),
        "in_flight": args.in_flight,
        "cells": sheet.cells().iter().map(Cell::json).collect::<Vec<_>>(),
        "problems": problems,
        "ok": problems.is_empty(),
    });
    output.end(&value, &problems)
}

fn step(progress: &mut Progress<'_>, index: usize, plan: &million::Args) {
    progress.at_with(index as u64, || {
        format!(
            "{} workers, {} machines, {} bytes",
            plan.runtime.workers, plan.count, plan.payload
        )
    });
}

/// Runs a cell as often as is wanted, and takes the median.
fn cell(args: &Args, plan: &million::Args, quiet: &Output) -> Result<(Cell, Vec<String>), String> {
    let mut seconds = Vec::new();
    let mut problems = Vec::new();
    let mut instructions = 0;
    for _ in 0..args.repeat {
        let found = million::measure(plan, quiet)?;
        let place = format!(
            "{} workers, {} machines, payload {}",
            plan.runtime.workers, plan.count, plan.payload
        );
        problems.extend(
            found
                .problems
                .iter()
                .map(|problem| format!("{place}: {problem}")),
        );
        if !problems.is_empty() {
            break;
        }
        if let Some(sent) = found.phases.iter().find(|phase| phase.name == "send") {
            seconds.push(sent.took.as_secs_f64());
            instructions = sent.operations;
        }
    }
    let cell = Cell::new(
        plan.runtime.workers as u64,
        plan.count,
        plan.payload.parse().unwrap_or(0),
        instructions,
        &seconds,
    );
    Ok((cell, problems))
}

/// A run of `million` for each cell.
fn plans(args: &Args) -> Vec<million::Args> {
    let mut plans = Vec::new();
    for payload in &args.payload {
        for workers in workers(args) {
            for &count in &args.machines {
                let mut plan = million::Args {
                    count,
                    runtime: RuntimeArgs {
                        workers: usize::try_from(workers).unwrap_or(usize::MAX),
                        pin: args.pin,
                    },
                    capacity: None,
                    payload: payload.clone(),
                    rounds: 1,
                    pattern: args.pattern,
                    in_flight: args.in_flight,
                    seed: 1,
                    patience: args.patience,
                    force: args.force,
                    visits: None,
                    // A wait after each small round would be all that is measured.
                    at_once: true,
                };
                match args.pattern {
                    Pattern::Random => plan.visits = Some(args.instructions),
                    Pattern::Each => plan.rounds = (args.instructions / count).max(1),
                    Pattern::Daisy => {
                        plan.in_flight = args.in_flight.min((args.instructions / count).max(1));
                        plan.rounds = (args.instructions / million::per_round(&plan)).max(1);
                    }
                }
                plans.push(plan);
            }
        }
    }
    plans
}

/// The numbers of workers: those that are named, or powers of two up to the cores, and the cores.
fn workers(args: &Args) -> Vec<u64> {
    if !args.workers.is_empty() {
        return args.workers.clone();
    }
    let cores = process::cores() as u64;
    let mut workers: Vec<u64> = std::iter::successors(Some(1), |workers| Some(workers * 2))
        .take_while(|&workers| workers < cores)
        .collect();
    workers.push(cores);
    workers
}
