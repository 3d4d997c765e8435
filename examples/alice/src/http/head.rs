//! Reads a request head: request line and headers, and what they mean for framing and persistence.

use super::{BadRequest, Limits, Method, Persistence, Status};

/// A head that was understood.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: Option<String>,
    pub(super) persistence: Persistence,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
}

/// How the end of the body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// No header says so: there is no body.
    None,
    /// Content-Length.
    Sized(usize),
    /// Transfer-Encoding: chunked.
    Chunked,
}

fn bad(status: Status, why: &'static str) -> BadRequest {
    BadRequest { status, why }
}

/// Reads a head at the start of `bytes`: its length and meaning, or nothing if it is not all there yet.
///
/// The bytes are read again from their start whenever more arrive. That keeps garbage from waiting for a blank line
/// that never comes, and the limit on the head bounds what it costs (a few microseconds for each arrival).
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<(usize, Head)>, BadRequest> {
    let mut storage = [httparse::EMPTY_HEADER; Limits::MAX_HEADERS];
    let room = limits.headers.min(Limits::MAX_HEADERS);
    let mut request = httparse::Request::new(&mut storage[..room]);
    let parsed = request.parse(bytes).map_err(refuse)?;
    check_request_line(bytes, limits)?;
    match parsed {
        httparse::Status::Partial if bytes.len() > limits.head_bytes => {
            Err(bad(Status::HeaderTooLarge, "the request head does not end"))
        }
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) if length > limits.head_bytes => {
            Err(bad(Status::HeaderTooLarge, "the request head is too long"))
        }
        httparse::Status::Complete(length) => understand(&request).map(|head| Some((length, head))),
    }
}

fn refuse(error: httparse::Error) -> BadRequest {
    match error {
        httparse::Error::TooManyHeaders => bad(Status::HeaderTooLarge, "too many headers"),
        httparse::Error::HeaderName => bad(Status::BadRequest, "a header name is malformed"),
        httparse::Error::HeaderValue => bad(Status::BadRequest, "a header value is malformed"),
        httparse::Error::Version => bad(
            Status::BadRequest,
            "only HTTP/1.0 and HTTP/1.1 are spoken here",
        ),
        _ => bad(Status::BadRequest, "this is no HTTP request"),
    }
}

/// Refuses a request line over its limit, ended or not.
fn check_request_line(bytes: &[u8], limits: &Limits) -> Result<(), BadRequest> {
    // Empty lines before a request are allowed (and skipped by httparse), but they count towards the limit, so that
    // they cannot go on for ever.
    let blank = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let line = bytes[blank..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(bytes.len(), |end| blank + end);
    if line <= limits.request_line_bytes {
        return Ok(());
    }
    if bytes[blank..line].contains(&b' ') {
        Err(bad(Status::UriTooLong, "the request line is too long"))
    } else {
        Err(bad(Status::BadRequest, "this is no HTTP request"))
    }
}

/// Headers as they are counted up.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    transfer_encodings: usize,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    content_type: Option<String>,
}

fn understand(request: &httparse::Request<'_, '_>) -> Result<Head, BadRequest> {
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(bad(Status::BadRequest, "this is no HTTP request"));
    };
    let mut fields = Fields::default();
    for header in request.headers.iter() {
        fields.add(header)?;
    }
    let http_1_1 = version == 1;
    if fields.hosts > 1 || (http_1_1 && fields.hosts == 0) {
        return Err(bad(
            Status::BadRequest,
            "a request has exactly one Host header",
        ));
    }
    let persistence = match (fields.close, http_1_1, fields.keep_alive) {
        (false, true, _) | (false, false, true) => Persistence::KeepAlive,
        _ => Persistence::Close,
    };
    Ok(Head {
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        },
        path: path_of(target).to_owned(),
        persistence,
        framing: fields.framing(http_1_1)?,
        expects_continue: http_1_1 && fields.expects_continue,
        content_type: fields.content_type,
    })
}

impl Fields {
    fn add(&mut self, header: &httparse::Header<'_>) -> Result<(), BadRequest> {
        let name = header.name;
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case("content-length") {
            self.add_length(header.value)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.transfer_encodings += 1;
            self.chunked = header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            for token in header
                .value
                .split(|&byte| byte == b',')
                .map(<[u8]>::trim_ascii)
            {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name.eq_ignore_ascii_case("expect") {
            if !header
                .value
                .trim_ascii()
                .eq_ignore_ascii_case(b"100-continue")
            {
                return Err(bad(
                    Status::ExpectationFailed,
                    "the only expectation met here is 100-continue",
                ));
            }
            self.expects_continue = true;
        } else if name.eq_ignore_ascii_case("content-type") {
            let media_type = header
                .value
                .split(|&byte| byte == b';')
                .next()
                .unwrap_or_default()
                .trim_ascii();
            self.content_type = Some(String::from_utf8_lossy(media_type).to_ascii_lowercase());
        }
        Ok(())
    }

    /// Content-Length may come several times or as a list, as long as all say the same.
    fn add_length(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        for number in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            // from_str would also take "+5".
            let length = Some(number)
                .filter(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
                .and_then(|number| std::str::from_utf8(number).ok()?.parse::<u64>().ok())
                .ok_or(bad(
                    Status::BadRequest,
                    "Content-Length is no number of bytes",
                ))?;
            if self.length.is_some_and(|earlier| earlier != length) {
                return Err(bad(Status::BadRequest, "Content-Length contradicts itself"));
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// What is ambiguous is refused: two parties that disagree on the end of a body are how requests get smuggled.
    fn framing(&self, http_1_1: bool) -> Result<Framing, BadRequest> {
        match (self.transfer_encodings, self.length) {
            (0, None) => Ok(Framing::None),
            // A length beyond usize is beyond every limit, which the parser checks.
            (0, Some(length)) => Ok(Framing::Sized(
                usize::try_from(length).unwrap_or(usize::MAX),
            )),
            (_, Some(_)) => Err(bad(
                Status::BadRequest,
                "both Content-Length and Transfer-Encoding",
            )),
            (1, None) if http_1_1 && self.chunked => Ok(Framing::Chunked),
            _ => Err(bad(
                Status::BadRequest,
                "the only transfer coding understood here is chunked, in HTTP/1.1",
            )),
        }
    }
}

/// The path of a request target: `/a?b` and `http://host/a?b` are both `/a`.
fn path_of(target: &str) -> &str {
    let origin_form = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            rest.find(['/', '?']).map_or("/", |start| &rest[start..])
        }
        _ => target,
    };
    match origin_form.split('?').next() {
        Some("") | None => "/",
        Some(path) => path,
    }
}
