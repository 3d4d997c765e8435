use std::time::Duration;

use super::*;

#[test]
fn deadlines_come_in_their_order() {
    let start = Instant::now();
    let mut timers = Timers::new();
    let mut armed = [Armed::default(); 3];
    for (n, wait) in [30, 10, 20].into_iter().enumerate() {
        timers.arm(
            NetConnId::fake(n as u32),
            &mut armed[n],
            Due::Idle,
            start + Duration::from_millis(wait),
        );
    }
    assert_eq!(timers.next(), Some(start + Duration::from_millis(10)));
    assert_eq!(timers.pop_due(start), None);
    let later = start + Duration::from_millis(20);
    assert_eq!(timers.pop_due(later), Some((NetConnId::fake(1), Due::Idle)));
    assert_eq!(timers.pop_due(later), Some((NetConnId::fake(2), Due::Idle)));
    assert_eq!(timers.pop_due(later), None);
}

#[test]
fn a_kind_is_armed_once_until_it_fired() {
    let start = Instant::now();
    let mut timers = Timers::new();
    let mut armed = Armed::default();
    let id = NetConnId::fake(1);
    timers.arm(id, &mut armed, Due::Idle, start);
    timers.arm(id, &mut armed, Due::Idle, start);
    timers.arm(id, &mut armed, Due::Flush, start);
    assert_eq!(timers.len(), 2);
    assert!(timers.pop_due(start).is_some());
    armed.fired(Due::Idle);
    timers.arm(id, &mut armed, Due::Idle, start);
    assert_eq!(timers.len(), 2);
}

#[test]
fn deadlines_of_dead_sockets_do_not_pile_up() {
    let start = Instant::now();
    let mut timers = Timers::new();
    for n in 0..100_000 {
        timers.arm(NetConnId::fake(n), &mut Armed::default(), Due::Idle, start);
        timers.sweep(|id| id == NetConnId::fake(0));
    }
    assert!(timers.len() <= SWEEP_MIN, "{} left", timers.len());
}
