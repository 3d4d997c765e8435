//! What a machine can ask for while it runs: no context parameter, the thread knows.
//!
//! Outside of a machine these functions say so: `None`, or [`NotHere`].

use std::fmt::Display;
use std::sync::Arc;

use crate::cell::{EndCode, MemRef};
use crate::error::{EndReason, NotHere};
use crate::handle::MachineHandle;
use crate::id::MachineId;
use crate::runtime::Runtime;
use crate::scheduler;
use crate::sender::WeakSender;
use crate::sync::lock;

/// The id of the machine that runs on this thread.
pub fn id() -> Option<MachineId> {
    scheduler::machine().map(|machine| machine.id)
}

/// The name of the machine that runs on this thread, if its builder gave it one.
pub fn name() -> Option<String> {
    let machine = scheduler::machine()?;
    machine
        .side_if_any()
        .and_then(|side| side.name())
        .map(|name| name.to_string())
}

/// A handle to the machine that runs on this thread.
///
/// # Errors
/// [`NotHere::NoMachine`] outside of a machine.
pub fn handle() -> Result<MachineHandle, NotHere> {
    scheduler::machine()
        .map(MachineHandle::new)
        .ok_or(NotHere::NoMachine)
}

/// A sender to the mailbox of this machine that takes `P`: the one that is being served, or another one under the same run
/// token. Weak: a machine that keeps a strong sender to itself lives for ever.
///
/// # Errors
/// [`NotHere::NoMachine`] outside of a machine, [`NotHere::OtherInstructionSet`] if the machine takes other instructions.
///
/// ```
/// use d3_runtime::{MachineImpl, Runtime, bounded, this_machine};
/// #[derive(MachineImpl)]
/// enum Count { Down(u32) }
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let (done, finished) = bounded(1);
/// let (_, sender) = runtime.connect(move |Count::Down(n): Count| {
///     let me = this_machine::sender::<Count>().ok().and_then(|me| me.upgrade());
///     match (n, me) {
///         (0, _) => { let _ = done.send("lift off"); }
///         (n, Some(me)) => { let _ = me.send(Count::Down(n - 1)); }
///         (_, None) => {} // nobody else holds a sender any more
///     }
/// });
/// sender.send(Count::Down(3)).expect("the machine lives");
/// assert_eq!(finished.recv(), Ok("lift off"));
/// # Ok::<(), d3_runtime::BuildError>(())
/// ```
pub fn sender<P: 'static>() -> Result<WeakSender<P>, NotHere> {
    let machine = scheduler::machine().ok_or(NotHere::NoMachine)?;
    let mailbox = machine
        .mailboxes()
        .find(|mailbox| (mailbox.vtable.instruction_set_id)() == std::any::TypeId::of::<P>())
        .ok_or(NotHere::OtherInstructionSet)?;
    // SAFETY: a cell whose instruction set is P is a `MailboxCell<P>`.
    Ok(unsafe { WeakSender::from_cell(MemRef::of(mailbox)) })
}

/// Stops the machine that runs on this thread: the current instruction is its last.
///
/// # Errors
/// [`NotHere::NoMachine`] outside of a machine.
pub fn stop() -> Result<(), NotHere> {
    let machine = scheduler::machine().ok_or(NotHere::NoMachine)?;
    machine.ask_to_end(EndCode::Stopped);
    Ok(())
}

/// Ends the machine that runs on this thread with an error: the current instruction is its last, and other mailboxes of the same
/// value end too.
///
/// # Errors
/// [`NotHere::NoMachine`] outside of a machine.
pub fn fail(error: impl Display) -> Result<(), NotHere> {
    let machine = scheduler::machine().ok_or(NotHere::NoMachine)?;
    let message: Arc<str> = Arc::from(error.to_string());
    tracing::error!(machine = (machine.vtable.machine_type)(), id = %machine.id, %message, "a machine failed");
    if machine.set_end_code(EndCode::Failed) {
        lock(&machine.side().end).message = Some(message);
    }
    machine.ask_to_end(EndCode::Failed);
    Ok(())
}

/// The runtime of the machine that runs on this thread.
///
/// # Errors
/// [`NotHere::NoMachine`] outside of a machine, [`NotHere::Ending`] if the last handle of the runtime is gone.
pub fn runtime() -> Result<Runtime, NotHere> {
    let machine = scheduler::machine().ok_or(NotHere::NoMachine)?;
    let handle = machine
        .pool()
        .and_then(|pool| pool.handle.get())
        .and_then(std::sync::Weak::upgrade);
    handle.map(Runtime::from_handle).ok_or(NotHere::Ending)
}

/// Why the machine that runs on this thread ends: in `disconnected` and in destructors. None while it lives.
pub fn end_reason() -> Option<EndReason> {
    let machine = scheduler::machine()?;
    machine.held.is_ending().then(|| EndReason::of(&machine))
}
