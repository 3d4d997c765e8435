//! [`Network`]: the handle of an I/O thread, and its builder.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use d3_runtime::{Runtime, bounded, this_machine};

use crate::command::{NetCmd, NetSender};
use crate::error::NetError;
use crate::options::{self, Options};
use crate::stats::{Counters, NetStats};
use crate::thread::IoThread;
use crate::wake::PollWaker;

/// A running network: one I/O thread with its sockets.
///
/// This is a handle: clones share the network. It stops with [`stop`](Self::stop), with [`NetCmd::Stop`], or when the
/// last handle is dropped. A process may have several networks; ids of one mean nothing to another.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use d3_net::{NetCmd, Network};
/// use d3_runtime::{Runtime, bounded};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let network = Network::start(&runtime)?;
/// let net = network.sender();
///
/// // A thread may take the part of a machine: it reads from a receiver.
/// let (sender, inbox) = bounded(16);
/// net.send(NetCmd::BindListener("127.0.0.1:0".parse()?, sender.clone()))?;
/// let Ok(NetCmd::Bound(_, _, address)) = inbox.recv() else { panic!("not bound") };
///
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"hello")?;
/// let Ok(NetCmd::NewConn(conn, ..)) = inbox.recv() else { panic!("no connection") };
/// net.send(NetCmd::BindConn(conn, sender))?;
/// let Ok(NetCmd::RecvBytes(_, bytes)) = inbox.recv() else { panic!("no bytes") };
/// net.send(NetCmd::SendBytes(conn, bytes))?;
///
/// let mut echo = [0; 5];
/// client.read_exact(&mut echo)?;
/// assert_eq!(&echo, b"hello");
/// drop(client);
/// network.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    sender: NetSender,
    wake: Arc<PollWaker>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
    runtime: Runtime,
}

/// Networks are numbered from 1; 0 is the number in fake ids.
static NETWORKS: AtomicU32 = AtomicU32::new(1);

impl Network {
    /// Starts a network with the default settings, for machines of this runtime.
    ///
    /// # Errors
    /// If the operating system refuses the poll or the thread.
    pub fn start(runtime: &Runtime) -> Result<Self, NetError> {
        Self::builder().start(runtime)
    }

    /// Settings first, then start.
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder {
            options: Options::default(),
        }
    }

    /// The sender of commands to this network. It stays valid, and disconnected, after the network's end.
    #[must_use]
    pub fn sender(&self) -> NetSender {
        self.inner.sender.clone()
    }

    /// The runtime that it was started for.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// What it did so far. Also after its end.
    #[must_use]
    pub fn stats(&self) -> NetStats {
        self.inner.counters.snapshot()
    }

    /// Stops the network and waits for its end: commands sent before are carried out, listeners and UDP sockets
    /// close, connections are flushed and closed, every machine is told, the thread ends. What is not done after the
    /// [`stop_timeout`](NetworkBuilder::stop_timeout) is dropped, and counted in
    /// [`notices_lost`](NetStats::notices_lost). To stop a stopped network does nothing.
    ///
    /// Stop the network before the runtime: a runtime that shuts down takes nothing from outside any more, so the net
    /// can tell its machines nothing, and closes their connections.
    ///
    /// # Errors
    /// [`NetError::InsideMachine`] inside a machine, which must not wait: it sends [`NetCmd::Stop`] instead.
    pub fn stop(&self) -> Result<(), NetError> {
        if this_machine::id().is_some() {
            return Err(NetError::InsideMachine);
        }
        self.ask_to_stop();
        self.inner.join();
        Ok(())
    }

    /// Inside a machine this does not wait, as no send does there.
    pub(crate) fn ask_to_stop(&self) {
        // Through the mailbox, behind earlier commands. Refused only if the thread has ended already.
        if self.inner.sender.send(NetCmd::Stop).is_err() {
            self.inner.wake.ask_to_stop();
        }
    }
}

impl Inner {
    fn join(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the I/O thread has panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Behind earlier commands, if the mailbox has room.
        if self.sender.try_send(NetCmd::Stop).is_err() {
            self.wake.ask_to_stop();
        }
        // A machine must not wait: there the thread ends by itself.
        if this_machine::id().is_none() {
            self.join();
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Network`]. Sizes are in bytes unless they say otherwise.
///
/// ```
/// use std::time::Duration;
/// use d3_net::Network;
/// use d3_runtime::Runtime;
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let network = Network::builder()
///     .unbound_timeout(Duration::from_secs(3))
///     .high_water(1024 * 1024)
///     .start(&runtime)?;
/// network.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NetworkBuilder {
    options: Options,
}

impl NetworkBuilder {
    /// The name of the I/O thread. Default "d3-net".
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.options.thread_name = name.into();
        self
    }

    /// How many commands its mailbox holds before machines that send are parked. Default 4,096.
    pub fn command_capacity(mut self, commands: usize) -> Self {
        self.options.command_capacity = commands;
        self
    }

    /// The largest piece that is read at once, so the largest `RecvBytes`. Default, and least, 64 KiB, so that every
    /// datagram fits.
    pub fn read_buffer(mut self, bytes: usize) -> Self {
        self.options.read_buffer = bytes;
        self
    }

    /// Above so many bytes queued for writing a connection is not read. Default 256 KiB.
    pub fn high_water(mut self, bytes: usize) -> Self {
        self.options.high_water = bytes;
        self
    }

    /// After the high-water mark was passed: at so many bytes left the connection is read again and its machine
    /// receives `SendReady`. Default 64 KiB.
    pub fn low_water(mut self, bytes: usize) -> Self {
        self.options.low_water = bytes;
        self
    }

    /// More bytes than this queued for one connection are for its [`OnWriteLimit`](crate::OnWriteLimit) to decide.
    /// A single larger `SendBytes` is taken if nothing else is queued. Default 16 MiB.
    pub fn write_limit(mut self, bytes: usize) -> Self {
        self.options.write_limit = bytes;
        self
    }

    /// How many sockets the network has at most. Beyond, listeners accept no more and binding fails. Default a
    /// million (the operating system's own limit is mostly lower).
    pub fn max_sockets(mut self, sockets: usize) -> Self {
        self.options.max_sockets = sockets;
        self
    }

    /// How many datagrams wait, for each UDP socket, while the system has no room; more are dropped. Default 64.
    pub fn udp_queue(mut self, datagrams: usize) -> Self {
        self.options.udp_queue = datagrams;
        self
    }

    /// How long an accepted connection may wait for `BindConn`. Default 10 s.
    pub fn unbound_timeout(mut self, timeout: Duration) -> Self {
        self.options.unbound_timeout = options::bounded(timeout);
        self
    }

    /// How long a closing connection may take to write what is queued; then it is aborted, with
    /// `Error(TimedOut)`. Default 30 s.
    pub fn flush_timeout(mut self, timeout: Duration) -> Self {
        self.options.flush_timeout = options::bounded(timeout);
        self
    }

    /// How long to wait, after all is written and our half shut down, for the peer to close, too. Default 2 s.
    pub fn linger_timeout(mut self, timeout: Duration) -> Self {
        self.options.linger_timeout = options::bounded(timeout);
        self
    }

    /// For [`HalfClose::CloseWhenFlushed`](crate::HalfClose::CloseWhenFlushed): how long nothing must have been sent
    /// after `RecvEnd` before the connection is closed. Default 5 s.
    pub fn end_grace(mut self, grace: Duration) -> Self {
        self.options.end_grace = options::bounded(grace);
        self
    }

    /// How long stopping may take before what is left is dropped. Default 10 s.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.options.stop_timeout = options::bounded(timeout);
        self
    }

    /// How often silent sockets are looked through for machines that have ended. Default 1 s.
    pub fn gone_check(mut self, interval: Duration) -> Self {
        self.options.gone_check = options::bounded(interval);
        self
    }

    /// Starts the network, for machines of this runtime.
    ///
    /// # Errors
    /// If a setting makes no sense, or the operating system refuses the poll or the thread.
    pub fn start(self, runtime: &Runtime) -> Result<Network, NetError> {
        self.options.check()?;
        let (sender, commands) = bounded(self.options.command_capacity);
        let counters = Arc::new(Counters::default());
        // Relaxed: only the number matters.
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed).max(1);
        let name = self.options.thread_name.clone();
        let io = IoThread::new(number, self.options, commands, Arc::clone(&counters))
            .map_err(|error| NetError::io("setting up the poll", &error))?;
        let wake = io.waker();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || io.run())
            .map_err(|error| NetError::io("starting the I/O thread", &error))?;
        let thread = Mutex::new(Some(thread));
        Ok(Network {
            inner: Arc::new(Inner {
                sender,
                wake,
                counters,
                thread,
                runtime: runtime.clone(),
            }),
        })
    }
}
