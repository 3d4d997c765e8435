//! One run: one contender, one workload, one process.
//!
//! What was measured goes to the standard output line by line, as it comes, so that it is known even if the runtime hangs at its
//! end: `sample INDEX VALUE` for a metric, then `end ok` or `end REASON`.

use std::error::Error;
use std::fmt::{self, Display};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use d3_benches::group::{Wave, Waves};
use d3_benches::latency::Latencies;
use d3_benches::workload::fairness::Fairness;
use d3_benches::workload::wake::Wake;
use d3_benches::workload::{
    Size, chaos, daisy, fairness, fan_in, fan_out, idle, memory, outside, ping_pong, ring,
    spawn_end, wake,
};
use d3_benches::{Collective, CountError, D3, Node, Setup, counting};

use crate::echo;
use crate::peers::actix::Actix;
use crate::peers::d3_0_1::D301;
use crate::peers::kameo::Kameo;
use crate::peers::ractor::Ractor;
use crate::peers::smol::Smol;
use crate::peers::tokio::Tokio;
use crate::peers::xtra::Xtra;
use crate::plan::{Contender, Workload};

/// Waves beyond which more say nothing new.
pub(crate) const WAVES_MAX: usize = 200;

/// The exit code of Rust's programs that panic.
const PANICKED: i32 = 101;

/// What one process is to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct Job {
    /// What
    #[arg(value_enum)]
    pub(crate) workload: Workload,
    /// Who
    #[arg(value_enum)]
    pub(crate) contender: Contender,
    /// On how many threads
    #[arg(long)]
    pub(crate) workers: usize,
    /// Small sizes
    #[arg(long)]
    pub(crate) quick: bool,
    /// For how long waves are repeated
    #[arg(long)]
    pub(crate) seconds: f64,
}

impl Job {
    /// The arguments that make a process do it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "run".to_owned(),
            self.workload.to_string(),
            self.contender.to_string(),
            format!("--workers={}", self.workers),
            format!("--seconds={}", self.seconds),
        ];
        if self.quick {
            arguments.push("--quick".to_owned());
        }
        arguments
    }

    fn setup(&self) -> Setup {
        self.contender.setup(self.workers)
    }

    /// The size, or a part of it if it is to be quick: fewer instructions through as many machines.
    fn sized(&self, size: Size, quick_divisor: u64) -> Size {
        Size {
            instructions: size.instructions / self.divisor(quick_divisor),
            ..size
        }
    }

    /// As [`sized`](Self::sized), for a number of machines or samples.
    fn counted(&self, count: usize, quick_divisor: u64) -> usize {
        count / self.divisor(quick_divisor) as usize
    }

    fn divisor(&self, quick: u64) -> u64 {
        if self.quick { quick } else { 1 }
    }
}

/// Does the job. A panic, in whoever's thread, is the end of it: frameworks catch panics of tasks, and what was lost with the
/// task would be waited for.
pub(crate) fn run(job: &Job) -> ExitCode {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(PANICKED);
    }));
    let done = match job.workload.connections() {
        Some(connections) => run_echo(job, connections),
        None => run_machines(job),
    };
    match done {
        Ok(()) => {
            println!("{}", Line::Ok);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{}", Line::Failed(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn run_machines(job: &Job) -> Result<(), Box<dyn Error>> {
    match job.contender {
        Contender::D3Shared => shared_memory(job)?,
        Contender::D3 | Contender::D3Unbounded | Contender::D3OneWorker => run_on::<D3>(job)?,
        Contender::Tokio => run_on::<Tokio>(job)?,
        Contender::Kameo => run_on::<Kameo>(job)?,
        Contender::Ractor => run_on::<Ractor>(job)?,
        Contender::Actix => run_on::<Actix>(job)?,
        Contender::Xtra => run_on::<Xtra>(job)?,
        Contender::Smol => run_on::<Smol>(job)?,
        Contender::D301 | Contender::D301Unbounded => run_on::<D301>(job)?,
        Contender::D3Pipe | Contender::Mio => return Err(not_run(job)),
    }
    Ok(())
}

fn run_echo(job: &Job, connections: usize) -> Result<(), Box<dyn Error>> {
    match job.contender {
        Contender::D3 | Contender::D3OneWorker => run_echo_on::<echo::d3::Echo>(job, connections),
        Contender::D3Pipe => run_echo_on::<echo::d3::Pipeline>(job, connections),
        Contender::Mio => run_echo_on::<echo::mio::Echo>(job, connections),
        Contender::Tokio => run_echo_on::<echo::tokio::Echo>(job, connections),
        _ => Err(not_run(job)),
    }
}

/// Sittings do not ask for this; a command line may.
fn not_run(job: &Job) -> Box<dyn Error> {
    format!("{} does not run {}", job.contender, job.workload).into()
}

fn run_echo_on<S: echo::Server>(job: &Job, connections: usize) -> Result<(), Box<dyn Error>> {
    let setup = &job.setup();
    if job.workload == Workload::EchoOne {
        let latencies = echo::round_trips::<S>(setup, job.counted(echo::SAMPLES, 10))?;
        tell_latencies(&latencies);
        return Ok(());
    }
    // As many for each connection, but enough in all that reading the clock does not show.
    let wave = job.counted((20 * connections).max(echo::WAVE_MIN), 10);
    let time = Duration::from_secs_f64(job.seconds.max(0.0));
    echo::waves::<S>(setup, connections, wave as u64, time, |rate| {
        sample(0, rate / 1e3)
    })?;
    Ok(())
}

fn sample(index: usize, value: f64) {
    println!("{}", Line::Sample(index, value));
}

fn run_on<C: Collective>(job: &Job) -> Result<(), CountError> {
    let setup = &job.setup();
    match job.workload {
        Workload::Daisy => repeat(job, daisy::waves::<C>(setup, job.sized(daisy::SIZE, 10))),
        Workload::PingPong => repeat(
            job,
            ping_pong::waves::<C>(setup, job.sized(ping_pong::SIZE, 20)),
        ),
        Workload::Ring => repeat(job, ring::waves::<C>(setup, job.sized(ring::SIZE, 10))),
        Workload::FanOut => repeat(job, fan_out::waves::<C>(setup, fan_out::SIZE)),
        Workload::FanWide => repeat(job, fan_out::waves::<C>(setup, fan_out::WIDE)),
        Workload::FanIn => repeat(job, fan_in::waves::<C>(setup, job.sized(fan_in::SIZE, 20))),
        Workload::Chaos => {
            let hops = chaos::HOPS / job.divisor(10);
            repeat(job, chaos::waves::<C>(setup, chaos::SIZE, hops))
        }
        Workload::Outside => repeat(
            job,
            outside::waves::<C>(setup, job.sized(outside::SIZE, 20)),
        ),
        Workload::Spawn => spawn::<C>(job),
        Workload::Memory => {
            counting::switch_on();
            let machines = job.counted(memory::MACHINES, 10);
            memory::run::<C>(setup, machines).map(tell_memory)
        }
        Workload::Wake => {
            let mut wake = Wake::<C>::new(setup);
            tell_latencies(&wake.measure(job.counted(wake::SAMPLES, 10)));
            wake.end()
        }
        Workload::Idle => {
            let machines = job.counted(idle::MACHINES, 1);
            let window = idle::WINDOW / job.divisor(10) as u32;
            idle::run::<C>(setup, machines, window).map(|percent| sample(0, percent))
        }
        Workload::Fairness => {
            let mut fairness = Fairness::<C>::new(setup, fairness::BUSY);
            tell_latencies(&fairness.measure(job.counted(fairness::SAMPLES, 10)));
            fairness.end()
        }
        Workload::Echo16 | Workload::Echo128 | Workload::Echo1000 | Workload::EchoOne => {
            unreachable!("echo has connections, and no machines that the seam knows of")
        }
    }
}

/// Repeats waves until the time is up. The first one warms up and does not count, unless it alone used up the time.
fn repeat<C: Collective, N: Node<C>>(job: &Job, mut waves: Waves<C, N>) -> Result<(), CountError> {
    let time = Duration::from_secs_f64(job.seconds.max(0.0));
    let tell = |wave: Wave| sample(0, wave.rate() / 1e6);
    let first = waves.wave();
    if first.elapsed >= time {
        tell(first);
    } else {
        let begun = Instant::now();
        for wave in 0..WAVES_MAX {
            if wave > 0 && begun.elapsed() >= time {
                break;
            }
            tell(waves.wave());
        }
    }
    waves.end()
}

fn spawn<C: Collective>(job: &Job) -> Result<(), CountError> {
    let machines = job.counted(spawn_end::MACHINES, 20);
    let phases = spawn_end::run::<C>(&job.setup(), machines)?;
    let all = [phases.total(), phases.connect, phases.deliver, phases.end];
    for (index, time) in all.into_iter().enumerate() {
        sample(index, time.as_secs_f64());
    }
    Ok(())
}

fn shared_memory(job: &Job) -> Result<(), CountError> {
    counting::switch_on();
    memory::run_shared(&job.setup(), job.counted(memory::MACHINES, 10)).map(tell_memory)
}

fn tell_memory(bytes: memory::Bytes) {
    sample(0, bytes.resident);
    sample(1, bytes.allocated);
}

fn tell_latencies(latencies: &Latencies) {
    sample(0, latencies.percentile_us(50.0));
    sample(1, latencies.percentile_us(99.0));
}

/// A line of a run, as who drives it reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// A value of the metric of this index.
    Sample(usize, f64),
    /// All counts are right.
    Ok,
    /// They are not.
    Failed(String),
}

impl Line {
    /// `None`: something that a library printed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.trim().split_once(' ')?;
        match (kind, rest) {
            ("sample", rest) => {
                let (index, value) = rest.split_once(' ')?;
                Some(Self::Sample(index.parse().ok()?, value.parse().ok()?))
            }
            ("end", "ok") => Some(Self::Ok),
            ("end", reason) => Some(Self::Failed(reason.to_owned())),
            _ => None,
        }
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample(index, value) => write!(f, "sample {index} {value}"),
            Self::Ok => f.write_str("end ok"),
            Self::Failed(reason) => write!(f, "end {reason}"),
        }
    }
}
