//! The AllSource server: the engine over REST, WebSocket and server-sent events, and the command line of both.
//!
//! The order of the modules below is the order of dependency and of reading: a module uses only those above it.

pub mod numbers;
pub mod problem;
pub mod wire;
pub mod budget;
pub mod config;
pub mod store;
pub mod admission;
pub mod background;
pub mod system;
pub mod metrics;
pub mod app;
pub mod http;
pub mod lifecycle;
pub mod measure;
pub mod cli;
