//! What the peers reached where the targets were measured.
//!
//! The source is the table of `../../shared/targets.md` of the project, beside [`Workload::target`], which is from its column
//! `ours: must`. Absolute figures drift from machine to machine; these say how many times better than each peer a must *is*.

use crate::plan::{Contender, Workload};

/// Peers, each with its figure in the unit of the metric.
pub(crate) type Figures = &'static [(Contender, f64)];

/// What the peers reached in the metric of this index, as targets.md has it; empty where it has no figure.
///
/// Its names are ours as follows: `actix` and `ractor` know no bound and are `actix-unb` and `ractor-unb`; `d3 0.1.3 bounded /
/// unb.` is `d3-0.1.3` and `d3-0.1.3-unb`; the best peer is `smol` where it says flume, and `xtra` where it says xtra. Go and
/// Erlang are in no sitting, so their figures are left out, and so are zeros, which make no ratio. The must of TCP echo on many
/// connections is a ratio to begin with: [`Workload::targets_beside`].
pub(crate) fn figures(workload: Workload, index: usize) -> Figures {
    use Contender::{Actix, D301, D301Unbounded, Kameo, Ractor, Smol, Tokio, Xtra};
    match (workload, index) {
        (Workload::Daisy, 0) => &[
            (Smol, 32.0),
            (Tokio, 23.0),
            (D301, 12.7),
            (D301Unbounded, 14.1),
            (Actix, 15.0),
            (Kameo, 5.2),
            (Ractor, 4.6),
        ],
        (Workload::PingPong, 0) => &[
            (Tokio, 2.9),
            (D301, 0.9),
            (D301Unbounded, 0.7),
            (Actix, 7.1),
            (Kameo, 1.0),
            (Ractor, 1.4),
        ],
        (Workload::Ring, 0) => &[
            (Tokio, 4.2),
            (D301, 2.1),
            (D301Unbounded, 2.1),
            (Actix, 7.6),
            (Kameo, 0.7),
            (Ractor, 2.2),
        ],
        (Workload::FanOut, 0) => &[
            (Tokio, 8.2),
            (D301, 1.9),
            (D301Unbounded, 11.1),
            (Actix, 8.5),
            (Kameo, 2.4),
            (Ractor, 4.8),
        ],
        (Workload::FanIn, 0) => &[
            (Tokio, 8.1),
            (D301, 3.7),
            (D301Unbounded, 11.8),
            (Actix, 13.0),
            (Kameo, 2.0),
            (Ractor, 3.7),
        ],
        (Workload::Chaos, 0) => &[
            (Tokio, 8.7),
            (D301, 3.2),
            (D301Unbounded, 3.1),
            (Actix, 3.9),
            (Kameo, 1.0),
            (Ractor, 1.2),
        ],
        (Workload::Outside, 0) => &[
            (Tokio, 8.4),
            (D301, 6.0),
            (D301Unbounded, 11.5),
            (Actix, 4.8),
            (Kameo, 2.6),
            (Ractor, 3.8),
        ],
        (Workload::Spawn, 0) => &[
            (Xtra, 1.7),
            (Tokio, 5.7),
            (D301, 4.5),
            (D301Unbounded, 3.2),
            (Actix, 2.4),
            (Kameo, 7.6),
            (Ractor, 6.3),
        ],
        // "All in" is what the process holds: the peers' resident bytes are near these figures, the allocated ones are not.
        (Workload::Memory, 0) => &[
            (Xtra, 904.0),
            (Tokio, 1_928.0),
            (D301, 7_319.0),
            (D301Unbounded, 1_796.0),
            (Actix, 1_128.0),
            (Kameo, 6_098.0),
            (Ractor, 6_792.0),
        ],
        (Workload::Wake, 0) => &[
            (Tokio, 24.0),
            (D301, 26.0),
            (Actix, 15.0),
            (Kameo, 28.0),
            (Ractor, 28.0),
        ],
        (Workload::Wake, 1) => &[
            (Tokio, 40.0),
            (D301, 49.0),
            (Actix, 45.0),
            (Kameo, 73.0),
            (Ractor, 85.0),
        ],
        (Workload::EchoOne, 0) => &[(Tokio, 75.0)],
        _ => &[],
    }
}
