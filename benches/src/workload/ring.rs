//! A ring with one token. Hops are counted.

use std::sync::Arc;

use super::{Size, to_next};
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::group::{Directory, Group, Plan, Waves};
use crate::tally::Account;

/// What targets.md asks for: a ring of 503, here with a thousand rounds of the token.
pub const SIZE: Size = Size {
    machines: 503,
    instructions: 503_000,
};

/// A place in the ring. The token tells how many hops it has left.
pub struct Place<C: Collective> {
    next: Option<C::Address<Self>>,
    account: Account,
    index: usize,
    directory: Directory<C::Address<Self>>,
    finish: Arc<Finish>,
}

impl<C: Collective> Node<C> for Place<C> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        match instruction {
            Instruction::Token(0) => {
                self.account.count();
                self.finish.arrive();
                Effect::Nothing
            }
            Instruction::Token(left) => {
                self.account.count();
                to_next(self.next.as_ref(), left - 1)
            }
            Instruction::Wire => {
                let all = self.directory.all();
                self.next = all.get((self.index + 1) % all.len()).cloned();
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

/// A ring of `size.machines`, in which one token makes `size.instructions` hops in each wave.
pub fn waves<C: Collective>(setup: &Setup, size: Size) -> Waves<C, Place<C>> {
    counted(setup, size.machines, size.instructions, size.instructions)
}

/// As [`waves`], with what is counted.
pub(super) fn counted<C: Collective>(
    setup: &Setup,
    machines: usize,
    hops: u64,
    operations: u64,
) -> Waves<C, Place<C>> {
    let group = Group::connect_wired(setup, machines, |index, shared| Place {
        next: None,
        account: shared.account(),
        index,
        directory: shared.directory.clone(),
        finish: Arc::clone(&shared.finish),
    });
    let plan = Plan {
        operations,
        // The send from outside is received, and no hop.
        received: hops + 1,
        arrivals: 1,
    };
    Waves::new(group, plan, move |group| group.token(0, hops))
}
