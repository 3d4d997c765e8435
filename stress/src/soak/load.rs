//! The load of a soak: two threads that go through the parts again and again, on one runtime that lives all the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use d3::{Runtime, RuntimeStats};

use crate::output::count;
use crate::runtime::RuntimeArgs;
use crate::swarm::silence_planned;

use super::Work;
use super::echo::Echo;
use super::parts::{self, Setting};

/// A part of the load: it does its work, counts, and says what is missing.
type Part = (&'static str, fn(&Setting) -> Result<(), String>);

/// What the first thread does all the time: machines that live for ever talk to each other.
const STEADY: &[Part] = &[("walks through a thousand machines", parts::walk)];

/// What the second does in turn.
const CHANGING: &[Part] = &[
    ("generations of short-lived machines", parts::churn),
    ("crowds at a small mailbox", parts::crowd),
    ("threads and futures at a small mailbox", parts::outside),
    ("machines that panic", parts::panic),
    ("connections", parts::visit),
    ("small runtimes", parts::small_runtime),
];

/// How long what was begun may take at the end.
const DRAIN: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    done: [AtomicU64; STEADY.len() + CHANGING.len()],
}

#[derive(Debug, Default)]
struct State {
    over: bool,
    problem: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.over || state.problem.is_some()
    }

    /// Goes through the parts until the end. `first` is the number of the first one.
    fn run(&self, setting: &Setting, parts: &[Part], first: usize) {
        while !self.is_over() {
            for (number, (name, part)) in parts.iter().enumerate() {
                if self.is_over() {
                    return;
                }
                if let Err(problem) = part(setting) {
                    self.state()
                        .problem
                        .get_or_insert(format!("{name}: {problem}"));
                    self.changed.notify_all();
                    return;
                }
                self.done[first + number].fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A load that runs.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    setting: Arc<Setting>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts everything.
    ///
    /// # Errors
    /// In words.
    pub(super) fn start(args: &RuntimeArgs) -> Result<Self, String> {
        silence_planned();
        let runtime = args.start(None)?;
        let echo = Echo::start(&runtime)?;
        let setting = Arc::new(Setting::new(runtime, echo));
        let shared = Arc::<Shared>::default();
        let mut threads = Vec::new();
        for (name, parts, first) in [("steady", STEADY, 0), ("changing", CHANGING, STEADY.len())] {
            let (shared, setting) = (Arc::clone(&shared), Arc::clone(&setting));
            let work = move || shared.run(&setting, parts, first);
            let thread = std::thread::Builder::new().name(name.into()).spawn(work);
            threads.push(thread.map_err(|error| format!("no thread: {error}"))?);
        }
        Ok(Self {
            shared,
            setting,
            threads,
        })
    }

    pub(super) fn has_failed(&self) -> bool {
        self.shared.state().problem.is_some()
    }

    /// Waits, but not beyond a problem.
    pub(super) fn wait(&self, time: Duration) {
        let state = self.shared.state();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, time, |state| state.problem.is_none());
        drop(waited);
    }

    fn stats(&self) -> RuntimeStats {
        self.setting.runtime.stats()
    }

    pub(super) fn line(&self) -> String {
        let stats = self.stats();
        let total = stats.total();
        format!(
            "{} instructions, {} machines, {} parks",
            count(total.instructions),
            count(stats.machines as u64),
            count(total.parks)
        )
    }

    /// Lets the parts finish, ends the runtime, and adds up.
    pub(super) fn stop(self) -> Work {
        self.shared.state().over = true;
        let mut problem = None;
        for thread in self.threads {
            if thread.join().is_err() {
                problem = Some("a thread of the load panicked".to_owned());
            }
        }
        let total = end(&self.setting.runtime, &self.setting.echo, &mut problem);
        let names = STEADY.iter().chain(CHANGING).map(|(name, _)| *name);
        let done = self
            .shared
            .done
            .iter()
            .map(|done| done.load(Ordering::Relaxed));
        let found = self.shared.state().problem.take();
        Work {
            parts: names.zip(done).collect(),
            instructions: total.instructions,
            parks: total.parks,
            panics: total.panics,
            machines: total.ended,
            problem: found.or(problem),
        }
    }
}

fn end(runtime: &Runtime, echo: &Echo, problem: &mut Option<String>) -> d3::WorkerStats {
    if let Err(error) = echo.network.stop() {
        problem.get_or_insert(format!("the network did not stop: {error}"));
    }
    let report = runtime.shutdown(DRAIN);
    if !report.is_clean() {
        problem.get_or_insert(format!("not a clean end: {report}"));
    }
    runtime.stats().total()
}
