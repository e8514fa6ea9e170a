//! Limits that the system sets for a process. A write beyond the file size limit must be an error like any other, but its
//! signal ends the process unless it is ignored.

#![expect(unsafe_code, reason = "this is where signals are ignored")]

use std::io;
use std::sync::Once;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// From now on a write beyond the file size limit fails with [`std::io::ErrorKind::FileTooLarge`]. A handler that the
/// program has installed stays.
pub(super) fn ignore_file_size_signal() {
    static IGNORED: Once = Once::new();
    IGNORED.call_once(|| {
        // SAFETY: all zeros is a valid value of this structure.
        let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: the query changes nothing, and ignoring a signal runs no code of ours.
        unsafe {
            let asked = libc::sigaction(libc::SIGXFSZ, std::ptr::null(), &raw mut before);
            if asked == 0 && before.sa_sigaction == libc::SIG_DFL {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            }
        }
    });
}

/// An error about the size of a file, with its name and the length it must have.
pub(crate) fn with_size(error: io::Error, path: &str, bytes: u64) -> io::Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let problem =
                format!("{path} needs {bytes} bytes, and files may not be as long (ulimit -f): {error}");
            io::Error::new(error.kind(), problem)
        }
        _ => error,
    }
}

/// Raises this process's limit on open files and connections to the maximum that the system allows. Returns the limit;
/// `None`: there is none.
///
/// # Errors
/// When the system refuses.
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current)
}
