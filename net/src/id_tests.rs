use super::*;

#[test]
fn a_token_carries_index_and_generation() {
    for (index, generation) in [(0, 0), (1, 7), (MAX_INDEX, GENERATION_MASK), (12_345, 1)] {
        let id = NetConnId::new(3, index, generation);
        assert_eq!(NetConnId::from_token(3, id.token()), id);
        assert_ne!(id.token(), WAKE);
    }
}

#[test]
fn the_next_generation_names_another_socket() {
    let first = NetConnId::new(1, 5, 0);
    let second = NetConnId::new(1, 5, next_generation(0));
    assert_ne!(first, second);
    assert_ne!(first.token(), second.token());
    assert_eq!(
        next_generation(GENERATION_MASK),
        0,
        "generations wrap at the width of a token"
    );
}

#[test]
fn networks_do_not_share_ids() {
    assert_ne!(NetConnId::new(1, 5, 0), NetConnId::new(2, 5, 0));
}
