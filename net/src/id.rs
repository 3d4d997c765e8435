//! The name of a socket: an index into the table of sockets and the generation of that place in the table.
//!
//! A place is used again after its socket has gone, with the next generation. Commands carry the generation in the
//! [`NetConnId`], readiness events carry it in the mio token, so whatever comes late for a socket that has gone finds
//! another generation and never touches the next socket (mio 219, 464, 808).

use std::fmt;

/// Names one socket of one network: a connection, a listener or a UDP socket.
///
/// Ids are opaque and never used twice: an id of a socket that has gone stays unknown, also when its place is taken
/// by the next one, and an id of one network is unknown to every other network. Ids are ordered only so that they
/// can be keys; the order means nothing.
///
/// ```
/// use d3_net::NetConnId;
///
/// let (a, b) = (NetConnId::fake(1), NetConnId::fake(2));
/// assert_ne!(a, b);
/// assert_eq!(a.to_string(), "0:1.0");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetConnId {
    network: u32,
    index: u32,
    generation: u32,
}

/// Half of a token is the index, the other half the generation.
const HALF: u32 = usize::BITS / 2;
/// The largest index; one less than fits, so that no socket's token is ever [`WAKE`].
pub(crate) const MAX_INDEX: usize = (1 << HALF) - 2;
const GENERATION_MASK: u32 = if HALF >= 32 {
    u32::MAX
} else {
    (1 << HALF) - 1
};

/// The token of the poll's own waker.
pub(crate) const WAKE: mio::Token = mio::Token(usize::MAX);

impl NetConnId {
    /// An id that no network hands out, for tests of machines without a network. Networks ignore it as unknown.
    #[must_use]
    pub fn fake(number: u32) -> Self {
        Self {
            network: 0,
            index: number,
            generation: 0,
        }
    }

    /// `index` is at most [`MAX_INDEX`]: the table of sockets refuses to grow beyond it.
    pub(crate) fn new(network: u32, index: usize, generation: u32) -> Self {
        debug_assert!(index <= MAX_INDEX);
        Self {
            network,
            index: index as u32,
            generation: generation & GENERATION_MASK,
        }
    }

    pub(crate) fn from_token(network: u32, token: mio::Token) -> Self {
        Self {
            network,
            index: (token.0 & MAX_INDEX_MASK) as u32,
            generation: (token.0 >> HALF) as u32,
        }
    }

    pub(crate) fn token(self) -> mio::Token {
        mio::Token((self.generation as usize) << HALF | self.index as usize)
    }

    pub(crate) fn network(self) -> u32 {
        self.network
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

const MAX_INDEX_MASK: usize = (1 << HALF) - 1;

/// The generation that follows `generation`, at the width that fits a token.
pub(crate) fn next_generation(generation: u32) -> u32 {
    generation.wrapping_add(1) & GENERATION_MASK
}

impl fmt::Display for NetConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.network, self.index, self.generation)
    }
}

impl fmt::Debug for NetConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetConnId({self})")
    }
}

#[cfg(test)]
#[path = "id_tests.rs"]
mod tests;
