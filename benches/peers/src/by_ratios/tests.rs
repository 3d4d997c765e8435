use super::*;
use crate::drive::{Fate, Run};
use crate::plan::Workload;

/// A sitting of one workload: who reached what in the first metric, round by round.
fn sitting(workload: Workload, figures: &[(Contender, &[f64])]) -> (Results, Row) {
    let pairs = figures
        .iter()
        .map(|(contender, _)| (workload, *contender))
        .collect();
    let mut results = Results::new(pairs, 2);
    for (contender, rounds) in figures {
        for value in *rounds {
            let run = Run {
                samples: vec![vec![*value]],
                fate: Fate::Clean,
            };
            results.add(workload, *contender, run);
        }
    }
    let row = results.rows()[0];
    (results, row)
}

fn close(found: Option<f64>, expected: f64) {
    assert!(
        found.is_some_and(|found| (found - expected).abs() < 1e-9),
        "{found:?} is not {expected}"
    );
}

#[test]
fn a_machine_half_as_fast_does_not_miss_what_it_reaches_as_ratios() {
    // Daisy: 80 where tokio had 23, kameo 5.2 and actix 15.
    let (results, row) = sitting(
        Workload::Daisy,
        &[
            (Contender::D3, &[44.0]),
            (Contender::Tokio, &[11.5]),
            (Contender::Kameo, &[2.6]),
            (Contender::Actix, &[15.0]),
        ],
    );
    let found = ByRatios::of(&results, row, Contender::D3).expect("d3 has a must");
    assert_eq!(found.peers.len(), 3);
    assert_eq!(found.known, 7);
    close(found.machine(), 0.5);
    close(found.scaled_must(), 40.0);
    // 44 is 55 % of 80, on a machine of half the speed (tokio, kameo) and of the same (actix).
    let share = found.share().expect("there are peers");
    close(Some(share.median), 1.1);
    close(Some(share.least), 0.55);
    close(Some(share.most), 1.1);
    assert_eq!(found.reached(), Some(true));
    let tokio = found
        .peers
        .iter()
        .find(|beside| beside.peer == Contender::Tokio)
        .expect("tokio has figures here and there");
    close(Some(tokio.needed), 80.0 / 23.0);
    close(Some(tokio.measured), 44.0 / 11.5);
}

#[test]
fn where_less_is_better_a_slow_machine_may_take_longer() {
    // A million machines: 0.9 s where xtra took 1.7, and tokio 5.7.
    let (results, row) = sitting(
        Workload::Spawn,
        &[
            (Contender::D3, &[2.0]),
            (Contender::Xtra, &[3.4]),
            (Contender::Tokio, &[11.4]),
        ],
    );
    let found = ByRatios::of(&results, row, Contender::D3).expect("d3 has a must");
    close(found.machine(), 0.5);
    close(found.scaled_must(), 1.8);
    close(found.share().map(|share| share.median), 0.9);
    assert_eq!(found.reached(), Some(false));
    close(Some(found.peers[0].needed), 1.7 / 0.9);
    close(Some(found.peers[0].measured), 3.4 / 2.0);
}

#[test]
fn ratios_are_those_of_the_rounds() {
    // The machine was ten times slower in the second round: the ratio of the medians would be 44 / 20.
    let (results, row) = sitting(
        Workload::Daisy,
        &[
            (Contender::D3, &[44.0, 4.6, 92.0]),
            (Contender::Tokio, &[22.0, 2.3, 20.0]),
        ],
    );
    let found = ByRatios::of(&results, row, Contender::D3).expect("d3 has a must");
    close(Some(found.peers[0].measured), 2.0);
    close(Some(found.peers[0].here), 20.0);
}

#[test]
fn a_peer_without_a_figure_does_not_count() {
    let (results, row) = sitting(
        Workload::Daisy,
        &[
            (Contender::D3, &[80.0]),
            (Contender::Tokio, &[23.0]),
            (Contender::Kameo, &[]),
        ],
    );
    let found = ByRatios::of(&results, row, Contender::D3).expect("d3 has a must");
    let peers: Vec<_> = found.peers.iter().map(|beside| beside.peer).collect();
    assert_eq!(peers, [Contender::Tokio]);
    close(found.share().map(|share| share.median), 1.0);
    assert_eq!(found.reached(), Some(true));
}

#[test]
fn without_peers_there_is_no_verdict() {
    let (results, row) = sitting(
        Workload::Daisy,
        &[(Contender::D3, &[80.0]), (Contender::Xtra, &[4.0])],
    );
    // xtra took part, but targets.md has no figure of it in this row.
    let found = ByRatios::of(&results, row, Contender::D3).expect("d3 has a must");
    assert_eq!(found.peers, []);
    assert_eq!(found.machine(), None);
    assert_eq!(found.scaled_must(), None);
    assert_eq!(found.share(), None);
    assert_eq!(found.reached(), None);
}

#[test]
fn who_has_no_must_or_no_figure_is_not_judged() {
    let (results, row) = sitting(
        Workload::Daisy,
        &[
            (Contender::D3, &[]),
            (Contender::D3OneWorker, &[80.0]),
            (Contender::Tokio, &[23.0]),
        ],
    );
    assert_eq!(ByRatios::of(&results, row, Contender::D3), None);
    assert_eq!(ByRatios::of(&results, row, Contender::D3OneWorker), None);
    // The must of echo on many connections is a ratio to begin with.
    let (results, row) = sitting(
        Workload::Echo16,
        &[(Contender::D3, &[100.0]), (Contender::Mio, &[155.0])],
    );
    assert_eq!(ByRatios::of(&results, row, Contender::D3), None);
}

#[test]
fn every_figure_is_of_a_peer_that_runs_the_workload_and_judges_a_must() {
    let mut rows = 0;
    for workload in Workload::all() {
        for index in 0..workload.metrics().len() {
            let figures = figures(workload, index);
            for (peer, figure) in figures {
                assert!(
                    !peer.is_ours() && workload.takes(*peer),
                    "{workload} {peer}"
                );
                assert!(*figure > 0.0, "{workload} {peer}");
                let times = figures.iter().filter(|(other, _)| other == peer).count();
                assert_eq!(times, 1, "{workload} {peer}");
            }
            if !figures.is_empty() {
                rows += 1;
                assert!(
                    workload.target(index, Contender::D3).is_some(),
                    "{workload}"
                );
            }
        }
    }
    // The rows of targets.md but idle, which is zero, and echo on many connections; wake is two.
    assert_eq!(rows, 12);
}
