//! Alice: a web form that drives a state machine.
//!
//! ```text
//!  browser ── TCP ── net ──NetCmd──▶ Connection ──AliceCmd──▶ Alice ──NetCmd──▶ net ── TCP ── browser
//!                                    (one each)               (one)
//! ```
//!
//! Read it in this order:
//!
//! 1. [`configure`] is what the server calls when its settings name `AliceService`. It connects the one [`alice`]
//!    machine and asks for a TCP listener with a worker per connection.
//! 2. The worker (`connection`) feeds bytes to the parser in [`http`] and passes what was asked for to Alice as
//!    [`order::Order`]s.
//! 3. [`alice`] changes her state, writes the page (`page`) and hands it to the net. She serves everybody, so her state
//!    needs no lock, and answers leave in the order of the requests.
//!
//! Back-pressure needs no code here. A client that does not read its answers fills its write queue, and the net stops
//! reading from it; a burst of requests fills Alice's mailbox, the worker is parked, its mailbox fills, and again the net
//! stops reading.
//!
//! Try it: `cargo run --release -p test-server`, then open <http://127.0.0.1:8080/>, or
//!
//! ```text
//! curl -i -d Alice=Init http://127.0.0.1:8080/
//! ```
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /`, `HEAD /` | 200, the form |
//! | `POST /` with `Alice=Init`, `Start` or `Stop` | 200, the form in the new state |
//! | `POST /` with `Alice=Bye` | 200, good-bye; the connection is closed |
//! | `POST /` with anything else | 400; 411 without a length, 415 for another media type, 413 for more than 8 KiB |
//! | any other path, any other method | 404, 405 |
//! | bytes that are no request | 400, 414, 417 or 431; the connection is closed |

#![forbid(unsafe_code)]

pub mod alice;
mod connection;
pub mod http;
pub mod order;
mod page;

use d3::components::{
    ComponentError, ComponentInfo, ComponentSender, ServiceContext, Settings, listen,
};
use d3::net::NetCmd;

use crate::alice::{Alice, AliceCmd};
use crate::connection::Connection;

/// Sets the service up: the coordinator of `AliceService`.
///
/// # Errors
/// [`ComponentError::BadConfig`] if the settings give it no `tcp_address`, or a `kv` table, which it has no use for.
pub fn configure(
    settings: &Settings,
    _components: &[ComponentInfo],
    ctx: &ServiceContext,
) -> Result<Option<ComponentSender>, ComponentError> {
    settings.require_coordinator(ctx.name())?.kv().only(&[])?;
    let (runtime, tally) = (ctx.runtime().clone(), tally::of(ctx));
    let alice = Alice::new(ctx.net().clone(), tally.clone());
    let alice = runtime
        .machine(alice)
        .name("alice")
        .accepts::<AliceCmd>()
        .connect();
    listen::tcp(settings, ctx, move |session| {
        let connection = Connection::new(session, alice.clone(), tally.clone());
        Ok(runtime
            .machine(connection)
            .name("alice connection")
            .capacity(16)
            .accepts::<NetCmd>()
            .connect())
    })
}
