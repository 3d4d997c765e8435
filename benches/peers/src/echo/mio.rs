//! A bare loop of mio on one thread: no framework, and nothing between read and write.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread::JoinHandle;

use ::mio::net::{TcpListener, TcpStream};
use ::mio::{Events, Interest, Poll, Registry, Token, Waker};
use d3_benches::Setup;

/// Connections are numbered by their place in the list.
const LISTENER: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);
/// Events taken from the system at once.
const EVENTS: usize = 1_024;
/// The most that is read at once.
const BUFFER: usize = 64 * 1024;

/// The thread and how to end it.
pub(crate) struct Echo {
    address: SocketAddr,
    stop: Waker,
    thread: JoinHandle<io::Result<()>>,
}

impl super::Server for Echo {
    fn start(_setup: &Setup) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let stop = Waker::new(poll.registry(), STOP)?;
        Ok(Self {
            address: listener.local_addr()?,
            stop,
            thread: std::thread::spawn(move || serve(poll, &listener)),
        })
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        self.stop.wake()?;
        // A panic has ended the process.
        self.thread.join().map_err(|_| "the thread panicked")??;
        Ok(())
    }
}

/// A connection, and what could not be written yet.
struct Connection {
    stream: TcpStream,
    unwritten: Vec<u8>,
}

fn serve(mut poll: Poll, listener: &TcpListener) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            match event.token() {
                STOP => return Ok(()),
                LISTENER => accept(listener, poll.registry(), &mut connections)?,
                Token(index) => {
                    let connection = &mut connections[index];
                    if let Some(open) = connection
                        && !open.echo(&mut buffer)?
                    {
                        *connection = None;
                    }
                }
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _peer)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, Token(connections.len()), both)?;
        connections.push(Some(Connection {
            stream,
            unwritten: Vec::new(),
        }));
    }
}

impl Connection {
    /// Sends back what is there; `false` at the client's end.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            if !self.flush()? {
                // Not read until it is written; the poll tells when it can be.
                return Ok(true);
            }
            let count = match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let written = self.write(&buffer[..count])?;
            self.unwritten.extend_from_slice(&buffer[written..count]);
            // Less than there was room for: there is no more, and the poll tells when there is.
            if count < buffer.len() && self.unwritten.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Whether nothing is left to write.
    fn flush(&mut self) -> io::Result<bool> {
        if self.unwritten.is_empty() {
            return Ok(true);
        }
        let unwritten = std::mem::take(&mut self.unwritten);
        let written = self.write(&unwritten)?;
        self.unwritten.extend_from_slice(&unwritten[written..]);
        Ok(self.unwritten.is_empty())
    }

    /// Writes as much as there is room for; says how much.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}
