//! The parts of the test suite: an oracle, a world that can crash, workloads, and ways to damage a store.

pub mod oracle;
pub mod queries;
pub mod fixture;
pub mod world;
pub mod workloads;
pub mod crash_points;
pub mod simulation;
pub mod corruption;
pub mod server;
pub mod gate;
pub mod process;
pub mod kills;
pub mod command;
