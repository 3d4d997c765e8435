//! As much of HTTP/1.1 (RFC 9112) as a small service needs, without a socket in sight.
//!
//! Bytes go into a [`Parser`] in pieces of any size, [`Event`]s come out; a [`Response`] turns into bytes. Nothing
//! here does I/O or knows of machines, so every rule is tested with plain byte strings.

mod chunked;
mod date;
mod head;
mod parser;
mod response;

#[cfg(test)]
mod tests;

pub use parser::Parser;
pub use response::{Persistence, Response};

use std::fmt;

use bytes::Bytes;

/// How much of a client's bytes the parser is willing to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest request line in bytes; beyond it the answer is 414.
    pub request_line_bytes: usize,
    /// Longest head (request line and headers) in bytes; beyond it the answer is 431.
    pub head_bytes: usize,
    /// Most headers of one request (never more than [`Limits::MAX_HEADERS`]); beyond it the answer is 431.
    pub headers: usize,
    /// Longest body in bytes; beyond it the answer is 413.
    pub body_bytes: usize,
}

impl Limits {
    /// The room that the parser has for headers, whatever [`Limits::headers`] asks for.
    pub const MAX_HEADERS: usize = 128;
}

impl Default for Limits {
    /// 2 KiB of request line, 8 KiB of head, 64 headers, 8 KiB of body: ample for a browser and a small form.
    fn default() -> Self {
        Self {
            request_line_bytes: 2 * 1024,
            head_bytes: 8 * 1024,
            headers: 64,
            body_bytes: 8 * 1024,
        }
    }
}

/// What the parser found next in the bytes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The client waits for `100 Continue` before it sends its body.
    Continue,
    /// A whole request.
    Request(Request),
}

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path, without query and without scheme and authority.
    pub path: String,
    /// The media type of the body in lower case, without parameters.
    pub content_type: Option<String>,
    /// Whether the client said how long its body is (a length of 0 included).
    pub framed: bool,
    /// Whether the connection stays open after the response.
    pub persistence: Persistence,
    /// The body, with any chunked coding removed.
    pub body: Bytes,
}

/// The methods that the service tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: as GET, but the response has no body.
    Head,
    /// POST
    Post,
    /// Any other token.
    Other,
}

/// Bytes that are no request; the connection cannot go on after them, because nobody knows where the next one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRequest {
    /// What to answer.
    pub status: Status,
    /// What is wrong, for the body of the answer.
    pub why: &'static str,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.why)
    }
}

impl std::error::Error for BadRequest {}

/// The statuses that the service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 200
    Ok,
    /// 400
    BadRequest,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 411
    LengthRequired,
    /// 413
    ContentTooLarge,
    /// 414
    UriTooLong,
    /// 415
    UnsupportedMediaType,
    /// 417
    ExpectationFailed,
    /// 431
    HeaderTooLarge,
}

impl Status {
    /// The three digits.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::LengthRequired => 411,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::ExpectationFailed => 417,
            Self::HeaderTooLarge => 431,
        }
    }

    /// The words beside the digits.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::BadRequest => "Bad Request",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::LengthRequired => "Length Required",
            Self::ContentTooLarge => "Content Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::UnsupportedMediaType => "Unsupported Media Type",
            Self::ExpectationFailed => "Expectation Failed",
            Self::HeaderTooLarge => "Request Header Fields Too Large",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}
