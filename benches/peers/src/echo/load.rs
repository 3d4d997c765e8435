//! The load: one thread, many connections, each with one message on its way.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use ::mio::net::TcpStream;
use ::mio::{Events, Interest, Poll, Token};

use super::{EchoError, MESSAGE, PATIENCE, message};

/// Events taken from the system at once.
const EVENTS: usize = 1_024;
/// So many waits in vain make up the patience. A process that was stopped for a while finds its time over when it goes on, before the
/// server had any of it: that is one wait.
const WAITS: u32 = 5;

/// All connections of one run.
pub(super) struct Load {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    round_trips: u64,
    /// Nobody sends any more.
    ending: bool,
    ended: usize,
}

/// So many round trips took so long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    round_trips: u64,
    pub(super) elapsed: Duration,
}

impl Wave {
    /// Round trips per second.
    pub(super) fn rate(self) -> f64 {
        self.round_trips as f64 / self.elapsed.as_secs_f64()
    }
}

impl Load {
    /// Connects them all, one after the other, and sends each its first message.
    pub(super) fn connect(address: SocketAddr, connections: usize) -> Result<Self, EchoError> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(connections);
        for index in 0..connections {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), both)?;
            clients.push(Client {
                index,
                stream,
                number: 0,
                message: message(index, 0),
                written: 0,
                read: 0,
                has_ended: false,
            });
        }
        let mut load = Self {
            poll,
            events: Events::with_capacity(EVENTS),
            clients,
            round_trips: 0,
            ending: false,
            ended: 0,
        };
        for client in &mut load.clients {
            client.write()?;
        }
        Ok(load)
    }

    /// Goes on until at least so many more answers have come.
    pub(super) fn wave(&mut self, round_trips: u64) -> Result<Wave, EchoError> {
        let before = self.round_trips;
        let begun = Instant::now();
        while self.round_trips - before < round_trips {
            self.turn()?;
        }
        Ok(Wave {
            round_trips: self.round_trips - before,
            elapsed: begun.elapsed(),
        })
    }

    /// Waits for the answers that are due, ends our half of each connection, and sees that nothing but the server's end follows.
    pub(super) fn end(mut self) -> Result<(), EchoError> {
        self.ending = true;
        while self.ended < self.clients.len() {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), EchoError> {
        let mut waits = 0;
        loop {
            match self.poll.poll(&mut self.events, Some(PATIENCE / WAITS)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if !self.events.is_empty() {
                break;
            }
            waits += 1;
            if waits == WAITS {
                return Err(EchoError::Silent {
                    waiting: self.clients.len() - self.ended,
                });
            }
        }
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            client.write()?;
            let had_ended = client.has_ended;
            self.round_trips += client.read(self.ending)?;
            self.ended += usize::from(client.has_ended && !had_ended);
        }
        Ok(())
    }
}

/// One connection.
struct Client {
    index: usize,
    stream: TcpStream,
    /// Which message is on its way.
    number: u64,
    message: [u8; MESSAGE],
    /// How much of it was sent.
    written: usize,
    /// How much of it is back.
    read: usize,
    has_ended: bool,
}

impl Client {
    /// Sends what is left of the message, as far as there is room. The poll tells when there is more.
    fn write(&mut self) -> Result<(), EchoError> {
        while self.written < MESSAGE {
            match self.stream.write(&self.message[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    /// Takes what is there, and sends the next message for each that is back, unless this is the end. Returns how many are back.
    fn read(&mut self, ending: bool) -> Result<u64, EchoError> {
        // Twice a message: what is too much is seen.
        let mut bytes = [0; 2 * MESSAGE];
        let mut back = 0;
        while !self.has_ended {
            match self.stream.read(&mut bytes) {
                Ok(0) if self.is_done() => self.has_ended = true,
                Ok(0) => {
                    return Err(EchoError::Closed {
                        connection: self.index,
                    });
                }
                Ok(count) => {
                    self.compare(&bytes[..count])?;
                    if self.read == MESSAGE {
                        back += 1;
                        self.next(ending)?;
                    }
                    // Less than there was room for: there is no more, and the poll tells when there is.
                    if count < bytes.len() {
                        break;
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(back)
    }

    fn compare(&mut self, bytes: &[u8]) -> Result<(), EchoError> {
        let connection = self.index;
        let due = &self.message[self.read..self.written];
        if bytes.len() > due.len() {
            return Err(EchoError::TooMany { connection });
        }
        if *bytes != due[..bytes.len()] {
            return Err(EchoError::Wrong {
                connection,
                message: self.number,
            });
        }
        self.read += bytes.len();
        Ok(())
    }

    fn next(&mut self, ending: bool) -> Result<(), EchoError> {
        if ending {
            self.stream.shutdown(Shutdown::Write)?;
            return Ok(());
        }
        self.number += 1;
        self.message = message(self.index, self.number);
        (self.written, self.read) = (0, 0);
        self.write()
    }

    /// All that was sent is back.
    fn is_done(&self) -> bool {
        self.read == MESSAGE
    }
}
