//! A machine with several instruction sets under one run token: `accepts` called more than once.

use std::sync::Arc;

use d3::{MachineBuilder, MachineMut, Uuid};

use super::books::Account;
use super::load;
use super::machine::{Mailbox, Node};
use super::plan::Kind;
use super::target::{Routed, Target};

/// A machine that owns its state and reads several mailboxes, one at a time.
pub(crate) struct Several {
    /// In the order in which it accepts their sets.
    pub(crate) mailboxes: Vec<(Kind, Mailbox)>,
    pub(crate) node: Node,
}

impl Several {
    /// The hooks are those of the set that was accepted first.
    fn first<P: Routed>(&mut self) -> Option<(&mut Mailbox, &Node)> {
        let (kind, mailbox) = self.mailboxes.first_mut()?;
        if *kind == P::KIND {
            return Some((mailbox, &self.node));
        }
        mailbox.fault(
            &self.node,
            "a hook of another set than the first was called",
        );
        None
    }
}

impl<P: Routed> MachineMut<P> for Several {
    fn receive(&mut self, instruction: P) {
        let mut mailboxes = self.mailboxes.iter_mut();
        match mailboxes.find(|(kind, _)| *kind == P::KIND) {
            Some((_, mailbox)) => mailbox.receive(&self.node, instruction),
            None => self.node.fault("an instruction of another set"),
        }
    }

    fn connected(&mut self, _: Uuid) {
        if let Some((mailbox, node)) = self.first::<P>() {
            mailbox.connected(node);
        }
    }

    fn disconnected(&mut self) {
        if let Some((mailbox, node)) = self.first::<P>() {
            mailbox.disconnected(node);
        }
    }
}

/// Each list is a type of machine of its own; all lists that there could be would take minutes to compile.
macro_rules! sets {
    ($([$($kind:ident),+]),+ $(,)?) => {
        /// The sets that machines accept together.
        pub(crate) const SETS: [&[Kind]; [$(stringify!($($kind)+)),+].len()] = [$(&[$(Kind::$kind),+]),+];

        /// Connects a machine that accepts `kinds`, one of [`SETS`]; None for other kinds. `accounts`: one for each kind.
        #[allow(non_snake_case, reason = "a sender for each kind, by its name")]
        pub(crate) fn connect(
            builder: MachineBuilder<'_, Several, ()>,
            kinds: &[Kind],
            accounts: Vec<Arc<Account>>,
        ) -> Option<Vec<Target>> {
            let mut accounts = accounts.into_iter();
            match kinds {
                $([$(Kind::$kind),+] => {
                    let ($($kind),+) = builder$(.accepts::<load::$kind>())+.connect();
                    Some(vec![$(Routed::target(accounts.next()?, $kind)),+])
                })+
                _ => None,
            }
        }
    };
}

sets! {
    [Small, Empty],
    [Empty, Small],
    [Small, Medium],
    [Large, Small],
    [Boxed, Small, Empty],
    [Small, Medium, Large],
    [Medium, Small, Boxed, Empty],
}
