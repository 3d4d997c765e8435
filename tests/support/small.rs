//! The smallest machine that has something of its own: what the tests of memory count.

use d3::prelude::*;

/// What such a machine may cost, in bytes, connected by value: the figure that the design promises.
pub(crate) const BYTES_BY_VALUE_MAX: f64 = 192.0;

#[derive(Debug, MachineImpl)]
pub(crate) enum Count {
    Add(u64),
}

/// Eight bytes of state that only the machine sees.
pub(crate) struct Owned(pub(crate) u64);

impl MachineMut<Count> for Owned {
    fn receive(&mut self, Count::Add(number): Count) {
        self.0 += number;
    }
}
