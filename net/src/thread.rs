//! The loop of the I/O thread.
//!
//! A turn waits in the poll (only if there is nothing to do), then notes what the poll and the machines have said,
//! takes a batch of commands, fires deadlines, and gives each socket that asked for one a turn. Every part is bounded,
//! so commands and sockets, and one socket and another, are fair to each other. Nothing in here waits except the
//! poll, and no machine ever runs here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use d3_runtime::Receiver;
use mio::Events;

use crate::command::{CloseReason, NetCmd};
use crate::id::{NetConnId, WAKE};
use crate::io::{Io, Verdict};
use crate::options::Options;
use crate::sockets::{Socket, Sockets};
use crate::stats::Counters;
use crate::timers::Timers;
use crate::wake::PollWaker;

/// Events fetched from the poll at once.
const EVENTS: usize = 1024;
/// The poll counts milliseconds in 32 bits. To wake a little too often is harmless.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);
/// Sockets whose machines are looked at in one check for machines that have gone, or an eighth of all if that is more.
const CHECKS_AT_ONCE: usize = 4096;

pub(crate) struct IoThread {
    poll: mio::Poll,
    events: Events,
    pub(crate) commands: Receiver<NetCmd>,
    command_waker: Waker,
    /// The last batch of commands was full: there may be more.
    more_commands: bool,
    pub(crate) sockets: Sockets,
    /// Sockets that want a turn, each at most once.
    queue: VecDeque<NetConnId>,
    pub(crate) io: Io,
    /// Listeners that wait for a place in the table.
    pub(crate) starved: Vec<NetConnId>,
    woken: Vec<NetConnId>,
    /// When to look for machines that have gone, and from which place in the table.
    next_check: Instant,
    check_from: usize,
    /// Stopping, at the latest then.
    pub(crate) stop_by: Option<Instant>,
}

impl IoThread {
    pub(crate) fn new(
        network: u32,
        mut options: Options,
        commands: Receiver<NetCmd>,
        counters: Arc<Counters>,
    ) -> std::io::Result<Self> {
        let poll = mio::Poll::new()?;
        let wake = Arc::new(PollWaker::new(poll.registry(), Arc::clone(&counters))?);
        let registry = poll.registry().try_clone()?;
        let now = Instant::now();
        options.read_buffer = options.read_buffer.max(crate::udp::READ_BUFFER_MIN);
        Ok(Self {
            events: Events::with_capacity(EVENTS),
            poll,
            commands,
            command_waker: Waker::from(Arc::clone(&wake)),
            // Commands may have come before the mailbox knew whom to wake.
            more_commands: true,
            sockets: Sockets::new(network, options.max_sockets),
            queue: VecDeque::new(),
            starved: Vec::new(),
            woken: Vec::new(),
            next_check: now + options.gone_check,
            check_from: 0,
            stop_by: None,
            io: Io {
                buffer: vec![0; options.read_buffer],
                options,
                counters,
                wake,
                registry,
                timers: Timers::new(),
                now,
            },
        })
    }

    pub(crate) fn waker(&self) -> Arc<PollWaker> {
        Arc::clone(&self.io.wake)
    }

    /// Runs until the network has stopped.
    pub(crate) fn run(mut self) {
        while !self.has_stopped() {
            if let Err(error) = self.turn() {
                tracing::error!(%error, "the poll failed, the network ends");
                break;
            }
        }
        self.finish();
    }

    fn has_stopped(&self) -> bool {
        self.stop_by
            .is_some_and(|by| self.sockets.len() == 0 || self.io.now >= by)
    }

    pub(crate) fn turn(&mut self) -> std::io::Result<()> {
        self.wait()?;
        self.io.now = Instant::now();
        self.io.counters.turns.one();
        self.note_events();
        self.note_woken();
        if self.io.wake.is_asked_to_stop() {
            self.stop();
        }
        self.take_commands();
        self.fire_deadlines();
        self.check_machines();
        self.give_turns();
        Ok(())
    }

    fn wait(&mut self) -> std::io::Result<()> {
        let idle = self.queue.is_empty() && !self.more_commands;
        let limit = if idle && self.io.wake.may_sleep() {
            self.sleep_limit()
        } else {
            Some(Duration::ZERO)
        };
        let result = self.poll.poll(&mut self.events, limit);
        self.io.wake.awake();
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => Err(error),
            // Interrupted by a signal: there are no events then.
            _ => Ok(()),
        }
    }

    /// How long nothing needs to be done unless something comes from outside.
    fn sleep_limit(&self) -> Option<Duration> {
        let check = (self.sockets.len() > 0).then_some(self.next_check);
        let next = [self.io.timers.next(), check, self.stop_by]
            .into_iter()
            .flatten()
            .min()?;
        Some(
            next.saturating_duration_since(Instant::now())
                .min(LONGEST_SLEEP),
        )
    }

    fn note_events(&mut self) {
        for event in &self.events {
            if event.token() == WAKE {
                continue;
            }
            let id = NetConnId::from_token(self.sockets.network(), event.token());
            // An event for a socket that has gone finds nothing: the generation differs.
            let Some(slot) = self.sockets.get_mut(id) else {
                continue;
            };
            match &mut slot.socket {
                Socket::Connection(conn) => conn.note(event),
                Socket::Listener(listener) => listener.note(),
                Socket::Udp(udp) => udp.note(event),
                Socket::Notice(_) => {}
            }
            queue_once(&mut self.queue, &mut slot.queued, id);
        }
        self.events.clear();
    }

    fn note_woken(&mut self) {
        self.io.wake.take_sockets(&mut self.woken);
        for id in self.woken.drain(..) {
            if let Some(slot) = self.sockets.get_mut(id) {
                slot.woken = true;
                queue_once(&mut self.queue, &mut slot.queued, id);
            }
        }
    }

    fn take_commands(&mut self) {
        let waker = self.command_waker.clone();
        let mut context = Context::from_waker(&waker);
        let mut taken = 0;
        self.more_commands = true;
        while taken < self.io.options.command_batch {
            match self.commands.poll_recv(&mut context) {
                Poll::Ready(Some(cmd)) => {
                    taken += 1;
                    self.execute(cmd);
                }
                Poll::Ready(None) => {
                    // Nobody is left who could send a command.
                    self.more_commands = false;
                    self.stop();
                    break;
                }
                Poll::Pending => {
                    self.more_commands = false;
                    break;
                }
            }
        }
        self.io.counters.commands.add(taken as u64);
    }

    fn fire_deadlines(&mut self) {
        while let Some((id, due)) = self.io.timers.pop_due(self.io.now) {
            let Some(slot) = self.sockets.get_mut(id) else {
                continue;
            };
            match &mut slot.socket {
                Socket::Connection(conn) => conn.due(&mut self.io, due),
                Socket::Listener(listener) => listener.due(due),
                Socket::Udp(udp) => udp.due(due),
                Socket::Notice(_) => {}
            }
            queue_once(&mut self.queue, &mut slot.queued, id);
        }
        self.io.timers.sweep(|id| self.sockets.get(id).is_some());
    }

    /// A machine that ended is noticed when something is delivered to it; this finds those of silent sockets.
    fn check_machines(&mut self) {
        if self.io.now < self.next_check {
            return;
        }
        self.next_check = self.io.now + self.io.options.gone_check;
        let share = CHECKS_AT_ONCE.max(self.sockets.len() / 8);
        let ids: Vec<_> = self.sockets.ids_from(self.check_from).take(share).collect();
        self.check_from = match ids.last() {
            Some(last) if ids.len() == share => last.index() + 1,
            _ => 0,
        };
        for id in ids {
            let Some(slot) = self.sockets.get_mut(id) else {
                continue;
            };
            match &mut slot.socket {
                Socket::Connection(conn) => conn.check_machine(&mut self.io),
                Socket::Listener(listener) => listener.check_machine(&mut self.io),
                Socket::Udp(udp) => udp.check_machine(&self.io),
                Socket::Notice(_) => continue,
            }
            if !slot.socket.is_open() {
                queue_once(&mut self.queue, &mut slot.queued, id);
            }
        }
    }

    /// Each socket that now wants a turn gets one; who wants another waits for the next round.
    fn give_turns(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(id) = self.queue.pop_front() else {
                return;
            };
            let Some(slot) = self.sockets.get_mut(id) else {
                continue;
            };
            slot.queued = false;
            let woken = std::mem::take(&mut slot.woken);
            let verdict = match &mut slot.socket {
                Socket::Connection(conn) => conn.turn(&mut self.io, woken),
                Socket::Udp(udp) => udp.turn(&mut self.io, woken),
                Socket::Listener(_) => self.listener_turn(id, woken),
                Socket::Notice(outbox) => match outbox.settle(&self.io, id) {
                    crate::outbox::Delivery::Held => Verdict::Rest,
                    _ => Verdict::Remove,
                },
            };
            match verdict {
                Verdict::Rest => {}
                Verdict::Again => self.schedule(id),
                Verdict::Remove => self.remove(id),
            }
        }
    }

    pub(crate) fn schedule(&mut self, id: NetConnId) {
        if let Some(slot) = self.sockets.get_mut(id) {
            queue_once(&mut self.queue, &mut slot.queued, id);
        }
    }

    fn remove(&mut self, id: NetConnId) {
        match self.sockets.remove(id) {
            Some(Socket::Connection(conn)) => {
                self.io.counters.connections_open.sub_one();
                if let Some(Socket::Listener(listener)) =
                    self.sockets.get_mut(conn.origin()).map(|s| &mut s.socket)
                {
                    listener.connection_ended();
                    self.schedule(conn.origin());
                }
            }
            Some(Socket::Listener(_)) => self.io.counters.listeners_open.sub_one(),
            Some(Socket::Udp(_)) => self.io.counters.udp_open.sub_one(),
            Some(Socket::Notice(_)) | None => {}
        }
        for id in std::mem::take(&mut self.starved) {
            self.schedule(id);
        }
    }

    /// Closes everything in order: first what brings new work, then the connections. Once.
    pub(crate) fn stop(&mut self) {
        if self.stop_by.is_some() {
            return;
        }
        self.stop_by = Some(self.io.now + self.io.options.stop_timeout);
        let ids: Vec<_> = self.sockets.ids_from(0).collect();
        for connections in [false, true] {
            for &id in &ids {
                let Some(slot) = self.sockets.get_mut(id) else {
                    continue;
                };
                match &mut slot.socket {
                    Socket::Listener(listener) if !connections => {
                        listener.close(CloseReason::Stopped)
                    }
                    Socket::Udp(udp) if !connections => udp.close(&self.io, CloseReason::Stopped),
                    Socket::Connection(conn) if connections => {
                        conn.close(&mut self.io, CloseReason::Stopped)
                    }
                    _ => continue,
                }
                queue_once(&mut self.queue, &mut slot.queued, id);
            }
        }
    }

    /// The end of the thread: what is left is dropped, and counted.
    fn finish(mut self) {
        let untold = self.sockets.iter().filter(|socket| socket.owes()).count() as u64;
        if untold > 0 {
            tracing::warn!(untold, "the network ends before all machines could be told");
            self.io.counters.notices_lost.add(untold);
        }
        // No room for notices any more: who cannot take an answer at once is not answered.
        self.sockets = Sockets::new(self.sockets.network(), 0);
        self.stop_by = Some(self.io.now);
        while let Ok(cmd) = self.commands.try_recv() {
            self.execute(cmd);
        }
        for gauge in [
            &self.io.counters.connections_open,
            &self.io.counters.listeners_open,
            &self.io.counters.udp_open,
        ] {
            gauge.clear();
        }
    }
}

fn queue_once(queue: &mut VecDeque<NetConnId>, queued: &mut bool, id: NetConnId) {
    if !std::mem::replace(queued, true) {
        queue.push_back(id);
    }
}

#[cfg(test)]
#[path = "thread_tests.rs"]
mod tests;
