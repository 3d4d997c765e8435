//! Echo: what a client sends comes back, through a pipeline of machines.
//!
//! ```text
//!              ┌── ComponentCmd::NewSession ──▶ EchoConsumer (component) ── connects ──▶ Consumer ─┐
//!  Coordinator ┤                                                                                   ├─ EchoCmd::Worker ─▶ Wiring
//!  (NewConn)   └── ComponentCmd::NewSession ──▶ EchoProducer (component) ── connects ──▶ Producer ─┘
//!
//!  client ── TCP ── net ──NetCmd──▶ Connector ──EchoCmd──▶ Consumer ──EchoCmd──▶ Producer ──NetCmd──▶ net ── TCP ── client
//! ```
//!
//! It is the longest way to send a byte back, on purpose: it shows every role of the component model once. (The short way
//! to a service is in the `chat` and `alice` examples.) The upper picture happens once per connection, the lower one for
//! every byte of it. Read it in this order:
//!
//! 1. [`EchoCmd`] is the instruction set that the machines of this service share.
//! 2. [`coordinator`] is the role that knows the whole: it listens, opens a session for each connection, and tells the
//!    components about it.
//! 3. [`consumer`] and [`producer`] are components: factories that know how to make one worker each, and nothing of each
//!    other.
//! 4. `wiring` is a machine that lives for a moment: it waits for the two workers of one session, puts them in a row and
//!    only then binds the connection, so that no byte can come early.
//! 5. `connector` is the worker at the net's end. It owns the session: when it ends, the connection is closed, the
//!    senders along the pipeline are dropped, and one worker after the other ends by itself.
//!
//! **Half-close.** A client may end its half (`shutdown(Write)`) and then read to the end. The end travels down the same
//! pipeline behind the bytes ([`EchoCmd::End`]), so when the producer asks the net to flush and close, every reply was
//! handed to the net before.
//!
//! **Back-pressure.** There is no code for it. A client that does not read fills its write queue in the net, and the net
//! stops reading from it. A worker that cannot keep up has a full mailbox: the one before it is parked by its `send`,
//! after it has returned from `receive`, until there is room. At the front of the row stands the net, which leaves the
//! bytes in the socket, and so TCP slows the client down.
//!
//! Try it: `cargo run --release -p test-server`, then `nc 127.0.0.1 9000`.

#![forbid(unsafe_code)]

mod command;
mod connector;
pub mod consumer;
pub mod coordinator;
pub mod producer;
mod wiring;

pub use command::{EchoCmd, EchoSender, Role};
pub use coordinator::configure;

/// Mailbox capacity of the workers of a session. Each place may hold a whole read of the net, so it is smaller than the
/// default: a connection has at most a few megabytes under way even if everything stands still.
const WORKER_CAPACITY: usize = 16;
