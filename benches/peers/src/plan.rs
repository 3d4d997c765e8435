//! Who runs what: contenders, workloads, what is measured of them, and what ours has to reach.

use std::fmt::{self, Write};

use clap::ValueEnum;
use d3_benches::Setup;

/// What a mailbox holds, where it has a bound.
const CAPACITY: usize = 256;

/// A runtime in one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Contender {
    /// d3, machines by value, mailboxes of 256
    #[value(name = "d3")]
    D3,
    /// d3 with unbounded mailboxes
    #[value(name = "d3-unb")]
    D3Unbounded,
    /// d3 on one worker
    #[value(name = "d3-1w")]
    D3OneWorker,
    /// d3, machines that are shared with who connected them
    #[value(name = "d3-shared")]
    D3Shared,
    /// d3's example service `echo`: three machines in a row for each connection
    #[value(name = "d3-pipe")]
    D3Pipe,
    /// A bare loop of mio on one thread
    Mio,
    /// tokio tasks and mpsc channels of 256
    Tokio,
    /// kameo, mailboxes of 256
    Kameo,
    /// ractor, which has no bound
    #[value(name = "ractor-unb")]
    Ractor,
    /// actix on one arbiter, which is one thread, by do_send, which knows no bound
    #[value(name = "actix-unb")]
    Actix,
    /// xtra on tokio, mailboxes of 256
    Xtra,
    /// smol's executor and flume channels of 256
    Smol,
    /// d3 0.1.3, mailboxes of 256
    #[value(name = "d3-0.1.3")]
    D301,
    /// d3 0.1.3 with unbounded mailboxes
    #[value(name = "d3-0.1.3-unb")]
    D301Unbounded,
}

impl Contender {
    /// All, in the order of the tables.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }

    /// Whether it is this d3.
    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self,
            Self::D3 | Self::D3Unbounded | Self::D3OneWorker | Self::D3Shared | Self::D3Pipe
        )
    }

    /// How it is set up when others have `workers` threads.
    pub(crate) fn setup(self, workers: usize) -> Setup {
        Setup {
            workers: match self {
                Self::D3OneWorker => 1,
                _ => workers,
            },
            capacity: match self {
                Self::D3Unbounded | Self::D301Unbounded | Self::Ractor | Self::Actix => None,
                _ => Some(CAPACITY),
            },
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(self).as_str())
    }
}

/// A behaviour in its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Workload {
    /// A chain of 4,000, 200 instructions through it
    Daisy,
    /// Two machines and one token
    PingPong,
    /// A ring of 503 and one token
    Ring,
    /// One to 20 to one, 1,000 instructions through each of the 20
    FanOut,
    /// One to 1,000 to one, 20 instructions through each of the 1,000
    FanWide,
    /// 8 producers, 8 M instructions, one consumer
    FanIn,
    /// 3,000 machines, 200 instructions in flight, the next at random
    Chaos,
    /// A thread outside sends 5 M instructions to one machine
    Outside,
    /// A million machines: connect, one instruction each, end all
    Spawn,
    /// Bytes per machine at rest
    Memory,
    /// A thread outside wakes an idle runtime
    Wake,
    /// Processor time of an idle runtime with 10,000 machines
    Idle,
    /// The wait for a turn among 100 machines that never rest
    Fairness,
    /// TCP echo, 64 bytes, closed loop, 16 connections
    #[value(name = "echo-16")]
    Echo16,
    /// TCP echo, 64 bytes, closed loop, 128 connections
    #[value(name = "echo-128")]
    Echo128,
    /// TCP echo, 64 bytes, closed loop, 1,000 connections
    #[value(name = "echo-1000")]
    Echo1000,
    /// TCP echo, 64 bytes, one connection: from send to answer
    EchoOne,
}

impl Workload {
    /// All, in the order of the tables.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }

    /// How many connections of TCP echo it has; `None`: it is none.
    pub(crate) fn connections(self) -> Option<usize> {
        match self {
            Self::Echo16 => Some(16),
            Self::Echo128 => Some(128),
            Self::Echo1000 => Some(1_000),
            Self::EchoOne => Some(1),
            _ => None,
        }
    }

    /// Whether `contender` runs it.
    pub(crate) fn takes(self, contender: Contender) -> bool {
        use Contender::{D3, D3OneWorker, D3Pipe, Mio, Tokio};
        if self.connections().is_some() {
            return matches!(contender, D3 | D3OneWorker | D3Pipe | Mio | Tokio);
        }
        match contender {
            Contender::D3Pipe | Contender::Mio => false,
            Contender::D3Shared => self == Self::Memory,
            Contender::D3Unbounded => !matches!(self, Self::Wake | Self::Idle | Self::Fairness),
            Contender::D3OneWorker => !matches!(self, Self::Memory | Self::Wake | Self::Idle),
            Contender::D301Unbounded => !matches!(self, Self::Wake | Self::Idle | Self::Fairness),
            _ => true,
        }
    }

    /// What is measured of it.
    pub(crate) fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Daisy => const { &[Metric::rate("daisy", "M hops/s")] },
            Self::PingPong => const { &[Metric::rate("ping-pong", "M round trips/s")] },
            Self::Ring => const { &[Metric::rate("ring", "M hops/s")] },
            Self::FanOut => const { &[Metric::rate("fan-out 20 × 1,000", "M instructions/s")] },
            Self::FanWide => const { &[Metric::rate("fan-out 1,000 × 20", "M instructions/s")] },
            Self::FanIn => const { &[Metric::rate("fan-in", "M instructions/s")] },
            Self::Chaos => const { &[Metric::rate("chaos", "M hops/s")] },
            Self::Outside => const { &[Metric::rate("from outside", "M instructions/s")] },
            Self::Spawn => {
                const {
                    &[
                        Metric::cost("a million machines, all", "s"),
                        Metric::cost("… connect", "s"),
                        Metric::cost("… one instruction each", "s"),
                        Metric::cost("… end", "s"),
                    ]
                }
            }
            Self::Memory => {
                const {
                    &[
                        Metric::cost("memory, resident", "bytes per machine"),
                        Metric::cost("memory, allocated", "bytes per machine"),
                    ]
                }
            }
            Self::Wake => {
                const {
                    &[
                        Metric::cost("wake p50", "µs"),
                        Metric::cost("wake p99", "µs"),
                    ]
                }
            }
            Self::Idle => const { &[Metric::near_zero("idle", "% of a core")] },
            Self::Fairness => {
                const {
                    &[
                        Metric::cost("wait for a turn p50", "µs"),
                        Metric::cost("wait for a turn p99", "µs"),
                    ]
                }
            }
            Self::Echo16 => const { &[Metric::rate("TCP echo, 16 connections", ROUND_TRIPS)] },
            Self::Echo128 => const { &[Metric::rate("TCP echo, 128 connections", ROUND_TRIPS)] },
            Self::Echo1000 => const { &[Metric::rate("TCP echo, 1,000 connections", ROUND_TRIPS)] },
            Self::EchoOne => {
                const {
                    &[
                        Metric::cost("TCP echo, one connection, p50", "µs"),
                        Metric::cost("TCP echo, one connection, p99", "µs"),
                    ]
                }
            }
        }
    }

    /// What `contender` has to reach in the metric of this index, as ../../shared/targets.md of the project says.
    pub(crate) fn target(self, index: usize, contender: Contender) -> Option<Target> {
        use Contender::{D3, D3OneWorker, D3Shared, D3Unbounded};
        let target = |must, reach| Some(Target { must, reach });
        match (self, index, contender) {
            (Self::Daisy, 0, D3) => target(80.0, 150.0),
            (Self::PingPong | Self::Ring, 0, D3) => target(20.0, 40.0),
            (Self::FanOut, 0, D3) => target(50.0, 80.0),
            (Self::FanIn, 0, D3) => target(30.0, 65.0),
            (Self::Chaos, 0, D3 | D3OneWorker) => target(25.0, 50.0),
            (Self::Outside, 0, D3) => target(20.0, 35.0),
            (Self::Outside, 0, D3Unbounded) => target(45.0, 80.0),
            (Self::Spawn, 0, D3) => target(0.9, 0.5),
            (Self::Memory, _, D3) => target(192.0, 160.0),
            // There is nothing beyond it to reach for.
            (Self::Memory, _, D3Shared) => target(256.0, 256.0),
            (Self::Wake, 0, D3) => target(12.0, 8.0),
            (Self::Wake, 1, D3) => target(40.0, 31.0),
            // A zero that can be measured: one millisecond in ten seconds.
            (Self::Idle, 0, D3) => target(0.01, 0.01),
            (Self::EchoOne, 0, D3) => target(90.0, 75.0),
            _ => None,
        }
    }

    /// What `contender` has to reach in the metric of this index beside a peer: how many times it has to be better.
    pub(crate) fn targets_beside(
        self,
        index: usize,
        contender: Contender,
    ) -> &'static [(Contender, Target)] {
        const ECHO: &[(Contender, Target)] = &[
            (
                Contender::Mio,
                Target {
                    must: 0.95,
                    reach: 1.1,
                },
            ),
            // There is nothing beyond it to reach for.
            (
                Contender::Tokio,
                Target {
                    must: 1.1,
                    reach: 1.1,
                },
            ),
        ];
        match (self, index, contender) {
            (Self::Echo16 | Self::Echo128 | Self::Echo1000, 0, Contender::D3) => ECHO,
            _ => &[],
        }
    }
}

/// The unit of the echo workloads with many connections.
const ROUND_TRIPS: &str = "k round trips/s";

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(self).as_str())
    }
}

/// A figure, and which way it is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Metric {
    /// What people read.
    pub(crate) title: &'static str,
    /// The unit of its values.
    pub(crate) unit: &'static str,
    /// Whether more is better.
    pub(crate) more_is_better: bool,
    /// Whether a ratio of two values says anything.
    pub(crate) has_ratio: bool,
}

impl Metric {
    const fn rate(title: &'static str, unit: &'static str) -> Self {
        Self {
            title,
            unit,
            more_is_better: true,
            has_ratio: true,
        }
    }

    const fn cost(title: &'static str, unit: &'static str) -> Self {
        Self {
            more_is_better: false,
            ..Self::rate(title, unit)
        }
    }

    const fn near_zero(title: &'static str, unit: &'static str) -> Self {
        Self {
            has_ratio: false,
            ..Self::cost(title, unit)
        }
    }

    /// How many times `ours` is better than `theirs`.
    pub(crate) fn ratio(&self, ours: f64, theirs: f64) -> f64 {
        if self.more_is_better {
            ours / theirs
        } else {
            theirs / ours
        }
    }

    /// Whether `value` is as good as `bar`.
    pub(crate) fn reaches(&self, value: f64, bar: f64) -> bool {
        if self.more_is_better {
            value >= bar
        } else {
            value <= bar
        }
    }
}

/// What ours has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    /// Without it the work is not done.
    pub(crate) must: f64,
    /// What is tried for.
    pub(crate) reach: f64,
}

/// The name on the command line.
pub(crate) fn name_of(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Everything there is to choose from.
pub(crate) fn list() -> String {
    let mut text = String::new();
    describe::<Workload>(&mut text, "workloads");
    describe::<Contender>(&mut text, "contenders");
    text
}

fn describe<T: ValueEnum>(text: &mut String, title: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{title}:");
    for value in T::value_variants() {
        if let Some(value) = value.to_possible_value() {
            let help = value.get_help().map(ToString::to_string);
            let _ = writeln!(
                text,
                "  {:14}{}",
                value.get_name(),
                help.unwrap_or_default()
            );
        }
    }
}
