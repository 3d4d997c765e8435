//! The control lane: what the runtime has to say to a machine, outside the bound and served first.

use std::sync::mpsc::SyncSender;

use super::{Header, Side};
use crate::stats::MachineInfo;
use crate::sync::lock;

/// A message of the control lane.
pub(crate) enum ControlMessage {
    /// Report yourself, from between two instructions: a consistent picture.
    Report(SyncSender<MachineInfo>),
}

impl Header {
    /// Posts a control message; it comes back if the machine will not look at its lane any more.
    pub(crate) fn post(&self, message: ControlMessage) -> Result<(), ControlMessage> {
        let side: &Side = self.side();
        lock(&side.control).push(message);
        // The lane is filled first, the bit comes second; the machine clears the bit first and looks second.
        match self.queue().post_control() {
            Some(wake) => {
                self.wake(wake);
                Ok(())
            }
            // Closed: who ends the machine may have looked already. What is still there is nobody's any more.
            None => lock(&side.control).pop().map_or(Ok(()), Err),
        }
    }

    /// The messages that a running machine finds in its lane. Clear first, look second: see the README.
    pub(super) fn serve_control(&self) -> Vec<ControlMessage> {
        self.queue().clear_control();
        self.take_control()
    }

    /// Takes all messages of the lane. CONTROL was cleared before, or nothing can be posted any more.
    pub(crate) fn take_control(&self) -> Vec<ControlMessage> {
        self.side_if_any()
            .map(|side| std::mem::take(&mut *lock(&side.control)))
            .unwrap_or_default()
    }
}
