//! The rules of the room, without machines and sockets: who is in it, who hears what.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::Hash;

use crate::lines::Line;

/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 32;

/// What the room says, as far as the settings can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrases {
    /// Asked of a newcomer until it has given a name.
    pub name_prompt: String,
    /// Said after the name of who has left.
    pub gone_message: String,
}

impl Default for Phrases {
    fn default() -> Self {
        Self {
            name_prompt: "Welcome, may I have your name?".into(),
            gone_message: "has left the building".into(),
        }
    }
}

/// What is to be told to whom after something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// To the one who did it.
    pub back: String,
    /// To [`Room::others`].
    pub to_others: String,
}

/// One room. `K` tells its guests apart.
#[derive(Debug)]
pub struct Room<K> {
    phrases: Phrases,
    /// Everybody who is connected; without a name until one was given.
    guests: BTreeMap<K, Option<String>>,
    /// Names in lower case, so that nobody passes for another by a capital letter.
    taken: HashMap<String, K>,
}

impl<K: Copy + Ord + Hash> Room<K> {
    /// An empty room.
    #[must_use]
    pub fn new(phrases: Phrases) -> Self {
        Self {
            phrases,
            guests: BTreeMap::new(),
            taken: HashMap::new(),
        }
    }

    /// Somebody came in. It hears and says nothing before it has a name.
    pub fn enter(&mut self, guest: K) -> Said {
        self.guests.entry(guest).or_default();
        Said {
            back: format!("{}\n", self.phrases.name_prompt),
            to_others: String::new(),
        }
    }

    /// Somebody sent a line.
    pub fn line(&mut self, guest: K, line: Line, said: &mut Said) {
        let Some(name) = self.guests.get(&guest) else {
            return;
        };
        match (name, line) {
            (_, Line::TooLong) => said.back.push_str("* that line was too long\n"),
            (None, Line::Text(text)) => self.introduce(guest, &text, said),
            (Some(name), Line::Text(text)) => {
                if !text.trim().is_empty() {
                    // Writing to a String cannot fail.
                    let _ = writeln!(said.to_others, "{name}: {text}");
                }
            }
        }
    }

    /// Somebody is gone.
    pub fn leave(&mut self, guest: K) -> Said {
        let mut said = Said::default();
        if let Some(Some(name)) = self.guests.remove(&guest) {
            self.taken.remove(&name.to_lowercase());
            said.to_others = format!("* {name} {}\n", self.phrases.gone_message);
        }
        said
    }

    /// Everybody with a name but `guest`.
    pub fn others(&self, guest: K) -> impl Iterator<Item = K> + '_ {
        self.guests
            .iter()
            .filter(move |(other, name)| **other != guest && name.is_some())
            .map(|(other, _)| *other)
    }

    fn introduce(&mut self, guest: K, text: &str, said: &mut Said) {
        let name = text.trim();
        let problem = if name.is_empty() {
            None
        } else if name.chars().count() > NAME_CHARS_MAX {
            Some(format!("* a name has at most {NAME_CHARS_MAX} letters"))
        } else if self.taken.contains_key(&name.to_lowercase()) {
            Some(format!("* {name} is taken"))
        } else {
            let present: Vec<_> = self.guests.values().flatten().map(String::as_str).collect();
            let company = if present.is_empty() {
                "nobody else is here".into()
            } else {
                present.join(", ") + " here"
            };
            let _ = writeln!(said.back, "* hello {name}; {company}");
            let _ = writeln!(said.to_others, "* {name} has come in");
            self.taken.insert(name.to_lowercase(), guest);
            self.guests.insert(guest, Some(name.to_owned()));
            return;
        };
        for line in problem.iter().chain([&self.phrases.name_prompt]) {
            let _ = writeln!(said.back, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room<u32> {
        Room::new(Phrases::default())
    }

    fn say(room: &mut Room<u32>, guest: u32, text: &str) -> Said {
        let mut said = Said::default();
        room.line(guest, Line::Text(text.into()), &mut said);
        said
    }

    fn named(room: &mut Room<u32>, guest: u32, name: &str) {
        room.enter(guest);
        assert!(
            say(room, guest, name).back.contains("hello"),
            "{name} was not let in"
        );
    }

    const PROMPT: &str = "Welcome, may I have your name?\n";

    #[test]
    fn it_asks_until_a_name_is_given() {
        let mut room = room();
        named(&mut room, 1, "Ann");
        assert_eq!(room.enter(2).back, PROMPT);
        for (name, answer) in [
            ("", PROMPT.to_owned()),
            ("  ", PROMPT.to_owned()),
            ("ann", format!("* ann is taken\n{PROMPT}")),
            (
                &"x".repeat(33),
                format!("* a name has at most 32 letters\n{PROMPT}"),
            ),
        ] {
            assert_eq!(
                say(&mut room, 2, name),
                Said {
                    back: answer,
                    to_others: String::new()
                }
            );
        }
        let said = say(&mut room, 2, " Bob ");
        assert_eq!(said.back, "* hello Bob; Ann here\n");
        assert_eq!(said.to_others, "* Bob has come in\n");
    }

    #[test]
    fn lines_go_to_all_others_with_the_name_in_front() {
        let mut room = room();
        for (guest, name) in [(1, "Ann"), (2, "Bob"), (3, "Cy")] {
            named(&mut room, guest, name);
        }
        room.enter(4);
        assert_eq!(
            say(&mut room, 2, "hi there"),
            Said {
                back: String::new(),
                to_others: "Bob: hi there\n".into()
            }
        );
        assert_eq!(
            room.others(2).collect::<Vec<_>>(),
            [1, 3],
            "not to who spoke, not to who has no name"
        );
        assert_eq!(say(&mut room, 2, " "), Said::default());
    }

    #[test]
    fn a_batch_keeps_its_order() {
        let mut room = room();
        room.enter(1);
        let mut said = Said::default();
        for line in [
            Line::Text("Ann".into()),
            Line::Text("a".into()),
            Line::TooLong,
            Line::Text("b".into()),
        ] {
            room.line(1, line, &mut said);
        }
        assert_eq!(
            said.back,
            "* hello Ann; nobody else is here\n* that line was too long\n"
        );
        assert_eq!(said.to_others, "* Ann has come in\nAnn: a\nAnn: b\n");
    }

    #[test]
    fn leaving_is_announced_and_frees_the_name() {
        let mut room = room();
        named(&mut room, 1, "Ann");
        room.enter(2);
        assert_eq!(room.leave(1).to_others, "* Ann has left the building\n");
        assert_eq!(room.leave(1), Said::default());
        assert_eq!(say(&mut room, 2, "ANN").to_others, "* ANN has come in\n");
        room.enter(3);
        assert_eq!(
            room.leave(3),
            Said::default(),
            "who never had a name leaves unnoticed"
        );
        assert_eq!(
            say(&mut room, 3, "late"),
            Said::default(),
            "who has left says nothing"
        );
    }
}
