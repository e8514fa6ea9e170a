//! The test suite: everything that needs more than one module.

mod engine;
mod sealed;
mod folds;
mod clocks;
mod subscribe;
mod shortage;
mod fixtures;
mod folders;
mod refusals;
mod mapped;
mod crashes;
mod damage;
mod dumps;
mod http;
mod kills;
mod lineage;
mod system;
mod restore;
mod cli;
mod data_set;
#[cfg(feature = "planted")]
mod planted;
