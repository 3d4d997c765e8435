//! Fan-in: several machines send to one as fast as they can. Instructions are counted.

use std::sync::Arc;

use super::Size;
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::group::{Directory, Group, Plan, Waves};
use crate::tally::Account;

/// What targets.md asks for: 8 producers, 8 M instructions.
pub const SIZE: Size = Size {
    machines: 8,
    instructions: 8_000_000,
};

/// The consumer, which is the first of the group, or a producer.
pub struct End<C: Collective> {
    // A producer's: itself, and the consumer.
    addresses: Option<(C::Address<Self>, C::Address<Self>)>,
    account: Account,
    index: usize,
    expected: u64,
    seen: u64,
    directory: Directory<C::Address<Self>>,
    finish: Arc<Finish>,
}

impl<C: Collective> End<C> {
    /// One burst, and after it the rest by way of the own mailbox, so that others get their turn.
    fn produce(&self, left: u64) -> Effect<'_, C::Address<Self>> {
        let Some((me, consumer)) = &self.addresses else {
            return Effect::Nothing;
        };
        let times = C::BURST.map_or(left, |burst| burst.min(left));
        let rest = left - times;
        Effect::Repeat {
            to: consumer,
            instruction: Instruction::Token(0),
            times,
            then: (rest > 0).then_some((me, Instruction::Produce(rest))),
        }
    }
}

impl<C: Collective> Node<C> for End<C> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        match instruction {
            Instruction::Token(_) => {
                self.account.count();
                self.seen += 1;
                if self.seen == self.expected {
                    self.seen = 0;
                    self.finish.arrive();
                }
            }
            Instruction::Produce(left) => return self.produce(left),
            Instruction::Wire => {
                let all = self.directory.all();
                self.addresses =
                    (self.index > 0).then(|| (all[self.index].clone(), all[0].clone()));
            }
            Instruction::Cut => self.addresses = None,
        }
        Effect::Nothing
    }
}

/// `size.machines` producers, which together send `size.instructions` to one consumer in each wave.
///
/// # Panics
/// If the producers cannot share the instructions evenly.
pub fn waves<C: Collective>(setup: &Setup, size: Size) -> Waves<C, End<C>> {
    let Size {
        machines,
        instructions,
    } = size;
    let share = instructions / machines as u64;
    assert_eq!(share * machines as u64, instructions, "even shares");
    let group = Group::connect_wired(setup, machines + 1, move |index, shared| End {
        addresses: None,
        account: shared.account(),
        index,
        expected: instructions,
        seen: 0,
        directory: shared.directory.clone(),
        finish: Arc::clone(&shared.finish),
    });
    let plan = Plan {
        operations: instructions,
        received: instructions,
        arrivals: 1,
    };
    Waves::new(group, plan, move |group| {
        group
            .collective
            .send_each(&group.addresses[1..], Instruction::Produce(share));
    })
}
