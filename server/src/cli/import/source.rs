//! A file or standard input as lines. Gzip is recognised by its first bytes, not by the name of the file.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::chunk::Lines;
use super::foreign::{self, Verdict};
use super::progress::Total;
use crate::cli::failure::{self, Exit, Failure};
use crate::cli::machine;
use crate::wire::LINE_BYTES_MAX;

const BUFFER_BYTES: usize = 256 << 10;

/// Bytes examined to recognise other kinds of files.
const HEAD_BYTES: usize = 64 << 10;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Lines of text from somewhere.
pub(in crate::cli) struct Source {
    reader: Headed,
    total: Total,
    bytes_read: Arc<AtomicU64>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let problem = |error: io::Error| {
            Failure::new(format!("cannot read {}: {}", path.display(), failure::reason(&error)))
        };
        if path == Path::new("-") {
            return Self::new(Box::new(io::stdin()), Total::Unknown)
                .map_err(problem)?
                .known("standard input", path);
        }
        let file = machine::open(path).map_err(problem)?;
        let metadata = file.metadata().map_err(problem)?;
        if metadata.is_dir() {
            return Err(Failure::new(format!("{} is a folder; name the files in it", path.display())));
        }
        let total = if metadata.is_file() { Total::Bytes(metadata.len()) } else { Total::Unknown };
        let name = path.display().to_string();
        Self::new(Box::new(file), total).map_err(problem)?.known(&name, path)
    }

    pub(super) fn new(input: Box<dyn Read + Send>, total: Total) -> io::Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, bytes_read: Arc::clone(&bytes_read) };
        let mut plain = Headed::new(Box::new(BufReader::with_capacity(BUFFER_BYTES, counted)));
        plain.read_head(|head| head.len() >= GZIP_MAGIC.len());
        let reader = if plain.head.starts_with(&GZIP_MAGIC) {
            let unzipped = BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain));
            Headed::new(Box::new(unzipped))
        } else {
            plain
        };
        Ok(Self { reader, total, bytes_read })
    }

    /// Examines the beginning, and refuses a source that is known not to be lines of events.
    fn known(mut self, label: &str, path: &Path) -> Result<Self, Failure> {
        match self.recognise() {
            Verdict::Lines => Ok(self),
            Verdict::Foreign { what, advice } => {
                let path =
                    if path == Path::new("-") { "FILE".to_owned() } else { path.display().to_string() };
                let problem =
                    format!("{label} is {what}, not one JSON object per line; nothing was appended");
                Err(Failure::new(problem).exit(Exit::Refused).advise(advice.replace("FILE", &path)))
            }
        }
    }

    pub(super) fn recognise(&mut self) -> Verdict {
        self.reader.read_head(foreign::is_enough);
        foreign::recognise(&self.reader.head)
    }

    pub(super) fn total(&self) -> Total {
        self.total
    }
}

impl Lines for Source {
    fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.reader).take(limit).read_until(b'\n', line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LINE_BYTES_MAX {
            let problem = format!("it is longer than {LINE_BYTES_MAX} bytes, more than any event needs");
            return Err(io::Error::other(problem));
        }
        Ok(read > 0)
    }

    fn done(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// A reader whose first bytes were examined.
struct Headed {
    head: Vec<u8>,
    taken: usize,
    /// The error that ended the head, to be reported after it.
    failure: Option<io::Error>,
    rest: Box<dyn BufRead + Send>,
}

impl Headed {
    fn new(rest: Box<dyn BufRead + Send>) -> Self {
        Self { head: Vec::new(), taken: 0, failure: None, rest }
    }

    /// Reads until the head decides the kind of file, is full, or ends.
    fn read_head(&mut self, is_enough: impl Fn(&[u8]) -> bool) {
        while self.failure.is_none() && self.head.len() < HEAD_BYTES && !is_enough(&self.head) {
            let read = match self.rest.fill_buf() {
                Ok([]) => return,
                Ok(bytes) => {
                    self.head.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => {
                    self.failure = Some(error);
                    0
                }
            };
            self.rest.consume(read);
        }
    }
}

impl BufRead for Headed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken < self.head.len() {
            #[expect(clippy::expect_used, reason = "the branch checked that the head reaches further")]
            let unread = self.head.get(self.taken..).expect("the head holds unread bytes");
            return Ok(unread);
        }
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.rest.fill_buf(),
        }
    }

    fn consume(&mut self, bytes: usize) {
        if self.taken < self.head.len() {
            self.taken += bytes;
            assert!(self.taken <= self.head.len(), "no more is consumed than was handed out");
        } else {
            self.rest.consume(bytes);
        }
    }
}

impl Read for Headed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Counts the bytes read from the file, before decompression.
struct Counted {
    input: Box<dyn Read + Send>,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
