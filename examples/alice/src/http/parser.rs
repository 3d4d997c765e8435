//! The incremental parser: bytes in pieces of any size, events out.

use bytes::BytesMut;

use super::chunked::Chunked;
use super::head::{self, Framing, Head};
use super::{BadRequest, Event, Limits, Request, Status};

/// Finds requests in the bytes of one connection.
///
/// [`push`](Self::push) what arrived, then take events with [`next`](Self::next) until there is none; a parser that is
/// used so holds at most one request within its [`Limits`] and the bytes of one push. The events do not depend on how
/// the bytes were cut. After an error there is no further event: nobody knows where the next request would start.
///
/// ```
/// use alice::http::{Event, Limits, Method, Parser};
///
/// let mut parser = Parser::new(Limits::default());
/// parser.push(b"GET / HTTP/1.1\r\nHost: he");
/// assert!(parser.next().is_none());
/// parser.push(b"re\r\n\r\n");
/// match parser.next() {
///     Some(Ok(Event::Request(request))) => assert_eq!(request.method, Method::Get),
///     other => panic!("{other:?}"),
/// }
/// assert!(parser.next().is_none());
/// ```
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    input: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    Head,
    Body {
        head: Head,
        body: BytesMut,
        rest: Rest,
        told_to_continue: bool,
    },
    Failed,
}

/// What is still to come of a body.
#[derive(Debug)]
enum Rest {
    Sized(usize),
    Chunked(Chunked),
}

impl Parser {
    /// A parser at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: BytesMut::new(),
            state: State::Head,
        }
    }

    /// Takes in what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed) {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next event in the bytes taken in so far; nothing where more bytes are needed.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends is not expected to go on; this one does"
    )]
    pub fn next(&mut self) -> Option<Result<Event, BadRequest>> {
        match self.advance() {
            Ok(event) => event.map(Ok),
            Err(error) => {
                self.state = State::Failed;
                self.input = BytesMut::new();
                Some(Err(error))
            }
        }
    }

    /// The client will send no more: an error if it stopped in the middle of a request.
    pub fn finish(&mut self) -> Option<BadRequest> {
        let unfinished = match self.state {
            State::Head => self.input.iter().any(|byte| !matches!(byte, b'\r' | b'\n')),
            State::Body { .. } => true,
            State::Failed => false,
        };
        self.state = State::Failed;
        unfinished.then_some(BadRequest {
            status: Status::BadRequest,
            why: "the request is not complete",
        })
    }

    fn advance(&mut self) -> Result<Option<Event>, BadRequest> {
        if let State::Head = self.state
            && !self.read_head()?
        {
            return Ok(None);
        }
        let State::Body {
            head,
            body,
            rest,
            told_to_continue,
        } = &mut self.state
        else {
            return Ok(None);
        };
        let complete = match rest {
            Rest::Sized(left) => {
                let taken = self.input.split_to((*left).min(self.input.len()));
                *left -= taken.len();
                body.extend_from_slice(&taken);
                *left == 0
            }
            Rest::Chunked(chunked) => chunked.read(
                &mut self.input,
                body,
                self.limits.body_bytes,
                self.limits.head_bytes,
            )?,
        };
        if complete {
            return Ok(self.take_request());
        }
        // Who has begun to send the body does not wait for leave any more.
        let waits =
            head.expects_continue && !*told_to_continue && body.is_empty() && self.input.is_empty();
        *told_to_continue = true;
        Ok(waits.then_some(Event::Continue))
    }

    /// Reads the head if it is all there, and decides how the body will be read.
    fn read_head(&mut self) -> Result<bool, BadRequest> {
        let Some((length, head)) = head::read(&self.input, &self.limits)? else {
            return Ok(false);
        };
        let _ = self.input.split_to(length);
        let rest = match head.framing {
            Framing::None => Rest::Sized(0),
            Framing::Sized(length) if length > self.limits.body_bytes => {
                return Err(BadRequest {
                    status: Status::ContentTooLarge,
                    why: "the body is too long",
                });
            }
            Framing::Sized(length) => Rest::Sized(length),
            Framing::Chunked => Rest::Chunked(Chunked::Size),
        };
        self.state = State::Body {
            head,
            body: BytesMut::new(),
            rest,
            told_to_continue: false,
        };
        Ok(true)
    }

    fn take_request(&mut self) -> Option<Event> {
        if self.input.is_empty() {
            // A connection at rest between requests holds no buffer.
            self.input = BytesMut::new();
        }
        match std::mem::replace(&mut self.state, State::Head) {
            State::Body { head, body, .. } => Some(Event::Request(Request {
                method: head.method,
                path: head.path,
                content_type: head.content_type,
                framed: head.framing != Framing::None,
                persistence: head.persistence,
                body: body.freeze(),
            })),
            State::Head | State::Failed => None,
        }
    }
}
