//! The clock: a thread that says when a report is due.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use d3::{TrySendError, WeakSender};

use crate::machines::MonitorCmd;

/// Held by the monitor: when it is dropped, the clock stops at once.
#[derive(Debug)]
pub(crate) struct Alive {
    _token: Sender<()>,
}

/// Held by the clock.
pub(crate) struct Ended(Receiver<()>);

pub(crate) fn pair() -> (Alive, Ended) {
    let (token, ended) = channel();
    (Alive { _token: token }, Ended(ended))
}

/// Starts the clock. It holds the monitor only weakly: a clock alone keeps no monitor going.
pub(crate) fn start(
    monitor: WeakSender<MonitorCmd>,
    ended: Ended,
    interval: Duration,
) -> io::Result<()> {
    let clock = move || run(&monitor, &ended.0, interval);
    thread::Builder::new()
        .name("monitor-clock".into())
        .spawn(clock)
        .map(drop)
}

fn run(monitor: &WeakSender<MonitorCmd>, ended: &Receiver<()>, interval: Duration) {
    let mut due = Instant::now() + interval;
    while ended.recv_timeout(due.saturating_duration_since(Instant::now()))
        == Err(RecvTimeoutError::Timeout)
    {
        let Some(monitor) = monitor.upgrade() else {
            return;
        };
        // A monitor that has not got to the last ticks yet does not need another one.
        if let Err(TrySendError::Disconnected(_)) = monitor.try_send(MonitorCmd::Tick) {
            return;
        }
        // After a time without a processor, go on from now, not with a volley of ticks.
        due = (due + interval).max(Instant::now());
    }
}
