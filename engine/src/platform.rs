//! The seam between the engine and the machine: disk, clock, randomness. Nothing else makes a system call.
//! Each has a real form and a simulated one, and a simulated run repeats exactly from its seed.

pub mod disk;
pub mod clock;
mod fault;
mod limits;
mod folder;
mod buffered;
mod direct;
mod local;
pub(crate) mod sync;
pub mod sim;

pub use clock::{Clock, Entropy, SystemClock, SystemEntropy, cpu_time};
pub use disk::{Disk, DiskFile, DiskLock, Identity, Mapping, Whereabouts};
pub use limits::raise_descriptor_limit;
pub(crate) use limits::with_size;
pub use local::LocalDisk;
