//! TCP echo: servers that send back what they get, as a user of each would write them, and one load for all.
//!
//! The load is one thread with a closed loop: each of its connections has one message of 64 bytes on its way, and sends the next when
//! that one is back. No two messages are alike, and every byte is compared, so that one that is lost, doubled, changed or answered
//! to another connection is an error, and no figure. Server and load share the machine's cores, for all alike.

pub(crate) mod d3;
mod load;
pub(crate) mod mio;
pub(crate) mod tokio;

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use d3_benches::Setup;
use d3_benches::latency::Latencies;

use crate::child::WAVES_MAX;
use load::Load;

/// Bytes in a message.
const MESSAGE: usize = 64;
/// The fewest round trips in a wave: a few tens of milliseconds.
pub(crate) const WAVE_MIN: usize = 4_000;
/// Round trips of the one connection that are timed.
pub(crate) const SAMPLES: usize = 10_000;
/// Round trips of the one connection before those.
const WARM_UP: usize = 500;
/// How long one connection is measured: a slow server gives fewer samples.
const MEASURE_TIME_MAX: Duration = Duration::from_secs(5);
/// Silence of all connections for this long means that something is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who sends back what he gets.
pub(crate) trait Server: Sized {
    /// Listens at any free port of this host.
    fn start(setup: &Setup) -> Result<Self, Box<dyn Error>>;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Ends it, after its connections have ended.
    fn stop(self) -> Result<(), Box<dyn Error>>;
}

/// What came back is not what was sent.
#[derive(Debug)]
pub(crate) enum EchoError {
    /// A byte that is not the one that was due.
    Wrong {
        /// Whose.
        connection: usize,
        /// Which of its messages, from 0.
        message: u64,
    },
    /// More bytes than were sent.
    TooMany {
        /// Whose.
        connection: usize,
    },
    /// The server closed a connection before it had answered.
    Closed {
        /// Whose.
        connection: usize,
    },
    /// Nothing came for ten seconds.
    Silent {
        /// Connections that wait for an answer or for the end.
        waiting: usize,
    },
    /// The system refused something.
    Io(io::Error),
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong {
                connection,
                message,
            } => write!(
                f,
                "connection {connection}: message {message} came back changed"
            ),
            Self::TooMany { connection } => write!(
                f,
                "connection {connection}: more came back than had been sent"
            ),
            Self::Closed { connection } => {
                write!(f, "connection {connection}: closed by the server")
            }
            Self::Silent { waiting } => write!(
                f,
                "{waiting} connections wait for what does not come within {PATIENCE:?}"
            ),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for EchoError {}

impl From<io::Error> for EchoError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Repeats waves of `wave` round trips over `connections` until `time` is up, and tells the round trips per second of each. The first
/// wave warms up and does not count, unless it alone used up the time.
pub(crate) fn waves<S: Server>(
    setup: &Setup,
    connections: usize,
    wave: u64,
    time: Duration,
    mut tell: impl FnMut(f64),
) -> Result<(), Box<dyn Error>> {
    make_room_for(connections)?;
    let server = S::start(setup)?;
    let mut load = Load::connect(server.address(), connections)?;
    let first = load.wave(wave)?;
    if first.elapsed >= time {
        tell(first.rate());
    } else {
        let begun = Instant::now();
        for wave_index in 0..WAVES_MAX {
            if wave_index > 0 && begun.elapsed() >= time {
                break;
            }
            tell(load.wave(wave)?.rate());
        }
    }
    load.end()?;
    server.stop()
}

/// Times round trips of one connection, with a client that does nothing but wait for the answer.
pub(crate) fn round_trips<S: Server>(
    setup: &Setup,
    samples: usize,
) -> Result<Latencies, Box<dyn Error>> {
    let server = S::start(setup)?;
    let latencies = time_one(server.address(), samples)?;
    server.stop()?;
    Ok(latencies)
}

fn time_one(address: SocketAddr, samples: usize) -> Result<Latencies, EchoError> {
    let mut client = TcpStream::connect(address)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let mut latencies = Latencies::default();
    let begun = Instant::now();
    let mut answer = [0; MESSAGE];
    for number in 0..(WARM_UP + samples) as u64 {
        let message = message(0, number);
        let sent = Instant::now();
        client.write_all(&message)?;
        client.read_exact(&mut answer).map_err(refused_read)?;
        let took = sent.elapsed();
        if answer != message {
            return Err(EchoError::Wrong {
                connection: 0,
                message: number,
            });
        }
        if number >= WARM_UP as u64 {
            // A timeout of ten seconds fits.
            latencies.record(took.as_nanos() as u64);
            if begun.elapsed() > MEASURE_TIME_MAX {
                break;
            }
        }
    }
    client.shutdown(Shutdown::Write)?;
    match client.read(&mut answer).map_err(refused_read)? {
        0 => Ok(latencies),
        _ => Err(EchoError::TooMany { connection: 0 }),
    }
}

fn refused_read(error: io::Error) -> EchoError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => EchoError::Closed { connection: 0 },
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => EchoError::Silent { waiting: 1 },
        _ => EchoError::Io(error),
    }
}

/// The bytes of one message: no other has the same.
fn message(connection: usize, number: u64) -> [u8; MESSAGE] {
    let mut bytes = [0; MESSAGE];
    let seed = ((connection as u64) << 40) ^ number;
    for (index, word) in bytes.chunks_exact_mut(8).enumerate() {
        // Odd factors lose nothing of the seed; the constant is that of Weyl sequences, 2^64 by the golden ratio.
        let factor = 2 * index as u64 + 1;
        let mixed = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_mul(factor);
        word.copy_from_slice(&mixed.to_le_bytes());
    }
    bytes
}

/// Both ends of every connection are files of this process, and some are its own.
fn make_room_for(connections: usize) -> Result<(), Box<dyn Error>> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = 2 * connections as u64 + 100;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(format!("{wanted} files are needed: raise the limit (ulimit -Hn)").into());
    }
    let current = Some(wanted);
    setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    Ok(())
}

#[cfg(test)]
mod tests;
