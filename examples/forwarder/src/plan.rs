//! What a driver is to do.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use d3::components::settings::{ForwarderFields, ForwarderTest};

/// The parameters of one driver, by the names of d3 0.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Which driver.
    pub test: ForwarderTest,
    /// How many machines; those at both ends of the fan, too, but not the one where tokens come home.
    pub machines: usize,
    /// How many instructions to send per iteration; of chaos-monkey, tokens that are under way at once.
    pub messages: usize,
    /// How often to repeat.
    pub iterations: usize,
    /// Into how many instructions a link of the daisy-chain turns one.
    pub forwarding_multiplier: usize,
    /// How long each step may take.
    pub timeout: Duration,
    /// The capacity of the machine where everything comes together; `None`: that of the runtime.
    pub fanin_capacity: Option<usize>,
    /// Where the counter of a token turns.
    pub inflection_value: u32,
    /// Whether mailboxes have no bound.
    pub unbound_queue: bool,
    /// Whether whoever runs the driver is to be talkative.
    pub debug: bool,
    /// Chooses the ways of tokens.
    pub seed: u64,
}

/// A plan that makes no sense. Names the field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanError {
    /// The driver.
    pub test: ForwarderTest,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: {}", self.test.as_str(), self.field, self.problem)
    }
}

impl Error for PlanError {}

impl Plan {
    /// What the driver does where nothing else is said: the sizes of d3's drivers.
    #[must_use]
    pub fn new(test: ForwarderTest) -> Self {
        let (machines, messages, seconds) = match test {
            ForwarderTest::FanoutFanin => (500, 15, 30),
            // A driver that this version does not know cannot be named by its settings either.
            ForwarderTest::DaisyChain | ForwarderTest::ChaosMonkey | _ => (2_000, 100, 10),
        };
        Self {
            test,
            machines,
            messages,
            iterations: 1,
            forwarding_multiplier: 1,
            timeout: Duration::from_secs(seconds),
            fanin_capacity: None,
            inflection_value: 29,
            unbound_queue: false,
            debug: false,
            seed: 1,
        }
    }

    /// What the settings say, and where they are silent, what [`new`](Self::new) says.
    ///
    /// # Errors
    /// [`PlanError`] names the field that makes no sense.
    pub fn of(test: ForwarderTest, fields: &ForwarderFields) -> Result<Self, PlanError> {
        let base = Self::new(test);
        let inflection_value = match fields.inflection_value.map(u32::try_from) {
            None => base.inflection_value,
            Some(Ok(value)) => value,
            Some(Err(_)) => return Err(base.error("inflection_value", "more than 4,294,967,295")),
        };
        let plan = Self {
            machines: fields.machines.unwrap_or(base.machines),
            messages: fields.messages.unwrap_or(base.messages),
            iterations: fields.iterations.unwrap_or(base.iterations),
            forwarding_multiplier: fields
                .forwarding_multiplier
                .unwrap_or(base.forwarding_multiplier),
            timeout: fields.timeout.unwrap_or(base.timeout),
            fanin_capacity: fields.fanin_capacity,
            inflection_value,
            unbound_queue: fields.unbound_queue.unwrap_or(base.unbound_queue),
            debug: fields.debug.unwrap_or(base.debug),
            ..base
        };
        plan.instructions()?;
        Ok(plan)
    }

    /// The instructions that all machines together receive in all iterations, those of the setup left out.
    ///
    /// # Errors
    /// [`PlanError`] if the plan makes no sense, or if it would be more than can be counted.
    pub fn instructions(&self) -> Result<u64, PlanError> {
        self.check()?;
        let (machines, messages) = (self.machines as u64, self.messages as u64);
        let each = match self.test {
            ForwarderTest::FanoutFanin => (machines - 2)
                .checked_mul(2)
                .and_then(|twice| twice.checked_add(1)),
            ForwarderTest::ChaosMonkey => Some(u64::from(self.inflection_value) * 2 + 3),
            _ => self.chain(),
        };
        each.and_then(|each| each.checked_mul(messages))
            .and_then(|all| all.checked_mul(self.iterations as u64))
            .ok_or_else(|| self.too_many())
    }

    /// Copies of one instruction that arrive at the end of the chain.
    pub(crate) fn growth(&self) -> Option<u64> {
        let links = u32::try_from(self.machines.saturating_sub(1)).ok();
        match (self.forwarding_multiplier as u64, links) {
            (1, _) => Some(1),
            (multiplier, links) => multiplier.checked_pow(links?),
        }
    }

    /// Instructions that all machines of the chain receive for one that is sent into it.
    fn chain(&self) -> Option<u64> {
        let multiplier = self.forwarding_multiplier as u64;
        if multiplier == 1 {
            return Some(self.machines as u64);
        }
        // 1 + m + m² + … + m^(n-1)
        let (all, _) = (0..self.machines).try_fold((0_u64, Some(1_u64)), |(sum, power), _| {
            let power = power?;
            Some((sum.checked_add(power)?, power.checked_mul(multiplier)))
        })?;
        Some(all)
    }

    fn check(&self) -> Result<(), PlanError> {
        let least = match self.test {
            ForwarderTest::FanoutFanin => 3,
            _ => 1,
        };
        if self.machines < least {
            return Err(self.error("machines", &format!("at least {least} are needed")));
        }
        let not_zero = [
            ("messages", self.messages),
            ("iterations", self.iterations),
            ("forwarding_multiplier", self.forwarding_multiplier),
            ("fanin_capacity", self.fanin_capacity.unwrap_or(1)),
        ];
        if let Some((field, _)) = not_zero.into_iter().find(|(_, value)| *value == 0) {
            return Err(self.error(field, "0 will not do: at least 1 is expected"));
        }
        if self.timeout.is_zero() {
            return Err(self.error("timeout", "0 will not do: nothing takes no time"));
        }
        Ok(())
    }

    fn too_many(&self) -> PlanError {
        let field = match self.test {
            ForwarderTest::DaisyChain if self.forwarding_multiplier > 1 => "forwarding_multiplier",
            _ => "messages",
        };
        self.error(field, "that makes more instructions than 64 bits can count")
    }

    fn error(&self, field: &'static str, problem: &str) -> PlanError {
        PlanError {
            test: self.test,
            field,
            problem: problem.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(test: ForwarderTest, machines: usize, messages: usize) -> Plan {
        Plan {
            machines,
            messages,
            ..Plan::new(test)
        }
    }

    #[test]
    fn instructions_are_known_beforehand() {
        let mut chain = plan(ForwarderTest::DaisyChain, 4, 5);
        assert_eq!(chain.instructions(), Ok(4 * 5));
        chain.forwarding_multiplier = 3;
        assert_eq!(
            (chain.growth(), chain.instructions()),
            (Some(27), Ok((1 + 3 + 9 + 27) * 5))
        );
        chain.iterations = 2;
        assert_eq!(chain.instructions(), Ok((1 + 3 + 9 + 27) * 5 * 2));
        assert_eq!(
            plan(ForwarderTest::FanoutFanin, 5, 7).instructions(),
            Ok(7 + 2 * 3 * 7)
        );
        let mut monkey = plan(ForwarderTest::ChaosMonkey, 9, 7);
        monkey.inflection_value = 3;
        assert_eq!(monkey.instructions(), Ok(7 * (8 + 1)));
    }

    #[test]
    fn nonsense_is_named() {
        let problem = |plan: Plan| plan.instructions().unwrap_err().to_string();
        assert_eq!(
            problem(plan(ForwarderTest::FanoutFanin, 2, 1)),
            "fanout_fanin.machines: at least 3 are needed"
        );
        assert!(problem(plan(ForwarderTest::DaisyChain, 0, 1)).contains("daisy_chain.machines"));
        assert!(problem(plan(ForwarderTest::DaisyChain, 1, 0)).contains("daisy_chain.messages"));
        let mut chain = plan(ForwarderTest::DaisyChain, 2_000, 1);
        chain.forwarding_multiplier = 4;
        assert_eq!(
            problem(chain),
            "daisy_chain.forwarding_multiplier: that makes more instructions than 64 bits can count"
        );
        let mut fields = ForwarderFields::default();
        fields.inflection_value = Some(1 << 40);
        assert!(Plan::of(ForwarderTest::ChaosMonkey, &fields).is_err());
        fields.inflection_value = None;
        fields.fanin_capacity = Some(0);
        assert!(Plan::of(ForwarderTest::FanoutFanin, &fields).is_err());
    }

    #[test]
    fn settings_win_over_defaults() {
        let mut fields = ForwarderFields::default();
        fields.machines = Some(12);
        fields.unbound_queue = Some(true);
        let plan = Plan::of(ForwarderTest::ChaosMonkey, &fields).expect("a sound plan");
        assert_eq!(
            (plan.machines, plan.messages, plan.unbound_queue),
            (12, 100, true)
        );
    }
}
