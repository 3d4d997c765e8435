//! A thread outside of the collective sends to one machine. Instructions are counted.

use std::sync::Arc;

use super::Size;
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::group::{Group, Plan, Waves};
use crate::tally::Account;

/// What targets.md asks for: 5 M instructions to one machine.
pub const SIZE: Size = Size {
    machines: 1,
    instructions: 5_000_000,
};

/// The machine.
#[derive(Debug)]
pub struct Sink {
    account: Account,
    expected: u64,
    seen: u64,
    finish: Arc<Finish>,
}

impl<C: Collective> Node<C> for Sink {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        if let Instruction::Token(_) = instruction {
            self.account.count();
            self.seen += 1;
            if self.seen == self.expected {
                self.seen = 0;
                self.finish.arrive();
            }
        }
        Effect::Nothing
    }
}

/// One machine, to which the calling thread sends `size.instructions` in each wave. `size.machines` has no meaning here.
pub fn waves<C: Collective>(setup: &Setup, size: Size) -> Waves<C, Sink> {
    let instructions = size.instructions;
    let group = Group::connect(setup, 1, move |_, shared| Sink {
        account: shared.account(),
        expected: instructions,
        seen: 0,
        finish: Arc::clone(&shared.finish),
    });
    let plan = Plan {
        operations: instructions,
        received: instructions,
        arrivals: 1,
    };
    Waves::new(group, plan, move |group: &Group<C, Sink>| {
        group
            .collective
            .send_many(&group.addresses[0], Instruction::Token(0), instructions);
    })
}
