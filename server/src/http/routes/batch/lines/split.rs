//! Splits pieces of any size into lines. A line in memory is never longer than the limit.

use bytes::{Bytes, BytesMut};

use crate::problem::{Kind, Problem};
use crate::wire::LINE_BYTES_MAX;

/// A line without its line break.
#[derive(Debug)]
pub(super) enum Line {
    /// Its text.
    Text(Bytes),
    /// The line was longer than the limit and was skipped.
    TooLong(Problem),
}

/// Takes pieces and returns lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    piece: Bytes,
    begun: BytesMut,
    is_too_long: bool,
}

impl Lines {
    /// Adds the next piece, once every line of the last one was returned.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.piece = piece;
    }

    /// The next complete line.
    pub(super) fn next(&mut self) -> Option<Line> {
        match self.piece.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let mut text = self.piece.split_to(end + 1);
                text.truncate(end);
                if self.begun.is_empty() && !self.is_too_long && end <= LINE_BYTES_MAX {
                    return Some(Line::Text(text));
                }
                self.extend(&text);
                Some(self.end())
            }
            None => {
                let rest = std::mem::take(&mut self.piece);
                self.extend(&rest);
                None
            }
        }
    }

    /// The last line, if it has no line break.
    pub(super) fn finish(&mut self) -> Option<Line> {
        (self.is_too_long || !self.begun.is_empty()).then(|| self.end())
    }

    fn extend(&mut self, text: &[u8]) {
        if self.begun.len() + text.len() > LINE_BYTES_MAX {
            self.is_too_long = true;
            self.begun = BytesMut::new();
        }
        if !self.is_too_long {
            self.begun.extend_from_slice(text);
        }
    }

    fn end(&mut self) -> Line {
        let text = std::mem::take(&mut self.begun).freeze();
        if std::mem::take(&mut self.is_too_long) {
            let detail = format!("the line is longer than {LINE_BYTES_MAX} bytes");
            return Line::TooLong(Problem::new(Kind::TOO_LARGE, detail));
        }
        Line::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        let text = |line| match line {
            Line::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            Line::TooLong(_) => "too long".to_owned(),
        };
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next() {
                found.push(text(line));
            }
        }
        found.extend(lines.finish().map(text));
        found
    }

    #[test]
    fn lines_do_not_depend_on_where_pieces_end() {
        let expected = ["one", "two", "", "three"];
        assert_eq!(split(&[b"one\ntwo\n\nthree"]), expected);
        assert_eq!(split(&[b"o", b"ne", b"\nt", b"wo\n", b"\n", b"three\n"]), expected);
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_next_is_whole() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(split(&[&long, b"x", b"x\nnext\n"]), ["too long", "next"]);
        assert_eq!(split(&[&long, b"\nnext"])[1], "next");
    }
}
