//! How the machines are connected with each other, and how a round is sent through them.

use std::sync::Arc;

use d3::{Runtime, Sender};

use super::machines::{Link, Load, Plain, Tally, Token, Work, next_lot};
use super::{Args, Pattern};
use crate::output::Progress;
use crate::watch::{Stall, Watch};

/// Between two looks at the clock.
const BATCH: u64 = 1_024;

/// The senders that are held outside.
#[derive(Debug)]
pub(super) enum Wiring<const N: usize> {
    Each(Vec<Sender<Work<N>>>),
    Daisy(Sender<Work<N>>),
    Random(Arc<Vec<Sender<Token<N>>>>),
}

impl<const N: usize> Wiring<N> {
    /// The size of an instruction with its payload.
    pub(super) fn instruction_bytes(pattern: Pattern) -> usize {
        match pattern {
            Pattern::Each | Pattern::Daisy => size_of::<Work<N>>(),
            Pattern::Random => size_of::<Token<N>>(),
        }
    }

    /// What a machine holds of its own, and the sender that somebody holds of it.
    pub(super) fn state_bytes(pattern: Pattern) -> usize {
        match pattern {
            Pattern::Each | Pattern::Random => size_of::<Plain>(),
            Pattern::Daisy => size_of::<Link<N>>(),
        }
    }

    /// Connects all machines.
    pub(super) fn connect(
        args: &Args,
        runtime: &Runtime,
        tally: &Arc<Tally>,
        progress: &mut Progress<'_>,
    ) -> Self {
        let plain = || Plain {
            tally: Arc::clone(tally),
            received: 0,
        };
        let mut reached = |index: u64| {
            if index.is_multiple_of(BATCH) {
                progress.at(index);
            }
        };
        match args.pattern {
            Pattern::Each => {
                let connect = |index| {
                    reached(index);
                    runtime.connect_mut(plain())
                };
                Self::Each((0..args.count).map(connect).collect())
            }
            Pattern::Random => {
                let connect = |index| {
                    reached(index);
                    runtime.connect_mut(plain())
                };
                Self::Random(Arc::new((0..args.count).map(connect).collect()))
            }
            Pattern::Daisy => {
                // From the tail to the head: each is born with the sender of the one after it.
                let mut head: Option<Sender<Work<N>>> = None;
                for index in 0..args.count {
                    reached(index);
                    head = Some(runtime.connect_mut(Link {
                        tally: Arc::clone(tally),
                        next: head,
                        // Truncated beyond four thousand millions: it only chooses the sample.
                        index: index as u32,
                        received: 0,
                    }));
                }
                Self::Daisy(head.unwrap_or_else(|| unreachable!("at least one machine")))
            }
        }
    }

    /// Sends the instructions of one round. They are received later.
    pub(super) fn send(
        &self,
        args: &Args,
        round: u64,
        tally: &Tally,
        watch: &Watch<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<(), Stall> {
        match self {
            Self::Each(senders) => {
                let mut load = Load::new(round);
                for (index, sender) in senders.iter().enumerate() {
                    let index = index as u64;
                    load.stamp = 0;
                    if index.is_multiple_of(tally.stride) {
                        load.stamp = tally.latencies.stamp();
                    }
                    watch.send(sender, Work::Do(load))?;
                    if index.is_multiple_of(BATCH) {
                        progress.at(round * args.count + index);
                    }
                }
            }
            Self::Daisy(head) => {
                for pulse in 0..args.in_flight {
                    let load = Load::new(round * args.in_flight + pulse);
                    watch.send(head, Work::Do(load))?;
                }
            }
            Self::Random(peers) => {
                for token in 0..tokens(args) {
                    let mut lot = args.seed
                        ^ (round * args.in_flight + token + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    lot = next_lot(lot.max(1));
                    let load = Load::new(visits(args, token) - 1);
                    let peers = Arc::clone(peers);
                    let first = peers[(lot % peers.len() as u64) as usize].clone();
                    watch.send(&first, Token::Visit { load, lot, peers })?;
                }
            }
        }
        Ok(())
    }
}

/// The instructions that all machines together receive in a round.
pub(crate) fn per_round(args: &Args) -> u64 {
    match args.pattern {
        Pattern::Each => args.count,
        Pattern::Random => visits_of_all(args),
        Pattern::Daisy => args.count.saturating_mul(args.in_flight),
    }
}

/// The tokens of a round: each makes one visit at least.
pub(super) fn tokens(args: &Args) -> u64 {
    args.in_flight.min(visits_of_all(args))
}

/// The visits of all tokens of a round together.
fn visits_of_all(args: &Args) -> u64 {
    args.visits.unwrap_or(args.count)
}

/// The visits of a token.
fn visits(args: &Args, token: u64) -> u64 {
    let (all, tokens) = (visits_of_all(args), tokens(args));
    all / tokens + u64::from(token < all % tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn visits_add_up() {
        for (count, in_flight) in [(1, 1), (1, 20), (7, 3), (1_000, 7), (5, 5)] {
            let line = [
                "million".into(),
                format!("--count={count}"),
                format!("--in-flight={in_flight}"),
            ];
            let args = Line::parse_from(line).args;
            let sum: u64 = (0..tokens(&args)).map(|token| visits(&args, token)).sum();
            assert_eq!(sum, count);
            assert!((0..tokens(&args)).all(|token| visits(&args, token) > 0));
        }
    }
}
