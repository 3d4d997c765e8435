//! Moving bytes between a connection's socket, its machine and its write queue.

use std::io::{ErrorKind, Read};

use bytes::Bytes;

use super::{Connection, Phase};
use crate::command::{CloseReason, NetCmd};
use crate::io::{Farewell, Io};
use crate::options::OnWriteLimit;
use crate::outbox::Delivery;

/// Reads of one connection before the others have their turn.
const READS_PER_TURN: usize = 4;

/// A read that does not fill the buffer has emptied the socket, and what arrives later makes a new event: true of
/// epoll unless the end of the input was already reported. It saves one read that would only say "would block".
const SHORT_READ_EMPTIES: bool = cfg!(target_os = "linux");

impl Connection {
    /// Queues bytes for writing. They leave in this connection's turn, together with what else was sent meanwhile.
    pub(crate) fn send(&mut self, io: &mut Io, bytes: Bytes) {
        self.quiet_since = io.now;
        if self.passes_limit(io, bytes.len()) {
            // Perhaps the socket has room that nobody used yet.
            self.write_out(io);
            if self.passes_limit(io, bytes.len())
                && self.options.on_write_limit == OnWriteLimit::Close
            {
                tracing::info!(id = %self.id, queued = self.queue.len(), "a connection passed its write limit");
                io.counters.limit_closes.one();
                self.abort(io, CloseReason::Limit);
            }
        }
        if !self.is_open() || self.write_failed.is_some() {
            io.counters.bytes_unsent.add(bytes.len() as u64);
            return;
        }
        self.queue.push(bytes);
        if self.queue.len() > io.options.high_water {
            self.write_out(io);
            self.over_high |= self.queue.len() > io.options.high_water;
        }
    }

    /// A single piece is always taken: otherwise one larger than the limit could never be sent.
    fn passes_limit(&self, io: &Io, more: usize) -> bool {
        !self.queue.is_empty() && self.queue.len() + more > io.options.write_limit
    }

    /// Writes what is queued. True if another turn is needed for more.
    pub(super) fn write_out(&mut self, io: &mut Io) -> bool {
        if !self.writable
            || self.queue.is_empty()
            || !matches!(self.phase, Phase::Open | Phase::Flushing)
        {
            return false;
        }
        let Some(stream) = &mut self.stream else {
            return false;
        };
        match self.queue.write_to(stream) {
            Ok(written) => {
                io.counters.bytes_out.add(written.bytes as u64);
                self.writable = !written.blocked;
                if written.bytes > 0 {
                    self.moved_at = io.now;
                    self.quiet_since = io.now;
                }
                if self.over_high && self.queue.len() <= io.options.low_water {
                    self.over_high = false;
                    self.ready_owed = true;
                }
                self.writable && !self.queue.is_empty()
            }
            Err(error) => {
                self.writing_failed(io, CloseReason::from_error(&error));
                false
            }
        }
    }

    fn writing_failed(&mut self, io: &Io, reason: CloseReason) {
        if self.phase == Phase::Flushing || self.ended {
            return self.fail(io, reason);
        }
        // What the peer had sent before may still be read; the end of the input then ends the connection.
        io.counters.bytes_unsent.add(self.queue.clear() as u64);
        self.write_failed = Some(reason);
        self.over_high = false;
        self.readable = true;
    }

    /// Reads for the machine. True if another turn is needed for more.
    pub(super) fn read_in(&mut self, io: &mut Io) -> bool {
        for _ in 0..READS_PER_TURN {
            if !self.may_read() {
                break;
            }
            match self.read_once(io) {
                Input::Some(n) => {
                    self.moved_at = io.now;
                    let bytes = Bytes::copy_from_slice(&io.buffer[..n]);
                    if self
                        .outbox
                        .deliver(io, self.id, NetCmd::RecvBytes(self.id, bytes))
                        == Delivery::Gone
                    {
                        self.machine_gone(io);
                        return self.readable;
                    }
                }
                Input::None => break,
                Input::End => {
                    self.ended = true;
                    match self.write_failed {
                        Some(reason) => self.fail(io, reason),
                        None => self.end_owed = true,
                    }
                }
                Input::Failed(reason) => self.fail(io, self.write_failed.unwrap_or(reason)),
            }
        }
        self.may_read()
    }

    /// Reads what nobody wants, while flushing and lingering. True if another turn is needed for more.
    pub(super) fn read_and_drop(&mut self, io: &mut Io) -> bool {
        for _ in 0..READS_PER_TURN {
            if !self.readable || self.ended || self.phase == Phase::Gone {
                return false;
            }
            match (self.read_once(io), self.phase) {
                (Input::Some(n), _) => io.counters.bytes_ignored.add(n as u64),
                (Input::None, _) => return false,
                (Input::End, Phase::Flushing) => self.ended = true,
                (Input::Failed(reason), Phase::Flushing) => self.flushing_failed(io, reason),
                (Input::End | Input::Failed(_), _) => self.vanish(io),
            }
        }
        self.readable
    }

    /// The connection broke while flushing: what was to be written is lost, and that is what the machine hears.
    fn flushing_failed(&mut self, io: &Io, reason: CloseReason) {
        if !self.queue.is_empty() && self.farewell != Farewell::Told {
            self.farewell = Farewell::Owed(reason);
        }
        self.vanish(io);
    }

    fn read_once(&mut self, io: &mut Io) -> Input {
        let Some(stream) = &mut self.stream else {
            return Input::None;
        };
        loop {
            match stream.read(&mut io.buffer) {
                Ok(0) => {
                    self.readable = false;
                    return Input::End;
                }
                Ok(n) => {
                    io.counters.bytes_in.add(n as u64);
                    if SHORT_READ_EMPTIES && n < io.buffer.len() && !self.hangup {
                        self.readable = false;
                    }
                    return Input::Some(n);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Input::None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.readable = false;
                    return Input::Failed(CloseReason::from_error(&error));
                }
            }
        }
    }
}

/// What one read found.
enum Input {
    Some(usize),
    None,
    End,
    Failed(CloseReason),
}
