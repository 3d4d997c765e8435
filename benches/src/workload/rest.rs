//! The smallest machine that can still be counted: eight bytes of state.

use crate::collective::{Collective, Effect, Instruction, Node};
use crate::tally::Stripes;

/// A machine with one word of state, which says where it is counted.
#[derive(Debug)]
pub struct Rest(pub &'static Stripes);

const _: () = assert!(size_of::<Rest>() == 8);

impl<C: Collective> Node<C> for Rest {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        if let Instruction::Token(_) = instruction {
            self.0.count_received();
        }
        Effect::Nothing
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.count_ended();
    }
}
