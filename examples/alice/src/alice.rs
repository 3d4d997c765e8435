//! Alice herself: a state machine of three buttons, as a machine.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use d3::net::{CloseReason, NetCmd, NetConnId, NetSender};
use d3::prelude::*;
use tally::Tally;

use crate::http::{Persistence, Response};
use crate::order::{Button, Order, Wish};
use crate::page;

/// What Alice is told.
#[derive(Debug, MachineImpl)]
pub enum AliceCmd {
    /// Meet these orders of one connection, in their order.
    Serve(NetConnId, Vec<Order>),
}

/// Where Alice stands. There is one Alice: all visitors see and press the same buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nobody pressed anything yet.
    #[default]
    New,
    /// After Init.
    Ready,
    /// After Start.
    Running,
    /// After Stop.
    Stopped,
}

impl State {
    /// The buttons that make sense now, which are those that the form offers.
    #[must_use]
    pub fn buttons(self) -> &'static [Button] {
        match self {
            Self::New => &[Button::Init, Button::Bye],
            Self::Ready => &[Button::Start, Button::Bye],
            Self::Running => &[Button::Stop, Button::Bye],
            Self::Stopped => &[Button::Init, Button::Start, Button::Bye],
        }
    }

    /// The state after a button was pressed.
    ///
    /// Every button works in every state: two browsers may show forms of different age, and who presses a button that
    /// the other has just made pointless gets what it asked for, not an error.
    #[must_use]
    pub fn after(self, button: Button) -> Self {
        match button {
            Button::Init => Self::Ready,
            Button::Start => Self::Running,
            Button::Stop => Self::Stopped,
            Button::Bye => self,
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::New => "Alice is waiting to be initialised.",
            Self::Ready => "Alice is ready to start.",
            Self::Running => "Alice is running.",
            Self::Stopped => "Alice has stopped.",
        }
    }
}

/// The machine: it turns orders into answers and hands them to the net.
#[derive(Debug)]
pub(crate) struct Alice {
    state: State,
    net: NetSender,
    tally: Arc<Tally>,
}

impl Alice {
    pub(crate) fn new(net: NetSender, tally: Arc<Tally>) -> Self {
        Self {
            state: State::default(),
            net,
            tally,
        }
    }

    /// The answer to one wish; none for who only wants to leave.
    fn answer(&mut self, wish: Wish) -> Option<Response> {
        match wish {
            Wish::Look => Some(page::form(self.state)),
            Wish::Press(button) => {
                self.state = self.state.after(button);
                Some(if button == Button::Bye {
                    page::bye()
                } else {
                    page::form(self.state)
                })
            }
            Wish::Refuse(error) => Some(page::refusal(error)),
            Wish::GoOn | Wish::Leave => None,
        }
    }
}

impl MachineMut<AliceCmd> for Alice {
    fn receive(&mut self, cmd: AliceCmd) {
        let AliceCmd::Serve(conn, orders) = cmd;
        let now = SystemTime::now();
        // The answers to one burst of requests leave as one piece.
        let mut bytes = BytesMut::new();
        let mut closes = false;
        for order in orders {
            if order.wish == Wish::GoOn {
                bytes.extend_from_slice(&Response::go_on());
            }
            if let Some(response) = self.answer(order.wish) {
                bytes.extend_from_slice(&response.encode(order.persistence, order.head_only, now));
            }
            closes |= order.persistence == Persistence::Close;
        }
        if !bytes.is_empty() {
            self.tally.add_out(bytes.len());
            send_cmd(&self.net, NetCmd::SendBytes(conn, bytes.freeze()));
        }
        if closes {
            send_cmd(&self.net, NetCmd::CloseConn(conn, CloseReason::Flush));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_offers_what_makes_sense() {
        let mut state = State::default();
        for (button, offered) in [
            (Button::Bye, ["Init", "Bye"].as_slice()),
            (Button::Init, &["Start", "Bye"]),
            (Button::Start, &["Stop", "Bye"]),
            (Button::Stop, &["Init", "Start", "Bye"]),
            (Button::Start, &["Stop", "Bye"]),
            (Button::Init, &["Start", "Bye"]),
        ] {
            state = state.after(button);
            assert_eq!(
                page::labels(&page::form(state).page),
                offered,
                "after {button:?}"
            );
        }
    }

    #[test]
    fn every_button_works_in_every_state() {
        for before in [State::New, State::Ready, State::Running, State::Stopped] {
            assert_eq!(before.after(Button::Init), State::Ready);
            assert_eq!(before.after(Button::Start), State::Running);
            assert_eq!(before.after(Button::Stop), State::Stopped);
            assert_eq!(before.after(Button::Bye), before);
        }
    }
}
