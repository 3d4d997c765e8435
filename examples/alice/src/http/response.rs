//! Turns an answer into bytes.

use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;

use super::{Status, date};

/// Whether a connection stays open after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// The next request may follow on the same connection.
    KeepAlive,
    /// The server closes the connection after the response.
    Close,
}

/// An answer: a status and an HTML page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The methods that are allowed, for a 405.
    pub allow: Option<&'static str>,
    /// The page.
    pub page: String,
}

impl Response {
    /// The answer as bytes; with `head_only` the page is left out, but its length is told.
    #[must_use]
    pub fn encode(&self, persistence: Persistence, head_only: bool, now: SystemTime) -> Bytes {
        let connection = match persistence {
            Persistence::KeepAlive => "keep-alive",
            Persistence::Close => "close",
        };
        let mut text = format!(
            "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: {connection}\r\n",
            self.status,
            date::imf_fixdate(now),
            self.page.len(),
        );
        if let Some(methods) = self.allow {
            // Writing to a String cannot fail.
            let _ = write!(text, "Allow: {methods}\r\n");
        }
        text.push_str("\r\n");
        if !head_only {
            text.push_str(&self.page);
        }
        Bytes::from(text)
    }

    /// The interim answer to [`Event::Continue`](super::Event::Continue).
    #[must_use]
    pub fn go_on() -> Bytes {
        Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n")
    }
}
