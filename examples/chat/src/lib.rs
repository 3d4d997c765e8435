//! Chat: one room, as many guests as like to come.
//!
//! ```text
//!  guest ── TCP ── net ──NetCmd──▶ Guest ──RoomCmd──▶ Room ──NetCmd──▶ net ── TCP ── all other guests
//!                                (one each)          (one)
//! ```
//!
//! Read it in this order:
//!
//! 1. [`configure`] is what the server calls when its settings name `ChatService`. It connects the one room and asks for
//!    a TCP listener with a worker per connection.
//! 2. `machines` has the two machines. The worker of a connection makes [`lines`] of bytes; the room keeps to the rules
//!    in [`room`] and hands the net what it has to say.
//! 3. [`lines`] and [`room`] know neither machines nor sockets: rules that can be tested with plain values.
//!
//! Try it: `cargo run --release -p test-server`, then in two terminals
//!
//! ```text
//! nc 127.0.0.1 7000
//! ```
//!
//! The room asks for a name until it gets one that nobody has. From then on each line goes to all others with the name in
//! front (`Ann: hello`); what the room itself says starts with `* `. Lines end with `\n` or `\r\n` and have at most
//! 4 KiB. The texts can be changed in the settings:
//!
//! ```toml
//! [coordinator.ChatCoordinator.kv]
//! name_prompt = "Welcome, may I have your name?"
//! gone_message = "has left the building"
//! ```

#![forbid(unsafe_code)]

pub mod lines;
mod machines;
pub mod room;

use d3::components::{
    ComponentError, ComponentInfo, ComponentSender, ServiceContext, Settings, listen,
};
use d3::net::NetCmd;

use crate::machines::{Guest, RoomCmd, RoomMachine};
use crate::room::Phrases;

/// Sets the service up: the coordinator of `ChatService`.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the settings give it no `tcp_address`, or a `kv` table with anything but texts under
/// `name_prompt` and `gone_message`.
pub fn configure(
    settings: &Settings,
    _components: &[ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    let kv = settings.require_coordinator(ctx.name())?.kv();
    kv.only(&["name_prompt", "gone_message"])?;
    let usual = Phrases::default();
    let phrases = Phrases {
        name_prompt: kv.string_or("name_prompt", &usual.name_prompt)?,
        gone_message: kv.string_or("gone_message", &usual.gone_message)?,
    };
    let (runtime, tally) = (ctx.runtime().clone(), tally::of(ctx));
    let room = RoomMachine::new(phrases, ctx.net().clone(), tally.clone());
    let room = runtime
        .machine(room)
        .name("chat room")
        .accepts::<RoomCmd>()
        .connect();
    listen::tcp(settings, ctx, move |session| {
        let guest = Guest::new(session, room.clone(), tally.clone());
        Ok(runtime
            .machine(guest)
            .name("chat guest")
            .capacity(16)
            .accepts::<NetCmd>()
            .connect())
    })
}
