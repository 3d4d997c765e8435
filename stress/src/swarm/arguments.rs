//! The flags of `swarm` and `replay`.

use std::str::FromStr;
use std::time::Duration;

use super::delays;

/// Seeds, from one to before another; without an end there are always more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) from: u64,
    pub(crate) to: Option<u64>,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let parsed = text.trim().parse::<u64>();
            parsed.map_err(|error| format!("{text:?} is no seed: {error}"))
        };
        let (from, to) = match text.split_once("..") {
            None => {
                let from = number(text)?;
                (from, Some(from.saturating_add(1)))
            }
            Some((from, "")) => (number(from)?, None),
            Some((from, to)) => (number(from)?, Some(number(to)?)),
        };
        if to.is_some_and(|to| to <= from) {
            return Err(format!("{text}: there is no seed in it"));
        }
        Ok(Self { from, to })
    }
}

/// The flags of `swarm`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs this one seed
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "minutes"])]
    pub(crate) seed: Option<u64>,
    /// Runs these seeds: FROM..TO (before TO), or FROM.. with --minutes. Fresh ones if left out
    #[arg(long, value_name = "FROM..TO")]
    pub(crate) seeds: Option<Seeds>,
    /// Runs seed after seed for so long; 1 if no end is given
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    #[command(flatten)]
    pub(crate) manner: Manner,
    /// Goes on with the next seed after a failure, and tells all of them at the end
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Prints what the seed decides, and runs nothing
    #[arg(long, requires = "seed")]
    pub(crate) plan: bool,
    /// For the swarm's own use: this process runs the seeds, another one watches it
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

/// How each swarm is run.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Manner {
    #[command(flatten)]
    pub(crate) patience: Patience,
    /// Whether threads dawdle at marked points of the runtime's protocols, as the seed decides. Needs a build with
    /// `--features delays`, where it is the default
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t = delays::BUILT_IN, default_missing_value = "true")]
    pub(crate) delays: bool,
    #[command(flatten)]
    pub(crate) sabotage: SabotageArgs,
}

impl Manner {
    /// Whether this build can do it.
    ///
    /// # Errors
    /// If it was built without delays, and they are asked for.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.delays && !delays::BUILT_IN {
            return Err("--delays: this program was built without them. Build it with: cargo run --release -p stress --features delays -- …".into());
        }
        Ok(())
    }
}

/// What breaks a swarm on purpose, so that tests see it found.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct SabotageArgs {
    /// For tests of the swarm itself: breaks each swarm in this way
    #[arg(long = "break", hide = true, value_name = "HOW")]
    pub(crate) how: Option<Sabotage>,
}

/// A way to break a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// An instruction vanishes.
    Lose,
    /// A machine never comes back from its `receive`.
    Hang,
    /// The process ends.
    Crash,
}

/// When a swarm counts as stuck.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Patience {
    /// Seconds without any movement after which a swarm counts as stuck
    #[arg(long = "patience", value_name = "SECONDS", default_value_t = 30)]
    pub(crate) seconds: u64,
}

impl Patience {
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.seconds.max(1))
    }
}

/// What the flags ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) seeds: Seeds,
    pub(crate) time: Option<Duration>,
}

impl Args {
    /// Which seeds, and for how long.
    ///
    /// # Errors
    /// If the time makes no sense.
    pub(crate) fn range(&self, fresh: impl FnOnce() -> u64) -> Result<Range, String> {
        let minutes = match self.minutes {
            Some(minutes) if minutes.is_finite() && minutes > 0.0 && minutes < 1e6 => Some(minutes),
            Some(minutes) => {
                return Err(format!("--minutes {minutes}: a time above 0 is expected"));
            }
            None => None,
        };
        let seeds = match (self.seed, self.seeds) {
            (Some(seed), _) => Seeds {
                from: seed,
                to: Some(seed.saturating_add(1)),
            },
            (None, Some(seeds)) => seeds,
            (None, None) => Seeds {
                from: fresh(),
                to: None,
            },
        };
        // Seeds without an end end with the time.
        let minutes = minutes.or(seeds.to.is_none().then_some(1.0));
        Ok(Range {
            seeds,
            time: minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
        })
    }
}

/// The flags of `replay`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The seed that failed
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// How often it is run
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) times: u32,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// A seed that nobody has seen: the clock's nanoseconds, mixed, in a number that people can type.
pub(crate) fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos() as u64);
    // Far apart, so that the seeds that follow are new ones too, and short of the numbers that JSON readers round.
    super::random::Random::new(nanoseconds).next() >> 24 << 12
}
