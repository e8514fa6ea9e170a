//! A simulated machine: a disk that can fail in every way a disk fails, a clock that is moved by hand, and
//! randomness from a seed. Used by the crash tests, and as the memory behind volatile stores.

mod fault;
mod inode;
mod state;
mod file;
mod disk;
mod clock;

pub use clock::{SimClock, SimEntropy};
pub use disk::SimDisk;
pub use fault::{Faults, Seeded};
pub use inode::SECTOR_BYTES;
pub use state::Op;

#[cfg(test)]
mod tests;
