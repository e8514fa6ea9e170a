//! Groups lines into requests.

use std::io;

use super::line::{self, Identity};
use crate::cli::failure;

/// A request is sent once it has this many bytes, however few lines it holds.
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// A source of lines.
pub(in crate::cli) trait Lines: Send {
    /// Reads the next line, without its line break, into the empty `line`; false at the end.
    fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool>;

    /// How much of the source has been read, in the unit of the progress.
    fn done(&self) -> u64;
}

/// A line that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Refusal {
    pub(super) line: u64,
    pub(super) reason: String,
}

/// The lines of one request.
#[derive(Debug, Default)]
pub(in crate::cli) struct Chunk {
    /// The lines to send.
    pub(super) body: Vec<u8>,
    /// The line number in the source of each line of the body.
    pub(super) numbers: Vec<u64>,
    /// Lines refused before sending.
    pub(super) refused: Vec<Refusal>,
    /// The last line of the source that the chunk covers.
    pub(super) last_line: u64,
    /// How much of the source has been read after it.
    pub(super) done: u64,
}

/// The chunks of a source, in order.
pub(in crate::cli) struct Chunks<L> {
    lines: L,
    identity: Identity,
    first_line: u64,
    number: u64,
    chunk_lines: usize,
    line: Vec<u8>,
    is_over: bool,
    /// The error that ended the source early, returned after everything before it.
    broken: Option<Broken>,
}

/// A source that could not be read to its end.
#[derive(Debug)]
pub(in crate::cli) struct Broken {
    /// The line that could not be read completely.
    pub(in crate::cli) line: u64,
    /// Why not.
    pub(in crate::cli) reason: String,
}

impl<L: Lines> Chunks<L> {
    /// Chunks of at most `chunk_lines` lines, from line `first_line` on, with ids in the namespace of `name`, if given.
    pub(in crate::cli) fn new(lines: L, name: Option<&str>, first_line: u64, chunk_lines: u32) -> Self {
        Self {
            lines,
            identity: Identity::new(name),
            first_line,
            number: 0,
            chunk_lines: chunk_lines as usize,
            line: Vec::new(),
            is_over: false,
            broken: None,
        }
    }

    /// Reads until the chunk is full or the source ends.
    fn fill(&mut self, chunk: &mut Chunk) -> io::Result<()> {
        while chunk.numbers.len() < self.chunk_lines && chunk.body.len() < CHUNK_BYTES_MAX {
            self.line.clear();
            if !self.lines.next_line(&mut self.line)? {
                self.is_over = true;
                break;
            }
            self.number += 1;
            chunk.last_line = self.number;
            let text = self.line.trim_ascii();
            let text =
                if self.number == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
            if text.is_empty() {
                continue;
            }
            if self.number < self.first_line {
                line::pass_over(&mut self.identity, text);
                continue;
            }
            match line::write(&mut chunk.body, &mut self.identity, text) {
                Ok(()) => chunk.numbers.push(self.number),
                Err(reason) => chunk.refused.push(Refusal { line: self.number, reason }),
            }
        }
        Ok(())
    }
}

impl<L: Lines> Iterator for Chunks<L> {
    type Item = Result<Chunk, Broken>;

    /// Lines read before an error are returned before the error.
    fn next(&mut self) -> Option<Result<Chunk, Broken>> {
        if let Some(broken) = self.broken.take() {
            return Some(Err(broken));
        }
        if self.is_over {
            return None;
        }
        let mut chunk =
            Chunk { body: Vec::with_capacity(CHUNK_BYTES_MAX), last_line: self.number, ..Chunk::default() };
        if let Err(error) = self.fill(&mut chunk) {
            self.is_over = true;
            self.broken = Some(Broken { line: self.number + 1, reason: failure::reason(&error) });
        }
        chunk.done = self.lines.done();
        Some(Ok(chunk))
    }
}
