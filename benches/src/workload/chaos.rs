//! Chaos: some instructions wander among many machines, each machine sends what it gets to a random other. Hops are counted.

use std::sync::Arc;

use super::Size;
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::group::{Directory, Group, Plan, Waves};
use crate::tally::Account;

/// What targets.md asks for: 3,000 machines and 200 instructions in flight. Below, each makes 2,000 hops.
pub const SIZE: Size = Size {
    machines: 3_000,
    instructions: 200,
};

/// Hops that each instruction makes in one wave.
pub const HOPS: u64 = 2_000;

/// A machine that knows all others.
pub struct Monkey<C: Collective> {
    all: Arc<Vec<C::Address<Self>>>,
    random: u64,
    account: Account,
    directory: Directory<C::Address<Self>>,
    finish: Arc<Finish>,
}

impl<C: Collective> Monkey<C> {
    /// A random index. Marsaglia's xorshift64: a few cycles, so that the hop is what is measured.
    #[inline]
    fn random_index(&mut self) -> usize {
        let mut x = self.random;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random = x;
        (((x >> 32) * self.all.len() as u64) >> 32) as usize
    }
}

impl<C: Collective> Node<C> for Monkey<C> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        match instruction {
            Instruction::Token(0) => {
                self.account.count();
                self.finish.arrive();
            }
            Instruction::Token(left) => {
                self.account.count();
                let index = self.random_index();
                return Effect::Send(&self.all[index], Instruction::Token(left - 1));
            }
            Instruction::Wire => self.all = self.directory.all(),
            Instruction::Cut => self.all = Arc::default(),
            Instruction::Produce(_) => {}
        }
        Effect::Nothing
    }
}

/// `size.machines` machines and `size.instructions` in flight, each of which makes `hops` hops in each wave.
pub fn waves<C: Collective>(setup: &Setup, size: Size, hops: u64) -> Waves<C, Monkey<C>> {
    let Size {
        machines,
        instructions,
    } = size;
    let group = Group::connect_wired(setup, machines, |index, shared| Monkey {
        all: Arc::default(),
        // Any number but 0, and another one for each: Knuth's multiplicative hash.
        random: (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        account: shared.account(),
        directory: shared.directory.clone(),
        finish: Arc::clone(&shared.finish),
    });
    let plan = Plan {
        operations: instructions * hops,
        received: instructions * (hops + 1),
        arrivals: instructions,
    };
    Waves::new(group, plan, move |group| {
        for index in 0..instructions as usize {
            // Spread evenly: 200 among 3,000 begin at every fifteenth.
            group.token(index * machines / instructions as usize % machines, hops);
        }
    })
}
