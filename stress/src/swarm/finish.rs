//! How a swarm ends, in each of the ways there are.

use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use d3::{MachineHandle, WaitError};

use crate::process;

use super::books::Books;
use super::load::{self, Order};
use super::plan::{Finish, ReaderPlan};
use super::run::Swarm;
use super::shape::Shape;
use super::target::{Sent, Target};
use super::totals::Totals;
use super::verdict::End;

/// How long a shutdown may take that must not be cut short: the watchdog barks before.
const ALL_THE_TIME: Duration = Duration::from_secs(3_600);
/// How long the one who runs a swarm looks away while it waits for others.
const PAUSE: Duration = Duration::from_micros(200);

impl Swarm<'_> {
    pub(super) fn finish(mut self, dead_before: u64) -> (End, Totals) {
        self.books.phase.add_one();
        match self.plan.finish {
            Finish::Settled => self.settle(dead_before),
            Finish::Graceful { at } => {
                self.wait_for(at);
                self.shut_down(ALL_THE_TIME, true)
            }
            Finish::Deadline { at, after } => {
                self.wait_for(at);
                self.shut_down(after, true)
            }
            Finish::Dropped { at } => {
                self.wait_for(at);
                self.vanish(dead_before, &[])
            }
            Finish::Abandoned => {
                // Who keeps the last handle may never receive enough to let go of it.
                let keepers = self.keepers();
                join(&mut self.outsiders, &self.books);
                self.vanish(dead_before, &keepers)
            }
        }
    }

    /// All mailboxes of the value that keeps the last handle: it is dropped when the last of them ends.
    fn keepers(&self) -> Vec<MachineHandle> {
        let mut place = 0;
        for machine in &self.plan.machines {
            let places = place..place + machine.mailboxes.len();
            if machine.keeps_runtime_until.is_some() {
                return self.targets[places].iter().map(Target::handle).collect();
            }
            place = places.end;
        }
        Vec::new()
    }

    /// Until so many instructions were received, or nobody outside sends any more.
    fn wait_for(&self, received: u64) {
        while self.books.received() < received
            && !self.outsiders.iter().all(JoinHandle::is_finished)
        {
            std::thread::sleep(PAUSE);
        }
    }

    fn settle(mut self, dead_before: u64) -> (End, Totals) {
        join(&mut self.outsiders, &self.books);
        // A reader outside may be slow, and those who wait for it count as idle.
        let nobody_reads_outside = self.plan.readers.iter().all(ReaderPlan::is_inside);
        loop {
            match self.runtime.wait_idle(Duration::from_millis(100)) {
                Err(WaitError::Timeout) => continue,
                Err(error) => self.books.fault(format!("a thread may not wait: {error}")),
                Ok(()) => {}
            }
            if self.books.balanced(load::empty_dead() - dead_before) {
                break;
            }
            if nobody_reads_outside {
                self.books
                    .fault("wait_idle came back, and not all was received".into());
                break;
            }
            std::thread::sleep(PAUSE);
        }
        self.books.phase.add_one();
        self.targets.clear();
        // Where nobody holds a sender in a circle the machines end by themselves.
        let no_circle = matches!(
            self.plan.shape,
            Shape::Chain | Shape::FanOut | Shape::FanIn | Shape::Tree
        );
        while no_circle && self.runtime.machine_count() > 0 {
            std::thread::sleep(PAUSE);
        }
        self.books.phase.add_one();
        self.shut_down(ALL_THE_TIME, false)
    }

    fn shut_down(mut self, deadline: Duration, keep_some: bool) -> (End, Totals) {
        let report = self.runtime.shutdown(deadline);
        self.books.phase.add_one();
        let late = if keep_some {
            self.some_targets()
        } else {
            Vec::new()
        };
        self.targets.clear();
        self.join_all();
        self.wait_for_workers(&report.detached);
        self.check_late(late);
        let stats = self.runtime.stats();
        let mut totals = Totals::of_run(self.plan, &stats.total());
        totals.late = u64::from(!report.detached.is_empty());
        let end = End {
            left: self.runtime.machine_count() + self.runtime.machines().len(),
            queued: stats.queued,
            cells: Some(stats.cells),
            report: Some(report),
            total: Some(stats.total()),
        };
        self.stage.show_runtime(None);
        (end, totals)
    }

    /// Nobody shuts down; the handles go.
    fn vanish(self, dead_before: u64, keepers: &[MachineHandle]) -> (End, Totals) {
        let late = self.some_targets();
        let Self {
            plan,
            stage,
            books,
            runtime,
            targets,
            outsiders,
            readers,
            meddlers,
            over,
        } = self;
        drop(runtime);
        keepers.iter().for_each(MachineHandle::stop);
        books.phase.add_one();
        drop(targets);
        join_threads(outsiders, &books);
        // The machines may still be ending: nobody is there who could wait for them but by looking.
        let gone = |books: &Books| {
            let dropped = books.values().iter().all(|value| value.dropped.get() > 0);
            dropped && books.balanced(load::empty_dead() - dead_before)
        };
        join_threads(readers, &books);
        while !gone(&books) {
            std::thread::sleep(PAUSE);
        }
        check_late(&books, late);
        over.store(true, Ordering::Relaxed);
        join_threads(meddlers, &books);
        stage.show_runtime(None);
        (
            End::default(),
            Totals::of_run(plan, &d3::WorkerStats::default()),
        )
    }

    /// A few senders that outlive the runtime.
    fn some_targets(&self) -> Vec<Target> {
        let machines = self
            .targets
            .iter()
            .filter(|target| target.account().is_machine);
        machines.take(3).cloned().collect()
    }

    fn check_late(&self, late: Vec<Target>) {
        check_late(&self.books, late);
    }

    /// Until workers that the shutdown left behind have done what was left to them.
    ///
    /// A shutdown gives them two seconds, by the clock. On a machine that has no processor left for this process that proves nothing: so
    /// what counts is that they end, however late. Those that never do are found as all that hangs is: by the watchdog.
    fn wait_for_workers(&self, left_behind: &[String]) {
        let alive = || {
            let names = process::thread_names().unwrap_or_default();
            names.iter().any(|name| left_behind.contains(name))
        };
        while !left_behind.is_empty() && (self.runtime.machine_count() > 0 || alive()) {
            std::thread::sleep(PAUSE);
        }
        self.books.phase.add_one();
    }

    fn join_all(&mut self) {
        join(&mut self.outsiders, &self.books);
        join(&mut self.readers, &self.books);
        self.over.store(true, Ordering::Relaxed);
        join(&mut self.meddlers, &self.books);
    }
}

fn join(threads: &mut Vec<JoinHandle<()>>, books: &Books) {
    join_threads(std::mem::take(threads), books);
}

fn join_threads(threads: Vec<JoinHandle<()>>, books: &Books) {
    for thread in threads {
        let name = thread.thread().name().unwrap_or_default().to_owned();
        if thread.join().is_err() {
            books.fault(format!("the thread {name} panicked"));
        }
    }
    books.phase.add_one();
}

/// Senders outlive their runtime: they say that nobody is there, and hand the instruction back.
fn check_late(books: &Books, late: Vec<Target>) {
    let stream = books.open_stream("the late one");
    for target in late {
        let order = |sequence| Order {
            stream,
            sequence,
            fuel: 0,
            explosive: false,
        };
        let sent = [target.send(&order(1)), target.try_send(&order(2))];
        if sent != [Sent::Gone; 2] {
            books.fault(format!(
                "{}: a send after the end of the runtime was {sent:?}",
                target.account().label
            ));
        }
    }
}
