//! Counters of a network. The I/O thread writes them (all but one); anyone may take a snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the live counters and their snapshot from one list.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A snapshot of what a network did since its start. Fields ending in `_open` are current numbers, all
        /// others only grow.
        ///
        /// Each figure is exact, but they are not read in one instant, so sums of two may be off by what happens
        /// in between.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct NetStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> NetStats {
                NetStats { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// TCP connections whose id is in use: open, closing, or closed with a machine still to be told.
    connections_open,
    /// TCP connections accepted.
    connections_accepted,
    /// TCP listeners open.
    listeners_open,
    /// UDP sockets open.
    udp_open,
    /// Bytes received over TCP.
    bytes_in,
    /// Bytes sent over TCP.
    bytes_out,
    /// Bytes that were to be sent over TCP and were not, because the connection failed, was aborted or had gone.
    bytes_unsent,
    /// Bytes received over TCP after the connection was closed on our side, and dropped.
    bytes_ignored,
    /// Datagrams received.
    datagrams_in,
    /// Datagrams sent.
    datagrams_out,
    /// Datagrams that were to be sent and were dropped, for any reason.
    datagrams_dropped,
    /// Of these, the ones larger than a datagram can be.
    datagrams_too_large,
    /// Commands taken from the mailbox.
    commands,
    /// Commands for an id that has gone, never was, or belongs to another kind of socket.
    unknown_ids,
    /// Instructions that only come from the net and were sent to it.
    misdirected,
    /// Times that a machine was full and one of its sockets had to wait.
    machines_full,
    /// Times that a socket lost its machine because that had ended.
    machines_gone,
    /// Instructions that could not be delivered before the network's end, or because no socket was left for them.
    notices_lost,
    /// Accepts that failed.
    accept_failures,
    /// Connections closed because their write queue passed the limit.
    limit_closes,
    /// Connections closed because they were idle or never bound.
    idle_closes,
    /// Connections closed because they could not be flushed in time.
    flush_timeouts,
    /// Times that the sleeping I/O thread was woken for commands or for machines with room again.
    wakes,
    /// Turns of the I/O thread's loop.
    turns,
}

/// A number that one thread writes and all may read, unless a function says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Only from the I/O thread.
    pub(crate) fn add(&self, n: u64) {
        // Relaxed: a figure publishes nothing. Load and store instead of a read-modify-write: there is one writer.
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// From any thread, for a counter that only this function writes.
    pub(crate) fn one_from_any_thread(&self) {
        // Relaxed: as above.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn sub_one(&self) {
        self.add(u64::MAX);
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
