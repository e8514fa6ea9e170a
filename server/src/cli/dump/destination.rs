//! Where a dump goes: standard output, or a file that has its name only once it is complete and durable.

use std::fs::Permissions;
use std::io::{self, StdoutLock, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::failure::{self, Failure};
use crate::cli::machine;

/// Where a dump goes.
pub(super) enum Destination {
    Terminal(StdoutLock<'static>),
    File { unnamed: NamedTempFile, path: PathBuf },
}

impl Destination {
    /// Standard output, or a new file at `path`.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be created.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Terminal(io::stdout().lock())) };
        if path.try_exists().map_err(|error| cannot_write(path, &error))? {
            return Err(exists(path));
        }
        let name =
            path.file_name().ok_or_else(|| Failure::new(format!("{} names no file", path.display())))?;
        let mut prefix = name.to_owned();
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        // As for a file that a shell creates: the mask of the user decides who may read it.
        let builder = builder.prefix(&prefix).suffix(".tmp").permissions(Permissions::from_mode(0o666));
        let unnamed = builder.tempfile_in(folder(path)).map_err(|error| cannot_write(path, &error))?;
        Ok(Self::File { unnamed, path: path.to_owned() })
    }

    /// Makes what was written durable, and gives the file its name. A file that got this name meanwhile stays.
    ///
    /// # Errors
    /// When that fails; the file is then removed.
    pub(super) fn complete(self) -> Result<(), Failure> {
        let Self::File { unnamed, path } = self else { return Ok(()) };
        let problem = |error: io::Error| cannot_write(&path, &error);
        unnamed.as_file().sync_all().map_err(problem)?;
        unnamed.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&path),
            _ => problem(error.error),
        })?;
        machine::open(folder(&path)).and_then(|folder| folder.sync_all()).map_err(problem)
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Terminal(output) => output.write(bytes),
            Self::File { unnamed, .. } => unnamed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Terminal(output) => output.flush(),
            Self::File { unnamed, .. } => unnamed.flush(),
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(path: &Path) -> Failure {
    let problem = format!("{} exists already; a dump never replaces a file", path.display());
    Failure::new(problem).advise("remove it, or choose another name")
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {}", path.display(), failure::reason(error)))
}
