//! Cuts the bytes of a connection into lines.

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line without its end, with control characters taken out and malformed UTF-8 replaced.
    Text(String),
    /// A line that went on for too long; it was thrown away.
    TooLong,
}

/// Puts lines together from pieces of any size, and never holds more than one line of the allowed length.
///
/// ```
/// use chat::lines::{Line, Lines};
///
/// let mut lines = Lines::new(100);
/// assert_eq!(lines.push(b"hel"), []);
/// assert_eq!(lines.push(b"lo\r\nwor"), [Line::Text("hello".into())]);
/// assert_eq!(lines.finish(), Some(Line::Text("wor".into())));
/// ```
#[derive(Debug)]
pub struct Lines {
    partial: Vec<u8>,
    /// The current line is already too long: what comes up to its end is thrown away.
    skipping: bool,
    line_bytes_max: usize,
}

impl Lines {
    /// A reader of lines of up to `line_bytes_max` bytes, line end not counted.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            partial: Vec::new(),
            skipping: false,
            line_bytes_max,
        }
    }

    /// Takes in what arrived and gives the lines that it completes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.extend(&rest[..end]);
            found.push(self.take());
            rest = &rest[end + 1..];
        }
        self.extend(rest);
        found
    }

    /// The other side will send no more: what is left counts as a line.
    pub fn finish(&mut self) -> Option<Line> {
        (self.skipping || !self.partial.is_empty()).then(|| self.take())
    }

    fn extend(&mut self, piece: &[u8]) {
        // One byte more than allowed may be the \r of the line end.
        if self.skipping || self.partial.len() + piece.len() > self.line_bytes_max + 1 {
            self.skipping = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(piece);
        }
    }

    fn take(&mut self) -> Line {
        let bytes = std::mem::take(&mut self.partial);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        if std::mem::take(&mut self.skipping) || bytes.len() > self.line_bytes_max {
            return Line::TooLong;
        }
        // Nobody shall move another's cursor.
        Line::Text(
            String::from_utf8_lossy(bytes)
                .chars()
                .filter(|c| !c.is_control())
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(line: &str) -> Line {
        Line::Text(line.into())
    }

    #[test]
    fn line_ends_of_both_kinds() {
        let mut lines = Lines::new(10);
        assert_eq!(
            lines.push(b"a\nb\r\n\n\r\nc"),
            [text("a"), text("b"), text(""), text("")]
        );
        assert_eq!(lines.push(b"\r"), []);
        assert_eq!(lines.push(b"\n"), [text("c")]);
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn long_lines_are_thrown_away() {
        let mut lines = Lines::new(3);
        assert_eq!(
            lines.push(b"abc\nabcd\nabc\r\nabcd\r\n"),
            [text("abc"), Line::TooLong, text("abc"), Line::TooLong]
        );
        for _ in 0..1_000 {
            assert_eq!(lines.push(b"xxxxx"), []);
            assert!(lines.partial.capacity() <= 8);
        }
        assert_eq!(lines.push(b"\nok\n"), [Line::TooLong, text("ok")]);
        assert_eq!(lines.push(b"abcdef"), []);
        assert_eq!(lines.finish(), Some(Line::TooLong));
    }

    #[test]
    fn only_text_comes_through() {
        assert_eq!(
            Lines::new(99).push(b"a\x1b[2Jb\x07\xff\tc\n"),
            [text("a[2Jb\u{fffd}c")]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn cuts_do_not_matter(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200), at in 1_usize..20) {
            let mut whole = Lines::new(12);
            let mut expected = whole.push(&bytes);
            expected.extend(whole.finish());
            let mut pieces = Lines::new(12);
            let mut found: Vec<_> = bytes.chunks(at).flat_map(|piece| pieces.push(piece)).collect();
            found.extend(pieces.finish());
            prop_assert_eq!(found, expected);
        }
    }
}
