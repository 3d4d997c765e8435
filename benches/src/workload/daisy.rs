//! Daisy chain: each machine hands every instruction on to the next. Hops are counted.

use std::sync::Arc;

use super::{Size, to_next};
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::group::{Directory, Group, Plan, Waves};
use crate::tally::Account;

/// What targets.md asks for: a chain of 4,000 and 200 instructions through it.
pub const SIZE: Size = Size {
    machines: 4_000,
    instructions: 200,
};

/// A link of the chain. The last one counts.
pub struct Link<C: Collective> {
    next: Option<C::Address<Self>>,
    account: Account,
    index: usize,
    expected: u64,
    seen: u64,
    directory: Directory<C::Address<Self>>,
    finish: Arc<Finish>,
}

impl<C: Collective> Node<C> for Link<C> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        match instruction {
            Instruction::Token(token) => {
                self.account.count();
                if self.next.is_none() {
                    self.seen += 1;
                    if self.seen == self.expected {
                        self.seen = 0;
                        self.finish.arrive();
                    }
                }
                to_next(self.next.as_ref(), token)
            }
            Instruction::Wire => {
                self.next = self.directory.all().get(self.index + 1).cloned();
                Effect::Nothing
            }
            Instruction::Cut => {
                self.next = None;
                Effect::Nothing
            }
            Instruction::Produce(_) => Effect::Nothing,
        }
    }
}

/// A chain of `size.machines`, and `size.instructions` sent into it from outside in each wave.
pub fn waves<C: Collective>(setup: &Setup, size: Size) -> Waves<C, Link<C>> {
    let Size {
        machines,
        instructions,
    } = size;
    let group = Group::connect_wired(setup, machines, move |index, shared| Link {
        next: None,
        account: shared.account(),
        index,
        expected: instructions,
        seen: 0,
        directory: shared.directory.clone(),
        finish: Arc::clone(&shared.finish),
    });
    let hops = machines as u64 * instructions;
    let plan = Plan {
        operations: hops,
        received: hops,
        arrivals: 1,
    };
    Waves::new(group, plan, move |group| {
        group
            .collective
            .send_many(&group.addresses[0], Instruction::Token(0), instructions);
    })
}
