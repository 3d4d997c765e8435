//! Threads: starting the workers of a pool, their outermost loop, and their end.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_deque::Worker as Deque;

use super::Pool;
use super::current::OnWorker;
use super::local::{Local, Remote};
use super::worker::{Verdict, Worker};
use crate::builder::Config;
use crate::cell::Turn;
use crate::unwind::AbortOnUnwind;

/// A pool whose threads are about to start.
pub(crate) struct Launch {
    pub(crate) pool: Arc<Pool>,
    deques: Vec<Deque<crate::cell::Scheduled>>,
}

/// The threads of a pool.
pub(crate) struct Workers {
    threads: Mutex<Vec<(String, JoinHandle<()>)>>,
    exits: Arc<Exits>,
}

/// Which workers have left their loop.
#[derive(Default)]
struct Exits {
    done: Mutex<Vec<bool>>,
    changed: Condvar,
}

impl Exits {
    fn lock(&self) -> MutexGuard<'_, Vec<bool>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a worker is gone, however it went.
struct ExitGuard {
    exits: Arc<Exits>,
    index: usize,
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        self.exits.lock()[self.index] = true;
        self.exits.changed.notify_all();
    }
}

impl Launch {
    pub(crate) fn new(config: Config) -> Self {
        let deques: Vec<_> = (0..config.workers).map(|_| Deque::new_fifo()).collect();
        let remotes = deques.iter().map(Remote::new).collect();
        Self {
            pool: Arc::new(Pool::new(config, remotes)),
            deques,
        }
    }

    /// Starts the threads. If the system refuses one, those already started are ended again.
    pub(crate) fn start(self) -> Result<(Arc<Pool>, Workers), io::Error> {
        let Self { pool, deques } = self;
        let exits = Arc::new(Exits::default());
        exits.lock().resize(deques.len(), false);
        let workers = Workers {
            threads: Mutex::default(),
            exits: Arc::clone(&exits),
        };
        let cores = if pool.config.pin_workers {
            core_affinity::get_core_ids()
        } else {
            None
        };
        for (index, deque) in deques.into_iter().enumerate() {
            let name = format!("{}-{index}", pool.config.thread_name);
            let core = cores
                .as_ref()
                .filter(|cores| !cores.is_empty())
                .map(|cores| cores[index % cores.len()]);
            let local = Local::new(index, Arc::clone(&pool), deque);
            let guard = ExitGuard {
                exits: Arc::clone(&exits),
                index,
            };
            let mut thread = std::thread::Builder::new().name(name.clone());
            if let Some(bytes) = pool.config.stack_size {
                thread = thread.stack_size(bytes);
            }
            let started = thread.spawn(move || {
                if let Some(core) = core
                    && !core_affinity::set_for_current(core)
                {
                    tracing::warn!(
                        worker = index,
                        core = core.id,
                        "the system refused to pin a worker"
                    );
                }
                run(Worker::new(local));
                drop(guard);
            });
            match started {
                Ok(thread) => workers.lock().push((name, thread)),
                Err(error) => {
                    pool.advance(super::Phase::Stopped);
                    pool.tell_workers_to_exit();
                    for (_, thread) in workers.lock().drain(..) {
                        let _ = thread.join();
                    }
                    return Err(error);
                }
            }
        }
        Ok((pool, workers))
    }
}

/// The outermost loop of a worker, and the only place that sleeps.
fn run(mut worker: Worker) {
    let bomb = AbortOnUnwind;
    let pool = Arc::clone(&worker.local().pool);
    let mut turn = Turn::new(&pool, &pool.remotes[worker.local().index].counters);
    // SAFETY: pool and local live until the end of this function, and the guard is dropped before.
    let on_worker = unsafe { OnWorker::enter(&pool, worker.local()) };
    loop {
        match worker.step(&mut turn) {
            Verdict::Ran => {}
            Verdict::Dry if pool.is_to_exit() => break,
            Verdict::Dry => worker.sleep(false),
            Verdict::Retired => worker.sleep(true),
        }
    }
    drop(on_worker);
    drop(bomb);
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Vec<(String, JoinHandle<()>)>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins every worker that exits before `deadline`; the others are detached, and their names returned.
    pub(crate) fn join(&self, deadline: Instant) -> Vec<String> {
        let threads = std::mem::take(&mut *self.lock());
        {
            let mut done = self.exits.lock();
            while !done.iter().all(|done| *done) {
                let now = Instant::now();
                if now >= deadline {
                    break;
                }
                let waited = self.exits.changed.wait_timeout(done, deadline - now);
                done = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let done = self.exits.lock().clone();
        let mut detached = Vec::new();
        for (index, (name, thread)) in threads.into_iter().enumerate() {
            if done[index] {
                // The guard is dropped at the very end of the thread, so this wait is short. It cannot panic: see `unwind`.
                let _ = thread.join();
            } else {
                detached.push(name);
            }
        }
        detached
    }

    /// Lets the threads go their way: for the last handle that is dropped inside a machine.
    pub(crate) fn detach(&self) {
        self.lock().clear();
    }
}
