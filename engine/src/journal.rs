//! The journal: the ordered log that every event goes through, and the only files that a crash can tear.

mod cursor;
mod round;
mod file;
mod current;
mod walk;
mod examine;
mod audit;
mod fragments;
mod recover;
#[cfg(test)]
mod example;

pub(crate) use audit::audit;
pub(crate) use current::Current;
pub(crate) use cursor::{Cursor, body_bytes_max, round_bytes, round_bytes_max};
pub(crate) use examine::{Examined, examine};
pub(crate) use file::{
    AdoptError, DIR, Needed, QUARANTINE, Reserved, Spare, is_any, is_full, missing, path_of, refusal,
    remove_leftovers,
};
pub(crate) use fragments::{Fragments, stores};
pub(crate) use recover::{Recovered, recover};
pub(crate) use round::RoundBuilder;
