//! The journal: the one ordered log that every event goes through, and the only thing ever torn.

mod cursor;
mod round;
mod file;
mod walk;
mod examine;
mod recover;

pub(crate) use cursor::Cursor;
pub(crate) use examine::{Examined, examine};
pub(crate) use file::{DIR, QUARANTINE, Spare, SpareState, adopt, create_dirs, path_of};
pub(crate) use recover::recover;
pub(crate) use round::RoundBuilder;
