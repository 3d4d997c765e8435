//! What a report looks like, and where its figures come from.
//!
//! ```text
//! report 12 uptime_ms=12003 machines=24
//! worker 0 instructions=1234 activations=800 parks=0 steals=3 sleeps=90 slept_ms=11800 panics=0
//! worker 1 instructions=987 activations=602 parks=0 steals=5 sleeps=77 slept_ms=11850 panics=0
//! service EchoService state=ready address=127.0.0.1:9000 sessions_open=3 sessions_total=20 bytes_in=640 bytes_out=640 messages=0
//!
//! ```
//!
//! One line for the whole, one for each worker, one for each service, and an empty line. Whatever follows a name is
//! `key=value`, so that programs can read it as well as people. All figures but `machines` and `sessions_open` count up
//! from the start of the server.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use d3::WorkerStats;
use d3::components::ServiceContext;
use tally::Figures;

/// Everything that is in one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which one it is: the number of ticks since the start.
    pub number: u64,
    /// Time since the start of the monitor.
    pub uptime: Duration,
    /// Machines that are connected to the runtime.
    pub machines: usize,
    /// One for each worker of the runtime.
    pub workers: Vec<Worker>,
    /// One for each service of the server.
    pub services: Vec<Service>,
}

/// The figures of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Name and value of each figure.
    pub figures: Vec<(&'static str, u64)>,
}

/// The figures of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `starting`, `ready`, `failed` or `ended`.
    pub state: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// Sessions that are open.
    pub sessions_open: usize,
    /// Sessions that were ever opened.
    pub sessions_total: u64,
    /// What the service counts itself.
    pub figures: Figures,
}

impl Report {
    pub(crate) fn gather(ctx: &ServiceContext, number: u64, uptime: Duration) -> Self {
        let tallies = tally::all(ctx);
        let services = ctx.all_services().into_iter().map(|it| Service {
            name: it.service.to_string(),
            state: it.state.to_string(),
            addresses: it.addresses,
            sessions_open: it.open_sessions,
            sessions_total: it.total_sessions,
            figures: tallies
                .iter()
                .find(|tally| *tally.service() == it.service)
                .map_or_else(Figures::default, |tally| tally.figures()),
        });
        let stats = ctx.runtime().stats();
        let workers = stats.workers.iter().map(Worker::of).collect();
        Self {
            number,
            uptime,
            machines: stats.machines,
            workers,
            services: services.collect(),
        }
    }
}

impl Worker {
    fn of(stats: &WorkerStats) -> Self {
        Self {
            figures: vec![
                ("instructions", stats.instructions),
                ("activations", stats.activations),
                ("parks", stats.parks),
                ("steals", stats.steals),
                ("sleeps", stats.sleeps),
                (
                    "slept_ms",
                    u64::try_from(stats.slept.as_millis()).unwrap_or(u64::MAX),
                ),
                ("panics", stats.panics),
            ],
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "report {} uptime_ms={} machines={}",
            self.number,
            self.uptime.as_millis(),
            self.machines
        )?;
        for (number, worker) in self.workers.iter().enumerate() {
            write!(f, "worker {number}")?;
            for (name, value) in &worker.figures {
                write!(f, " {name}={value}")?;
            }
            writeln!(f)?;
        }
        for service in &self.services {
            writeln!(f, "{service}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {} state={}", self.name, self.state)?;
        for address in &self.addresses {
            write!(f, " address={address}")?;
        }
        let Figures {
            bytes_in,
            bytes_out,
            messages,
        } = self.figures;
        write!(
            f,
            " sessions_open={} sessions_total={}",
            self.sessions_open, self.sessions_total
        )?;
        write!(
            f,
            " bytes_in={bytes_in} bytes_out={bytes_out} messages={messages}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_as_text() {
        let report = Report {
            number: 12,
            uptime: Duration::from_millis(12_003),
            machines: 24,
            workers: vec![
                Worker {
                    figures: vec![("instructions", 5), ("steals", 1)],
                },
                Worker {
                    figures: vec![("instructions", 6), ("steals", 0)],
                },
            ],
            services: vec![Service {
                name: "EchoService".into(),
                state: "ready".into(),
                addresses: vec![([127, 0, 0, 1], 9000).into()],
                sessions_open: 3,
                sessions_total: 20,
                figures: Figures {
                    bytes_in: 640,
                    bytes_out: 641,
                    messages: 7,
                },
            }],
        };
        assert_eq!(
            report.to_string(),
            "report 12 uptime_ms=12003 machines=24\n\
             worker 0 instructions=5 steals=1\n\
             worker 1 instructions=6 steals=0\n\
             service EchoService state=ready address=127.0.0.1:9000 sessions_open=3 sessions_total=20 \
             bytes_in=640 bytes_out=641 messages=7\n\n"
        );
    }
}
