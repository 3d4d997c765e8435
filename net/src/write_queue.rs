//! Bytes that wait to be written to one connection, in order.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes};

/// Pieces per vectored write. Linux takes up to 1,024; beyond some dozens there is nothing to gain.
const PIECES_PER_WRITE: usize = 64;
/// One turn of a connection writes about so much before the others have their turn.
const BYTES_PER_TURN: usize = 1024 * 1024;

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: usize,
    /// The socket takes no more for now: the next readiness event will tell.
    pub(crate) blocked: bool,
}

#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl WriteQueue {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops everything and says how much it was.
    pub(crate) fn clear(&mut self) -> usize {
        self.pieces = VecDeque::new();
        std::mem::take(&mut self.len)
    }

    /// Writes until the queue is empty, the socket takes no more, or a turn's worth was written.
    pub(crate) fn write_to(&mut self, socket: &mut impl Write) -> io::Result<Written> {
        let mut done = Written {
            bytes: 0,
            blocked: false,
        };
        while !self.is_empty() && done.bytes < BYTES_PER_TURN {
            match self.write_once(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.advance(n);
                    done.bytes += n;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    done.blocked = true;
                    break;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_once(&self, socket: &mut impl Write) -> io::Result<usize> {
        if let [only] = self.pieces.as_slices().0
            && self.pieces.len() == 1
        {
            return socket.write(only);
        }
        let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        socket.write_vectored(&slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while written > 0 {
            let Some(first) = self.pieces.front_mut() else {
                return;
            };
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
#[path = "write_queue_tests.rs"]
mod tests;
