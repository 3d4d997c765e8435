//! Promises 4 and 6: mailboxes are bounded, and back-pressure never deadlocks. Random graphs of machines, every door into a
//! full mailbox, and what happens at the hard limit.

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod ends;
mod graphs;
mod hard_limit;
mod send_async;
mod two_runtimes;
