//! A simulated machine: a disk that can fail in every way a disk fails, a clock that is moved by hand, and
//! randomness from a seed. Used by the crash tests, and as the memory behind volatile stores.

mod disk;
mod file;
mod inode;
mod fault;
mod clock;

pub use clock::{SimClock, SimEntropy};
pub use disk::{Op, SimDisk};
pub use fault::{Faults, Seeded};
pub use inode::SECTOR_BYTES;

#[cfg(test)]
mod tests;
