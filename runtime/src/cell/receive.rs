//! The loop over the instructions of one mailbox, and why it stops.

use std::sync::Arc;

use super::follow::Follow;
use super::{EndCode, Header, MailboxCell, Receives, Turn};
use crate::mailbox::word;
use crate::scheduler::{Pool, has_noted};
use crate::sync::spin_loop;
use crate::tuning::UNWRITTEN_SPINS;
use crate::unwind;

/// The loop over instructions: nothing but look, take, receive, as long as nothing else is to be done.
///
/// One net for the panics of all instructions: what is in it beside user code does not panic.
///
/// # Safety
/// The caller holds the run token of the machine, whose header this is, whose mailbox, and whose value.
#[inline(always)]
pub(super) unsafe fn receive_from<P, B: Receives<P>>(
    header: &Header,
    mailbox: &MailboxCell<P>,
    body: &mut B,
    turn: &mut Turn<'_>,
) -> Pause {
    let queue = &mailbox.queue;
    let first = queue.head();
    let granted: &Turn<'_> = turn;
    let result = unwind::user_code(move || {
        // SAFETY: the token makes us the consumer; what runs inside the loop beside it takes no step of the consumer's.
        let mut reader = unsafe { queue.reader() };
        // Worked out when there is a second instruction: most turns have one. 0: not yet.
        let (mut stretch_end, mut room_at, mut until) = (0, 0, 0);
        loop {
            if header.is_asked_to_end() && !reads_to_the_end(header, granted.pool) {
                return Pause::AskedToEnd;
            }
            // SAFETY: the token makes us the consumer.
            match unsafe { reader.take() } {
                Some(instruction) => body.receive(instruction),
                None if reader.is_at_end() => return Pause::Empty,
                None if waits_in_vain(mailbox) => return Pause::Unwritten,
                None => continue,
            }
            if has_noted() {
                return Pause::Noted;
            }
            if reader.head() < until {
                continue;
            }
            if until == 0 {
                if !queue.needs_turn() {
                    return Pause::Drained;
                }
                stretch_end = first + granted.stretch() as u64;
                room_at = granted.room_at(queue);
            }
            let head = reader.head();
            if head == stretch_end {
                return Pause::Stretch;
            }
            if head >= room_at {
                return Pause::Room;
            }
            until = stretch_end.min(room_at);
            if granted.follows {
                let tail = queue.tail();
                let received = granted.received() + (head - first) as usize;
                match Follow::next(head, tail.index(), queue.capacity(), received) {
                    Follow::Empty => return Pause::Empty,
                    Follow::Read(end) => until = until.min(end),
                    // Who asks for something is answered first.
                    Follow::LetCome if tail.has(word::CLOSED | word::CONTROL | word::WAITERS) => {
                        until = until.min(tail.index());
                    }
                    Follow::LetCome => return Pause::LetCome(tail.index()),
                }
            }
        }
    });
    turn.used((queue.head() - first) as usize);
    match result {
        Ok(pause) => pause,
        Err(message) => Pause::Panicked(message),
    }
}

/// A short wait for a producer between its claim and its write; true: it was preempted, or takes long.
#[cold]
fn waits_in_vain<P>(mailbox: &MailboxCell<P>) -> bool {
    for _ in 0..UNWRITTEN_SPINS {
        if cfg!(loom) {
            break;
        }
        spin_loop();
        // SAFETY: called by the consumer.
        if unsafe { mailbox.queue.is_ready() } {
            return false;
        }
    }
    true
}

/// A shutdown whose machines had all become quiet closes the mailboxes and lets them be read: what a thread sent at the
/// last moment was accepted, so it is received. Past the deadline it is dropped and counted.
#[cold]
fn reads_to_the_end(header: &Header, pool: &Pool) -> bool {
    header.end_code() == EndCode::Shutdown && !pool.is_overdue()
}

/// Why the loop over instructions stopped.
pub(crate) enum Pause {
    /// The mailbox was found empty.
    Empty,
    /// The same after the first instruction, and nobody asks for anything: no CLOSED, CONTROL, WAITERS.
    Drained,
    /// The instruction met a full receiver.
    Noted,
    /// As many instructions as the turn granted at once.
    Stretch,
    /// It is time to publish the room that was made.
    Room,
    /// What is left, of so many that were claimed, is let come: see `follow.rs`. The machine may linger.
    LetCome(u64),
    /// The next instruction is claimed, and its producer does not write it.
    Unwritten,
    /// The machine is to end without reading more.
    AskedToEnd,
    /// An instruction panicked.
    Panicked(Arc<str>),
}
