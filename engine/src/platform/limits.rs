//! Limits that the system puts on a process. A write beyond the limit on the size of a file is to be an error like any
//! other; unless the signal is ignored that comes with it, it ends the process.

#![expect(unsafe_code, reason = "this is where signals are ignored")]

use std::io;
use std::sync::Once;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// From now on a write beyond the limit on the size of a file fails with [`std::io::ErrorKind::FileTooLarge`]. A
/// handler that the program has installed stays.
pub(super) fn ignore_file_size_signal() {
    static IGNORED: Once = Once::new();
    IGNORED.call_once(|| {
        // SAFETY: all zeros is a valid value of this structure.
        let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: asking changes nothing, and ignoring a signal runs no code of ours.
        unsafe {
            let asked = libc::sigaction(libc::SIGXFSZ, std::ptr::null(), &raw mut before);
            if asked == 0 && before.sa_sigaction == libc::SIG_DFL {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            }
        }
    });
}

/// Raises the number of files and connections that this process may have open to the most that the system allows it.
/// Returns that number; `None`: there is no limit.
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
