//! A sender whose instruction set has been forgotten, for passing on to whoever knows it.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use d3_runtime::Sender;

/// A [`Sender`] of some instruction set, as [`ComponentCmd::NewSession`] carries it.
///
/// Who receives it asks for the instruction set that it expects and gets a typed sender, or an
/// error that names both. The machine behind it is kept alive like by any other sender.
///
/// ```
/// use d3_components::{AnySender, ComponentCmd};
/// let (sender, _receiver) = d3_runtime::bounded::<ComponentCmd>(4);
/// let any = AnySender::from(sender.clone());
/// assert_eq!(any.downcast::<ComponentCmd>().unwrap(), sender);
/// assert!(any.downcast::<String>().is_err());
/// ```
///
/// [`ComponentCmd::NewSession`]: crate::ComponentCmd::NewSession
#[derive(Clone)]
pub struct AnySender {
    sender: Arc<dyn Any + Send + Sync>,
    instruction_set: &'static str,
}

impl AnySender {
    /// Forgets the instruction set of a sender.
    pub fn new<P: Send + 'static>(sender: Sender<P>) -> Self {
        Self {
            sender: Arc::new(sender),
            instruction_set: type_name::<P>(),
        }
    }

    /// The sender again, if `P` is its instruction set.
    ///
    /// # Errors
    /// [`WrongInstructionSet`] names what was asked for and what is there.
    pub fn downcast<P: Send + 'static>(&self) -> Result<Sender<P>, WrongInstructionSet> {
        match self.sender.downcast_ref::<Sender<P>>() {
            Some(sender) => Ok(sender.clone()),
            None => Err(WrongInstructionSet {
                asked_for: type_name::<P>(),
                found: self.instruction_set,
            }),
        }
    }

    /// Whether [`downcast`](Self::downcast) to `P` would succeed.
    pub fn is<P: Send + 'static>(&self) -> bool {
        self.sender.is::<Sender<P>>()
    }

    /// The name of the instruction set, for people.
    pub fn instruction_set(&self) -> &'static str {
        self.instruction_set
    }
}

impl<P: Send + 'static> From<Sender<P>> for AnySender {
    fn from(sender: Sender<P>) -> Self {
        Self::new(sender)
    }
}

impl fmt::Debug for AnySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnySender<{}>", self.instruction_set)
    }
}

/// An [`AnySender`] was asked for an instruction set that is not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongInstructionSet {
    /// The instruction set that was asked for.
    pub asked_for: &'static str,
    /// The instruction set of the sender.
    pub found: &'static str,
}

impl fmt::Display for WrongInstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a sender of {}, found one of {}",
            self.asked_for, self.found
        )
    }
}

impl Error for WrongInstructionSet {}
