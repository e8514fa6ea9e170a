//! A file or standard input as lines; gzip is known by its first bytes, whatever the file is called.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::chunk::Lines;
use super::progress::Total;
use crate::cli::failure::Failure;
use crate::cli::machine;

const BUFFER_BYTES: usize = 256 << 10;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// No event is as long as this: what is longer is no line but some other file.
pub(super) const LINE_BYTES_MAX: usize = 32 << 20;

/// Lines of text from somewhere.
pub(in crate::cli) struct Source {
    reader: Box<dyn BufRead + Send>,
    name: Option<String>,
    total: Total,
    bytes_read: Arc<AtomicU64>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let problem = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
        if path == Path::new("-") {
            return Self::new(Box::new(io::stdin()), None, Total::Unknown).map_err(problem);
        }
        let file = machine::open(path).map_err(problem)?;
        let metadata = file.metadata().map_err(problem)?;
        if metadata.is_dir() {
            return Err(Failure::new(format!("{} is a folder; name its files", path.display())));
        }
        let total = if metadata.is_file() { Total::Bytes(metadata.len()) } else { Total::Unknown };
        let name = path.file_name().map(|name| name.to_string_lossy().trim_end_matches(".gz").to_owned());
        Self::new(Box::new(file), name, total).map_err(problem)
    }

    pub(super) fn new(input: Box<dyn Read + Send>, name: Option<String>, total: Total) -> io::Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, bytes_read: Arc::clone(&bytes_read) };
        let mut buffered = BufReader::with_capacity(BUFFER_BYTES, counted);
        let is_gzip = buffered.fill_buf()?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(buffered)))
        } else {
            Box::new(buffered)
        };
        Ok(Self { reader, name, total, bytes_read })
    }

    /// The file's name without its folder and `.gz`; standard input has none.
    pub(super) fn name(&self) -> Option<String> {
        self.name.clone()
    }

    pub(super) fn total(&self) -> Total {
        self.total
    }
}

impl Lines for Source {
    fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let limit = LINE_BYTES_MAX as u64;
        let read = (&mut self.reader).take(limit).read_until(b'\n', line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() >= LINE_BYTES_MAX {
            return Err(io::Error::other(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
        }
        Ok(read > 0)
    }

    fn done(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// Counts the bytes that were read, as they lie in the file.
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
