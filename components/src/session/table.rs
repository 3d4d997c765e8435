//! The table behind [`Sessions`](super::Sessions).

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use d3_net::{CloseReason, NetCmd, NetSender};
use d3_runtime::{MachineHandle, Sender, WaitError, this_machine};

use super::{SessionCmd, SessionEnd, SessionInfo};
use crate::{ServiceName, SessionId};

pub(super) struct Table {
    service: ServiceName,
    inner: Mutex<Inner>,
    emptied: Condvar,
}

#[derive(Default)]
struct Inner {
    open: HashMap<SessionId, Entry>,
    total: u64,
    watchers: Vec<Sender<SessionCmd>>,
}

struct Entry {
    info: SessionInfo,
    net: NetSender,
    attached: Vec<MachineHandle>,
}

impl Table {
    pub(super) fn new(service: ServiceName) -> Self {
        Self {
            service,
            inner: Mutex::default(),
            emptied: Condvar::new(),
        }
    }

    pub(super) fn service(&self) -> &ServiceName {
        &self.service
    }

    pub(super) fn open(&self, info: SessionInfo, net: NetSender) {
        let mut inner = self.lock();
        inner.total += 1;
        let entry = Entry {
            info: info.clone(),
            net,
            attached: Vec::new(),
        };
        inner.open.insert(info.id, entry);
        let watchers = inner.watchers.clone();
        drop(inner);
        self.tell(watchers, &SessionCmd::Opened(info));
    }

    /// Ends a session. Of several who try, one finds the entry, and does all that follows.
    pub(super) fn end(&self, id: SessionId, end: SessionEnd) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.open.remove(&id) else {
            return false;
        };
        let watchers = inner.watchers.clone();
        if inner.open.is_empty() {
            self.emptied.notify_all();
        }
        drop(inner);
        let reason = match end {
            SessionEnd::Closed(_) => None,
            SessionEnd::Panicked => Some(CloseReason::Abort),
            SessionEnd::Left | SessionEnd::Dismissed => Some(CloseReason::Flush),
        };
        if let Some(reason) = reason {
            // A net that has stopped has closed the connection.
            let _ = entry.net.send(NetCmd::CloseConn(entry.info.conn, reason));
        }
        for machine in entry.attached {
            machine.stop();
        }
        tracing::debug!(service = %self.service, session = %id, ?end, "session ended");
        self.tell(watchers, &SessionCmd::Ended(entry.info, end));
        true
    }

    pub(super) fn attach(&self, id: SessionId, machine: MachineHandle) -> bool {
        {
            let mut inner = self.lock();
            if let Some(entry) = inner.open.get_mut(&id) {
                entry.attached.push(machine);
                return true;
            }
        }
        machine.stop();
        false
    }

    pub(super) fn watch(&self, watcher: Sender<SessionCmd>) {
        self.lock().watchers.push(watcher);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    pub(super) fn total(&self) -> u64 {
        self.lock().total
    }

    pub(super) fn get(&self, id: SessionId) -> Option<SessionInfo> {
        self.lock().open.get(&id).map(|entry| entry.info.clone())
    }

    pub(super) fn list(&self) -> Vec<SessionInfo> {
        let mut list: Vec<SessionInfo> = self
            .lock()
            .open
            .values()
            .map(|entry| entry.info.clone())
            .collect();
        list.sort_by_key(|info| (info.since, info.id));
        list
    }

    pub(super) fn wait_empty(&self, timeout: Duration) -> Result<(), WaitError> {
        let inside = this_machine::id().is_some();
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.lock();
        loop {
            if inner.open.is_empty() {
                return Ok(());
            }
            if inside {
                return Err(WaitError::InsideMachine);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => timeout,
            };
            if left.is_zero() {
                return Err(WaitError::Timeout);
            }
            inner = self
                .emptied
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Tells the watchers, outside the lock: a send from a thread may wait.
    fn tell(&self, watchers: Vec<Sender<SessionCmd>>, news: &SessionCmd) {
        let mut gone = false;
        for watcher in watchers {
            gone |= watcher.send(news.clone()).is_err() && watcher.is_disconnected();
        }
        if gone {
            // Dropped outside the lock: the last sender of a machine may run its end.
            let mut dead = Vec::new();
            let mut inner = self.lock();
            for watcher in std::mem::take(&mut inner.watchers) {
                let list = if watcher.is_disconnected() {
                    &mut dead
                } else {
                    &mut inner.watchers
                };
                list.push(watcher);
            }
            drop(inner);
            drop(dead);
        }
    }

    /// No code of others runs under this lock, so what a panic leaves behind is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
