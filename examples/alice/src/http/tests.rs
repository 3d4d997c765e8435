use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: Application/X-WWW-Form-Urlencoded; charset=utf-8\r\n\
      Content-Length: 10\r\n\r\nAlice=Init";

fn all(parser: &mut Parser) -> Vec<Result<Event, BadRequest>> {
    std::iter::from_fn(|| parser.next()).collect()
}

fn parse(bytes: &[u8]) -> Vec<Result<Event, BadRequest>> {
    let mut parser = Parser::new(Limits::default());
    parser.push(bytes);
    all(&mut parser)
}

fn one(bytes: &[u8]) -> Request {
    match parse(bytes).as_slice() {
        [Ok(Event::Request(request))] => request.clone(),
        other => panic!("{other:?}"),
    }
}

fn refused(bytes: &[u8]) -> Status {
    match parse(bytes).as_slice() {
        [Err(error)] => error.status,
        other => panic!(
            "{}: {other:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
        ),
    }
}

#[test]
fn a_post_with_its_body() {
    let request = one(POST);
    assert_eq!(request.method, Method::Post);
    assert_eq!(request.path, "/");
    assert_eq!(
        request.content_type.as_deref(),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(request.persistence, Persistence::KeepAlive);
    assert!(request.framed);
    assert_eq!(&request.body[..], b"Alice=Init");
}

#[test]
fn single_bytes_give_the_same() {
    let mut parser = Parser::new(Limits::default());
    let mut found = Vec::new();
    for byte in POST {
        assert!(found.is_empty());
        parser.push(&[*byte]);
        found.extend(all(&mut parser));
    }
    assert_eq!(found, parse(POST));
}

#[test]
fn pipelined_requests_come_one_by_one() {
    let mut bytes = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    bytes.extend_from_slice(POST);
    bytes.extend_from_slice(b"\r\nHEAD /c?x=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /unfinished");
    let mut parser = Parser::new(Limits::default());
    parser.push(&bytes);
    let paths: Vec<_> = all(&mut parser)
        .into_iter()
        .map(|event| match event {
            Ok(Event::Request(request)) => (request.method, request.path),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (Method::Get, "/a"),
        (Method::Post, "/"),
        (Method::Head, "/c"),
    ];
    assert_eq!(
        paths,
        expected.map(|(method, path)| (method, path.to_owned()))
    );
    assert_eq!(
        parser.finish().map(|error| error.status),
        Some(Status::BadRequest)
    );
}

#[test]
fn persistence_follows_version_and_header() {
    for (bytes, persistence) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Persistence::KeepAlive),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
            Persistence::Close,
        ),
        ("GET / HTTP/1.0\r\n\r\n", Persistence::Close),
        (
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            Persistence::KeepAlive,
        ),
    ] {
        assert_eq!(one(bytes.as_bytes()).persistence, persistence, "{bytes}");
    }
}

#[test]
fn targets_in_every_form() {
    for (target, path) in [
        ("/", "/"),
        ("/?a=b", "/"),
        ("/a/b?c", "/a/b"),
        ("http://here/a?b", "/a"),
        ("http://here", "/"),
        ("http://here?x=/y", "/"),
        ("/redirect?to=http://elsewhere/", "/redirect"),
        ("*", "*"),
    ] {
        assert_eq!(
            one(format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).path,
            path
        );
    }
}

#[test]
fn garbage_is_refused_at_once() {
    assert_eq!(refused(b"\x16\x03\x01\x02\x00"), Status::BadRequest);
    assert_eq!(refused(b"hello\r\n"), Status::BadRequest);
    assert_eq!(refused(b"GET / HTTP/2.0\r\n"), Status::BadRequest);
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        Status::BadRequest
    );
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
        Status::BadRequest
    );
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
        Status::BadRequest
    );
    assert_eq!(refused(&vec![b'A'; 3_000]), Status::BadRequest);
    assert_eq!(refused(&b"\r\n".repeat(3_000)), Status::BadRequest);
}

#[test]
fn a_host_is_needed_once() {
    assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        Status::BadRequest
    );
}

#[test]
fn an_endless_request_line_is_414() {
    let mut bytes = b"GET /".to_vec();
    bytes.resize(2_000, b'a');
    assert!(parse(&bytes).is_empty());
    bytes.resize(2_100, b'a');
    assert_eq!(refused(&bytes), Status::UriTooLong);
    bytes.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(refused(&bytes), Status::UriTooLong);
}

#[test]
fn an_endless_head_is_431() {
    let mut parser = Parser::new(Limits::default());
    parser.push(b"GET / HTTP/1.1\r\nHost: a\r\nX: ");
    let mut found = Vec::new();
    for _ in 0..100 {
        parser.push(&[b'x'; 1_000]);
        found.extend(all(&mut parser));
    }
    // One answer, and no memory kept for what followed it.
    assert!(
        matches!(
            found[..],
            [Err(BadRequest {
                status: Status::HeaderTooLarge,
                ..
            })]
        ),
        "{found:?}"
    );
    assert!(parser.finish().is_none());

    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(70));
    assert_eq!(refused(many.as_bytes()), Status::HeaderTooLarge);
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "y".repeat(9_000)
    );
    assert_eq!(refused(long.as_bytes()), Status::HeaderTooLarge);
}

#[test]
fn lengths_that_lie_are_refused() {
    let with =
        |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n").into_bytes();
    for headers in [
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: ",
        "Content-Length: 5, 6",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(refused(&with(headers)), Status::BadRequest, "{headers}");
    }
    assert_eq!(
        refused(&with("Content-Length: 8193")),
        Status::ContentTooLarge
    );
    assert_eq!(
        refused(&with("Content-Length: 18446744073709551615")),
        Status::ContentTooLarge
    );
    assert_eq!(
        refused(&with("Expect: miracles")),
        Status::ExpectationFailed
    );
    assert_eq!(
        refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Status::BadRequest
    );
    assert_eq!(
        one(&[with("Content-Length: 3, 3").as_slice(), b"abc"].concat()).body,
        "abc"
    );
    assert!(!one(&with("X: y")).framed);
}

#[test]
fn a_chunked_body() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n".as_slice();
    let request = one(&[
        head,
        b"6\r\nAlice=\r\n4;x=y\r\nInit\r\n0\r\nTrailer: 1\r\n\r\n",
    ]
    .concat());
    assert_eq!(request.body, "Alice=Init");
    assert_eq!(
        refused(&[head, b"2\r\nabc\r\n"].concat()),
        Status::BadRequest
    );
    assert_eq!(refused(&[head, b"zz\r\n"].concat()), Status::BadRequest);
    assert_eq!(
        refused(&[head, b"2001\r\n"].concat()),
        Status::ContentTooLarge
    );
    assert_eq!(
        refused(&[head, b"1;", &[b'x'; 300]].concat()),
        Status::BadRequest
    );
    assert_eq!(
        refused(&[head, b"0\r\nX: ", &[b'x'; 9_000]].concat()),
        Status::HeaderTooLarge
    );
}

#[test]
fn who_waits_for_leave_is_told_to_go_on() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut parser = Parser::new(Limits::default());
    parser.push(head);
    assert_eq!(all(&mut parser), [Ok(Event::Continue)]);
    parser.push(b"a");
    assert_eq!(all(&mut parser), []);
    parser.push(b"b");
    assert!(matches!(all(&mut parser)[..], [Ok(Event::Request(_))]));
    // Who did not wait is not told.
    assert!(matches!(
        parse(&[head.as_slice(), b"ab"].concat())[..],
        [Ok(Event::Request(_))]
    ));
}

#[test]
fn the_end_of_input_between_requests_is_no_error() {
    let mut parser = Parser::new(Limits::default());
    parser.push(POST);
    assert_eq!(all(&mut parser).len(), 1);
    parser.push(b"\r\n");
    assert_eq!(all(&mut parser), []);
    assert_eq!(parser.finish(), None);

    let mut parser = Parser::new(Limits::default());
    parser.push(&POST[..POST.len() - 1]);
    assert_eq!(all(&mut parser), []);
    assert!(parser.finish().is_some());
}

#[test]
fn a_response_as_bytes() {
    let response = Response {
        status: Status::MethodNotAllowed,
        allow: Some("GET"),
        page: "no".into(),
    };
    let bytes = response.encode(Persistence::Close, false, UNIX_EPOCH);
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(
        text.starts_with(
            "HTTP/1.1 405 Method Not Allowed\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        ),
        "{text}"
    );
    assert!(text.contains("\r\nContent-Length: 2\r\n"), "{text}");
    assert!(text.contains("\r\nAllow: GET\r\n"), "{text}");
    assert!(
        text.ends_with("\r\nConnection: close\r\nAllow: GET\r\n\r\nno"),
        "{text}"
    );
    let head = response.encode(Persistence::KeepAlive, true, UNIX_EPOCH);
    assert!(head.ends_with(b"Connection: keep-alive\r\nAllow: GET\r\n\r\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However a stream is cut, the same requests come out, in the same order.
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(1_usize..60, 1..60)) {
        let chunked = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let get = b"GET /g HTTP/1.1\r\nHost: a\r\n\r\n";
        let stream = [POST, chunked, get, POST, chunked].concat();
        let mut parser = Parser::new(Limits::default());
        let mut found = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            parser.push(now);
            found.extend(all(&mut parser));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found.len(), 5);
        prop_assert_eq!(found, parse(&stream));
    }

    /// No bytes make the parser panic, and what it keeps stays within its limits.
    #[test]
    fn any_bytes_are_survived(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8)) {
        let mut parser = Parser::new(Limits::default());
        for prefix in [&b""[..], b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            parser.push(prefix);
            for piece in &pieces {
                parser.push(piece);
                let _ = all(&mut parser);
            }
        }
        let _ = parser.finish();
    }
}
