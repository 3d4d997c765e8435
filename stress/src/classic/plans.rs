//! From flags and settings to plans.

use std::path::Path;

use d3::Runtime;
use d3::components::Settings;
use d3::components::settings::{ForwarderFields, ForwarderTest};
use forwarder::Plan;

use super::Args;
use crate::runtime::RuntimeArgs;

/// What is to be run, and on what.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) plans: Vec<Plan>,
    pub(super) workers: usize,
    pub(super) capacity: Option<usize>,
    pin: bool,
    time_slice: Option<std::time::Duration>,
}

impl Asked {
    pub(super) fn runtime(&self) -> Result<Runtime, String> {
        let mut builder = Runtime::builder()
            .workers(self.workers)
            .pin_workers(self.pin);
        if let Some(capacity) = self.capacity {
            builder = builder.mailbox_capacity(capacity);
        }
        if let Some(slice) = self.time_slice {
            builder = builder.time_slice(slice);
        }
        builder
            .build()
            .map_err(|error| format!("the runtime cannot start: {error}"))
    }
}

/// What flags and settings ask for.
///
/// # Errors
/// Names the flag or the key that will not do.
pub(super) fn of(args: &Args) -> Result<Asked, String> {
    let settings = match &args.config {
        Some(path) => load(path)?,
        None => Settings::default(),
    };
    let section = settings.forwarder().cloned().unwrap_or_default();
    if args.config.is_some() && section.run().is_empty() && args.drivers.is_empty() {
        return Err(
            "--config: additional.Forwarder.run names no driver, nor does the command line".into(),
        );
    }
    let tests: Vec<ForwarderTest> = if !args.drivers.is_empty() {
        args.drivers.iter().map(|&driver| driver.into()).collect()
    } else if !section.run().is_empty() {
        section.run().to_vec()
    } else {
        vec![
            ForwarderTest::DaisyChain,
            ForwarderTest::FanoutFanin,
            ForwarderTest::ChaosMonkey,
        ]
    };
    let plan = |test| {
        let mut fields = section.fields(test);
        lay_over(&mut fields, args)?;
        let mut plan = Plan::of(test, &fields).map_err(|error| error.to_string())?;
        plan.seed = args.seed.unwrap_or(plan.seed);
        Ok(plan)
    };
    let executor = settings.executor();
    let workers = RuntimeArgs {
        workers: match args.runtime.workers {
            0 => executor.executors.unwrap_or(0),
            workers => workers,
        },
        pin: args.runtime.pin,
    };
    Ok(Asked {
        plans: tests.into_iter().map(plan).collect::<Result<_, String>>()?,
        workers: workers.workers(),
        capacity: number("--capacity", args.capacity)?.or(executor.queue_size),
        pin: args.runtime.pin,
        time_slice: executor.time_slice,
    })
}

fn load(path: &Path) -> Result<Settings, String> {
    if path.is_dir() {
        return Settings::load_dir(path).map_err(|error| format!("--config: {error}"));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("--config {}: {error}", path.display()))?;
    Settings::parse(&text).map_err(|error| format!("--config {}: {error}", path.display()))
}

/// Lays what flags say over what settings say.
fn lay_over(fields: &mut ForwarderFields, args: &Args) -> Result<(), String> {
    let flags = [
        ("--machines", args.machines, &mut fields.machines),
        ("--messages", args.messages, &mut fields.messages),
        ("--iterations", args.iterations, &mut fields.iterations),
        (
            "--multiplier",
            args.multiplier,
            &mut fields.forwarding_multiplier,
        ),
        (
            "--inflection",
            args.inflection,
            &mut fields.inflection_value,
        ),
        (
            "--fanin-capacity",
            args.fanin_capacity,
            &mut fields.fanin_capacity,
        ),
    ];
    for (flag, value, field) in flags {
        *field = number(flag, value)?.or(*field);
    }
    fields.timeout = args.timeout.or(fields.timeout);
    if args.unbound {
        fields.unbound_queue = Some(true);
    }
    Ok(())
}

fn number(flag: &str, value: Option<u64>) -> Result<Option<usize>, String> {
    value
        .map(usize::try_from)
        .transpose()
        .map_err(|_| format!("{flag}: too large for this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::time::Duration;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn asked(line: &str) -> Result<Asked, String> {
        let words = std::iter::once("classic").chain(line.split_whitespace());
        of(&Line::parse_from(words).args)
    }

    #[test]
    fn without_a_word_all_run_as_d3s_did() {
        let asked = asked("").expect("sound");
        let sizes: Vec<_> = asked
            .plans
            .iter()
            .map(|plan| (plan.machines, plan.messages))
            .collect();
        assert_eq!(sizes, [(2_000, 100), (500, 15), (2_000, 100)]);
    }

    #[test]
    fn flags_win_over_settings() {
        let settings = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../examples/test-server/config"
        );
        let by_settings = asked(&format!("--config {settings}")).expect("sound");
        let sizes: Vec<_> = by_settings
            .plans
            .iter()
            .map(|plan| (plan.machines, plan.inflection_value))
            .collect();
        assert_eq!(sizes[2], (4_500, 99));
        let by_flags = asked(&format!(
            "chaos-monkey --config {settings} --machines 7 --timeout 1.5"
        ))
        .expect("sound");
        assert_eq!(by_flags.plans.len(), 1);
        let plan = by_flags.plans[0];
        assert_eq!(
            (plan.machines, plan.messages, plan.timeout),
            (7, 200, Duration::from_millis(1_500))
        );
    }

    #[test]
    fn what_will_not_do_is_named() {
        assert!(
            asked("fanout-fanin --machines 2")
                .expect_err("no producers")
                .contains("fanout_fanin.machines")
        );
        assert!(
            asked("--config /nowhere/at/all.toml")
                .expect_err("no file")
                .contains("/nowhere/at/all.toml")
        );
    }
}
