//! What the server does beside answering requests: tasks that end in order, and workers that follow a log.

mod tasks;
mod clock;
mod health;
mod follower;

pub(crate) use clock::if_far as clock_lag;
pub use follower::{Follower, Progress, Worker};
pub use health::watch as watch_health;
pub use tasks::{Member, Tasks};
