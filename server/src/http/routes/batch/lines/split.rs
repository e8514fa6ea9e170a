//! Splits pieces of any size into lines. A line in memory is never longer than the limit, and is charged as it grows.

use bytes::Bytes;

use crate::budget::{Budget, Buffer, Exhausted, Pieces};
use crate::problem::{Kind, Problem};
use crate::wire::LINE_BYTES_MAX;

/// A line without its line break.
#[derive(Debug)]
pub(super) enum Line {
    /// The text of a line that lies in one piece.
    Short(Bytes),
    /// The text of a line that came in several pieces.
    Long(Buffer),
    /// The line was longer than the limit and was skipped.
    TooLong(Problem),
}

/// Takes pieces and returns lines.
#[derive(Debug)]
pub(super) struct Lines {
    budget: Budget,
    piece: Bytes,
    begun: Pieces,
    is_too_long: bool,
    /// Whether `begun` is a whole line.
    is_whole: bool,
}

impl Lines {
    pub(super) fn new(budget: &Budget) -> Self {
        let begun = Pieces::new(budget, LINE_BYTES_MAX);
        Self { budget: budget.clone(), piece: Bytes::new(), begun, is_too_long: false, is_whole: false }
    }

    /// Adds the next piece, once every line of the last one was returned.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.piece = piece;
    }

    /// The next complete line.
    ///
    /// # Errors
    /// When the budget has no room for the line; the call can be repeated.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Exhausted> {
        if self.is_whole {
            return self.end().map(Some);
        }
        let mut text = self.piece.clone();
        let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
            self.extend(&text)?;
            self.piece = Bytes::new();
            return Ok(None);
        };
        let rest = text.split_off(end + 1);
        text.truncate(end);
        let is_short = self.begun.is_empty() && !self.is_too_long && end <= LINE_BYTES_MAX;
        if !is_short {
            self.extend(&text)?;
        }
        self.piece = rest;
        self.is_whole = !is_short;
        if is_short { Ok(Some(Line::Short(text))) } else { self.end().map(Some) }
    }

    /// The last line, if it has no line break.
    ///
    /// # Errors
    /// When the budget has no room for the line in one piece.
    pub(super) fn finish(&mut self) -> Result<Option<Line>, Exhausted> {
        let has_line = self.is_too_long || !self.begun.is_empty();
        has_line.then(|| self.end()).transpose()
    }

    fn extend(&mut self, text: &[u8]) -> Result<(), Exhausted> {
        if self.begun.len() + text.len() > LINE_BYTES_MAX {
            self.is_too_long = true;
            self.begun = Pieces::new(&self.budget, LINE_BYTES_MAX);
        }
        if self.is_too_long { Ok(()) } else { self.begun.extend(text) }
    }

    fn end(&mut self) -> Result<Line, Exhausted> {
        let text = self.begun.join()?;
        self.is_whole = false;
        if std::mem::take(&mut self.is_too_long) {
            let detail = format!("the line is longer than {LINE_BYTES_MAX} bytes");
            return Ok(Line::TooLong(Problem::new(Kind::TOO_LARGE, detail)));
        }
        Ok(Line::Long(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let budget = Budget::sized(96 << 20);
        let (mut lines, mut found) = (Lines::new(&budget), Vec::new());
        let text = |line| match line {
            Line::Short(text) => String::from_utf8_lossy(&text).into_owned(),
            Line::Long(text) => String::from_utf8_lossy(&text).into_owned(),
            Line::TooLong(_) => "too long".to_owned(),
        };
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next().expect("the budget has room") {
                found.push(text(line));
            }
        }
        found.extend(lines.finish().expect("the budget has room").map(text));
        assert_eq!(budget.charged(), 0, "a line that was taken is no longer charged");
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

    #[test]
    fn a_line_is_charged_for_the_memory_that_it_takes() {
        let budget = Budget::sized(96 << 20);
        let mut lines = Lines::new(&budget);
        for _ in 0..LINE_BYTES_MAX / (64 << 10) {
            lines.push(Bytes::from(vec![b'x'; 64 << 10]));
            assert!(lines.next().expect("the budget has room").is_none());
            assert!(budget.charged() >= lines.begun.len());
        }
        assert_eq!(budget.charged(), LINE_BYTES_MAX, "the whole of a line of the largest size");
        lines.push(Bytes::from_static(b"xx"));
        assert!(lines.next().expect("no room is needed").is_none());
        assert_eq!(budget.charged(), 0, "a line that is skipped takes no memory");
        let mut others = budget.charge();
        others.grow_to(84 << 20).expect("all the room");
        lines.push(Bytes::from(vec![b'x'; 64 << 10]));
        let line = lines.next().expect("the rest of the skipped line needs no room");
        assert!(line.is_none() && lines.is_too_long);
    }

    #[test]
    fn a_line_that_had_no_room_is_returned_by_the_next_call() {
        let budget = Budget::sized(96 << 20);
        let mut lines = Lines::new(&budget);
        lines.push(Bytes::from(vec![b'x'; 10 << 20]));
        assert!(lines.next().expect("the budget has room").is_none());
        let mut others = budget.charge();
        others.grow_to(70 << 20).expect("most of the rest");
        lines.push(Bytes::from_static(b"y\nnext\n"));
        assert!(lines.next().is_err() && lines.next().is_err(), "no room for the line in one piece");
        drop(others);
        let Some(Line::Long(text)) = lines.next().expect("the budget has room") else { panic!("a line") };
        assert_eq!((text.len(), text.last()), ((10 << 20) + 1, Some(&b'y')));
        assert!(matches!(lines.next(), Ok(Some(Line::Short(text))) if text == "next"));
    }
}
