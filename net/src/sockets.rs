//! The table of all sockets of a network.

use slab::Slab;

use crate::connection::Connection;
use crate::id::{MAX_INDEX, NetConnId, next_generation};
use crate::listener::Listener;
use crate::outbox::Outbox;
use crate::udp::Udp;

/// What an id can stand for.
pub(crate) enum Socket {
    Connection(Box<Connection>),
    Listener(Box<Listener>),
    Udp(Box<Udp>),
    /// No socket at all: an answer to a machine that was full when it was given. Its id is never told to anyone.
    Notice(Box<Outbox>),
}

impl Socket {
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Connection(conn) => conn.is_open(),
            Self::Listener(listener) => listener.is_open(),
            Self::Udp(udp) => udp.is_open(),
            Self::Notice(_) => true,
        }
    }

    /// Its machine has not been told everything.
    pub(crate) fn owes(&self) -> bool {
        match self {
            Self::Connection(conn) => conn.owes(),
            Self::Listener(listener) => listener.owes(),
            Self::Udp(udp) => udp.owes(),
            Self::Notice(outbox) => !outbox.is_clear(),
        }
    }
}

pub(crate) struct Slot {
    generation: u32,
    /// It is in the queue of sockets that want a turn.
    pub(crate) queued: bool,
    /// Its machine may have room again.
    pub(crate) woken: bool,
    pub(crate) socket: Socket,
}

pub(crate) struct Sockets {
    network: u32,
    most: usize,
    slots: Slab<Slot>,
    /// For each place ever used, the generation of its present or next socket.
    generations: Vec<u32>,
}

impl Sockets {
    pub(crate) fn new(network: u32, most: usize) -> Self {
        Self {
            network,
            most: most.min(MAX_INDEX + 1),
            slots: Slab::new(),
            generations: Vec::new(),
        }
    }

    pub(crate) fn network(&self) -> u32 {
        self.network
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    /// The id that the next socket will have, or None if there is no place for one.
    pub(crate) fn next_id(&self) -> Option<NetConnId> {
        if self.is_full() {
            return None;
        }
        let index = self.slots.vacant_key();
        Some(NetConnId::new(
            self.network,
            index,
            self.generations.get(index).copied().unwrap_or(0),
        ))
    }

    /// Puts a socket in its place; `id` is what `next_id` has just said.
    pub(crate) fn insert(&mut self, id: NetConnId, socket: Socket) {
        let index = self.slots.insert(Slot {
            generation: id.generation(),
            queued: false,
            woken: false,
            socket,
        });
        debug_assert_eq!(index, id.index());
        if self.generations.len() <= index {
            self.generations.resize(index + 1, 0);
        }
    }

    pub(crate) fn get(&self, id: NetConnId) -> Option<&Slot> {
        self.slots
            .get(id.index())
            .filter(|slot| id.network() == self.network && slot.generation == id.generation())
    }

    pub(crate) fn get_mut(&mut self, id: NetConnId) -> Option<&mut Slot> {
        let network = self.network;
        self.slots
            .get_mut(id.index())
            .filter(|slot| id.network() == network && slot.generation == id.generation())
    }

    pub(crate) fn remove(&mut self, id: NetConnId) -> Option<Socket> {
        self.get(id)?;
        self.generations[id.index()] = next_generation(id.generation());
        // After many connections went, their memory goes, too.
        let slot = self.slots.try_remove(id.index());
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
        }
        slot.map(|s| s.socket)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.slots.iter().map(|(_, slot)| &slot.socket)
    }

    /// The ids of all sockets from the place `from` on.
    pub(crate) fn ids_from(&self, from: usize) -> impl Iterator<Item = NetConnId> + '_ {
        let network = self.network;
        (from..self.generations.len()).filter_map(move |i| {
            self.slots
                .get(i)
                .map(|slot| NetConnId::new(network, i, slot.generation))
        })
    }
}

#[cfg(test)]
#[path = "sockets_tests.rs"]
mod tests;
