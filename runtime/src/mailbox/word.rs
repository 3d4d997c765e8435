//! The tail word of a mailbox: its bits and nothing else.
//!
//! ```text
//! 63                                                    6   5    4     3       2       1      0
//! +-----------------------------------------------------+------+------+---------+---------+--------+------+
//! | index: slots ever claimed, monotone for ever (58 b)  | BARE | LOCK | CONTROL | WAITERS | CLOSED | IDLE |
//! +-----------------------------------------------------+------+------+---------+---------+--------+------+
//! ```
//!
//! | bit     | set by, when                                          | cleared by                         | together with |
//! |---------|-------------------------------------------------------|------------------------------------|---------------|
//! | IDLE    | the consumer's rest step: nothing queued, not running | whoever wins the duty to schedule: a push, a control post, a close | never WAITERS, CONTROL, CLOSED, LOCK at the moment it is set |
//! | CLOSED  | last sender gone, stop, shutdown, end                  | never                              | never IDLE: closing clears it |
//! | WAITERS | somebody waits for room, under the waiter lock         | under the waiter lock, list empty  | never IDLE: parking demands not IDLE |
//! | CONTROL | a post to the control lane, after the lane was filled  | the machine, before it looks at the lane | clears IDLE in the same step |
//! | LOCK    | a push that must change `end` or the tail block        | the same push, by a plain store    | nobody else changes the word meanwhile |
//! | BARE    | the rest step that gives the storage back              | the push that installs a block     | IDLE, or what woke the machine without a push |
//!
//! At 10⁹ instructions a second the index wraps after nine years.

/// Nothing is queued and nobody runs the consumer: the next event must schedule it.
pub(crate) const IDLE: u64 = 1;
/// No push will ever succeed again.
pub(crate) const CLOSED: u64 = 1 << 1;
/// Somebody waits for room in this mailbox.
pub(crate) const WAITERS: u64 = 1 << 2;
/// The control lane was filled.
pub(crate) const CONTROL: u64 = 1 << 3;
/// A push is installing a block or moving `end`.
pub(crate) const LOCK: u64 = 1 << 4;
/// There is no block.
pub(crate) const BARE: u64 = 1 << 5;

const INDEX_SHIFT: u32 = 6;
const ONE: u64 = 1 << INDEX_SHIFT;

/// A snapshot of the tail word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail(pub(crate) u64);

impl Tail {
    /// Nobody has looked: no claim follows from it.
    pub(crate) const UNSEEN: Self = Self(LOCK);

    pub(crate) fn index(self) -> u64 {
        self.0 >> INDEX_SHIFT
    }

    pub(crate) fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    pub(crate) fn with(self, bits: u64) -> Self {
        Self(self.0 | bits)
    }

    pub(crate) fn without(self, bits: u64) -> Self {
        Self(self.0 & !bits)
    }

    /// One more slot claimed, and with it the duty to schedule taken over where the consumer was at rest.
    pub(crate) fn claimed(self) -> Self {
        Self((self.0 + ONE) & !IDLE)
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.index())?;
        let names = [
            (IDLE, "IDLE"),
            (CLOSED, "CLOSED"),
            (WAITERS, "WAITERS"),
            (CONTROL, "CONTROL"),
            (LOCK, "LOCK"),
            (BARE, "BARE"),
        ];
        for (bit, name) in names {
            if self.has(bit) {
                write!(f, "+{name}")?;
            }
        }
        Ok(())
    }
}
