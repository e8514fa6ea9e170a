//! The test suite: everything that needs more than one room of the house.

mod engine;
mod crashes;
mod damage;
mod http;
mod kills;
#[cfg(feature = "planted")]
mod planted;
