//! Waiting with progress, and noticing that nothing moves any more.
//!
//! Patience is counted in looks, not by the clock: a process that is stopped for a while, or a machine that sleeps, is no hang.

use std::fmt;
use std::time::Duration;

use d3::{Runtime, SendTimeoutError, Sender, TrySendError};

use crate::output::{Output, Progress, duration};

/// How often a look is taken.
const LOOK: Duration = Duration::from_millis(50);
/// Beyond so many machines none is described: the description would take more memory than they do.
const DESCRIBED_OF_MAX: usize = 2_000_000;
/// So many machines that are not at rest are described.
const DESCRIBED_MAX: usize = 10;

/// Watches over one runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch<'a> {
    runtime: &'a Runtime,
    output: &'a Output,
    looks_max: u128,
}

/// Nothing moved for as long as patience allowed. Says what was waited for, and the state of the runtime.
#[derive(Debug)]
pub(crate) struct Stall(String);

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Watch<'a> {
    /// A watch that takes `patience` without any movement for a hang.
    pub(crate) fn new(runtime: &'a Runtime, output: &'a Output, patience: Duration) -> Self {
        Self {
            runtime,
            output,
            looks_max: (patience.as_millis() / LOOK.as_millis()).max(1),
        }
    }

    /// Waits until no machine has anything to do.
    pub(crate) fn idle(
        &self,
        what: &str,
        total: Option<u64>,
        done: impl Fn() -> u64,
    ) -> Result<(), Stall> {
        let mut progress = self.output.progress(what, total);
        self.wait(what, &mut progress, done, || {
            self.runtime.wait_idle(LOOK).is_ok()
        })
    }

    /// Waits until so many machines are left, and these have nothing to do.
    pub(crate) fn machines(&self, what: &str, left: usize) -> Result<(), Stall> {
        let begun_with = self.runtime.machine_count();
        let total = begun_with.saturating_sub(left) as u64;
        let mut progress = self.output.progress(what, Some(total));
        let gone = || begun_with.saturating_sub(self.runtime.machine_count()) as u64;
        self.wait(what, &mut progress, gone, || {
            self.runtime.wait_idle(LOOK).is_ok() && self.runtime.machine_count() == left
        })
    }

    /// Sends, and waits for room where there is none.
    #[inline]
    pub(crate) fn send<P: Send + 'static>(
        &self,
        sender: &Sender<P>,
        instruction: P,
    ) -> Result<(), Stall> {
        match sender.try_send(instruction) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(back)) => self.send_to_full(sender, back),
            Err(error) => Err(self.stall(&format!("sending: {error}"))),
        }
    }

    #[cold]
    fn send_to_full<P: Send + 'static>(
        &self,
        sender: &Sender<P>,
        mut instruction: P,
    ) -> Result<(), Stall> {
        let second = Duration::from_secs(1);
        for _ in 0..self
            .looks_max
            .div_ceil(second.as_millis() / LOOK.as_millis())
        {
            match sender.send_timeout(instruction, second) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(back)) => instruction = back,
                Err(error) => return Err(self.stall(&format!("sending: {error}"))),
            }
        }
        Err(self.stall(&format!("sending to {}: no room", sender.id())))
    }

    fn wait(
        &self,
        what: &str,
        progress: &mut Progress<'_>,
        done: impl Fn() -> u64,
        mut over: impl FnMut() -> bool,
    ) -> Result<(), Stall> {
        let mut still = 0;
        let mut before = self.moved();
        while !over() {
            // A wait that comes back early must not make looks shorter than they count.
            std::thread::sleep(LOOK / 50);
            progress.at(done());
            let now = self.moved();
            still = if now == before { still + 1 } else { 0 };
            before = now;
            if still >= self.looks_max {
                return Err(self.stall(what));
            }
        }
        Ok(())
    }

    /// Changes whenever a worker has done anything.
    fn moved(&self) -> (u64, u64, u64) {
        let total = self.runtime.stats().total();
        (total.instructions, total.activations, total.ended)
    }

    fn stall(&self, what: &str) -> Stall {
        let patience = LOOK * u32::try_from(self.looks_max).unwrap_or(u32::MAX);
        Stall(format!(
            "{what}: nothing has moved for {}\n{}",
            duration(patience),
            describe(self.runtime)
        ))
    }
}

/// A runtime in words: its workers, and the machines that are not at rest.
pub(crate) fn describe(runtime: &Runtime) -> String {
    let mut text = runtime.stats().to_string();
    if runtime.machine_count() > DESCRIBED_OF_MAX {
        text.push_str("(too many machines to describe them)\n");
        return text;
    }
    let restless: Vec<_> = runtime
        .machines()
        .into_iter()
        .filter(|machine| !machine.at_rest)
        .collect();
    text.push_str(&format!(
        "machines that are not at rest: {}\n",
        restless.len()
    ));
    for machine in restless.iter().take(DESCRIBED_MAX) {
        text.push_str(&format!("  {machine}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use d3::prelude::*;
    use std::sync::mpsc::sync_channel;

    #[derive(Debug, MachineImpl)]
    enum Wait {
        Here,
    }

    #[test]
    fn what_does_not_move_is_described() {
        let output = Output::new(None);
        let runtime = Runtime::builder().workers(1).build().expect("one worker");
        let watch = Watch::new(&runtime, &output, Duration::from_secs(300));
        let impatient = Watch::new(&runtime, &output, Duration::from_millis(100));
        let (open, gate) = sync_channel::<()>(0);
        let gate = std::sync::Mutex::new(gate);
        let (_, sender) = runtime.connect_with_capacity(
            move |Wait::Here: Wait| {
                let _ = gate.lock().expect("nobody panics").recv();
            },
            1,
        );
        watch.idle("connect", None, || 0).expect("nothing to do");
        watch.send(&sender, Wait::Here).expect("there is room");
        let stall = impatient
            .idle("the gate", None, || 0)
            .expect_err("it is shut")
            .to_string();
        assert!(
            stall.starts_with("the gate: nothing has moved for 100 ms"),
            "{stall}"
        );
        assert!(
            stall.contains("machines that are not at rest: 1"),
            "{stall}"
        );
        drop(open);
        watch.idle("the open gate", None, || 0).expect("it is open");
        drop(sender);
        watch.machines("the end", 0).expect("it ends");
    }
}
