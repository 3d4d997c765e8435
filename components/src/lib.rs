//! The d3 organising layer: what a server made of machines is put together from.
//!
//! Three roles, all played by machines:
//!
//! * A **coordinator** wires one service together. It asks the net for a listener, opens a
//!   [`Session`] for every connection, and tells the components about it.
//! * A **component** is a factory: told of a new session, it connects a worker for it.
//! * A **connector** is that worker. It lives as long as its session, and its session lives
//!   as long as it: whichever ends first takes the other with it.
//!
//! Coordinators and components share one instruction set, [`ComponentCmd`], and each of them
//! is brought into being by one function, its `configure`. A program lists those functions in
//! [`Services`], reads its [`Settings`], and hands both to [`services::run`]:
//!
//! ```
//! use std::time::Duration;
//! use d3_components::{ComponentCmd, Services, Settings, services};
//!
//! let settings = Settings::parse("services = ['ClockService']").unwrap();
//! let services = Services::new().coordinator("ClockCoordinator", |_settings, _components, ctx| {
//!     Ok(Some(ctx.runtime().connect(|_cmd: ComponentCmd| ()).1))
//! });
//! // `services::run(settings, services)` would wait for Ctrl-C; this is the form for tests.
//! let running = services::start(settings, services).unwrap();
//! running.wait_ready(Duration::from_secs(5)).unwrap();
//! assert!(running.stop(Duration::from_secs(5)).is_clean());
//! ```
//!
//! # Reading order
//!
//! [`component`] (the instruction set and the ways to name who is who), [`session`] (what holds
//! a session together), [`context`] (what a `configure` function is given), [`listen`]
//! (coordinators that most TCP and UDP services can use as they are), [`services`] (start, run
//! and stop of the whole), [`settings`] (layers of TOML and the environment).
#![forbid(unsafe_code)]

pub mod component;
pub mod context;
pub mod error;
pub mod listen;
pub mod services;
pub mod session;
pub mod settings;

mod any_sender;
mod names;

/// The net under d3's path: `d3::components::network`.
pub mod network {
    pub use d3_net::*;
}

/// d3's path of [`CoordinatorInfo`].
pub mod coordinators {
    pub use crate::component::CoordinatorInfo;
}

/// d3's path of the component's types.
pub mod components {
    pub use crate::any_sender::{AnySender, WrongInstructionSet};
    pub use crate::component::{ComponentCmd, ComponentInfo, ComponentSender, find};
    pub use crate::error::ComponentError;
}

pub use any_sender::{AnySender, WrongInstructionSet};
pub use component::{ComponentCmd, ComponentInfo, ComponentSender, CoordinatorInfo};
pub use context::{ServiceContext, ServiceSnapshot, ServiceState};
pub use error::{ComponentError, ServicesError};
pub use names::{ServiceName, SessionId};
pub use services::{Running, Services, Stopped};
pub use session::{Session, SessionCmd, SessionEnd, SessionInfo, SessionMember, Sessions};
pub use settings::{Settings, SettingsError};
pub use uuid::Uuid;
