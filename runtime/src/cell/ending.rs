//! The end of a machine: hooks, destructors, the unread, and who hears of it.

use std::sync::Arc;

use super::activation::{Activation, Outcome};
use super::{Body, EndCode, MailboxCell, Sharing, Stage, Turn};
use crate::backpressure;
use crate::mailbox::Popped;
use crate::protocol::Point;
use crate::scheduler::take_noted;
use crate::sync::{Ordering, fence, lock};
use crate::unwind;

impl<P: Send + 'static, B: Body<P>> Activation<'_, '_, P, B> {
    pub(super) fn fail_with(&mut self, code: EndCode, message: Arc<str>) {
        tracing::error!(
            machine = (self.header().vtable.machine_type)(),
            id = %self.header().id,
            %message,
            "a machine failed; it ends, the runtime goes on"
        );
        if code == EndCode::Panicked {
            self.turn.counters.panics.add(1);
        }
        if self.header().set_end_code(code) {
            lock(&self.header().side().end).message = Some(message);
        }
    }

    /// Ends the machine: refuses what comes, lets everybody go who waits, calls the hook, drops the value.
    pub(super) fn end(&mut self) -> Outcome {
        // CLOSED first, then the lock of the waiters: nobody can come to wait after this.
        let _ = self.mailbox().queue.close();
        self.header().close_ports();
        self.header().held.begin_end();
        crate::sync::point(Point::Ending);
        backpressure::release_all(self.mailbox());
        self.ports().for_each(|port| port.release_all());
        take_noted().for_each(drop);
        if let Some(side) = self.header().side_if_any() {
            // Dropped outside of the lock: the last reference to a cell drops what is in its mailbox.
            let still_full = std::mem::take(&mut *lock(&side.still_full));
            drop(still_full);
        }
        // SAFETY: the stage is Alive, so the body is there.
        let body = unsafe { self.body().assume_init_mut() };
        let result = unwind::user_code(|| body.disconnected());
        if let Err(message) = result {
            self.fail_with(EndCode::Panicked, message);
        }
        let code = self.header().end_code();
        if matches!(code, EndCode::Panicked | EndCode::Failed) {
            self.end_partners();
        }
        self.header().stage.set(Stage::Leaving);
        let body = self.body();
        // SAFETY: the body is there, and the stage says that it will not be touched again.
        let dropped = unwind::user_code(|| unsafe { body.assume_init_drop() });
        if let Err(message) = dropped {
            self.fail_with(EndCode::Panicked, message);
        }
        self.drain_rest()
    }

    /// Promise 7: a panic ends the value with all its mailboxes.
    fn end_partners(&self) {
        let value = self.cell.sharing.value();
        if !value.is_null() {
            self.turn
                .pool
                .partners
                .end_all(value, self.header(), &self.turn.pool.registry);
        }
    }

    /// Drops what was left unread, and waits for claims in flight by going to the back of the queue.
    pub(super) fn drain_rest(&mut self) -> Outcome {
        // SAFETY: the token makes us the consumer.
        if !unsafe { drop_unread(&self.cell.mailbox, self.turn) } {
            return Outcome::Again;
        }
        for port in self.ports() {
            // SAFETY: as above.
            if !unsafe { port.drop_unread(self.turn) } {
                return Outcome::Again;
            }
        }
        self.leave();
        self.let_go_of_ports();
        Outcome::Ended
    }

    /// The last act: the machine is no more.
    fn leave(&mut self) {
        let header = self.header();
        self.turn.counters.ended.add(1);
        if self.cell.sharing.joined() {
            self.turn.pool.partners.leave(self.cell.sharing.value());
        }
        self.turn.pool.registry.leave(header.slot);
        crate::sync::point(Point::Leaving);
        // Who waits for the end hears of it last, when count and hooks are done.
        header.freeze_end_code();
        header.held.end();
        // SeqCst: pairs with the fence in `MachineHandle`'s wait: either this look finds the side box with the watcher, or
        // the watcher finds the end.
        fence(Ordering::SeqCst);
        self.turn.pool.release_workers_if_abandoned();
        let Some(side) = header.side_if_any() else {
            return;
        };
        // A report that was asked for too late: its asker hears that nobody will answer.
        drop(header.take_control());
        side.wake_watchers();
    }
}

/// Drops what a closed mailbox still holds; false: another turn is needed.
///
/// # Safety
/// The caller is the consumer.
pub(super) unsafe fn drop_unread<P>(mailbox: &MailboxCell<P>, turn: &mut Turn<'_>) -> bool {
    loop {
        // SAFETY: the caller is the consumer.
        match unsafe { mailbox.queue.pop_patiently() } {
            Popped::Item(instruction) => {
                turn.dropped_one();
                if !unwind::drop_user_value(instruction) {
                    turn.counters.panics.add(1);
                }
                // Destructors are user code, and there may be millions: others get their turn in between.
                if turn.is_over() {
                    return false;
                }
            }
            Popped::Unwritten => {
                turn.counters.unwritten.add(1);
                turn.waits_for_others = true;
                return false;
            }
            Popped::Empty => return true,
        }
    }
}
