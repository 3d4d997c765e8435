//! The `[[additional]]` section `Forwarder`: what the daisy-chain, fan-out/fan-in and
//! chaos-monkey drivers are to do.

use std::time::Duration;

use super::SettingsError;
use super::decode::{self, Fields};
use super::node::Node;

/// One of the drivers of the forwarder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwarderTest {
    /// A chain of machines, each of which forwards to the next.
    DaisyChain,
    /// One machine sends to many, all of which send to one.
    FanoutFanin,
    /// Machines that forward to machines drawn at random.
    ChaosMonkey,
}

impl ForwarderTest {
    /// The name in the settings, such as `daisy_chain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DaisyChain => "daisy_chain",
            Self::FanoutFanin => "fanout_fanin",
            Self::ChaosMonkey => "chaos_monkey",
        }
    }
}

/// The fields of one driver; `None` leaves the choice to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ForwarderFields {
    /// Into how many instructions a forwarder turns one.
    pub forwarding_multiplier: Option<usize>,
    /// How many machines to connect.
    pub machines: Option<usize>,
    /// How many instructions to send per iteration.
    pub messages: Option<usize>,
    /// How often to repeat.
    pub iterations: Option<usize>,
    /// How long to wait for the result, in seconds in the file.
    pub timeout: Option<Duration>,
    /// The capacity of the machine where everything comes together.
    pub fanin_capacity: Option<usize>,
    /// After how many hops an instruction of the chaos monkey goes home.
    pub inflection_value: Option<usize>,
    /// Whether mailboxes have no bound; 0 or 1 in d3's files.
    pub unbound_queue: Option<bool>,
    /// Whether the driver is to be talkative.
    pub debug: Option<bool>,
}

impl ForwarderFields {
    fn decode(node: &Node, path: &str) -> Result<Self, SettingsError> {
        let mut fields = Fields::of(node, path)?;
        let decoded = Self {
            forwarding_multiplier: fields.take("forwarding_multiplier", decode::count)?,
            machines: fields.take("machines", decode::count)?,
            messages: fields.take("messages", decode::count)?,
            iterations: fields.take("iterations", decode::count)?,
            timeout: fields.take("timeout", decode::seconds)?,
            fanin_capacity: fields.take("fanin_capacity", decode::count)?,
            inflection_value: fields.take("inflection_value", decode::count)?,
            unbound_queue: fields.take("unbound_queue", decode::switch)?,
            debug: fields.take("debug", decode::switch)?,
        };
        fields.finish()?;
        Ok(decoded)
    }

    /// These fields, and `below`'s where they are silent.
    fn over(self, below: Self) -> Self {
        Self {
            forwarding_multiplier: self.forwarding_multiplier.or(below.forwarding_multiplier),
            machines: self.machines.or(below.machines),
            messages: self.messages.or(below.messages),
            iterations: self.iterations.or(below.iterations),
            timeout: self.timeout.or(below.timeout),
            fanin_capacity: self.fanin_capacity.or(below.fanin_capacity),
            inflection_value: self.inflection_value.or(below.inflection_value),
            unbound_queue: self.unbound_queue.or(below.unbound_queue),
            debug: self.debug.or(below.debug),
        }
    }
}

/// The `Forwarder` section.
///
/// ```
/// use d3_components::Settings;
/// use d3_components::settings::ForwarderTest;
/// let settings = Settings::parse(r#"
///     [[additional]]
///     [additional.Forwarder]
///     run = ["daisy_chain"]
///     [additional.Forwarder.default]
///     machines = 100
///     messages = 20
///     [additional.Forwarder.daisy_chain]
///     machines = 2000
/// "#).unwrap();
/// let forwarder = settings.forwarder().unwrap();
/// assert_eq!(forwarder.run(), [ForwarderTest::DaisyChain]);
/// let fields = forwarder.fields(ForwarderTest::DaisyChain);
/// assert_eq!((fields.machines, fields.messages), (Some(2000), Some(20)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Forwarder {
    run: Option<Vec<ForwarderTest>>,
    default: ForwarderFields,
    daisy_chain: ForwarderFields,
    fanout_fanin: ForwarderFields,
    chaos_monkey: ForwarderFields,
}

impl Forwarder {
    /// The drivers to run, in order.
    pub fn run(&self) -> &[ForwarderTest] {
        self.run.as_deref().unwrap_or_default()
    }

    /// The fields of a driver; where its own section is silent, the default's.
    pub fn fields(&self, test: ForwarderTest) -> ForwarderFields {
        let own = match test {
            ForwarderTest::DaisyChain => self.daisy_chain,
            ForwarderTest::FanoutFanin => self.fanout_fanin,
            ForwarderTest::ChaosMonkey => self.chaos_monkey,
        };
        own.over(self.default)
    }

    pub(super) fn decode(node: &Node, path: &str) -> Result<Self, SettingsError> {
        let mut fields = Fields::of(node, path)?;
        // A flat section says its own name; whoever got here has read it.
        fields.take("name", |_, _| Ok(()))?;
        let section = ForwarderFields::decode;
        let decoded = Self {
            run: fields.take("run", tests)?,
            default: fields.take("default", section)?.unwrap_or_default(),
            daisy_chain: fields.take("daisy_chain", section)?.unwrap_or_default(),
            fanout_fanin: fields.take("fanout_fanin", section)?.unwrap_or_default(),
            chaos_monkey: fields.take("chaos_monkey", section)?.unwrap_or_default(),
        };
        fields.finish()?;
        Ok(decoded)
    }

    /// Lays a later layer over this one.
    pub(super) fn overlay(&mut self, later: Self) {
        self.run = later.run.or(self.run.take());
        self.default = later.default.over(self.default);
        self.daisy_chain = later.daisy_chain.over(self.daisy_chain);
        self.fanout_fanin = later.fanout_fanin.over(self.fanout_fanin);
        self.chaos_monkey = later.chaos_monkey.over(self.chaos_monkey);
    }
}

fn tests(node: &Node, path: &str) -> Result<Vec<ForwarderTest>, SettingsError> {
    let all = [
        ForwarderTest::DaisyChain,
        ForwarderTest::FanoutFanin,
        ForwarderTest::ChaosMonkey,
    ];
    decode::texts(node, path)?
        .into_iter()
        .map(|name| {
            all.into_iter()
                .find(|test| test.as_str() == name)
                .ok_or_else(|| {
                    let known = all.map(ForwarderTest::as_str).join(", ");
                    decode::bad(
                        node,
                        path,
                        format!("unknown driver {name:?}, expected one of {known}"),
                    )
                })
        })
        .collect()
}
