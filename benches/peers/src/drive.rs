//! Starts a run, reads what it measures, and kills it when its time is over.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::child::{Job, Line};
use crate::plan::Workload;
use crate::results::{figure, median};

/// How often a process that has closed its output is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All counts were right and everything ended.
    Clean,
    /// Something was lost, or it crashed.
    Failed(String),
    /// It was not done in time, because it hangs or is that slow, and was killed; what it said last.
    Hung(String),
}

/// What one run came to.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The values of each metric.
    pub(crate) samples: Vec<Vec<f64>>,
    /// How it ended.
    pub(crate) fate: Fate,
}

impl Run {
    /// For the progress line.
    pub(crate) fn summary(&self, workload: Workload) -> String {
        let mut parts: Vec<String> = workload
            .metrics()
            .iter()
            .zip(&self.samples)
            .take(2)
            .filter_map(|(metric, samples)| {
                Some(format!("{} {}", figure(median(samples)?), metric.unit))
            })
            .collect();
        match &self.fate {
            Fate::Clean => {}
            Fate::Failed(reason) => parts.push(format!("FAILED: {reason}")),
            Fate::Hung(complaint) => parts.push(format!("NOT DONE IN TIME, killed {complaint}")),
        }
        parts.join(", ")
    }
}

/// A process that does not outlive its driver's interest in it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or it is to end now; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Waits for the end; `None` if it does not come in time.
    fn wait_until(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }
}

/// Does one job in a process of its own.
///
/// # Errors
/// When the system gives us no process. What goes wrong within it is a result.
pub(crate) fn run(job: &Job, timeout: Duration) -> io::Result<Run> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(job.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = read_lines(child.stdout.take());
    let complaint = read_last_line(child.stderr.take());
    let mut running = Running(child);
    let deadline = Instant::now() + timeout;

    let mut samples = vec![Vec::new(); job.workload.metrics().len()];
    let mut verdict = None;
    let in_time = collect(&lines, deadline, &mut samples, &mut verdict);
    let status = if in_time {
        running.wait_until(deadline)?
    } else {
        None
    };
    drop(running);
    let complaint = complaint.join().unwrap_or_default();
    let fate = match (status, verdict) {
        (None, _) => Fate::Hung(complaint),
        (Some(status), Some(Line::Ok)) if status.success() => Fate::Clean,
        (Some(_), Some(Line::Failed(reason))) => Fate::Failed(reason),
        (Some(status), _) => Fate::Failed(format!("{status}: {complaint}")),
    };
    Ok(Run { samples, fate })
}

/// Takes in what the run tells, to the end of its output; `false` if that does not come in time.
fn collect(
    lines: &Receiver<String>,
    deadline: Instant,
    samples: &mut [Vec<f64>],
    verdict: &mut Option<Line>,
) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => match Line::parse(&line) {
                Some(Line::Sample(index, value)) => {
                    if let Some(samples) = samples.get_mut(index) {
                        samples.push(value);
                    }
                }
                Some(end) => *verdict = Some(end),
                None => {}
            },
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
}

fn read_lines(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (tell, lines) = channel();
    thread::spawn(move || {
        for line in output.into_iter().flat_map(|it| BufReader::new(it).lines()) {
            // An end of the output, and an end of the interest in it, are both the end.
            let Ok(line) = line else { return };
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Reads all of it, so that nobody waits for us, and keeps the line that says most: that of a panic, or the last one.
fn read_last_line(output: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let (mut kept, mut after_panic) = (String::new(), 0);
        for line in output.into_iter().flat_map(|it| BufReader::new(it).lines()) {
            let Ok(line) = line else { break };
            if after_panic == 0 && line.contains("panicked at") {
                // The message is on the next line.
                after_panic = 1;
            } else if after_panic == 1 {
                after_panic = 2;
                kept = line;
            } else if after_panic == 0 && !line.trim().is_empty() {
                kept = line;
            }
        }
        kept
    })
}
