//! The clock and the files of the machine that runs the command. The engine has its own seam for these; a command is
//! never simulated.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, Utc};

#[expect(clippy::disallowed_methods, reason = "a command is not part of a simulated run")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a command is not part of a simulated run")]
pub(super) fn today() -> DateTime<Utc> {
    Utc::now()
}

#[expect(clippy::disallowed_methods, reason = "a command is not part of a simulated run")]
pub(super) fn random_id() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}

#[expect(clippy::disallowed_methods, reason = "not a file of a store")]
pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}
