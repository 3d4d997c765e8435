use d3_runtime::bounded;

use super::*;
use crate::NetCmd;

fn notice() -> Socket {
    Socket::Notice(Box::new(Outbox::new(bounded::<NetCmd>(1).0)))
}

fn put(sockets: &mut Sockets) -> NetConnId {
    let id = sockets.next_id().unwrap();
    sockets.insert(id, notice());
    id
}

#[test]
fn a_place_is_used_again_under_another_id() {
    let mut sockets = Sockets::new(1, 10);
    let first = put(&mut sockets);
    assert!(sockets.get(first).is_some());
    assert!(sockets.remove(first).is_some());
    let second = put(&mut sockets);
    assert_eq!(first.index(), second.index());
    assert_ne!(first, second);
    assert!(sockets.get(first).is_none());
    assert!(sockets.get_mut(first).is_none());
    assert!(sockets.remove(first).is_none());
    assert!(sockets.get(second).is_some());
}

#[test]
fn ids_of_other_networks_are_unknown() {
    let mut one = Sockets::new(1, 10);
    let mut two = Sockets::new(2, 10);
    let id = put(&mut one);
    put(&mut two);
    assert!(two.get(id).is_none());
    assert!(two.get(NetConnId::fake(0)).is_none());
}

#[test]
fn the_table_has_a_limit() {
    let mut sockets = Sockets::new(1, 2);
    let first = put(&mut sockets);
    put(&mut sockets);
    assert_eq!(sockets.next_id(), None);
    sockets.remove(first);
    assert!(sockets.next_id().is_some());
    assert_eq!(sockets.ids_from(0).count(), 1);
}
