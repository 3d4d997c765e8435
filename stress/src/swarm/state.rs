//! The state of a swarm in words, for people who look for what it hangs on.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use d3::{MachineId, MachineInfo, Runtime};

use super::books::Books;
use super::outside::Doing;

/// Machines beyond these are counted: who waits for whom is seen from the first ones.
const MACHINES_SHOWN: usize = 60;

/// What the watchdog may look at.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) books: Arc<Books>,
    /// None where a swarm is about who drops the last handle.
    runtime: Mutex<Option<Runtime>>,
    doing: Mutex<Vec<Arc<Doing>>>,
    /// The names of places, in order.
    places: Mutex<Vec<String>>,
}

impl Stage {
    pub(crate) fn show_runtime(&self, runtime: Option<Runtime>) {
        let shown = std::mem::replace(
            &mut *self.runtime.lock().unwrap_or_else(PoisonError::into_inner),
            runtime,
        );
        drop(shown);
    }

    pub(crate) fn show_place(&self, label: String) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.push(label);
    }

    /// A thread outside, by name.
    pub(crate) fn enter(&self, name: String) -> Arc<Doing> {
        let doing = Doing::new(name);
        let mut all = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&doing));
        doing
    }

    /// All that can be told about who does what, and who waits for whom.
    pub(crate) fn describe(&self, empty_dead: u64) -> String {
        let mut text = String::new();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        if let Some(runtime) = &*runtime {
            let _ = writeln!(text, "{}", runtime.stats());
            self.describe_workers(runtime, &mut text);
            self.describe_machines(&runtime.machines(), &mut text);
        } else {
            let _ = writeln!(text, "no handle of the runtime: it is being dropped");
            self.describe_visits(&mut text);
        }
        drop(runtime);
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let label = |place: usize| {
            places
                .get(place)
                .cloned()
                .unwrap_or_else(|| format!("place {place}"))
        };
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in doing.iter().filter_map(|doing| doing.describe(label)) {
            let _ = writeln!(text, "thread {thread}");
        }
        for imbalance in self.books.imbalances(empty_dead) {
            let _ = writeln!(text, "{imbalance}");
        }
        text
    }

    /// Whose user code runs, where no runtime is there to tell of its workers.
    fn describe_visits(&self, text: &mut String) {
        for account in self.books.accounts() {
            if let Some(visit) = account.visit() {
                let seconds = visit.lasted().as_secs_f64();
                let label = &account.label;
                let _ = writeln!(
                    text,
                    "a worker is inside the user code of {label} for {seconds:.1} s"
                );
            }
        }
    }

    fn describe_workers(&self, runtime: &Runtime, text: &mut String) {
        let stats = runtime.stats();
        let accounts = self.books.accounts();
        for (index, (worker, state)) in stats.workers.iter().zip(&stats.states).enumerate() {
            let _ = write!(text, "worker {index}: {state}");
            let inside = accounts.iter().find_map(|account| {
                let visit = account.visit().filter(|visit| visit.is_by(index))?;
                Some((account, visit))
            });
            match inside {
                Some((account, visit)) => {
                    let seconds = visit.lasted().as_secs_f64();
                    let label = &account.label;
                    let _ = write!(text, ", inside the user code of {label} for {seconds:.1} s");
                }
                None if !state.asleep => text.push_str(
                    ", in no user code: it looks for a machine, or is in the runtime's own code",
                ),
                None => {}
            }
            let _ = writeln!(text, "\n  {worker:?}");
        }
    }

    fn describe_machines(&self, machines: &[MachineInfo], text: &mut String) {
        let by_id: HashMap<MachineId, &MachineInfo> =
            machines.iter().map(|info| (info.id, info)).collect();
        let busy: Vec<&MachineInfo> = machines
            .iter()
            .filter(|info| !info.at_rest || info.len > 0 || info.has_waiters)
            .collect();
        let _ = writeln!(
            text,
            "{} machines, {} of them at rest",
            machines.len(),
            machines.len() - busy.len()
        );
        for info in busy.iter().take(MACHINES_SHOWN) {
            let label = self.books.label_of(info.id);
            let waiters = if info.has_waiters { ", waited for" } else { "" };
            let chain = self.chain(info, &by_id);
            let _ = writeln!(text, "  {label}: {info}{waiters}{chain}");
        }
        if busy.len() > MACHINES_SHOWN {
            let _ = writeln!(text, "  and {} more", busy.len() - MACHINES_SHOWN);
        }
    }

    /// Whom it waits for, and whom that one waits for, until one does not wait or the chain bites its tail.
    fn chain(&self, from: &MachineInfo, by_id: &HashMap<MachineId, &MachineInfo>) -> String {
        let mut text = String::new();
        let mut passed = vec![from.id];
        let mut next = from.waits_for;
        while let Some(id) = next {
            let _ = write!(text, " → {}", self.books.label_of(id));
            if passed.contains(&id) {
                text.push_str(" (a ring)");
                break;
            }
            passed.push(id);
            next = by_id.get(&id).and_then(|info| info.waits_for);
        }
        text
    }
}
