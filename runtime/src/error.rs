//! Errors: typed, they name what was wrong, and they hand the instruction back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::cell::{EndCode, Header};
use crate::sync::lock;

macro_rules! returns_instruction {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name<P> {
            $($(#[$variant_meta])* $variant(P)),+
        }

        impl<P> $name<P> {
            /// The instruction that was not sent.
            pub fn into_inner(self) -> P {
                match self {
                    $(Self::$variant(instruction) => instruction),+
                }
            }
        }

        impl<P> fmt::Debug for $name<P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant(_) => concat!(stringify!($variant), "(..)")),+
                })
            }
        }

        impl<P> fmt::Display for $name<P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant(_) => $text),+
                })
            }
        }

        impl<P> Error for $name<P> {}
    };
}

returns_instruction! {
    /// Why [`Sender::send`](crate::Sender::send) did not send.
    ///
    /// ```
    /// let (sender, receiver) = d3_runtime::bounded::<&str>(1);
    /// drop(receiver);
    /// let error = sender.send("hello").unwrap_err();
    /// assert_eq!(error.to_string(), "the machine has ended");
    /// assert_eq!(error.into_inner(), "hello");
    /// ```
    SendError {
        /// The machine has ended, is ending, or its runtime takes nothing from outside any more.
        Disconnected => "the machine has ended",
        /// The mailbox holds its hard limit: what machines may send beyond its capacity before they are parked.
        Limit => "the mailbox is at its hard limit",
    }
}

returns_instruction! {
    /// Why [`Sender::try_send`](crate::Sender::try_send) did not send.
    TrySendError {
        /// The mailbox holds its capacity.
        Full => "the mailbox is full",
        /// The mailbox holds its hard limit.
        Limit => "the mailbox is at its hard limit",
        /// The machine has ended, is ending, or its runtime takes nothing from outside any more.
        Disconnected => "the machine has ended",
    }
}

returns_instruction! {
    /// Why [`Sender::send_timeout`](crate::Sender::send_timeout) did not send.
    SendTimeoutError {
        /// The mailbox was full all the time.
        Timeout => "the mailbox stayed full until the timeout",
        /// The mailbox holds its hard limit.
        Limit => "the mailbox is at its hard limit",
        /// The machine has ended, is ending, or its runtime takes nothing from outside any more.
        Disconnected => "the machine has ended",
    }
}

macro_rules! plain_error {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text),+
                })
            }
        }

        impl Error for $name {}
    };
}

plain_error! {
    /// Why [`Receiver::recv`](crate::Receiver::recv) returned no instruction.
    RecvError {
        /// No sender is left, and everything that was sent has been received.
        Disconnected => "no sender is left",
        /// The call would wait, and was made inside a machine, a hook or a machine's destructor.
        InsideMachine => "a machine may not wait: receive through a mailbox of its own",
    }
}

plain_error! {
    /// Why [`Receiver::try_recv`](crate::Receiver::try_recv) returned no instruction.
    TryRecvError {
        /// Nothing is there now.
        Empty => "the mailbox is empty",
        /// No sender is left, and everything that was sent has been received.
        Disconnected => "no sender is left",
    }
}

plain_error! {
    /// Why [`Receiver::recv_timeout`](crate::Receiver::recv_timeout) returned no instruction.
    RecvTimeoutError {
        /// Nothing came in time.
        Timeout => "nothing came until the timeout",
        /// No sender is left, and everything that was sent has been received.
        Disconnected => "no sender is left",
        /// The call would wait, and was made inside a machine, a hook or a machine's destructor.
        InsideMachine => "a machine may not wait: receive through a mailbox of its own",
    }
}

plain_error! {
    /// Why a wait for a machine's end or for an idle runtime failed.
    WaitError {
        /// It did not come in time.
        Timeout => "it did not happen until the timeout",
        /// The call would wait, and was made inside a machine, a hook or a machine's destructor.
        InsideMachine => "a machine may not wait for its own runtime",
    }
}

plain_error! {
    /// The calling thread runs no machine, or not one with this instruction set.
    NotHere {
        /// No machine runs on this thread.
        NoMachine => "no machine runs on this thread",
        /// The machine that runs here has another instruction set.
        OtherInstructionSet => "the machine that runs here has another instruction set",
        /// The runtime that runs this machine is shutting down.
        Ending => "the runtime is shutting down",
    }
}

/// Why a runtime or a machine could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A mailbox must hold at least one instruction.
    ZeroCapacity,
    /// A mailbox cannot be bounded so high; without a bound it can be had.
    CapacityTooLarge {
        /// What was asked for.
        wanted: usize,
        /// What can be had.
        most: usize,
    },
    /// A machine must be allowed at least one instruction per turn.
    ZeroBudget,
    /// A time slice must be longer than zero.
    ZeroTimeSlice,
    /// The hard limit is a multiple of the capacity and must be at least one.
    ZeroHardLimit,
    /// More workers than the runtime can manage.
    TooManyWorkers {
        /// What was asked for.
        wanted: usize,
        /// What can be had.
        most: usize,
    },
    /// A thread name must not contain a NUL byte.
    BadThreadName(String),
    /// The system refused a worker thread.
    Thread(std::io::Error),
    /// The runtime is shutting down or has ended.
    Stopped,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroCapacity => {
                f.write_str("a mailbox capacity of 0: it must hold at least one instruction")
            }
            Self::CapacityTooLarge { wanted, most } => {
                write!(
                    f,
                    "a mailbox capacity of {wanted}: at most {most} can be had"
                )
            }
            Self::ZeroBudget => {
                f.write_str("a budget of 0 instructions: it must allow at least one")
            }
            Self::ZeroTimeSlice => f.write_str("a time slice of 0: it must be longer"),
            Self::ZeroHardLimit => {
                f.write_str("a hard limit of 0 times the capacity: it must be at least one")
            }
            Self::TooManyWorkers { wanted, most } => {
                write!(f, "{wanted} workers: at most {most} can be had")
            }
            Self::BadThreadName(name) => write!(f, "the thread name {name:?} contains a NUL byte"),
            Self::Thread(error) => write!(f, "the system refused a worker thread: {error}"),
            Self::Stopped => f.write_str("the runtime has ended"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The last sender is gone, and everything that was sent has been read.
    NoSenders,
    /// It was stopped, by itself or through a handle.
    Stopped,
    /// Its runtime was shut down.
    Shutdown,
    /// It ended itself with an error.
    Failed(Arc<str>),
    /// `receive`, a hook or its destructor panicked.
    Panicked(Arc<str>),
    /// Another mailbox of the same value failed.
    PartnerFailed,
}

impl EndReason {
    pub(crate) fn of(header: &Header) -> Self {
        let message = || {
            let message = header
                .side_if_any()
                .and_then(|side| lock(&side.end).message.clone());
            message.unwrap_or_else(|| Arc::from("no message"))
        };
        match header.end_code() {
            EndCode::None | EndCode::NoSenders => Self::NoSenders,
            EndCode::Stopped => Self::Stopped,
            EndCode::Shutdown => Self::Shutdown,
            EndCode::Failed => Self::Failed(message()),
            EndCode::Panicked => Self::Panicked(message()),
            EndCode::Partner => Self::PartnerFailed,
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSenders => f.write_str("no sender is left"),
            Self::Stopped => f.write_str("stopped"),
            Self::Shutdown => f.write_str("the runtime was shut down"),
            Self::Failed(message) => write!(f, "failed: {message}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::PartnerFailed => f.write_str("another mailbox of the same value failed"),
        }
    }
}
