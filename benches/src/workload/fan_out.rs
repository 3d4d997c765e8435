//! Fan-out and fan-in: one machine sends each instruction to many, and each of those to one. The instructions that arrive at that
//! one are counted, each of which was received twice.

use std::sync::Arc;

use super::{Size, to_next};
use crate::collective::{Collective, Effect, Instruction, Node, Setup};
use crate::finish::Finish;
use crate::group::{Directory, Group, Plan, Waves};
use crate::tally::Account;

/// What targets.md asks for: 20 machines in the middle, 1,000 instructions through each.
pub const SIZE: Size = Size {
    machines: 20,
    instructions: 1_000,
};

/// The same number of instructions through a wide and shallow middle, as d3 0.1.3's own driver has it.
pub const WIDE: Size = Size {
    machines: 1_000,
    instructions: 20,
};

/// A machine of the fan. Which one it is, its addresses say: many are the source, one is the middle, none is the sink.
pub struct Blade<C: Collective> {
    role: Role,
    to: Vec<C::Address<Self>>,
    account: Account,
    expected: u64,
    seen: u64,
    directory: Directory<C::Address<Self>>,
    finish: Arc<Finish>,
}

/// A machine's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Source,
    Middle,
    Sink,
}

impl<C: Collective> Node<C> for Blade<C> {
    #[inline]
    fn receive(&mut self, instruction: Instruction) -> Effect<'_, C::Address<Self>> {
        match instruction {
            Instruction::Token(token) => {
                self.account.count();
                match self.role {
                    Role::Source => Effect::Each(&self.to, Instruction::Token(token)),
                    Role::Middle => to_next(self.to.first(), token),
                    Role::Sink => {
                        self.seen += 1;
                        if self.seen == self.expected {
                            self.seen = 0;
                            self.finish.arrive();
                        }
                        Effect::Nothing
                    }
                }
            }
            Instruction::Wire => {
                let all = self.directory.all();
                let sink = all.len() - 1;
                self.to = match self.role {
                    Role::Source => all[1..sink].to_vec(),
                    Role::Middle => vec![all[sink].clone()],
                    Role::Sink => Vec::new(),
                };
                Effect::Nothing
            }
            Instruction::Cut => {
                self.to = Vec::new();
                Effect::Nothing
            }
            Instruction::Produce(_) => Effect::Nothing,
        }
    }
}

/// `size.machines` in the middle; `size.instructions` are sent to the source from outside in each wave.
pub fn waves<C: Collective>(setup: &Setup, size: Size) -> Waves<C, Blade<C>> {
    let Size {
        machines,
        instructions,
    } = size;
    let arriving = machines as u64 * instructions;
    let group = Group::connect_wired(setup, machines + 2, move |index, shared| Blade {
        role: match index {
            0 => Role::Source,
            _ if index <= machines => Role::Middle,
            _ => Role::Sink,
        },
        to: Vec::new(),
        account: shared.account(),
        expected: arriving,
        seen: 0,
        directory: shared.directory.clone(),
        finish: Arc::clone(&shared.finish),
    });
    let plan = Plan {
        operations: arriving,
        received: instructions + 2 * arriving,
        arrivals: 1,
    };
    Waves::new(group, plan, move |group| {
        group
            .collective
            .send_many(&group.addresses[0], Instruction::Token(0), instructions);
    })
}
