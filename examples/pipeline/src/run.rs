//! One run: connect, look until the time is up or a signal comes, drain, and judge.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use d3::prelude::*;
use d3::{MachineHandle, MachineInfo};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::draw::{Look, Mailbox, Outcome, Screen};
use crate::machines::{Books, Item, Sink, Source, SourceCmd, Stage};
use crate::options::Options;

/// How often a signal, or the end of the source's time, is looked for.
const TICK: Duration = Duration::from_millis(10);
/// What the source's own mailbox holds: orders, not items.
const SOURCE_CAPACITY: usize = 4;
/// How long the items that are on their way may take when the source has ended.
const DRAIN_MAX: Duration = Duration::from_secs(60);

struct Pipeline {
    runtime: Runtime,
    books: Arc<Books>,
    started: Instant,
    handles: [MachineHandle; 3],
    /// The most that each mailbox may hold.
    bounds: [Option<usize>; 3],
    capacities: [usize; 3],
    /// How often and how long each machine was parked when it was last seen: one that has ended is not described any more.
    parked: Cell<[(u64, Duration); 3]>,
}

const NAMES: [&str; 3] = ["source", "stage", "sink"];

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let interrupted = signals()?;
    let (pipeline, source) = Pipeline::connect(options)?;
    let mut screen = Screen::new(options);

    let by_signal = pipeline.watch(options, &interrupted, &mut screen, &source);
    // The source makes no more; with its last sender it ends, behind it the stage, and then the sink.
    pipeline.books.enough.store(true, Ordering::Relaxed);
    drop(source);
    pipeline.drain(options, &mut screen);
    let outcome = pipeline.end(by_signal);

    match screen.end(&outcome) {
        // Nobody reads any more, which is no failure of the pipeline.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if outcome.made == outcome.arrived && outcome.in_order && outcome.within_bounds {
        Ok(())
    } else {
        Err("not everything arrived as it should".into())
    }
}

/// Up once a signal has asked for the end. A second signal does what it does to other programs.
fn signals() -> io::Result<Arc<AtomicBool>> {
    let seen = Arc::<AtomicBool>::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and raises it.
        flag::register_conditional_default(signal, Arc::clone(&seen))?;
        flag::register(signal, Arc::clone(&seen))?;
    }
    Ok(seen)
}

impl Pipeline {
    fn connect(options: &Options) -> Result<(Self, Sender<SourceCmd>), Box<dyn Error>> {
        let runtime = Runtime::builder().workers(options.workers).build()?;
        let books = Arc::<Books>::default();
        let sink = Sink {
            books: Arc::clone(&books),
        };
        let sink = runtime
            .machine(sink)
            .capacity(options.capacity)
            .name("sink");
        let sink = sink.accepts::<Item>().try_connect()?;
        let stage = Stage {
            sink: sink.clone(),
            work: options.work,
            books: Arc::clone(&books),
        };
        let stage = runtime
            .machine(stage)
            .capacity(options.capacity)
            .name("stage");
        let stage = stage.accepts::<Item>().try_connect()?;
        let source = Source {
            stage: stage.clone(),
            batch: options.batch as u64,
            books: Arc::clone(&books),
        };
        let source = runtime
            .machine(source)
            .capacity(SOURCE_CAPACITY)
            .name("source");
        let source = source.accepts::<SourceCmd>().try_connect()?;
        let pipeline = Self {
            runtime,
            books,
            started: Instant::now(),
            handles: [source.handle(), stage.handle(), sink.handle()],
            // The capacity, and what one `receive` of the one machine that sends there adds. The source sends to itself, which
            // is a ring: it gives way, and its mailbox has no such bound.
            bounds: [
                None,
                Some(options.capacity.saturating_add(options.batch)),
                Some(options.capacity.saturating_add(1)),
            ],
            capacities: [SOURCE_CAPACITY, options.capacity, options.capacity],
            parked: Cell::default(),
        };
        Ok((pipeline, source))
    }

    /// Keeps the source busy and looks on. True: a signal ended it, or nobody reads what is shown.
    fn watch(
        &self,
        options: &Options,
        interrupted: &AtomicBool,
        screen: &mut Screen,
        source: &Sender<SourceCmd>,
    ) -> bool {
        let mut ordered = 0;
        let mut next_look = Duration::ZERO;
        loop {
            let elapsed = self.started.elapsed();
            let due = if options.rate == 0 {
                u64::MAX
            } else {
                (elapsed.as_secs_f64() * options.rate as f64) as u64
            };
            // Only if there is room: a pipeline that is behind must not stop its display.
            if due > ordered && source.try_send(SourceCmd::Make(due - ordered)).is_ok() {
                ordered = due;
            }
            if elapsed >= next_look {
                next_look = elapsed + options.interval;
                if screen.show(&self.look()).is_err() {
                    return true;
                }
            }
            if interrupted.load(Ordering::Relaxed) {
                return true;
            }
            if elapsed >= options.duration {
                return false;
            }
            thread::sleep(TICK.min(options.interval).min(options.duration - elapsed));
        }
    }

    /// Looks on while what is on its way arrives.
    fn drain(&self, options: &Options, screen: &mut Screen) {
        let deadline = Instant::now() + DRAIN_MAX;
        while Instant::now() < deadline {
            // Whoever reads the display may be gone; the items arrive all the same.
            let shown = screen.show(&self.look());
            let patience = if shown.is_ok() {
                options.interval
            } else {
                DRAIN_MAX
            };
            if self.handles[2].wait(patience).is_ok() {
                break;
            }
        }
        let _ = screen.show(&self.look());
    }

    fn end(self, by_signal: bool) -> Outcome {
        let report = self.runtime.shutdown(Duration::ZERO);
        let books = &self.books;
        let highest = self.highest();
        Outcome {
            elapsed: self.started.elapsed(),
            made: books.made.load(Ordering::Relaxed),
            arrived: books.arrived.load(Ordering::Relaxed),
            in_order: books.out_of_order.load(Ordering::Relaxed) == 0 && report.dropped == 0,
            within_bounds: (0..3).all(|i| self.bounds[i].is_none_or(|bound| highest[i] <= bound)),
            by_signal,
        }
    }

    fn highest(&self) -> [usize; 3] {
        let Books {
            source,
            stage,
            sink,
            ..
        } = &*self.books;
        [source.get(), stage.get(), sink.get()]
    }

    fn look(&self) -> Look {
        let machines = self.runtime.machines();
        let find = |index: usize| {
            machines
                .iter()
                .find(|info| info.id == self.handles[index].id())
        };
        let name_of = |info: &MachineInfo| {
            let receiver = info.waits_for?;
            (0..3)
                .find(|index| self.handles[*index].id() == receiver)
                .map(|index| NAMES[index])
        };
        let highest = self.highest();
        let mut parked = self.parked.get();
        for (index, parked) in parked.iter_mut().enumerate() {
            *parked = find(index).map_or(*parked, |info| (info.parks, info.parked_for));
        }
        self.parked.set(parked);
        let mailboxes = (0..3).map(|index| {
            // A machine that has ended holds nothing.
            let info = find(index);
            Mailbox {
                name: NAMES[index],
                len: info.map_or(0, |info| info.len),
                capacity: self.capacities[index],
                highest: highest[index],
                bound: self.bounds[index],
                parks: parked[index].0,
                parked_for: parked[index].1,
                waits_for: info.and_then(name_of),
            }
        });
        // Acquire, and before what was made: pairs with the sink's Release.
        let arrived = self.books.arrived.load(Ordering::Acquire);
        Look {
            elapsed: self.started.elapsed(),
            made: self.books.made.load(Ordering::Relaxed),
            arrived,
            memory_kib: memory_kib(),
            mailboxes: mailboxes.collect(),
        }
    }
}

/// What the process holds in memory, where the system tells.
fn memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
