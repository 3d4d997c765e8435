//! One TCP connection: its life from accept to farewell. Moving bytes is in `connection/transfer.rs`.
//!
//! | phase | entered by | reading | writing | leaves by |
//! | --- | --- | --- | --- | --- |
//! | Open | accept | to the machine, once bound | yes | any reason to close |
//! | Flushing | CloseConn, stop, idle, end of the machine | dropped | what is queued, nothing new | queue empty, deadline, failure |
//! | Lingering | queue empty, our half shut down | dropped | no | the peer's end, deadline, failure |
//! | Gone | the socket is closed | no | no | the machine knows: removed |
//!
//! Input is read and dropped while flushing and lingering because closing a socket with unread input makes the
//! kernel send a reset, which can destroy what was just flushed before the peer has read it.
//!
//! The machine is told CloseConn on entering Lingering or Gone, after everything that was read before, and exactly once.

mod transfer;

use std::time::Instant;

use mio::net::TcpStream;

use crate::command::{CloseReason, NetCmd, NetSender};
use crate::id::NetConnId;
use crate::io::{Farewell, Io, Verdict};
use crate::options::{ConnectionOptions, HalfClose};
use crate::outbox::{Delivery, Outbox};
use crate::timers::{Armed, Due};
use crate::write_queue::WriteQueue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Flushing,
    Lingering,
    Gone,
}

pub(crate) struct Connection {
    id: NetConnId,
    /// The listener that accepted it.
    origin: NetConnId,
    /// None in phase Gone.
    stream: Option<TcpStream>,
    outbox: Outbox,
    queue: WriteQueue,
    options: ConnectionOptions,
    phase: Phase,
    farewell: Farewell,
    /// A machine was named by BindConn. Before that the outbox leads to the listener's machine.
    bound: bool,
    /// The kernel has told, and we have not yet found out otherwise, that a read or write would do something. The
    /// poll is edge-triggered: these two are what it does not say twice.
    readable: bool,
    writable: bool,
    /// The kernel has told that the input ends, so a short read is not the last one.
    hangup: bool,
    /// The kernel has told of an error.
    faulted: bool,
    /// The peer's half has ended.
    ended: bool,
    end_owed: bool,
    end_told: bool,
    /// The queue passed the high-water mark: not read, until low water.
    over_high: bool,
    ready_owed: bool,
    /// Writing failed; what the peer had sent before is still read.
    write_failed: Option<CloseReason>,
    /// When a byte moved, in either direction.
    moved_at: Instant,
    /// When the machine last sent something or some of it was written.
    quiet_since: Instant,
    armed: Armed,
}

impl Connection {
    pub(crate) fn new(
        id: NetConnId,
        origin: NetConnId,
        stream: TcpStream,
        listener_machine: NetSender,
        options: ConnectionOptions,
        now: Instant,
    ) -> Self {
        Self {
            id,
            origin,
            stream: Some(stream),
            outbox: Outbox::new(listener_machine),
            queue: WriteQueue::default(),
            options,
            phase: Phase::Open,
            farewell: Farewell::None,
            bound: false,
            readable: false,
            // So it is, after an accept; if not, the first write finds out.
            writable: true,
            hangup: false,
            faulted: false,
            ended: false,
            end_owed: false,
            end_told: false,
            over_high: false,
            ready_owed: false,
            write_failed: None,
            moved_at: now,
            quiet_since: now,
            armed: Armed::default(),
        }
    }

    pub(crate) fn origin(&self) -> NetConnId {
        self.origin
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Nothing can be done for it any more.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Lingering | Phase::Gone)
    }

    /// The machine has not been told everything.
    pub(crate) fn owes(&self) -> bool {
        !self.outbox.is_clear() || self.farewell != Farewell::Told
    }

    /// The listener's machine has the NewConn: from now on the time runs in which it must be bound.
    pub(crate) fn announced(&mut self, io: &mut Io) {
        if !self.bound {
            io.arm(
                self.id,
                &mut self.armed,
                Due::Unbound,
                io.now + io.options.unbound_timeout,
            );
        }
    }

    /// This machine has the connection from now on. Only while open.
    pub(crate) fn bind(&mut self, io: &mut Io, sender: NetSender) {
        self.bound = true;
        self.moved_at = io.now;
        if let Some(timeout) = self.options.idle_timeout {
            io.arm(self.id, &mut self.armed, Due::Idle, io.now + timeout);
        }
        if self.outbox.rebind(io, self.id, sender) == Delivery::Gone {
            self.machine_gone(io);
        }
    }

    /// The poll has something to say about the socket.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        let ends = event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || ends;
        self.writable |= event.is_writable() || event.is_error();
        self.hangup |= ends;
        self.faulted |= event.is_error();
    }

    /// One turn: settle, write, read, tell.
    pub(crate) fn turn(&mut self, io: &mut Io, woken: bool) -> Verdict {
        if woken && self.outbox.settle(io, self.id) == Delivery::Gone {
            self.machine_gone(io);
        }
        let mut again = self.write_out(io);
        again |= match self.phase {
            Phase::Open => self.read_in(io),
            Phase::Flushing | Phase::Lingering => self.read_and_drop(io),
            Phase::Gone => false,
        };
        self.find_late_reset(io);
        self.finish_flush(io);
        self.tell(io);
        if self.phase == Phase::Gone && self.outbox.is_clear() && self.farewell == Farewell::Told {
            Verdict::Remove
        } else if again {
            Verdict::Again
        } else {
            Verdict::Rest
        }
    }

    /// Tells the machine what it is owed, in order, as long as it has room.
    fn tell(&mut self, io: &mut Io) {
        while self.outbox.is_clear() {
            let done = matches!(self.phase, Phase::Lingering | Phase::Gone);
            let cmd = if std::mem::take(&mut self.end_owed) {
                self.expect_silence(io);
                NetCmd::RecvEnd(self.id)
            } else if std::mem::take(&mut self.ready_owed) && self.is_open() {
                NetCmd::SendReady(
                    self.id,
                    io.options.write_limit.saturating_sub(self.queue.len()),
                )
            } else if let (Farewell::Owed(reason), true) = (self.farewell, done) {
                self.farewell = Farewell::Told;
                NetCmd::CloseConn(self.id, reason)
            } else {
                break;
            };
            if self.outbox.deliver(io, self.id, cmd) == Delivery::Gone {
                self.machine_gone(io);
                break;
            }
        }
    }

    /// The machine hears of the end of the input: if it then stays silent, it does not care.
    fn expect_silence(&mut self, io: &mut Io) {
        self.end_told = true;
        self.quiet_since = io.now;
        if self.options.half_close == HalfClose::CloseWhenFlushed {
            io.arm(
                self.id,
                &mut self.armed,
                Due::EndGrace,
                io.now + io.options.end_grace,
            );
        }
    }

    /// Writes what is queued, then closes. Of several reasons the first counts.
    pub(crate) fn close(&mut self, io: &mut Io, reason: CloseReason) {
        if !self.is_open() {
            return;
        }
        if let Some(reason) = self.write_failed {
            return self.fail(io, reason);
        }
        self.phase = Phase::Flushing;
        self.farewell = Farewell::Owed(reason);
        io.arm(
            self.id,
            &mut self.armed,
            Due::Flush,
            io.now + io.options.flush_timeout,
        );
    }

    /// Closes at once; the peer sees a reset.
    pub(crate) fn abort(&mut self, io: &Io, reason: CloseReason) {
        if let Some(stream) = &self.stream
            && let Err(error) =
                socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO))
        {
            tracing::debug!(id = %self.id, %error, "closing without a reset");
        }
        self.fail(io, reason);
    }

    /// The socket is of no more use.
    fn fail(&mut self, io: &Io, reason: CloseReason) {
        if self.farewell != Farewell::Told {
            self.farewell = Farewell::Owed(reason);
        }
        self.vanish(io);
    }

    /// Closes the socket. It leaves the poll with that; an event already fetched for it finds the wrong generation.
    fn vanish(&mut self, io: &Io) {
        io.counters.bytes_unsent.add(self.queue.clear() as u64);
        self.stream = None;
        self.phase = Phase::Gone;
    }

    /// The machine has ended: nobody to read for, nobody to tell. What it had sent is still written.
    fn machine_gone(&mut self, io: &mut Io) {
        tracing::debug!(id = %self.id, "the machine of a connection has gone");
        self.outbox.close();
        self.close(io, CloseReason::Flush);
        self.farewell = Farewell::Told;
    }

    /// Once in a while: has the machine ended, on a connection where nothing happens?
    pub(crate) fn check_machine(&mut self, io: &mut Io) {
        if self.farewell != Farewell::Told
            && self.outbox.is_clear()
            && self.outbox.is_disconnected()
        {
            io.counters.machines_gone.one();
            self.machine_gone(io);
        }
    }

    /// A deadline has passed; it may have been moved meanwhile.
    pub(crate) fn due(&mut self, io: &mut Io, due: Due) {
        self.armed.fired(due);
        match due {
            Due::Unbound if !self.bound && self.is_open() => {
                tracing::info!(id = %self.id, "no machine was bound to a connection in time");
                io.counters.idle_closes.one();
                self.close(io, CloseReason::Idle);
            }
            Due::Idle if self.is_open() => self.idle_due(io),
            Due::EndGrace if self.is_open() => self.end_grace_due(io),
            Due::Flush if self.phase == Phase::Flushing => {
                io.counters.flush_timeouts.one();
                self.abort(io, CloseReason::Error(std::io::ErrorKind::TimedOut));
            }
            Due::Linger if self.phase == Phase::Lingering => self.vanish(io),
            _ => {}
        }
    }

    fn idle_due(&mut self, io: &mut Io) {
        let Some(timeout) = self.options.idle_timeout else {
            return;
        };
        if !self.outbox.is_clear() {
            // It is we who do not read; that is not the peer's idleness.
            self.moved_at = io.now;
        }
        let deadline = self.moved_at + timeout;
        if deadline > io.now {
            return io.arm(self.id, &mut self.armed, Due::Idle, deadline);
        }
        io.counters.idle_closes.one();
        if self.queue.is_empty() {
            self.close(io, CloseReason::Idle);
        } else {
            // The peer has not read for all that time; waiting for it again would be of no use.
            self.abort(io, CloseReason::Idle);
        }
    }

    fn end_grace_due(&mut self, io: &mut Io) {
        let deadline = self.quiet_since + io.options.end_grace;
        if deadline > io.now {
            io.arm(self.id, &mut self.armed, Due::EndGrace, deadline);
        } else if self.queue.is_empty() && self.outbox.is_consumed() && self.end_told {
            self.close(io, CloseReason::Peer);
        } else {
            io.arm(
                self.id,
                &mut self.armed,
                Due::EndGrace,
                io.now + io.options.end_grace,
            );
        }
    }

    /// The queue is written: shut our half down, and wait for the peer to do the same.
    fn finish_flush(&mut self, io: &mut Io) {
        if self.phase != Phase::Flushing || !self.queue.is_empty() {
            return;
        }
        let Some(stream) = &self.stream else { return };
        if self.ended || stream.shutdown(std::net::Shutdown::Write).is_err() {
            // Either the peer has ended too and all was read, so that closing sends a plain end; or there is no
            // connection any more.
            return self.vanish(io);
        }
        self.phase = Phase::Lingering;
        io.arm(
            self.id,
            &mut self.armed,
            Due::Linger,
            io.now + io.options.linger_timeout,
        );
    }

    /// After the peer's end nothing is read any more, so a reset shows only as an event.
    fn find_late_reset(&mut self, io: &Io) {
        if !(self.faulted && self.ended && self.is_open() && self.outbox.is_clear()) {
            return;
        }
        self.faulted = false;
        if let Some(stream) = &self.stream
            && let Ok(Some(error)) = stream.take_error()
        {
            self.fail(io, CloseReason::from_error(&error));
        }
    }

    /// May input be read for the machine?
    fn may_read(&self) -> bool {
        self.readable
            && self.bound
            && self.is_open()
            && !self.ended
            && !self.over_high
            && self.outbox.is_clear()
    }
}
