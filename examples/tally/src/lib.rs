//! What the example services count, and where the monitor finds it.
//!
//! A service asks for its [`Tally`] once, when it is configured, and adds to it from any machine; the monitor asks for
//! [`all`] of them once a second. This is the one place where the examples share something that is not an instruction:
//! figures that everybody may write and one may read need no order, and an instruction for every byte that passes would
//! cost more than what it counts.
//!
//! Tallies belong to a server, that is, to the net that its services share. Two servers in one process (tests have many)
//! do not see each other's, and a server's tallies go when its machines have gone.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use d3::components::{ServiceContext, ServiceName};
use d3::net::NetSender;

/// What one service did since its start.
#[derive(Debug)]
pub struct Tally {
    service: ServiceName,
    bytes_in: Counter,
    bytes_out: Counter,
    messages: Counter,
}

/// The figures of a [`Tally`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes that clients sent.
    pub bytes_in: u64,
    /// Bytes that were handed to the net for clients.
    pub bytes_out: u64,
    /// Datagrams, lines or requests that clients sent, where the service knows such a thing.
    pub messages: u64,
}

/// On a cache line (and its neighbour, which comes along) of its own: workers on different cores count at the same time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: usize) {
        // Relaxed: a figure publishes nothing.
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    fn new(service: ServiceName) -> Self {
        Self {
            service,
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            messages: Counter::default(),
        }
    }

    /// The service that counts here.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// A client sent so many bytes.
    pub fn add_in(&self, bytes: usize) {
        self.bytes_in.add(bytes);
    }

    /// So many bytes were handed to the net for a client.
    pub fn add_out(&self, bytes: usize) {
        self.bytes_out.add(bytes);
    }

    /// Clients sent so many datagrams, lines or requests.
    pub fn add_messages(&self, messages: usize) {
        self.messages.add(messages);
    }

    /// The figures now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            messages: self.messages.get(),
        }
    }
}

/// A tally under the net of its server. Both only weakly: what is listed here keeps nothing alive.
struct Entry {
    net: d3::WeakSender<d3::net::NetCmd>,
    tally: Weak<Tally>,
}

static TALLIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The tally of the service that `ctx` belongs to; the same one for every caller of the same server.
#[must_use]
pub fn of(ctx: &ServiceContext) -> Arc<Tally> {
    of_service(ctx.net(), ctx.service())
}

/// As [`of`], for a component, whose context is its own and not that of the service it works for.
#[must_use]
pub fn of_service(net: &NetSender, service: &str) -> Arc<Tally> {
    let mut tallies = TALLIES.lock().unwrap_or_else(PoisonError::into_inner);
    tallies.retain(|entry| entry.tally.strong_count() > 0);
    let found = tallies
        .iter()
        .filter(|entry| entry.belongs_to(net))
        .find_map(|entry| {
            entry
                .tally
                .upgrade()
                .filter(|tally| *tally.service == *service)
        });
    found.unwrap_or_else(|| {
        let tally = Arc::new(Tally::new(ServiceName::from(service)));
        tallies.push(Entry {
            net: net.downgrade(),
            tally: Arc::downgrade(&tally),
        });
        tally
    })
}

/// The tallies of all services of the server that `ctx` belongs to.
#[must_use]
pub fn all(ctx: &ServiceContext) -> Vec<Arc<Tally>> {
    let tallies = TALLIES.lock().unwrap_or_else(PoisonError::into_inner);
    tallies
        .iter()
        .filter(|entry| entry.belongs_to(ctx.net()))
        .filter_map(|entry| entry.tally.upgrade())
        .collect()
}

impl Entry {
    fn belongs_to(&self, net: &NetSender) -> bool {
        self.net.upgrade().is_some_and(|own| own == *net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_do_not_see_each_others_tallies() {
        let ((here, _h), (there, _t)) = (d3::bounded(1), d3::bounded(1));
        let echo = of_service(&here, "EchoService");
        echo.add_in(3);
        of_service(&here, "EchoService").add_out(4);
        of_service(&here, "ChatService").add_messages(1);
        assert_eq!(
            echo.figures(),
            Figures {
                bytes_in: 3,
                bytes_out: 4,
                messages: 0
            }
        );
        assert_eq!(
            of_service(&there, "EchoService").figures(),
            Figures::default()
        );
    }

    #[test]
    fn a_tally_goes_with_those_who_count() {
        let (net, _commands) = d3::bounded(1);
        let first = of_service(&net, "EchoService");
        first.add_in(1);
        drop(first);
        assert_eq!(
            of_service(&net, "EchoService").figures(),
            Figures::default()
        );
    }

    #[test]
    fn a_server_that_has_ended_disturbs_nobody() {
        let (gone, commands) = d3::bounded(1);
        let left_over = of_service(&gone, "EchoService");
        drop((gone, commands));
        for _ in 0..3 {
            let (net, _commands) = d3::bounded(1);
            assert!(!Arc::ptr_eq(&of_service(&net, "EchoService"), &left_over));
        }
    }
}
