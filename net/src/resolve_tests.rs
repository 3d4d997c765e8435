use super::*;

#[test]
fn numeric_addresses_are_parsed() {
    assert_eq!(
        resolve(" 127.0.0.1:0 "),
        Ok(SocketAddr::from(([127, 0, 0, 1], 0)))
    );
    assert!(resolve("[::]:80").is_ok_and(|a| a.is_ipv6()));
}

#[test]
fn a_name_is_looked_up() {
    assert!(
        resolve_all("localhost:80")
            .unwrap()
            .iter()
            .all(|a| a.ip().is_loopback() && a.port() == 80)
    );
}

#[test]
fn nonsense_is_an_error_that_names_itself() {
    for text in [
        "",
        "localhost",
        ":80",
        "localhost:",
        "localhost:70000",
        "1.2.3.4:x",
    ] {
        let error = resolve(text).unwrap_err();
        assert!(
            matches!(error, ResolveError::BadPort(_)),
            "{text}: {error:?}"
        );
        assert!(error.to_string().contains(text));
    }
    assert!(matches!(
        resolve("host name with spaces:1"),
        Err(ResolveError::NotFound(..))
    ));
}
