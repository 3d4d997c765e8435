//! Takes the chunked coding (RFC 9112 §7.1) off a body, as its bytes arrive.

use bytes::{Buf, BytesMut};

use super::{BadRequest, Status};

/// Longest line with the size of a chunk, extensions included.
const SIZE_LINE_BYTES_MAX: usize = 256;

/// Where in the coding the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before the line with a chunk's size.
    Size,
    /// Inside a chunk, with so many bytes to come.
    Data(usize),
    /// Before the line break after a chunk.
    DataEnd,
    /// After the last chunk; so many bytes of trailer were thrown away.
    Trailer(usize),
    /// The body is complete.
    End,
}

impl Chunked {
    /// Moves what it can from `input` to `body`; complete when it says so.
    pub(super) fn read(
        &mut self,
        input: &mut BytesMut,
        body: &mut BytesMut,
        body_bytes_max: usize,
        trailer_bytes_max: usize,
    ) -> Result<bool, BadRequest> {
        // Each turn consumes input, or changes the state towards one that does, or returns.
        loop {
            match *self {
                Self::Size => {
                    let Some((length, size)) = size_line(input)? else {
                        return Ok(false);
                    };
                    let left = body_bytes_max.saturating_sub(body.len());
                    let Some(size) = usize::try_from(size).ok().filter(|&size| size <= left) else {
                        return Err(BadRequest {
                            status: Status::ContentTooLarge,
                            why: "the body is too long",
                        });
                    };
                    input.advance(length);
                    *self = if size == 0 {
                        Self::Trailer(0)
                    } else {
                        Self::Data(size)
                    };
                }
                Self::Data(left) => {
                    let taken = left.min(input.len());
                    body.extend_from_slice(&input[..taken]);
                    input.advance(taken);
                    if taken < left {
                        *self = Self::Data(left - taken);
                        return Ok(false);
                    }
                    *self = Self::DataEnd;
                }
                Self::DataEnd => match (input.first(), input.get(1)) {
                    (Some(b'\r'), Some(b'\n')) => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    (None, _) | (Some(b'\r'), None) => return Ok(false),
                    _ => return Err(bad("a chunk is longer than it says")),
                },
                Self::Trailer(dropped) => match input.iter().position(|&byte| byte == b'\n') {
                    Some(end) if dropped + end > trailer_bytes_max => return Err(long_trailer()),
                    None if dropped + input.len() > trailer_bytes_max => return Err(long_trailer()),
                    None => return Ok(false),
                    Some(end) => {
                        let blank = matches!(&input[..end], b"" | b"\r");
                        input.advance(end + 1);
                        *self = if blank {
                            Self::End
                        } else {
                            Self::Trailer(dropped + end + 1)
                        };
                    }
                },
                Self::End => return Ok(true),
            }
        }
    }
}

fn size_line(input: &[u8]) -> Result<Option<(usize, u64)>, BadRequest> {
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Complete((length, size))) if length <= SIZE_LINE_BYTES_MAX => {
            Ok(Some((length, size)))
        }
        Ok(httparse::Status::Partial) if input.len() <= SIZE_LINE_BYTES_MAX => Ok(None),
        Ok(_) => Err(bad("the line with a chunk's size is too long")),
        Err(httparse::InvalidChunkSize) => Err(bad("a chunk's size is malformed")),
    }
}

fn bad(why: &'static str) -> BadRequest {
    BadRequest {
        status: Status::BadRequest,
        why,
    }
}

fn long_trailer() -> BadRequest {
    BadRequest {
        status: Status::HeaderTooLarge,
        why: "the trailer is too long",
    }
}
